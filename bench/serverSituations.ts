/** What an n8n that runs as a server is put in front of: visitors who come at once or one by one, and batches. */
import type { AccountOptions } from '../lab/simulator/simulator';
import { idealSpan } from './situations';

export interface ServerSituation {
	name: string;
	/** How long the service takes for a merge, ms. */
	serviceMs: number;
	account: Omit<AccountOptions, 'key'>;
	/** Each request gets to its account late, by up to so many ms. */
	delayMs?: number;
	/** Of each picture, in bytes, about; default 50,000. */
	pictureBytes?: number;
	/** Whether memory is measured: in a new process, left alone first until it has given back what its start took. */
	measuresMemory?: boolean;
	/** The node's own default when absent. */
	maxConcurrency?: number;
	/** One after the other, with an account that the server does not know. */
	phases: Phase[];
}

export interface Phase {
	/** What tells it from the situation's other phases. */
	name?: string;
	/** Each with a pair of his own: all at once, or one every so many ms. */
	visitors?: { count: number; everyMs?: number };
	/** Executions of so many pairs each, all started at once. */
	batches?: number[];
	/** Which of the batches is stopped, when a third of all pairs is merged. */
	stopped?: number;
	/** Whether the pictures are those of the phase before; by default nobody has seen them. */
	samePictures?: boolean;
}

const SMALL = 50_000;

const varying = (name: string, account: ServerSituation['account']): ServerSituation => ({
	name: `delay varies by 100 ms: ${name}`,
	serviceMs: 200,
	delayMs: 100,
	account,
	phases: [{ batches: [100] }],
});

const fixedWindows = { maxRequestsPerSecond: 5, rateLimit: 'fixedWindow' as const };

const large = (maxConcurrency: number): ServerSituation => ({
	name: `60 pairs of 3.8 MB, Max Concurrent Requests ${maxConcurrency}`,
	serviceMs: 500,
	account: { maxConcurrentRequests: 2 },
	pictureBytes: 3_800_000,
	measuresMemory: true,
	maxConcurrency,
	phases: [{ batches: [60] }],
});

export const serverSituations: ServerSituation[] = [
	{
		name: '40 visitors at once, 2 at a time',
		serviceMs: 500,
		account: { maxConcurrentRequests: 2 },
		phases: [
			{ name: 'first', visitors: { count: 40 } },
			{ name: 'again', visitors: { count: 40 } },
		],
	},
	{
		name: '90 visitors at once, 2 at a time, 3 s a merge',
		serviceMs: 3_000,
		account: { maxConcurrentRequests: 2 },
		phases: [{ visitors: { count: 90 } }],
	},
	{
		name: 'a batch of 120, visitors one by one, 3 at a time',
		serviceMs: 500,
		account: { maxConcurrentRequests: 3 },
		phases: [{ batches: [120], visitors: { count: 10, everyMs: 2_000 } }],
	},
	{
		name: '20 pairs, 5 at a time',
		serviceMs: 200,
		account: { maxConcurrentRequests: 5 },
		phases: [
			{ name: 'first', batches: [20] },
			{ name: 'others', batches: [20] },
			{ name: 'the same again', batches: [20], samePictures: true },
		],
	},
	{
		name: '2,000 pairs, 10 at a time',
		serviceMs: 200,
		account: { maxConcurrentRequests: 10 },
		phases: [
			{ name: 'first', batches: [2_000] },
			{ name: 'unchanged', batches: [2_000], samePictures: true },
		],
	},
	large(2),
	large(100),
	{
		name: 'one of three executions stopped, 3 at a time',
		serviceMs: 500,
		account: { maxConcurrentRequests: 3 },
		phases: [{ batches: [30, 30, 30], stopped: 1 }],
	},
	varying('2 per second', { maxRequestsPerSecond: 2 }),
	varying('5 per second, fixed windows', fixedWindows),
	varying('3 at a time', { maxConcurrentRequests: 3 }),
	varying('4 at a time and 6 per second', { maxConcurrentRequests: 4, maxRequestsPerSecond: 6 }),
];

const sixBatches = (name: string, account: ServerSituation['account']): ServerSituation => ({
	name: `6 executions, ${name}`,
	serviceMs: 1_000,
	account,
	phases: [{ batches: [30, 30, 30, 30, 30, 30] }],
});

/** By the workers of queue mode, and beside them by one process. */
export const workerSituations: ServerSituation[] = [
	sixBatches('2 at a time', { maxConcurrentRequests: 2 }),
	sixBatches('5 at a time', { maxConcurrentRequests: 5 }),
	sixBatches('20 at a time', { maxConcurrentRequests: 20 }),
	sixBatches('10 per second', { maxRequestsPerSecond: 10 }),
];

export const WORKERS = 3;

/** Behind the name of a situation, who was put in front of it. */
export const ONE_PROCESS = ', one process';
export const THREE_WORKERS = `, ${WORKERS} workers`;

/** As it is called in tables. */
export const phaseName = ({ name }: ServerSituation, phase: Phase): string =>
	phase.name ? `${name}: ${phase.name}` : name;

export const pictureBytesOf = ({ pictureBytes = SMALL }: ServerSituation): number => pictureBytes;

/** How many pairs a phase has. */
export function pairsOf({ visitors, batches = [] }: Phase): number {
	return batches.reduce((sum, pairs) => sum + pairs, visitors?.count ?? 0);
}

/** Seconds, as of a batch. The line's delay is part of what a request takes: nobody can do without it. */
export function idealOf({ account, serviceMs, delayMs = 0 }: ServerSituation, phase: Phase): number {
	return idealSpan(account, pairsOf(phase), serviceMs + delayMs / 2);
}
