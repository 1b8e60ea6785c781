/** What the node is held to, and whether it keeps it. */
import { byPairs, figure, serverFigure, spread, type FigureName, type ServerFigureName, type Spread } from './figures';
import type { Results, ServerResult, SituationResult } from './results';
import { ONE_PROCESS, THREE_WORKERS } from './serverSituations';

export interface Expectation {
	what: string;
	expected: string;
	measured: string;
	met: boolean;
}

/** Those that hold on any machine, however busy, and in each round: counts and sizes. */
export function expectations({ situations }: Results): Expectation[] {
	return situations.flatMap((situation) => {
		const { name, mergeable } = situation;
		const merged = own(situation, 'merged').least;
		const stored = own(situation, 'storedPerMerged').most;
		// Those who merge nothing store nothing to be compared.
		const http = figure(situation, 'http', 'storedPerMerged')?.least ?? Number.POSITIVE_INFINITY;
		return [
			{ what: `${name}: pairs merged`, expected: `all ${mergeable}`, measured: `${merged}`, met: merged === mergeable },
			atMost(`${name}: requests per merged pair`, 1.05, own(situation, 'requestsPerMerged').most),
			...(Number.isFinite(http)
				? [atLeast(`${name}: HTTP Request's stored data per merged pair ÷ the node's`, 50, http / stored)]
				: []),
		];
	});
}

/** Those about time, CPU and memory, for a machine that does nothing else: medians. */
export function timedExpectations({ situations, overhead }: Results): Expectation[] {
	const [, hundreds = Number.NaN, thousands = Number.NaN] = byPairs(situations).map(
		(situation) => own(situation, 'memory').median,
	);
	return [
		...situations.map((situation) =>
			atMost(`${situation.name}: span ÷ ideal`, 1.25, own(situation, 'spanToIdeal').median),
		),
		...overhead.map(({ pictureBytes, bareLoop, node }) => {
			const ratio = spread(node).median / spread(bareLoop).median;
			return atMost(`pictures of ${pictureBytes / 1_000} KB: CPU ÷ the bare loop's`, 1.2, ratio);
		}),
		atMost('peak memory of 2,000 pairs ÷ of 200 pairs', 1.1, thousands / hundreds),
	];
}

type Limits = Partial<Record<ServerFigureName, number>> & {
	/** Seconds that the span may take on top. */
	spare?: number;
};

const VARYING = { spanToIdeal: 1.2, refusedShare: 0.1 };

/** The most of each figure, by the phase's name. */
export const SERVER_LIMITS: Record<string, Limits> = {
	'40 visitors at once, 2 at a time: first': { spanToIdeal: 1.25, spare: 1, refusedShare: 0.15 },
	'40 visitors at once, 2 at a time: again': { spanToIdeal: 1.25, spare: 1, refusedShare: 0.05 },
	'90 visitors at once, 2 at a time, 3 s a merge': { spanToIdeal: 1.1, refusedShare: 0.05 },
	'a batch of 120, visitors one by one, 3 at a time': { middleWait: 2.5, slowestWait: 4, batchToIdeal: 1.2 },
	'20 pairs, 5 at a time: others': { spanToIdeal: 1.1 },
	'20 pairs, 5 at a time: the same again': { requests: 0 },
	'delay varies by 100 ms: 2 per second': VARYING,
	'delay varies by 100 ms: 5 per second, fixed windows': VARYING,
	'delay varies by 100 ms: 3 at a time': VARYING,
	'delay varies by 100 ms: 4 at a time and 6 per second': VARYING,
};

const LIMITED: Array<{ name: ServerFigureName; title: string }> = [
	{ name: 'spanToIdeal', title: 'span ÷ ideal' },
	{ name: 'refusedShare', title: 'share of requests refused' },
	{ name: 'middleWait', title: "the middle visitor's wait, service times" },
	{ name: 'slowestWait', title: "the slowest visitor's wait, service times" },
	{ name: 'batchToIdeal', title: "the batch's span ÷ ideal" },
	{ name: 'requests', title: 'requests' },
];

/** In a server: first that everybody gets his picture, then the rest. */
export function serverExpectations(results: ServerResult[]): Expectation[] {
	return [
		...results.map((result) => {
			const lost = ownInServer(result, 'lost');
			return { what: `${result.name}: pictures lost`, expected: 'none', measured: `${lost}`, met: lost === 0 };
		}),
		...results.flatMap((result) => {
			const { spare = 0, ...limits } = SERVER_LIMITS[result.name] ?? {};
			return LIMITED.flatMap(({ name, title }) => {
				const limit = limits[name];
				if (limit === undefined) return [];
				const slack = name === 'spanToIdeal' ? spare / result.idealSeconds : 0;
				return [atMost(`${result.name}: ${title}`, limit + slack, ownInServer(result, name))];
			});
		}),
		...memoryExpectation(results),
		...workerExpectations(results),
	];
}

/** What Max Concurrent Requests allows beyond what the account takes must cost nothing. */
function memoryExpectation(results: ServerResult[]): Expectation[] {
	const [few, many] = [2, 100].map((most) =>
		results.find(({ name }) => name.endsWith(`Max Concurrent Requests ${most}`)),
	);
	if (!few || !many) return [];
	const ratio = ownInServer(many, 'memory') / ownInServer(few, 'memory');
	return [atMost('peak memory with Max Concurrent Requests 100 ÷ with 2', 1.15, ratio)];
}

function workerExpectations(results: ServerResult[]): Expectation[] {
	return results
		.filter(({ name }) => name.endsWith(THREE_WORKERS))
		.flatMap((result) => {
			const { name } = result;
			const alone = results.find((other) => other.name === name.replace(THREE_WORKERS, ONE_PROCESS));
			const speed = alone ? ownInServer(alone, 'span') / ownInServer(result, 'span') : Number.NaN;
			return [
				atLeast(`${name}: pairs per second ÷ one process's`, 0.75, speed, 2),
				atMost(`${name}: share of requests refused`, 0.15, ownInServer(result, 'refusedShare')),
				atLeast(`${name}: the least of a worker's merges ÷ an equal share`, 0.5, ownInServer(result, 'leastShare'), 2),
			];
		});
}

const ownInServer = (result: ServerResult, name: ServerFigureName): number =>
	(serverFigure(result, 'node', name) ?? NOTHING).median;

const NOTHING: Spread = { median: Number.NaN, least: Number.NaN, most: Number.NaN };

const own = (situation: SituationResult, name: FigureName) => figure(situation, 'node', name) ?? NOTHING;

function atMost(what: string, limit: number, value: number): Expectation {
	return { what, expected: `at most ${limit}`, measured: value.toFixed(2), met: value <= limit };
}

function atLeast(what: string, limit: number, value: number, digits = 0): Expectation {
	return { what, expected: `at least ${limit}`, measured: value.toFixed(digits), met: value >= limit };
}
