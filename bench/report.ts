/** The results in words: tables for the terminal, and the page in `docs`. */
import { first } from '../lab/first';
import { expectations, serverExpectations, timedExpectations, type Expectation } from './expectations';
import { figure, serverFigure, shortly, spread, type FigureName, type ServerFigureName, type Spread } from './figures';
import type { Results, ServerResult, SituationResult } from './results';

/** The columns of a situation's table: the figure and, in brackets, how many times the node's that is. */
const COLUMNS: Array<{ title: string; name: FigureName; digits: number; ratio?: boolean }> = [
	{ title: 'merged', name: 'merged', digits: 0 },
	{ title: 'paid for', name: 'paid', digits: 0 },
	{ title: 'requests per merged', name: 'requestsPerMerged', digits: 2 },
	{ title: 'span, s', name: 'span', digits: 1 },
	{ title: 'time per merged, ms', name: 'timePerMerged', digits: 0, ratio: true },
	{ title: 'span ÷ ideal', name: 'spanToIdeal', digits: 2 },
	{ title: 'CPU per pair, ms', name: 'cpuPerPair', digits: 0, ratio: true },
	{ title: 'peak memory, MB', name: 'memory', digits: 0, ratio: true },
	{ title: 'stored, KB', name: 'stored', digits: 0 },
	{ title: 'stored per merged, KB', name: 'storedPerMerged', digits: 1, ratio: true },
];

const SERVER_COLUMNS: Array<{ title: string; name: ServerFigureName; digits: number; percent?: boolean }> = [
	{ title: 'visitors served', name: 'served', digits: 0 },
	{ title: 'pairs merged', name: 'merged', digits: 0 },
	{ title: 'lost', name: 'lost', digits: 0 },
	{ title: 'requests', name: 'requests', digits: 0 },
	{ title: 'refused', name: 'refusedShare', digits: 1, percent: true },
	{ title: 'span, s', name: 'span', digits: 1 },
	{ title: 'span ÷ ideal', name: 'spanToIdeal', digits: 2 },
	{ title: 'middle wait', name: 'middleWait', digits: 1 },
	{ title: 'slowest wait', name: 'slowestWait', digits: 1 },
	{ title: 'batches, s', name: 'batchSpan', digits: 1 },
	{ title: 'batches ÷ ideal', name: 'batchToIdeal', digits: 2 },
	{ title: 'peak memory, MB', name: 'memory', digits: 0 },
	{ title: 'before, MB', name: 'memoryBefore', digits: 0 },
	{ title: 'least share', name: 'leastShare', digits: 2 },
];

/** One row for each contestant of each phase. */
export function serverTable(results: ServerResult[]): Array<Record<string, string>> {
	return results.flatMap((result) =>
		result.contestants.map(({ id, name, runs: [run] }) => ({
			'in a server': result.name,
			contestant: name,
			...Object.fromEntries(
				SERVER_COLUMNS.map(({ title, name: figureName, digits, percent }) => {
					const { median } = serverFigure(result, id, figureName) ?? { median: Number.NaN };
					if (!Number.isFinite(median)) return [title, '–'];
					return [title, percent ? `${number(100 * median, digits)} %` : number(median, digits)];
				}),
			),
			'paid of each': run && run.batches.length > 1 ? run.batches.map(({ paid }) => paid).join(', ') : '–',
		})),
	);
}

/** One row for each contestant: medians, and behind `separator` the range where there is one. */
export function table(situation: SituationResult, separator = ', '): Array<Record<string, string>> {
	return situation.contestants.map(({ id, name, runs }) => ({
		contestant: runs.length === 1 ? `${name} (1 round)` : name,
		...Object.fromEntries(
			COLUMNS.map(({ title, name: figureName, digits, ratio }) => {
				const value = figure(situation, id, figureName);
				const own = figure(situation, 'node', figureName);
				if (!value || !own || !Number.isFinite(value.median)) return [title, '–'];
				const times = ratio && id !== 'node' && value.median > 0 ? ` (${shortly(value.median / own.median)} ×)` : '';
				const differ = number(value.least, digits) !== number(value.most, digits);
				const spreads = differ ? separator + range(value, digits) : '';
				return [title, number(value.median, digits) + times + spreads];
			}),
		),
	}));
}

/** The page that shows all of it, in Markdown. */
export function page(results: Results): string {
	const { machine, versions, date, serviceMs, situations, overhead } = results;
	const intro = `# Benchmark

Written by \`npm run bench\` from [bench/results.json](../bench/results.json), ${date}: n8n ${versions.n8n} on Node.js
${versions.node}, package ${versions.package}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB,
${machine.system}.

![Pairs merged of pairs that could be merged](images/bench-merged.svg)
![What one merged pair costs](images/bench-cost.svg)
![Peak memory by number of pairs](images/bench-memory.svg)

## What was compared

The same pictures in the same n8n with binary data on disk, against the simulator, which takes ${serviceMs} ms for each merge and
answers with a picture of the inputs' size. Everybody was told 5 requests at a time where there is a place to say so.

- **n8n alone**: reads the pictures and does nothing with them. The floor for CPU and memory.
- **HTTP Request**: multipart form, default settings, then Convert to File.
- **HTTP Request with Batching**: the same, 5 items per batch, 1,000 ms between batches.
- **Loop, Wait and Retry On Fail**: the same inside Loop Over Items, 5 at a time, Wait of 1 s, Retry On Fail.
- **Merge Portraits**: this node.

On Error was "Continue" for everybody, so that one refusal takes no other picture with it. But Retry On Fail then sends the
five again only if the first of them failed; so the loop has n8n's default, Stop Workflow, where 5 % fail, and the bad portraits
are each the first of five. In one situation everybody has the default.

**merged**: pictures in n8n's binary store at the end. **paid for**: requests that the service merged. **span**: from the first
request to the last answer. **ideal**: service time × pairs ÷ requests at a time, or pairs ÷ requests per second. **CPU** and **memory**: of
the whole n8n process, its start and the reading of the pictures included; a contestant whose requests are refused has less to do.
**stored**: execution data in n8n's database. Medians, with the range of ${situations[0]?.contestants[0]?.runs.length ?? 0} rounds below them; in brackets how many
times this node's figure that is.

`;
	const sections = situations.map((situation) => {
		const { name, pairs, pictureBytes, idealSeconds } = situation;
		const about = `${pairs} pairs of ${pictureBytes / 1_000} KB, ideal ${idealSeconds.toFixed(1)} s.`;
		return `## ${name.charAt(0).toUpperCase()}${name.slice(1)}\n\n${about}\n\n${markdown(table(situation, '<br>'))}`;
	});
	const alone = overhead.map(({ pictureBytes, bareLoop, node, profile }) => {
		const [bare, own] = [spread(bareLoop), spread(node)];
		return `### Pictures of ${pictureBytes / 1_000} KB

CPU for each pair: bare loop ${bare.median.toFixed(2)} ms (${range(bare, 2)}), this node ${own.median.toFixed(2)} ms
(${range(own, 2)}): ${(own.median / bare.median).toFixed(2)} times as much.

${markdown(
	profile.map(({ where, bareLoop: loop, node: inNode }) => ({
		'main thread, µs per pair': where,
		'bare loop': (loop * 1_000).toFixed(0),
		'this node': (inNode * 1_000).toFixed(0),
	})),
)}`;
	});
	const all = [...expectations(results), ...timedExpectations(results)];
	return `${intro}${sections.join('\n')}${inServer(results)}
## The node alone

The node's \`execute\` in n8n's engine, by turns with a loop as one would first write it: over n8n's HTTP helper, five at a time,
no checks, no retries, nothing remembered, the template read once. The service answers at once; ${overhead[0]?.node.length ?? 0} rounds.

${alone.join('\n')}
## What was expected

${met(all)}`;
}

/** Nothing where nothing was measured. */
function inServer({ visitors, workers }: Results): string {
	const parts = [visitors, workers].flatMap((part) => part ?? []);
	if (parts.length === 0) return '';
	const results = parts.flatMap((part) => part.results);
	return `
## In a server

n8n as a server, with pictures of 50 KB unless said otherwise (${[...new Set(parts.map(({ date }) => date))].join(', ')}). A
visitor sends a pair to a webhook and waits for the picture; a batch is an execution that reads its pairs from disk. Each
situation begins with an account that this n8n does not know, and where there is one process, with a new one; after a colon
is what then happens there.

**lost**: pictures that a visitor, or an execution that nobody stopped, did not get. **wait**: from a visitor's call to the
end of the answer, in service times. **batches**: from the first request to the end of the last merge for a batch. **paid of
each**: merges for each of several executions. **before**: memory before the visitors or batches came. **least share**:
pairs merged by the slowest worker, beside an equal share, until the first worker is done. **ideal** as above; where a line
delays each request by a random time of up to 100 ms, half of that is part of what a request takes.

${markdown(serverTable(results))}
${met(serverExpectations(results))}`;
}

function met(expected: Expectation[]): string {
	return markdown(expected.map((expectation) => ({ ...expectation, met: expectation.met ? 'yes' : '**no**' })));
}

function markdown(rows: Array<Record<string, string>>): string {
	const titles = Object.keys(first(rows, 'row'));
	const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
	return [titles, titles.map(() => '---'), ...rows.map((row) => titles.map((title) => row[title] ?? ''))]
		.map(line)
		.join('');
}

const range = ({ least, most }: Spread, digits: number) => `${number(least, digits)} to ${number(most, digits)}`;

const number = (value: number, digits: number) =>
	value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
