/** What the benchmark has found out, as it is kept in `results.json`, and its figures: median and range over the rounds. */
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import type { ServerFigures } from './server';

/** Lists of what was not measured are empty. */
export interface Results {
	/** When, as YYYY-MM-DD. */
	date: string;
	machine: { cpu: string; cores: number; memoryGb: number; system: string };
	versions: { package: string; n8n: string; node: string };
	/** By `n8n execute`. */
	situations: SituationResult[];
	/** In an n8n that runs as a server: one process, then queue mode beside one process. */
	server: ServerResult[];
	/** Of the node without the rest of n8n. */
	overhead: Overhead[];
}

interface Result<Run> {
	name: string;
	pictureBytes: number;
	idealSeconds: number;
	contestants: Array<{ id: ContestantId; name: string; runs: Run[] }>;
}

export interface SituationResult extends Result<Figures> {
	pairs: number;
	/** How many of them the service would merge. */
	mergeable: number;
}

/** A phase of a situation. */
export interface ServerResult extends Result<ServerFigures> {
	visitors: number;
	/** Pairs of each execution. */
	batches: number[];
	/** Which of them was stopped. */
	stopped?: number;
	serviceMs: number;
}

/** CPU of a batch within `execute`, in ms per pair, for each round. */
export interface Overhead {
	pictureBytes: number;
	bareLoop: number[];
	node: number[];
}

export interface Spread {
	median: number;
	least: number;
	most: number;
}

/** NaN where there are no values. */
export function spread(values: number[]): Spread {
	const sorted = [...values].sort((one, other) => one - other);
	const at = (index: number) => sorted[index] ?? Number.NaN;
	const last = sorted.length - 1;
	return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, least: at(0), most: at(last) };
}

/** What is compared, and the column that shows it. */
export interface Column<Run, About> {
	title: string;
	digits: number;
	of(run: Run, about: About): number;
}

/** Where a contestant merged nothing, a figure per merged pair is infinite. */
export const FIGURES = {
	merged: { title: 'merged', digits: 0, of: ({ merged }) => merged },
	paid: { title: 'paid for', digits: 0, of: ({ paid }) => paid },
	requestsPerMerged: { title: 'requests per merged', digits: 2, of: ({ requests, merged }) => requests / merged },
	span: { title: 'span, s', digits: 1, of: ({ span }) => span },
	timeToIdeal: {
		title: 'time per merged ÷ ideal',
		digits: 2,
		of: ({ span, merged }, { idealSeconds, mergeable }) => span / merged / (idealSeconds / mergeable),
	},
	cpuPerPair: { title: 'CPU per pair, ms', digits: 0, of: ({ cpu }, { pairs }) => (1_000 * cpu) / pairs },
	memory: { title: 'peak memory, MB', digits: 0, of: ({ memory }) => memory },
	storedPerMerged: { title: 'stored per merged, KB', digits: 1, of: ({ stored, merged }) => stored / merged },
} satisfies Record<string, Column<Figures, SituationResult>>;

/** Of a phase in a server. NaN where it has nothing of the kind, such as waits without visitors. */
export const SERVER_FIGURES = {
	served: { title: 'visitors served', digits: 0, of: ({ served }, { visitors }) => (visitors ? served : Number.NaN) },
	/** Those who got no picture of their own. */
	withError: {
		title: 'with an error',
		digits: 0,
		of: ({ served }, { visitors }) => (visitors ? visitors - served : Number.NaN),
	},
	middleWait: {
		title: 'middle wait, service times',
		digits: 1,
		of: ({ waits }, { serviceMs }) => (1_000 * spread(waits).median) / serviceMs,
	},
	slowestWait: {
		title: 'slowest wait',
		digits: 1,
		of: ({ waits }, { serviceMs }) => (1_000 * spread(waits).most) / serviceMs,
	},
	merged: { title: 'pairs merged', digits: 0, of: ({ merged }) => (merged.length ? sum(merged) : Number.NaN) },
	/** Visitors without a picture, and pairs that did not come out of an execution that nobody stopped. */
	lost: {
		title: 'lost',
		digits: 0,
		of: ({ served, merged }, { visitors, batches, stopped }) =>
			visitors - served + sum(batches.map((pairs, index) => (index === stopped ? 0 : pairs - (merged[index] ?? 0)))),
	},
	requests: { title: 'requests', digits: 0, of: ({ requests }) => requests },
	refusedShare: {
		title: 'share refused',
		digits: 2,
		of: ({ requests, refused }) => (requests === 0 ? 0 : refused / requests),
	},
	span: { title: 'span, s', digits: 1, of: ({ span }) => span },
	spanToIdeal: { title: 'span ÷ ideal', digits: 2, of: ({ span }, { idealSeconds }) => span / idealSeconds },
	batchToIdeal: {
		title: 'batches ÷ ideal',
		digits: 2,
		of: ({ batchSpan }, { batches, idealSeconds }) => (batches.length ? batchSpan / idealSeconds : Number.NaN),
	},
	memory: { title: 'peak memory, MB', digits: 0, of: ({ memory }) => memory || Number.NaN },
	/** The worker that merged least, beside an equal share. */
	leastShare: {
		title: 'least share',
		digits: 2,
		of: ({ shares = [] }) => (shares.length * Math.min(...shares)) / sum(shares),
	},
} satisfies Record<string, Column<ServerFigures, ServerResult>>;

export type ServerFigureName = keyof typeof SERVER_FIGURES;

/** A contestant's figure over its rounds; NaN when it took no part. */
export function figure<Run, About extends Result<Run>>(
	about: About,
	id: ContestantId,
	{ of }: Column<Run, About>,
): Spread {
	const runs = about.contestants.find((contestant) => contestant.id === id)?.runs ?? [];
	return spread(runs.map((run) => of(run, about)));
}

const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);

/** A ratio, as precise as it needs to be. */
export const shortly = (ratio: number) => (ratio < 10 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString('en'));

/** The results that differ in the number of pairs alone, the fewest first. */
export const byPairs = (situations: SituationResult[]) =>
	['20 pairs', '5 at a time', '2,000 pairs'].flatMap((name) =>
		situations.filter((situation) => situation.name === name),
	);
