/** What the node is held to, and whether it keeps it. */
import type { ContestantId } from './contestants';
import {
	byPairs,
	figure,
	FIGURES,
	SERVER_FIGURES,
	spread,
	type Results,
	type ServerFigureName,
	type ServerResult,
	type SituationResult,
} from './results';
import { ONE_PROCESS, THREE_WORKERS } from './serverSituations';

export interface Expectation {
	what: string;
	expected: string;
	measured: string;
	met: boolean;
}

/** Those that hold on any machine, however busy, and in each round: counts and sizes. */
export function expectations({ situations }: Results): Expectation[] {
	const own = (situation: SituationResult) => figure(situation, 'node', FIGURES.storedPerMerged).most;
	const http = (situation: SituationResult) => figure(situation, 'http', FIGURES.storedPerMerged).least;
	// Those who merge nothing store nothing to be compared.
	const compared = situations.filter((situation) => Number.isFinite(http(situation)));
	const requestsPerMerged = (situation: SituationResult) => figure(situation, 'node', FIGURES.requestsPerMerged).most;
	// Of a slow service so few pairs are measured that the two refusals which tell the limit are more than 5 % of them.
	const few = situations.filter(({ name }) => name === '3 s a merge, 2 at a time');
	const many = situations.filter((situation) => !few.includes(situation));
	return [
		everywhere('share of the pairs merged', { least: 1 }, situations, (situation) => {
			return figure(situation, 'node', FIGURES.merged).least / situation.mergeable;
		}),
		everywhere('requests per merged pair', { most: 1.05 }, many, requestsPerMerged),
		...few.map((each) => everywhere('requests per merged pair of a few', { most: 1.1 }, [each], requestsPerMerged)),
		everywhere("HTTP Request's stored data per merged pair ÷ the node's", { least: 50 }, compared, (situation) => {
			return http(situation) / own(situation);
		}),
	];
}

/** Those about time, CPU and memory, for a machine that does nothing else: medians. */
export function timedExpectations({ situations, overhead }: Results): Expectation[] {
	const pictures = overhead.map((each) => ({ ...each, name: `pictures of ${each.pictureBytes / 1_000} KB` }));
	const memory = 'peak memory of 2,000 pairs, less what n8n alone grows by, ÷ of 200';
	return [
		everywhere('time per merged pair ÷ the ideal', { most: 1.25 }, situations, (situation) => {
			return figure(situation, 'node', FIGURES.timeToIdeal).median;
		}),
		everywhere("CPU ÷ the bare loop's", { most: 1.05 }, pictures, ({ bareLoop, node }) => {
			return spread(node).median / spread(bareLoop).median;
		}),
		expectation(memory, { most: 1.1 }, memoryGrowth(situations)),
	];
}

/** How the node's memory grows from 200 to 2,000 pairs, without what n8n needs for them in any case. */
function memoryGrowth(situations: SituationResult[]): number {
	const [, hundreds, thousands] = byPairs(situations);
	if (!hundreds || !thousands) return Number.NaN;
	const [before, after] = [hundreds, thousands].map(
		(situation) => (id: ContestantId) => figure(situation, id, FIGURES.memory).median,
	);
	return before && after ? (after('node') - after('nothing') + before('nothing')) / before('node') : Number.NaN;
}

const LIMITED = ['spanToIdeal', 'refusedShare', 'middleWait', 'slowestWait', 'batchToIdeal', 'requests'] as const;

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
	'2,000 pairs, 10 at a time: unchanged': { requests: 0 },
	'delay varies by 100 ms: 2 per second': VARYING,
	'delay varies by 100 ms: 5 per second, fixed windows': VARYING,
	'delay varies by 100 ms: 3 at a time': VARYING,
	'delay varies by 100 ms: 4 at a time and 6 per second': VARYING,
};

/** In a server: first that everybody gets his picture, then the rest. */
export function serverExpectations(results: ServerResult[]): Expectation[] {
	if (results.length === 0) return [];
	const workers = results.filter(({ name }) => name.endsWith(THREE_WORKERS));
	const node = (name: ServerFigureName) => (result: ServerResult) =>
		figure(result, 'node', SERVER_FIGURES[name]).median;
	const [few = Number.NaN, many = Number.NaN] = results.map(node('memory')).filter(Number.isFinite);
	return [
		everywhere('pictures lost in a server', { most: 0 }, results, node('lost')),
		...results.flatMap((result) => {
			const { spare = 0, ...limits } = SERVER_LIMITS[result.name] ?? {};
			return LIMITED.flatMap((name) => {
				const limit = limits[name];
				if (limit === undefined) return [];
				const slack = name === 'spanToIdeal' ? spare / result.idealSeconds : 0;
				const what = `${result.name}: ${SERVER_FIGURES[name].title}`;
				return [expectation(what, { most: limit + slack }, node(name)(result))];
			});
		}),
		// What is allowed beyond what the account takes must cost nothing.
		expectation('peak memory with Max Concurrent Requests 100 ÷ with 2', { most: 1.15 }, many / few),
		everywhere("workers' pairs per second ÷ one process's", { least: 0.75 }, workers, (result) => {
			return speedOfWorkers(result, results);
		}),
		everywhere("workers' share of requests refused", { most: 0.15 }, workers, node('refusedShare')),
		everywhere("the least of a worker's merges ÷ an equal share", { least: 0.5 }, workers, node('leastShare')),
	];
}

/** Pairs per second beside those of one process in the same situation. */
export function speedOfWorkers(result: ServerResult, results: ServerResult[]): number {
	const alone = results.find(({ name }) => name === result.name.replace(THREE_WORKERS, ONE_PROCESS));
	return alone
		? figure(alone, 'node', SERVER_FIGURES.span).median / figure(result, 'node', SERVER_FIGURES.span).median
		: Number.NaN;
}

type Bound = { most: number } | { least: number };

function expectation(what: string, bound: Bound, value: number, where = ''): Expectation {
	const isMost = 'most' in bound;
	const expected = isMost ? `at most ${rounded(bound.most)}` : `at least ${rounded(bound.least)}`;
	return { what, expected, measured: rounded(value) + where, met: isMost ? value <= bound.most : value >= bound.least };
}

/** One bound on each of several results. Tells all that miss it, or else the one that comes closest. */
function everywhere<T extends { name: string }>(
	what: string,
	bound: Bound,
	results: T[],
	valueOf: (result: T) => number,
): Expectation {
	const values = results.map((result) => ({ value: valueOf(result), where: ` (${result.name})` }));
	values.sort((one, other) => ('most' in bound ? other.value - one.value : one.value - other.value));
	const each = values.map(({ value, where }) => expectation(what, bound, value, where));
	const missed = each.filter(({ met }) => !met);
	const measured = (missed.length > 0 ? missed : each.slice(0, 1)).map((shown) => shown.measured).join(', ');
	return { ...expectation(what, bound, Number.NaN), measured, met: each.length > 0 && missed.length === 0 };
}

const rounded = (value: number) => String(Number(value.toFixed(2)));
