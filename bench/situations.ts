/** What the contestants are put in front of: an account, a service, and batches of pairs or visitors. */
import type { Lab } from '../lab/n8n/lab';
import type { openQueueLab } from '../lab/n8n/queueLab';
import type { AccountOptions, Fault, RecordedRequest, Simulator } from '../lab/simulator/simulator';
import type { ContestantId } from './results';

export interface Situation {
	/** Unlike any other's. */
	name: string;
	account: Omit<AccountOptions, 'key'>;
	/** How long the service takes for a merge. */
	serviceMs: number;
	/** Each request gets to its account late, by up to so many ms. */
	delayMs?: number;
	/** Of each picture, about. */
	pictureBytes: number;
	/** Whether answers have their slashes as `\/`. */
	escapeSlashes?: boolean;
	/** How many of the targets the service would refuse. */
	badTargets?: number;
	/** What a request meets besides the account's limits. */
	fault?: (request: RecordedRequest) => Fault | undefined;
	/** Who takes part: where somebody is missing, it would show nothing new or take minutes. */
	by: ContestantId[];
	/** The most rounds of anybody. */
	rounds: number;
	/** Requests at a time that everybody is told; the node's own default when absent. */
	atATime?: number;
	/**
	 * Who keeps n8n's default for On Error, Stop Workflow. Everybody else continues, so that one refusal takes no other
	 * picture with it; but Retry On Fail then sends a batch again only if its first item failed.
	 */
	stopOnError?: ContestantId[];
	/** Whether each round has a new n8n, so that its memory is no other's. */
	isAlone?: true;
	/** One after the other, with an account that this n8n does not know. */
	phases: Phase[];
}

export interface Phase {
	/** What tells it from the situation's other phases. */
	name?: string;
	/** Each with a pair of his own: all at once, or one every so many ms. */
	visitors?: { count: number; everyMs?: number };
	/** Executions of so many pairs each, all started at once. */
	batches?: number[];
	/** Whether the pictures are those of the phase before; by default nobody has seen them. */
	samePictures?: true;
	/** Done when a third of the pairs is merged. */
	meanwhile?(scene: Scene): Promise<unknown>;
}

export type Queue = Awaited<ReturnType<typeof openQueueLab>>;

/** Where something can be made to happen. */
export interface Scene {
	lab: Lab;
	/** In queue mode. */
	queue?: Queue;
	service: Simulator;
	/** The executions. */
	ids: string[];
	/** Starts another with the pairs of this one. */
	startAgain(index: number): Promise<unknown>;
}

/** What an account takes. */
export const at = (maxConcurrentRequests: number) => ({ maxConcurrentRequests });
const perSecond = (maxRequestsPerSecond: number) => ({ maxRequestsPerSecond });

const SENDERS: ContestantId[] = ['http', 'batching', 'loop', 'sequence', 'node'];

const batch = (name: string, pairs: number, changes: Partial<Situation> = {}): Situation => ({
	...{ name, serviceMs: 200, pictureBytes: 50_000, account: at(5), atATime: 5, by: SENDERS, rounds: Infinity },
	...{ phases: [{ batches: [pairs] }], ...changes },
});

const WITH_N8N_ALONE: Partial<Situation> = { by: ['nothing', ...SENDERS], isAlone: true };
const FAILING: Partial<Situation> = {
	fault: ({ index }) => (index % 20 === 19 ? { kind: 'status', status: 502 } : undefined),
	stopOnError: ['loop'],
};
const LARGE = { pictureBytes: 1_200_000, isAlone: true as const };
const SLOW: Partial<Situation> = { serviceMs: 3_000, by: ['batching', 'node'], rounds: 1 };

export const batches: Situation[] = [
	batch('5 at a time', 200, WITH_N8N_ALONE),
	batch('2 at a time', 200, { account: at(2) }),
	batch('10 per second', 200, { account: perSecond(10), by: ['http', 'node'] }),
	batch('5 % fail with 502', 200, FAILING),
	batch('3 bad portraits', 200, { badTargets: 3, by: ['http', 'batching', 'loop', 'node'] }),
	batch('20 pairs', 20, WITH_N8N_ALONE),
	batch('20 pairs, On Error: Stop Workflow', 20, { stopOnError: SENDERS }),
	batch('2,000 pairs', 2_000, { by: ['nothing', 'http', 'node'], isAlone: true }),
	batch('pictures of 1.2 MB', 200, { ...WITH_N8N_ALONE, ...LARGE }),
	batch('20 pairs of 3.9 MB', 20, { ...WITH_N8N_ALONE, pictureBytes: 3_900_000 }),
	batch('1.2 MB, slashes escaped', 200, { ...LARGE, by: ['node'], escapeSlashes: true }),
	batch('3 s a merge, 2 at a time', 24, { ...SLOW, account: at(2) }),
	batch('3 s a merge, 5 at a time', 40, SLOW),
	batch('3 s a merge, 20 at a time', 100, { ...SLOW, account: at(20), atATime: 20 }),
];

/** For two minutes: what shows in figures that are not times. */
export const quickBatches: Situation[] = [
	batch('5 at a time', 20, { rounds: 1 }),
	batch('5 % fail with 502', 20, { ...FAILING, rounds: 1, by: ['http', 'batching', 'loop', 'node'] }),
	batch('2 at a time', 200, { account: at(2), rounds: 1, by: ['http', 'node'] }),
	batch('3 bad portraits', 200, { badTargets: 3, rounds: 1, by: ['http', 'node'] }),
];

/** In an n8n with the node as it is set when nothing is chosen. */
export const inServer = (
	name: string,
	serviceMs: number,
	account: Situation['account'],
	phases: Phase[],
	changes: Partial<Situation> = {},
): Situation => ({ name, serviceMs, account, phases, pictureBytes: 50_000, by: ['node'], rounds: 1, ...changes });

const varying = (name: string, account: Situation['account']): Situation =>
	inServer(`delay varies by 100 ms: ${name}`, 200, account, [{ batches: [60] }], { delayMs: 100 });

const huge = (atATime: number): Situation => {
	const changes = { pictureBytes: 3_800_000, isAlone: true as const, atATime };
	return inServer(`60 pairs of 3.8 MB, Max Concurrent Requests ${atATime}`, 500, at(2), [{ batches: [60] }], changes);
};

const FORTY: Phase[] = ['first', 'again'].map((name) => ({ name, visitors: { count: 40 } }));
const BESIDE_HTTP: Partial<Situation> = { by: ['http', 'node'] };
const BESIDE_A_BATCH: Phase = { batches: [120], visitors: { count: 10, everyMs: 2_000 } };

export const visitors: Situation[] = [
	inServer('40 visitors at once, 2 at a time', 500, at(2), FORTY, BESIDE_HTTP),
	inServer('90 visitors at once, 2 at a time, 3 s a merge', 3_000, at(2), [{ visitors: { count: 90 } }], BESIDE_HTTP),
	inServer('a batch of 120, visitors one by one, 3 at a time', 500, at(3), [BESIDE_A_BATCH]),
	inServer('20 pairs, 5 at a time', 200, at(5), [
		{ name: 'first', batches: [20] },
		{ name: 'others', batches: [20] },
		{ name: 'the same again', batches: [20], samePictures: true },
	]),
	inServer('20 pairs, 10 at a time, 1 s a merge', 1_000, at(10), [{ batches: [20] }]),
	inServer('2,000 pairs, 10 at a time', 200, at(10), [
		{ name: 'first', batches: [2_000] },
		{ name: 'unchanged', batches: [2_000], samePictures: true },
	]),
	huge(2),
	huge(100),
	varying('2 per second', perSecond(2)),
	varying('5 per second, fixed windows', { ...perSecond(5), rateLimit: 'fixedWindow' }),
	varying('3 at a time', at(3)),
	varying('4 at a time and 6 per second', { ...at(4), ...perSecond(6) }),
	inServer('2 per second, 5 s a merge', 5_000, perSecond(2), [{ batches: [100] }], { atATime: 60 }),
	inServer('5 per second, 10 s a merge', 10_000, perSecond(5), [{ batches: [100] }], { atATime: 60 }),
];

const SIX: Phase[] = [{ batches: [30, 30, 30, 30, 30, 30] }];

/** By the workers of queue mode, and beside them by one process. */
export const workers: Situation[] = [
	inServer('6 executions, 2 at a time', 1_000, at(2), SIX),
	inServer('6 executions, 5 at a time', 1_000, at(5), SIX),
	inServer('6 executions, 20 at a time', 1_000, at(20), SIX),
	inServer('6 executions, 10 per second', 1_000, perSecond(10), SIX),
];

/** As it is called in tables. */
export const phaseName = ({ name }: Situation, phase: Phase): string => (phase.name ? `${name}: ${phase.name}` : name);

/** How many pairs a phase has. */
export const pairsOf = ({ visitors: some, batches: counts = [] }: Phase): number =>
	counts.reduce((sum, pairs) => sum + pairs, some?.count ?? 0);

/**
 * The time that so many pairs take, in seconds, when their requests wait for nothing but the account. Half of what the line
 * may delay is part of each request: nobody can do without it.
 */
export function idealSeconds({ account, serviceMs, delayMs = 0 }: Situation, pairs: number): number {
	const { maxConcurrentRequests = Infinity, maxRequestsPerSecond = Infinity } = account;
	const request = (serviceMs + delayMs / 2) / 1_000;
	return Math.max((pairs * request) / maxConcurrentRequests, (pairs - 1) / maxRequestsPerSecond + request);
}
