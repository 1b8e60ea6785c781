import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expectations, SERVER_LIMITS, serverExpectations } from '../../bench/expectations';
import { page, readmeWith } from '../../bench/report';
import { spread, type Results, type ServerResult } from '../../bench/results';
import {
	idealOf,
	ONE_PROCESS,
	phaseName,
	serverSituations,
	THREE_WORKERS,
	workerSituations,
	type Phase,
	type ServerSituation,
} from '../../bench/serverSituations';
import { idealSeconds, situations, takingPart } from '../../bench/situations';
import { first } from '../../lab/required';

const project = join(__dirname, '../..');
const read = (file: string) => readFileSync(join(project, file), 'utf8');
const results = (): Results => JSON.parse(read('bench/results.json'));

test('the page of the benchmark and README say what its results say', () => {
	// How wide a table's columns are is the formatter's.
	const words = (text: string) => text.replaceAll(/[\s|:-]+/g, ' ');
	expect(words(read('docs/benchmark.md'))).toBe(words(page(results())));
	expect(words(read('README.md'))).toBe(words(readmeWith(results(), read('README.md'))));
});

test.each(['merged', 'cost', 'memory'])('the chart bench-%s is of the same run', (name) => {
	const { date, versions } = results();
	const svg = read(`docs/images/bench-${name}.svg`);
	expect(svg).toContain(`n8n ${versions.n8n}, Node.js ${versions.node}`);
	expect(svg).toContain(date);
});

test('all that is planned was measured, as often as it is planned', () => {
	const { situations: measured, server } = results();
	const runsOf = measured.flatMap(({ name, contestants }) =>
		contestants.map(({ id, runs }) => [name, id, runs.length]),
	);
	const planned = situations.flatMap((situation) =>
		takingPart(situation).map(({ id, rounds }) => [situation.name, id, rounds]),
	);
	expect(runsOf.sort()).toEqual(planned.sort());
	const phases = (all: ServerSituation[], who = '') =>
		all.flatMap((situation) => situation.phases.map((phase) => phaseName(situation, phase) + who));
	expect(server.map(({ name }) => name)).toEqual([
		...phases(serverSituations),
		...phases(workerSituations, ONE_PROCESS),
		...phases(workerSituations, THREE_WORKERS),
	]);
});

test('the median is the middle one, or between the middle two', () => {
	expect(spread([30, 1, 2])).toEqual({ median: 2, least: 1, most: 30 });
	expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
});

test('the ideal is what the account allows', () => {
	const ideals = situations.slice(0, 3).map((situation) => [situation.name, idealSeconds(situation)]);
	expect(ideals).toEqual([
		['5 at a time', 8],
		['2 at a time', 20],
		['10 per second', 20],
	]);
});

describe('what is expected of the node', () => {
	type Run = Results['situations'][0]['contestants'][0]['runs'][0];
	/** What is missed when one round of the first situation is spoilt. */
	const missed = (spoil: (run: Run) => void) => {
		const spoilt = results();
		first(spoilt.situations, 'situation')
			.contestants.find(({ id }) => id === 'node')
			?.runs.slice(1, 2)
			.forEach(spoil);
		return expectations(spoilt)
			.filter(({ met }) => !met)
			.map(({ what }) => what);
	};

	it('holds in the results', () => {
		expect(missed(() => undefined)).toEqual([]);
	});

	it('is missed when a picture is lost', () => {
		expect(missed((run) => run.merged--)).toEqual(['share of the pairs merged']);
	});

	it('is missed when more is sent than needed', () => {
		expect(missed((run) => (run.requests *= 1.06))).toEqual(['requests per merged pair']);
	});

	it('is missed when pictures are stored in the database', () => {
		expect(missed((run) => (run.stored *= 10))).toEqual(["HTTP Request's stored data per merged pair ÷ the node's"]);
	});
});

describe('what is expected of the node in a server', () => {
	/** A phase in which all went as well as it can. */
	function ideally(situation: ServerSituation, phase: Phase, suffix = ''): ServerResult {
		const { visitors = { count: 0 }, batches = [], stopped } = phase;
		const idealSeconds = idealOf(situation, phase);
		const run = {
			served: visitors.count,
			waits: Array.from({ length: visitors.count }, () => situation.serviceMs / 1_000),
			merged: [...batches],
			requests: phase.samePictures ? 0 : 100,
			refused: 0,
			span: idealSeconds,
			batchSpan: idealSeconds,
			memory: situation.measuresMemory ? 500 : 0,
			shares: [60, 60, 60],
		};
		const { serviceMs } = situation;
		return {
			...{
				name: phaseName(situation, phase) + suffix,
				serviceMs,
				pictureBytes: 50_000,
				idealSeconds,
				batches,
				stopped,
			},
			visitors: visitors.count,
			contestants: [{ id: 'node', name: 'Merge Portraits', runs: [run] }],
		};
	}
	const all = () => [
		...serverSituations.flatMap((situation) => situation.phases.map((phase) => ideally(situation, phase))),
		...workerSituations.flatMap((situation) =>
			situation.phases.flatMap((phase) => [ONE_PROCESS, THREE_WORKERS].map((who) => ideally(situation, phase, who))),
		),
	];
	type Run = ServerResult['contestants'][0]['runs'][0];
	/** What is missed when something goes wrong in a phase. */
	const missed = (name: string, spoil: (run: Run) => void, results = all()) => {
		const spoilt = results.find((result) => result.name === name);
		expect(spoilt).toBeDefined();
		spoilt?.contestants.forEach(({ runs }) => runs.forEach(spoil));
		return serverExpectations(results).flatMap(({ what, met }) => (met ? [] : [what]));
	};
	const visitors = '40 visitors at once, 2 at a time: again';

	it('is limits for phases that there are', () => {
		expect(all().map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(SERVER_LIMITS)));
		expect(missed(visitors, () => undefined)).toEqual([]);
	});

	const beside = 'a batch of 120, visitors one by one, 3 at a time';
	const again = '20 pairs, 5 at a time: the same again';
	const stopped = 'one of three executions stopped, 3 at a time';

	it.each<[string, string, (run: Run) => void]>([
		['pictures lost in a server', visitors, (run) => run.served--],
		[`${visitors}: share refused`, visitors, (run) => (run.refused = 6)],
		[`${visitors}: span ÷ ideal`, visitors, (run) => (run.span = 13.6)],
		[`${beside}: slowest wait`, beside, (run) => (run.waits[3] = 2.1)],
		[`${again}: requests`, again, (run) => run.requests++],
		['pictures lost in a server', stopped, (run) => (run.merged = run.merged.map((pairs) => pairs - 1))],
	])('is missed: %s (%s)', (what, name, spoil) => {
		expect(missed(name, spoil)).toEqual([what]);
	});

	it('allows the one execution that is stopped to lose pictures, and a span a second more', () => {
		expect(missed(stopped, ({ merged }) => (merged[1] = 0))).toEqual([]);
		expect(missed(visitors, (run) => (run.span = 13.4))).toEqual([]);
	});

	it('is missed when memory grows with Max Concurrent Requests', () => {
		const name = '60 pairs of 3.8 MB, Max Concurrent Requests 100';
		expect(missed(name, (run) => (run.memory = 580))).toEqual([
			'peak memory with Max Concurrent Requests 100 ÷ with 2',
		]);
	});

	it.each<[string, (run: Run) => void]>([
		["workers' pairs per second ÷ one process's", (run) => (run.span *= 1.4)],
		["workers' share of requests refused", (run) => (run.refused = 20)],
		["the least of a worker's merges ÷ an equal share", (run) => (run.shares = [60, 60, 20])],
	])('of three workers is missed with: %s', (what, spoil) => {
		expect(missed(`6 executions, 2 at a time${THREE_WORKERS}`, spoil)).toEqual([what]);
	});

	it('is on the page, when it was measured', () => {
		const section = /^## In a server$/m;
		expect(page({ ...results(), server: [] })).not.toMatch(section);
		const shown = page({ ...results(), server: all() });
		expect(shown).toMatch(section);
		expect(shown).toContain(`| ${visitors} | Merge Portraits | 40 |`);
	});
});
