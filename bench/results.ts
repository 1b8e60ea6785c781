/** What the benchmark has found out, as `results.json` keeps it, and the figures that are read from it. */

/** Batches by everybody; n8n's engine alone; a server with visitors; queue mode; all that breaks. */
export const PARTS = ['batches', 'alone', 'visitors', 'workers', 'faults'] as const;
export type Part = (typeof PARTS)[number];

/** Users' ways without the node, the node, and what it is held beside. */
export type ContestantId = 'nothing' | 'http' | 'batching' | 'loop' | 'sequence' | 'node' | 'bareLoop' | 'oneProcess';

/** Lists of what was not measured are empty. */
export interface Results extends Record<Part, Result[]> {
	/** When each part was measured, of which versions, and where. */
	about: Partial<Record<Part, string>>;
}

/** A situation, or a phase of one. */
export interface Result {
	/** Unlike any other's. */
	name: string;
	/** How many the service would merge, visitors' included. */
	pairs: number;
	idealSeconds: number;
	contestants: Array<{ id: ContestantId; name: string; runs: Array<Partial<Run>> }>;
}

/** One round of a contestant: times in seconds, sizes in units of 1024, and what became of the pairs. */
export interface Run {
	requests: number;
	/** Requests refused with 429. */
	refused: number;
	/** Those that the service merged, whoever got the answer. */
	paid: number;
	/** Pairs that the service got whole at least once, that it merged, and that it merged more than once. */
	sent: number;
	merged: number;
	paidTwice: number;
	/** Pairs whose picture is in the data of an execution, or reached its visitor. */
	delivered: number;
	/** From the first request's start to the last one's end, or to the end of the last merge for a batch. */
	span: number;
	batchSpan: number;
	/** How long each of the visitors waited for his answer. */
	waits: number[];
	/** Of the process. */
	cpu: number;
	/** The most that was resident, MB. */
	memory: number;
	/** In n8n's database, of the executions, KB. */
	stored: number;
	/** Pairs merged by each worker by the time the first of them was done with all of its. */
	shares: number[];
}

/** In place of what was not measured. */
const NOT_MEASURED: Run = {
	...{ requests: NaN, refused: NaN, paid: NaN, sent: NaN, merged: NaN, paidTwice: NaN, delivered: NaN },
	...{ span: NaN, batchSpan: NaN, waits: [], cpu: NaN, memory: NaN, stored: NaN, shares: [] },
};

interface Figure {
	title: string;
	digits: number;
	/** Behind the number. */
	unit: string;
	/** Whether it is the same however busy the machine is. */
	isCounted: boolean;
	/** Not finite where it was not measured, or is one per picture and there is none. */
	of(run: Run, about: Result): number;
}

const counted = (title: string, of: Figure['of'], digits = 0, unit = ''): Figure => {
	return { title, of, digits, unit, isCounted: true };
};
const timed = (title: string, unit: string, digits: number, of: Figure['of']): Figure => {
	return { title, of, digits, unit, isCounted: false };
};

const figures = {
	sent: counted('sent', ({ sent }) => sent),
	merged: counted('merged by the service', ({ merged }) => merged),
	delivered: counted('delivered', ({ delivered }) => delivered),
	missing: counted('not delivered', ({ delivered }, { pairs }) => pairs - delivered),
	paidTwice: counted('paid twice', ({ paidTwice }) => paidTwice),
	lost: counted('lost', ({ merged, delivered }) => merged - delivered),
	paid: counted('paid for', ({ paid }) => paid),
	requests: counted('requests', ({ requests }) => requests),
	requestsPerPicture: counted('requests per picture', ({ requests, delivered }) => requests / delivered, 2),
	storedPerPicture: counted('stored per picture', ({ stored, delivered }) => stored / delivered, 1, ' KB'),
	refusedShare: timed('refused', ' %', 0, ({ requests, refused }) => (100 * refused) / requests),
	span: timed('time', ' s', 1, ({ span }) => span),
	timeToIdeal: timed('time per picture ÷ ideal', ' ×', 2, ({ span, delivered }, { idealSeconds, pairs }) => {
		return ((span / idealSeconds) * pairs) / delivered;
	}),
	batchToIdeal: timed("batch's time ÷ ideal", ' ×', 2, ({ batchSpan }, { idealSeconds }) => batchSpan / idealSeconds),
	middleWait: timed('middle wait', ' s', 1, ({ waits }) => spread(waits).median),
	slowestWait: timed('slowest wait', ' s', 1, ({ waits }) => spread(waits).most),
	cpuPerPair: timed('CPU per pair', ' ms', 1, ({ cpu }, { pairs }) => (1_000 * cpu) / pairs),
	memory: timed('peak memory', ' MB', 0, ({ memory }) => memory),
	equalToLeast: timed("equal share ÷ least worker's", ' ×', 2, ({ shares }) => {
		return shares.reduce((all, share) => all + share, 0) / shares.length / Math.min(...shares);
	}),
};

export type FigureName = keyof typeof figures;

export const FIGURES: Record<FigureName, Figure> = figures;

export const isFigure = (name: string): name is FigureName => name in figures;

export const FIGURE_NAMES = Object.keys(figures).filter(isFigure);

/** A contestant's figure over its rounds; NaN when it took no part. */
export function figure(about: Result, id: string, name: FigureName) {
	const runs = about.contestants.find((contestant) => contestant.id === id)?.runs ?? [];
	return spread(runs.map((run) => FIGURES[name].of({ ...NOT_MEASURED, ...run }, about)));
}

/** NaN where there are no values. */
export function spread(values: number[]) {
	const sorted = [...values].sort((one, other) => one - other);
	const at = (index: number) => sorted[index] ?? NaN;
	const last = sorted.length - 1;
	return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, least: at(0), most: at(last) };
}
