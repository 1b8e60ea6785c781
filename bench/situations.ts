/** What the contestants are put in front of: an account, a service, and a batch of pairs. */
import type { Fault, RecordedRequest } from '../lab/simulator/simulator';
import { contestants, type Contestant, type ContestantId } from './contestants';

export interface Situation {
	name: string;
	pairs: number;
	/** Of each picture, in bytes, about. */
	pictureBytes: number;
	account: { maxConcurrentRequests?: number; maxRequestsPerSecond?: number };
	/** How long the service takes for a merge, ms; default SERVICE_MS. */
	serviceMs?: number;
	/** Requests at a time that everybody is told; default AT_A_TIME. */
	atATime?: number;
	/** Whether answers have their slashes as `\/`. */
	escapeSlashes?: boolean;
	/** How many of the targets the service would refuse. */
	badTargets?: number;
	/** What a request meets besides the account's limits. */
	fault?: (request: RecordedRequest) => Fault | undefined;
	/**
	 * Who keeps n8n's default for On Error, Stop Workflow. Everybody else continues, so that one refusal takes no other
	 * picture with it; but Retry On Fail then sends a batch again only if its first item failed.
	 */
	stopOnError?: ContestantId[];
	/** Who takes no part, where it would show nothing new or take minutes. */
	without?: ContestantId[];
	/** The most rounds of anybody. */
	rounds?: number;
}

export const SERVICE_MS = 200;
export const AT_A_TIME = 5;

const withoutWaiting: ContestantId[] = ['nothing', 'batching', 'loop', 'sequence'];

const everyTwentieth = ({ index }: RecordedRequest): Fault | undefined =>
	index % 20 === 19 ? { kind: 'status', status: 502 } : undefined;

const fiveAtATime: Situation = {
	name: '5 at a time',
	pairs: 200,
	pictureBytes: 50_000,
	account: { maxConcurrentRequests: 5 },
};
/** As `fiveAtATime` for n8n alone, which has nothing to do with accounts. */
const otherAccount: Situation = { ...fiveAtATime, without: ['nothing'] };
const twoAtATime: Situation = { ...otherAccount, name: '2 at a time', account: { maxConcurrentRequests: 2 } };
const failing: Situation = {
	...otherAccount,
	name: '5 % fail with 502',
	fault: everyTwentieth,
	stopOnError: ['loop'],
};
const badPortraits: Situation = {
	...otherAccount,
	name: '3 bad portraits',
	badTargets: 3,
	without: ['nothing', 'sequence'],
};
const large: Situation = { ...fiveAtATime, name: 'pictures of 1.2 MB', pictureBytes: 1_200_000 };

const slow = (maxConcurrentRequests: number, pairs: number): Situation => ({
	...otherAccount,
	name: `3 s a merge, ${maxConcurrentRequests} at a time`,
	pairs,
	account: { maxConcurrentRequests },
	serviceMs: 3_000,
	atATime: Math.max(AT_A_TIME, maxConcurrentRequests),
	without: ['nothing', 'http', 'loop', 'sequence'],
	rounds: 1,
});

export const situations: Situation[] = [
	fiveAtATime,
	twoAtATime,
	// The others send fewer than that, whatever the account takes.
	{
		...otherAccount,
		name: '10 per second',
		account: { maxRequestsPerSecond: 10 },
		without: withoutWaiting,
	},
	failing,
	badPortraits,
	{ ...fiveAtATime, name: '20 pairs', pairs: 20 },
	{
		...otherAccount,
		name: '20 pairs, On Error: Stop Workflow',
		pairs: 20,
		stopOnError: ['http', 'batching', 'loop', 'sequence', 'node'],
	},
	// The others wait a second for every five pairs, or send one after another: seven minutes and more for each.
	{ ...fiveAtATime, name: '2,000 pairs', pairs: 2_000, without: ['batching', 'loop', 'sequence'] },
	large,
	{ ...fiveAtATime, name: '20 pairs of 3.9 MB', pairs: 20, pictureBytes: 3_900_000 },
	{
		...large,
		name: '1.2 MB, slashes escaped',
		escapeSlashes: true,
		without: ['nothing', 'http', 'batching', 'loop', 'sequence'],
	},
	slow(2, 24),
	slow(5, 40),
	slow(20, 200),
];

/** For two minutes: what shows in figures that are not times. */
export const quickSituations: Situation[] = [
	{ ...otherAccount, pairs: 20, rounds: 1 },
	{ ...failing, pairs: 20, rounds: 1, without: ['nothing', 'sequence'] },
	{ ...twoAtATime, rounds: 1, without: withoutWaiting },
	{ ...badPortraits, rounds: 1, without: withoutWaiting },
];

/** In the order of their turns, with how many rounds they take. */
export const takingPart = ({ without = [], rounds = Infinity }: Situation): Contestant[] =>
	contestants
		.filter(({ id }) => !without.includes(id))
		.map((contestant) => ({ ...contestant, rounds: Math.min(contestant.rounds, rounds) }));

/** How many pairs the service would merge. */
export const mergeable = ({ pairs, badTargets = 0 }: Situation): number => pairs - badTargets;

/** The time that requests take, in seconds, when they wait for nothing but the account. */
export function idealSeconds(situation: Situation): number {
	return idealSpan(situation.account, mergeable(situation), situation.serviceMs ?? SERVICE_MS);
}

/** The same for so many pairs that take `requestMs` each. */
export function idealSpan(account: Situation['account'], pairs: number, requestMs: number): number {
	const { maxConcurrentRequests = Infinity, maxRequestsPerSecond = Infinity } = account;
	return Math.max((pairs * requestMs) / 1_000 / maxConcurrentRequests, pairs / maxRequestsPerSecond);
}
