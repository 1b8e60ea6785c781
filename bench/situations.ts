/** What the contestants are put in front of: an account, a service, and a batch of pairs. */
import type { Fault, RecordedRequest } from '../lab/simulator/simulator';
import type { ContestantId } from './contestants';

export interface Situation {
	name: string;
	pairs: number;
	/** Of each picture, in bytes, about. */
	pictureBytes: number;
	account: { maxConcurrentRequests?: number; maxRequestsPerSecond?: number };
	/** How many of the targets the service would refuse. */
	badTargets?: number;
	/** What a request meets besides the account's limits. */
	fault?: (request: RecordedRequest) => Fault | undefined;
	/**
	 * Who keeps n8n's default for On Error, Stop Workflow. Everybody else continues, so that one refusal takes no other
	 * picture with it; but Retry On Fail then sends a batch again only if its first item failed.
	 */
	stopOnError?: ContestantId[];
	/** In how many of the rounds somebody takes part, where that is not all of them. */
	rounds?: Partial<Record<ContestantId, number>>;
}

/** How long the service takes for a merge. */
export const SERVICE_MS = 200;

const everyTwentieth = ({ index }: RecordedRequest): Fault | undefined =>
	index % 20 === 19 ? { kind: 'status', status: 502 } : undefined;

const fiveAtATime: Situation = {
	name: '5 at a time',
	pairs: 200,
	pictureBytes: 50_000,
	account: { maxConcurrentRequests: 5 },
};
const twoAtATime: Situation = { ...fiveAtATime, name: '2 at a time', account: { maxConcurrentRequests: 2 } };
const failing: Situation = {
	...fiveAtATime,
	name: '5 % fail with 502',
	fault: everyTwentieth,
	stopOnError: ['loop'],
};
const badPortraits: Situation = { ...fiveAtATime, name: '3 bad portraits', badTargets: 3 };

export const situations: Situation[] = [
	fiveAtATime,
	twoAtATime,
	{ ...fiveAtATime, name: '10 per second', account: { maxRequestsPerSecond: 10 } },
	failing,
	badPortraits,
	{ ...fiveAtATime, name: '20 pairs', pairs: 20 },
	{
		...fiveAtATime,
		name: '20 pairs, On Error: Stop Workflow',
		pairs: 20,
		stopOnError: ['http', 'batching', 'loop', 'node'],
	},
	// By their own settings these two wait a second for every five pairs: seven minutes, and nine.
	{ ...fiveAtATime, name: '2,000 pairs', pairs: 2_000, rounds: { batching: 1, loop: 1 } },
	{ ...fiveAtATime, name: 'pictures of 1.2 MB', pictureBytes: 1_200_000 },
	{ ...fiveAtATime, name: '20 pairs of 3.9 MB', pairs: 20, pictureBytes: 3_900_000 },
];

const withoutWaiting = { nothing: 0, batching: 0, loop: 0 };

/** For two minutes: what shows in figures that are not times. */
export const quickSituations: Situation[] = [
	{ ...fiveAtATime, pairs: 20, rounds: { nothing: 0 } },
	{ ...failing, pairs: 20, rounds: { nothing: 0 } },
	{ ...twoAtATime, rounds: withoutWaiting },
	{ ...badPortraits, rounds: withoutWaiting },
];

/** How many pairs the service would merge. */
export const mergeable = ({ pairs, badTargets = 0 }: Situation): number => pairs - badTargets;

/** The time that requests take, in seconds, when they wait for nothing but the account. */
export function idealSeconds(situation: Situation): number {
	return idealSpan(situation.account, mergeable(situation), SERVICE_MS);
}

/** The same for so many pairs that take `requestMs` each. */
export function idealSpan(account: Situation['account'], pairs: number, requestMs: number): number {
	const { maxConcurrentRequests = Infinity, maxRequestsPerSecond = Infinity } = account;
	return Math.max((pairs * requestMs) / 1_000 / maxConcurrentRequests, pairs / maxRequestsPerSecond);
}
