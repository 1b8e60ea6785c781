/** What is compared, and its median and range over the rounds. */
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import type { SituationResult } from './results';

export interface Spread {
	median: number;
	least: number;
	most: number;
}

/** @param values at least one */
export function spread(values: number[]): Spread {
	const sorted = [...values].sort((one, other) => one - other);
	const middle = (sorted.length - 1) / 2;
	const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
	return { median, least: sorted[0], most: sorted[sorted.length - 1] };
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
