/** What is compared, and its median and range over the rounds. */
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import type { ServerResult, SituationResult } from './results';
import type { ServerFigures } from './server';

export interface Spread {
	median: number;
	least: number;
	most: number;
}

/** @param values at least one */
export function spread(values: number[]): Spread {
	const sorted = [...values].sort((one, other) => one - other);
	const at = (index: number) => sorted[index] ?? Number.NaN;
	const last = sorted.length - 1;
	return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, least: at(0), most: at(last) };
}

/** Where a contestant merged nothing, a figure per merged pair is infinite. */
const FIGURES = {
	merged: ({ merged }: Figures) => merged,
	paid: ({ paid }: Figures) => paid,
	requestsPerMerged: ({ requests, merged }: Figures) => requests / merged,
	span: ({ span }: Figures) => span,
	spanToIdeal: ({ span }: Figures, { idealSeconds }: SituationResult) => span / idealSeconds,
	/** ms */
	timePerMerged: ({ span, merged }: Figures) => (1_000 * span) / merged,
	/** ms */
	cpuPerPair: ({ cpu }: Figures, { pairs }: SituationResult) => (1_000 * cpu) / pairs,
	/** MB of 1024 × 1024 bytes */
	memory: ({ memory }: Figures) => memory,
	/** KB of 1024 bytes */
	stored: ({ stored }: Figures) => stored,
	/** KB of 1024 bytes */
	storedPerMerged: ({ stored, merged }: Figures) => stored / merged,
};

export type FigureName = keyof typeof FIGURES;

/** A contestant's figure over its rounds; undefined when it took no part. */
export function figure(situation: SituationResult, id: ContestantId, name: FigureName): Spread | undefined {
	const runs = situation.contestants.find((contestant) => contestant.id === id)?.runs ?? [];
	return runs.length === 0 ? undefined : spread(runs.map((run) => FIGURES[name](run, situation)));
}

/** A ratio, as precise as it needs to be. */
export const shortly = (ratio: number) => ratio.toFixed(ratio < 10 ? 1 : 0);

/** The results that differ in the number of pairs alone, the fewest first. */
export const byPairs = (situations: SituationResult[]) =>
	['20 pairs', '5 at a time', '2,000 pairs'].flatMap((name) =>
		situations.filter((situation) => situation.name === name),
	);

/** Of a phase in a server. Waits are in service times. */
const SERVER_FIGURES = {
	served: ({ served }: ServerFigures) => served,
	merged: ({ batches }: ServerFigures) => sum(batches.map(({ merged }) => merged)),
	/** Visitors without a picture, and pairs that did not come out of an execution that nobody stopped. */
	lost: ({ served, batches }: ServerFigures, { visitors, batches: pairs, stopped }: ServerResult) =>
		visitors - served + sum(batches.map(({ merged }, index) => (index === stopped ? 0 : (pairs[index] ?? 0) - merged))),
	requests: ({ requests }: ServerFigures) => requests,
	refusedShare: ({ requests, refused }: ServerFigures) => (requests === 0 ? 0 : refused / requests),
	span: ({ span }: ServerFigures) => span,
	spanToIdeal: ({ span }: ServerFigures, { idealSeconds }: ServerResult) => span / idealSeconds,
	middleWait: ({ waits }: ServerFigures, { serviceMs }: ServerResult) =>
		waits.length === 0 ? Number.NaN : (1_000 * spread(waits).median) / serviceMs,
	slowestWait: ({ waits }: ServerFigures, { serviceMs }: ServerResult) =>
		waits.length === 0 ? Number.NaN : (1_000 * spread(waits).most) / serviceMs,
	batchSpan: ({ batchSpan }: ServerFigures, { batches }: ServerResult) =>
		batches.length === 0 ? Number.NaN : batchSpan,
	batchToIdeal: ({ batchSpan }: ServerFigures, { batches, idealSeconds }: ServerResult) =>
		batches.length === 0 ? Number.NaN : batchSpan / idealSeconds,
	/** MB of 1024 × 1024 bytes */
	memory: ({ memory }: ServerFigures) => memory || Number.NaN,
	/** MB of 1024 × 1024 bytes */
	memoryBefore: ({ memoryBefore }: ServerFigures) => memoryBefore || Number.NaN,
	/** The worker that merged least, beside an equal share. */
	leastShare: ({ shares = [] }: ServerFigures) =>
		shares.length === 0 ? Number.NaN : (shares.length * Math.min(...shares)) / sum(shares),
};

export type ServerFigureName = keyof typeof SERVER_FIGURES;

/** As `figure`. NaN where the phase has nothing of the kind, such as waits without visitors. */
export function serverFigure(result: ServerResult, id: ContestantId, name: ServerFigureName): Spread | undefined {
	const runs = result.contestants.find((contestant) => contestant.id === id)?.runs ?? [];
	return runs.length === 0 ? undefined : spread(runs.map((run) => SERVER_FIGURES[name](run, result)));
}

const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
