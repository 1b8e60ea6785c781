/** What the benchmark has found out, as it is kept in `results.json`. */
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import type { ServerFigures } from './server';

export interface Results {
	/** When, as YYYY-MM-DD. */
	date: string;
	machine: { cpu: string; cores: number; memoryGb: number; system: string };
	versions: { package: string; n8n: string; node: string };
	serviceMs: number;
	situations: SituationResult[];
	/** Of the node without the rest of n8n; not measured in a quick run. */
	overhead: Overhead[];
	/** In a server, one process. */
	visitors?: ServerPart;
	/** In a server, queue mode beside one process. */
	workers?: ServerPart;
}

/** Measured on its own. */
export interface ServerPart {
	/** When, as YYYY-MM-DD. */
	date: string;
	results: ServerResult[];
}

/** A phase of a situation. */
export interface ServerResult {
	name: string;
	visitors: number;
	/** Pairs of each execution. */
	batches: number[];
	/** Which of them was stopped. */
	stopped?: number;
	serviceMs: number;
	pictureBytes: number;
	idealSeconds: number;
	contestants: Array<{ id: ContestantId; name: string; runs: ServerFigures[] }>;
}

export interface SituationResult {
	name: string;
	pairs: number;
	/** How many of them the service would merge. */
	mergeable: number;
	pictureBytes: number;
	idealSeconds: number;
	contestants: Array<{ id: ContestantId; name: string; runs: Figures[] }>;
}

/** CPU of a batch within `execute`, in ms per pair, for each round; and where it goes, in ms per pair. */
export interface Overhead {
	pictureBytes: number;
	bareLoop: number[];
	node: number[];
	profile: Array<{ where: string; bareLoop: number; node: number }>;
}
