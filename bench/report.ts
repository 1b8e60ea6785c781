/** The results in words: tables for the terminal, the page in `docs`, and what README says of them. */
import { expectations, serverExpectations, speedOfWorkers, timedExpectations, type Expectation } from './expectations';
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import {
	figure,
	FIGURES,
	SERVER_FIGURES,
	shortly,
	spread,
	type Column,
	type Results,
	type ServerResult,
	type SituationResult,
	type Spread,
} from './results';
import { ONE_PROCESS, THREE_WORKERS } from './serverSituations';
import { AT_A_TIME, SERVICE_MS } from './situations';

type Row = Record<string, string>;

const SERVER_COLUMNS = Object.values(SERVER_FIGURES).filter(
	(column) => column !== SERVER_FIGURES.lost && column !== SERVER_FIGURES.span,
);

/** One row for each contestant of each phase, without the columns that say nothing of any. */
export function serverTable(results: ServerResult[]): Row[] {
	const rows = results.flatMap((result) =>
		result.contestants.map(({ id, name }): Row => {
			const cells = SERVER_COLUMNS.map((column) => [
				column.title,
				number(figure(result, id, column).median, column.digits),
			]);
			return { 'in a server': result.name, contestant: name, ...Object.fromEntries(cells) };
		}),
	);
	const isUsed = (title: string) => rows.some((row) => row[title] !== '–');
	return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([title]) => isUsed(title))));
}

/** In brackets behind them is how many times the node's that is. */
const COMPARED: object[] = [FIGURES.cpuPerPair, FIGURES.memory, FIGURES.storedPerMerged];

/** One row for each contestant: medians, and behind `separator` the range where there is one. */
export function table(situation: SituationResult, separator = ', '): Row[] {
	return situation.contestants.map(({ id, name, runs }) => {
		const cells = Object.values(FIGURES).map((column) => {
			const { title, digits } = column;
			const value = figure(situation, id, column);
			const ratio = value.median / figure(situation, 'node', column).median;
			const isCompared = COMPARED.includes(column) && id !== 'node' && ratio > 0 && ratio < Infinity;
			const differ = number(value.least, digits) !== number(value.most, digits);
			const behind = differ ? separator + range(value, digits) : '';
			return [title, number(value.median, digits) + (isCompared ? ` (${times(ratio)})` : '') + behind];
		});
		return { contestant: runs.length === 1 ? `${name} (1 round)` : name, ...Object.fromEntries(cells) };
	});
}

/** What a user asks, answered with and without this node; a question for each thing that was measured. */
export function summary({ situations, server }: Results): string {
	const batches = (name: string) => situations.find((situation) => situation.name === name);
	const inServer = (name: string) => server.find((result) => result.name === name);
	const complete = situations.filter((each) => figure(each, 'node', FIGURES.merged).least === each.mergeable).length;
	const workers = server.filter(({ name }) => name.endsWith(THREE_WORKERS));
	const timeOf = (situation: SituationResult) => figure(situation, 'node', FIGURES.timeToIdeal).median;
	const [slowest] = [...situations].sort((one, other) => timeOf(other) - timeOf(one));
	const waited = (result: ServerResult, column: typeof SERVER_FIGURES.middleWait) =>
		`${number((figure(result, 'node', column).median * result.serviceMs) / 1_000, 0)} s`;
	const rows = [
		about(batches('2 at a time'), 'Is every pair merged where the account takes 2 at a time?', (situation) => [
			`${number(figure(situation, 'node', FIGURES.merged).median, 0)} of ${situation.mergeable}; and all that can be in ${complete} of ${situations.length} situations`,
			eachOther(situation, FIGURES.merged, (merged) => `${number(merged, 0)} of ${situation.mergeable}`),
		]),
		about(
			batches('5 at a time'),
			'How long do 200 pairs take, compared with the ideal, at 5 at a time?',
			(situation) => [
				`${times(timeOf(situation))}${slowest ? ` (at worst ${times(timeOf(slowest))}: ${slowest.name})` : ''}`,
				eachOther(situation, FIGURES.timeToIdeal, times, ['batching', 'loop', 'sequence']),
			],
		),
		about(batches('5 % fail with 502'), 'What is paid for twice when 5 % fail?', (situation) => {
			const twice = (id: ContestantId) =>
				figure(situation, id, FIGURES.paid).median - figure(situation, id, FIGURES.merged).median;
			return [
				`${twice('node')} requests`,
				`${SHORT_NAMES.loop}: ${twice('loop')} of ${figure(situation, 'loop', FIGURES.paid).median} requests`,
			];
		}),
		about(batches('pictures of 1.2 MB'), 'How much memory do 200 pairs of 1.2 MB take?', (situation) => [
			`${megabytes(figure(situation, 'node', FIGURES.memory).median)} (n8n alone: ${megabytes(figure(situation, 'nothing', FIGURES.memory).median)})`,
			eachOther(situation, FIGURES.memory, megabytes),
		]),
		about(batches('pictures of 1.2 MB'), 'What goes into the database for each of them?', (situation) => [
			kilobytes(figure(situation, 'node', FIGURES.storedPerMerged).median),
			eachOther(situation, FIGURES.storedPerMerged, kilobytes, ['http', 'sequence']),
		]),
		about(
			inServer('90 visitors at once, 2 at a time, 3 s a merge'),
			'Do 90 visitors at once get their pictures?',
			(result) => [
				`${figure(result, 'node', SERVER_FIGURES.served).median}; half of them within ${waited(result, SERVER_FIGURES.middleWait)}, the last after ${waited(result, SERVER_FIGURES.slowestWait)} (ideal: ${number(result.idealSeconds, 0)} s)`,
				`HTTP Request with Retry On Fail: ${figure(result, 'http', SERVER_FIGURES.served).median}, and ${figure(result, 'http', SERVER_FIGURES.withError).median} get an error`,
			],
		),
		about(workers[0], 'Do three workers merge as fast as one process?', () => [
			`${workers.map((result) => `${accountOf(result)}: ${number(100 * speedOfWorkers(result, server), 0)} %`).join(', ')}; ${number(100 * Math.max(...workers.map((result) => figure(result, 'node', SERVER_FIGURES.refusedShare).median)), 0)} % refused at most`,
			'–',
		]),
		about(
			inServer('2,000 pairs, 10 at a time: unchanged'),
			'What is sent when 2,000 pairs run again, unchanged?',
			(result) => [`${figure(result, 'node', SERVER_FIGURES.requests).median} requests`, 'all of them again'],
		),
	];
	return markdown(rows.flat());
}

/** What the account takes, as the situation's name says it. */
const accountOf = ({ name }: ServerResult) => name.split(', ')[1];

/** A row, where what it is about was measured. */
function about<T>(measured: T | undefined, question: string, answers: (measured: T) => [string, string]): Row[] {
	if (measured === undefined) return [];
	const [node, without] = answers(measured);
	return [{ question, 'Merge Portraits': node, 'built without it': without }];
}

const times = (value: number) => `${shortly(value)} ×`;
const megabytes = (value: number) => `${number(value, 0)} MB`;
const kilobytes = (value: number) => `${number(value, value < 10 ? 1 : 0)} KB`;

const SHORT_NAMES = { http: 'HTTP Request', batching: 'Batching', loop: 'Loop', sequence: 'one after another' };
type Other = keyof typeof SHORT_NAMES;

/** What the others have of a figure, in one line. */
function eachOther(
	situation: SituationResult,
	column: Column<Figures, SituationResult>,
	say: (value: number) => string,
	others: Other[] = ['http', 'batching', 'loop', 'sequence'],
): string {
	const said = others.map((id) => ({ id, value: figure(situation, id, column).median }));
	const known = said.filter(({ value }) => Number.isFinite(value));
	return known.map(({ id, value }) => `${SHORT_NAMES[id]}: ${say(value)}`).join(', ');
}

/** README with the summary in its place. @throws Error when README has none */
export function readmeWith(results: Results, readme: string): string {
	const place = /(?<=<!-- npm run bench -->\n)[^]*(?=<!-- end -->)/;
	if (!place.test(readme)) throw new Error('README has no place for the benchmark');
	return readme.replace(place, () => `\n${summary(results)}\n`);
}

/** The page that shows all of it, in Markdown. */
export function page(results: Results): string {
	const { machine, versions, date, situations, server, overhead } = results;
	const sections = situations.map((situation) => {
		const { name, pairs, pictureBytes, idealSeconds } = situation;
		const about = `${number(pairs, 0)} pairs of ${number(pictureBytes / 1_000, 0)} KB, ideal ${idealSeconds.toFixed(1)} s.`;
		return `### ${name.charAt(0).toUpperCase()}${name.slice(1)}\n\n${about}\n\n${markdown(table(situation, '<br>'))}`;
	});
	const alone = overhead.map(({ pictureBytes, bareLoop, node }) => {
		const [bare, own] = [spread(bareLoop), spread(node)];
		return {
			pictures: `${number(pictureBytes / 1_000, 0)} KB`,
			'bare loop, CPU ms per pair': `${bare.median.toFixed(2)} (${range(bare, 2)})`,
			'this node': `${own.median.toFixed(2)} (${range(own, 2)})`,
			times: (own.median / bare.median).toFixed(2),
		};
	});
	const expected = [...expectations(results), ...timedExpectations(results), ...serverExpectations(server)];
	return `# Benchmark

${summary(results)}
<p>
	<img src="images/bench-merged.svg" width="49%" alt="Pairs merged in each situation, out of those that could be">
	<img src="images/bench-cost.svg" width="49%" alt="How many times as much time, CPU, memory and stored data the alternatives take">
</p>

Written by \`npm run bench\` from [bench/results.json](../bench/results.json), all measured in one run on ${date}: n8n ${versions.n8n} on
Node.js ${versions.node}, package ${versions.package}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, ${machine.system}.

## What was compared

The same pictures in the same n8n with binary data on disk, against the simulator, which takes ${SERVICE_MS} ms for each merge unless
stated otherwise and answers with a picture of the inputs' size. All were set to ${AT_A_TIME} requests at a time where they have a
setting for it, or to 20 where the account takes 20.

- **n8n alone**: reads the pictures and does nothing with them. The baseline for CPU and memory.
- **HTTP Request**: a multipart form, default settings, then Convert to File.
- **HTTP Request with Batching**: the same, with that many items per batch and 1,000 ms between batches, or 4,000 ms where a merge takes 3 s.
- **Loop, Wait and Retry On Fail**: the same inside Loop Over Items, with a Wait of 1 s and Retry On Fail.
- **One after another, left in the item**: what a node for any API does. HTTP Request inside Loop Over Items, one item at a time (with
  Batching of 1 it would not wait for answers), without Convert to File: the pictures stay in the items as Base64 and are
  counted there.
- **Merge Portraits**: this node.

On Error was "Continue" for all, so that one refusal takes no other picture with it. But Retry On Fail then sends the five
again only if the first of them failed; so where 5 % fail, the loop has n8n's default, Stop Workflow, and each bad portrait is
the first of five. In one situation all have the default. A contestant that is missing from a situation would take minutes there
(2,000 pairs) or show nothing that another does not.

## Batches

**merged**: pictures in n8n's binary store at the end. **paid for**: requests that the service merged. **span**: from the first
request to the last answer. **ideal**: service time × pairs ÷ requests at a time, or pairs ÷ requests per second; divided by the
number of pairs where it is compared with the time for one. **CPU** and **memory**: of the whole n8n process, including its start
and the reading of the pictures; a contestant whose requests are refused has less to do. **stored**: execution data in n8n's
database. Medians, with the range over the rounds below them; in brackets, the multiple of this node's figure.

![Peak memory by number of pairs](images/bench-memory.svg)

${sections.join('\n')}${inServer(server)}
## The node alone

The node's \`execute\` in n8n's engine, in turns with a loop as one would first write it: n8n's HTTP helper, ${AT_A_TIME} at a time,
no checks, no retries, nothing remembered, the template read once. The service answers at once; medians and ranges of
${overhead[0]?.node.length ?? 0} rounds.

${markdown(alone)}
## What was expected

${met(expected)}
[From a hundred pairs to a million](scale.md) explains what the figures mean, and why an expectation is missed where one is.
`;
}

/** Nothing where nothing was measured. */
function inServer(results: ServerResult[]): string {
	if (results.length === 0) return '';
	const ofWorkers = results.filter(({ name }) => [ONE_PROCESS, THREE_WORKERS].some((who) => name.endsWith(who)));
	const others = results.filter((result) => !ofWorkers.includes(result));
	const groups = [
		others.filter(({ visitors }) => visitors > 0),
		others.filter(({ visitors }) => visitors === 0),
		ofWorkers,
	];
	return `
## In a server

n8n as a server, with pictures of 50 KB unless stated otherwise. A visitor sends a pair to a webhook and waits for the picture; a
batch is an execution that reads its pairs from disk. Each situation begins with an account that this n8n does not know; the
words after a colon say what happens next. For comparison, visitors also meet HTTP Request with **Retry On Fail**, five tries 5 s
apart, the most that n8n allows.

**with an error**: visitors who got no picture. **wait**: from a visitor's call to the end of the answer, in service times.
**batches**: from the first request to the end of the last merge for a batch. **memory**: the peak of a new process.
**least share**: pairs merged by the slowest worker until the first worker is done, relative to an equal share. **ideal** as
above; where the line delays each request by a random time of up to 100 ms, half of that counts as part of the request.

${groups
	.filter((group) => group.length > 0)
	.map((group) => markdown(serverTable(group)))
	.join('\n')}`;
}

function met(expected: Expectation[]): string {
	return markdown(expected.map((expectation) => ({ ...expectation, met: expectation.met ? 'yes' : '**no**' })));
}

function markdown(rows: Row[]): string {
	const titles = Object.keys(rows[0] ?? {});
	const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
	return [titles, titles.map(() => '---'), ...rows.map((row) => titles.map((title) => row[title] ?? ''))]
		.map(line)
		.join('');
}

const range = ({ least, most }: Spread, digits: number) => `${number(least, digits)} to ${number(most, digits)}`;

/** A dash where there is none. */
const number = (value: number, digits: number) =>
	!Number.isFinite(value)
		? '–'
		: value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
