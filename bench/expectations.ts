/** What the node is held to, and whether it keeps it. */
import {
	byPairs,
	figure,
	SERVER_FIGURES,
	serverFigure,
	spread,
	type FigureName,
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
	const stored = situations.map((situation) => {
		const http = figure(situation, 'http', 'storedPerMerged')?.least ?? Number.NaN;
		return { name: situation.name, value: http / of(situation, 'storedPerMerged', 'most') };
	});
	return [
		everywhere(
			'share of the pairs merged',
			{ least: 1 },
			situations.map((situation) => ({
				name: situation.name,
				value: of(situation, 'merged', 'least') / situation.mergeable,
			})),
		),
		everywhere(
			'requests per merged pair',
			{ most: 1.05 },
			situations.map((situation) => ({ name: situation.name, value: of(situation, 'requestsPerMerged', 'most') })),
		),
		// Those who merge nothing store nothing to be compared.
		everywhere(
			"HTTP Request's stored data per merged pair ÷ the node's",
			{ least: 50 },
			stored.filter(({ value }) => Number.isFinite(value)),
		),
	];
}

/** Those about time, CPU and memory, for a machine that does nothing else: medians. */
export function timedExpectations({ situations, overhead }: Results): Expectation[] {
	return [
		everywhere(
			'time per merged pair ÷ the ideal',
			{ most: 1.25 },
			situations.map((situation) => ({ name: situation.name, value: of(situation, 'timeToIdeal') })),
		),
		everywhere(
			"CPU ÷ the bare loop's",
			{ most: 1.05 },
			overhead.map(({ pictureBytes, bareLoop, node }) => ({
				name: `pictures of ${pictureBytes / 1_000} KB`,
				value: spread(node).median / spread(bareLoop).median,
			})),
		),
		expectation(
			'peak memory of 2,000 pairs, less what n8n alone grows by, ÷ of 200',
			{ most: 1.1 },
			memoryGrowth(situations),
		),
	];
}

/** How the node's memory grows from 200 to 2,000 pairs, without what n8n needs for them in any case. */
export function memoryGrowth(situations: SituationResult[]): number {
	const [, hundreds, thousands] = byPairs(situations);
	if (!hundreds || !thousands) return Number.NaN;
	const ofN8n = of(thousands, 'memory', 'median', 'nothing') - of(hundreds, 'memory', 'median', 'nothing');
	return (of(thousands, 'memory') - ofN8n) / of(hundreds, 'memory');
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
	'2,000 pairs, 10 at a time: unchanged': { requests: 0 },
	'delay varies by 100 ms: 2 per second': VARYING,
	'delay varies by 100 ms: 5 per second, fixed windows': VARYING,
	'delay varies by 100 ms: 3 at a time': VARYING,
	'delay varies by 100 ms: 4 at a time and 6 per second': VARYING,
};

const LIMITED: ServerFigureName[] = [
	'spanToIdeal',
	'refusedShare',
	'middleWait',
	'slowestWait',
	'batchToIdeal',
	'requests',
];

/** In a server: first that everybody gets his picture, then the rest. */
export function serverExpectations(results: ServerResult[]): Expectation[] {
	if (results.length === 0) return [];
	return [
		everywhere(
			'pictures lost in a server',
			{ most: 0 },
			results.map((result) => ({ name: result.name, value: inServer(result, 'lost') })),
		),
		...results.flatMap((result) => {
			const { spare = 0, ...limits } = SERVER_LIMITS[result.name] ?? {};
			return LIMITED.flatMap((name) => {
				const limit = limits[name];
				if (limit === undefined) return [];
				const slack = name === 'spanToIdeal' ? spare / result.idealSeconds : 0;
				const what = `${result.name}: ${SERVER_FIGURES[name].title}`;
				return [expectation(what, { most: limit + slack }, inServer(result, name))];
			});
		}),
		...memoryExpectation(results),
		...results.filter(({ name }) => name.endsWith(THREE_WORKERS)).flatMap((result) => ofWorkers(result, results)),
	];
}

/** What Max Concurrent Requests allows beyond what the account takes must cost nothing. */
function memoryExpectation(results: ServerResult[]): Expectation[] {
	const [few, many] = [2, 100].map((most) =>
		results.find(({ name }) => name.endsWith(`Max Concurrent Requests ${most}`)),
	);
	if (!few || !many) return [];
	const ratio = inServer(many, 'memory') / inServer(few, 'memory');
	return [expectation('peak memory with Max Concurrent Requests 100 ÷ with 2', { most: 1.15 }, ratio)];
}

function ofWorkers(result: ServerResult, results: ServerResult[]): Expectation[] {
	const { name } = result;
	return [
		expectation(`${name}: pairs per second ÷ one process's`, { least: 0.75 }, speedOfWorkers(result, results)),
		expectation(`${name}: share of requests refused`, { most: 0.15 }, inServer(result, 'refusedShare')),
		expectation(
			`${name}: the least of a worker's merges ÷ an equal share`,
			{ least: 0.5 },
			inServer(result, 'leastShare'),
		),
	];
}

/** Pairs per second beside those of one process in the same situation. */
export function speedOfWorkers(result: ServerResult, results: ServerResult[]): number {
	const alone = results.find(({ name }) => name === result.name.replace(THREE_WORKERS, ONE_PROCESS));
	return alone ? inServer(alone, 'span') / inServer(result, 'span') : Number.NaN;
}

const inServer = (result: ServerResult, name: ServerFigureName): number =>
	serverFigure(result, 'node', name)?.median ?? Number.NaN;

const of = (
	situation: SituationResult,
	name: FigureName,
	which: 'median' | 'least' | 'most' = 'median',
	id: 'node' | 'nothing' = 'node',
): number => figure(situation, id, name)?.[which] ?? Number.NaN;

type Bound = { most: number } | { least: number };

function expectation(what: string, bound: Bound, value: number, where = ''): Expectation {
	const isMost = 'most' in bound;
	const expected = isMost ? `at most ${rounded(bound.most)}` : `at least ${rounded(bound.least)}`;
	return { what, expected, measured: rounded(value) + where, met: isMost ? value <= bound.most : value >= bound.least };
}

/** One bound on several values. Tells all that miss it, or else the one that comes closest. */
function everywhere(what: string, bound: Bound, values: Array<{ name: string; value: number }>): Expectation {
	const sorted = [...values].sort((one, other) =>
		'most' in bound ? other.value - one.value : one.value - other.value,
	);
	const each = sorted.map(({ name, value }) => expectation(what, bound, value, ` (${name})`));
	const missed = each.filter(({ met }) => !met);
	const shown = missed.length > 0 ? missed : each.slice(0, 1);
	return {
		...expectation(what, bound, Number.NaN),
		measured: shown.map(({ measured }) => measured).join(', '),
		met: missed.length === 0,
	};
}

const rounded = (value: number) => String(Number(value.toFixed(2)));
