import { Gate } from '../nodes/MergePortraits/account/gate';
import { Limits } from '../nodes/MergePortraits/account/limits';
import { send } from '../nodes/MergePortraits/account/send';
import { noAnswer, ruleFor, timedOut, type Refusal } from '../nodes/MergePortraits/api/codes';
import { VirtualClock } from './virtualClock';

/** How requests per second are counted: in any second, in seconds of the service's clock, or as tokens that come back evenly. */
type Counting = 'sliding' | 'fixed' | 'bucket';

export interface AccountLimits {
	atOnce?: number;
	perSecond?: number;
	counting?: Counting;
}

/** Times are in ms. */
export interface Service extends AccountLimits {
	serviceMs: number;
	/** By which part the duration varies, up and down. */
	spread?: number;
	/** By how much the delay of the line varies. */
	jitterMs?: number;
	/** How long a refusal takes. */
	refusalMs?: number;
	/** What the account takes from this moment on, and until then. */
	later?: AccountLimits & { from: number; until?: number };
	/** What happens to requests that arrive in this time, or to a part of them. */
	outage?: { from: number; until: number; kind: 'notMade' | '502' | 'hangs'; part?: number };
}

/** The least delay of the line, each way, ms. */
const DELAY_MS = 5;
const TIMEOUT_MS = 60_000;

/** A service that refuses what is over the limits of its one account. */
export class SimulatedAccount {
	requests = 0;
	refusals = 0;
	/** When a request got nothing, ms. */
	readonly unansweredAt: number[] = [];
	#active = 0;
	#recent: number[] = [];
	#window = { second: -1, taken: 0 };
	#bucket: { tokens: number; at: number } | undefined;

	constructor(
		private readonly clock: VirtualClock,
		private readonly service: Service,
		private readonly random: () => number,
	) {}

	/** One request and its answer: undefined when the pair is merged. */
	async request(): Promise<Refusal | undefined> {
		const { serviceMs, spread = 0.2, jitterMs = 10, refusalMs = 0, later, outage } = this.service;
		this.requests++;
		await this.clock.sleep(DELAY_MS + this.random() * jitterMs);
		const isIn = ({ from, until = Number.POSITIVE_INFINITY }: { from: number; until?: number }) =>
			this.clock.now() >= from && this.clock.now() < until;
		if (outage && isIn(outage) && this.random() < (outage.part ?? 1)) return await this.#getNothing(outage.kind);
		const limits = later && isIn(later) ? later : this.service;
		const isTaken = this.#active < (limits.atOnce ?? Number.POSITIVE_INFINITY) && this.#takesForRate(limits);
		if (isTaken) {
			this.#active++;
			await this.clock.sleep(serviceMs * (1 - spread + 2 * spread * this.random()));
			this.#active--;
			// Those under way get nothing either.
			if (outage && outage.part === undefined && isIn(outage)) return await this.#getNothing(outage.kind, true);
		} else {
			this.refusals++;
			await this.clock.sleep(refusalMs);
		}
		await this.clock.sleep(DELAY_MS);
		return isTaken ? undefined : ruleFor(429, 'EXCEEDING_LIMITS');
	}

	async #getNothing(kind: 'notMade' | '502' | 'hangs', isUnderWay = false): Promise<Refusal> {
		this.unansweredAt.push(this.clock.now());
		await this.clock.sleep(kind === 'hangs' ? TIMEOUT_MS : DELAY_MS);
		if (kind === '502') return { ...ruleFor(502, undefined), httpStatus: 502 };
		return kind === 'hangs' ? timedOut(TIMEOUT_MS) : noAnswer(isUnderWay ? 'ECONNRESET' : 'ECONNREFUSED');
	}

	#takesForRate({ perSecond, counting = 'sliding' }: AccountLimits): boolean {
		if (perSecond === undefined) return true;
		const now = this.clock.now();
		switch (counting) {
			case 'sliding':
				this.#recent = this.#recent.filter((at) => at > now - 1_000);
				return this.#recent.length < perSecond && this.#recent.push(now) > 0;
			case 'fixed': {
				const second = Math.floor((now + 137) / 1_000);
				if (second !== this.#window.second) this.#window = { second, taken: 0 };
				return this.#window.taken < perSecond && ++this.#window.taken > 0;
			}
			case 'bucket': {
				const { tokens, at } = this.#bucket ?? { tokens: perSecond, at: now };
				const filled = Math.min(perSecond, tokens + ((now - at) / 1_000) * perSecond);
				this.#bucket = { tokens: filled >= 1 ? filled - 1 : filled, at: now };
				return filled >= 1;
			}
		}
	}
}

/** Reproducible: mulberry32. */
export function seededRandom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

export interface Simulation {
	pairs: number;
	/** The most requests at a time that each process wants. */
	most: number;
	service: Service;
	seed: number;
	/** How many know nothing of each other and share out the pairs, and how long after one the next begins, ms. */
	processes?: number;
	apartMs?: number;
}

/** How long all processes are at work when the first shares are taken, ms. */
const EARLY_MS = 30_000;

/** Merges so many pairs, in virtual time. */
export async function simulate({ pairs, most, service, seed, processes = 1, apartMs = 200 }: Simulation) {
	const clock = new VirtualClock();
	const random = seededRandom(seed);
	const account = new SimulatedAccount(clock, service, random);
	const merged = Array<number>(processes).fill(0);
	let longestRefusedMs = 0;
	/** What each had half a minute after the last began; and when the first one was done, and when that was. */
	let early: number[] | undefined;
	let first: { merged: number[]; at: number } | undefined;

	const batch = async (process: number) => {
		await clock.sleep(process * apartMs);
		const lane = new Gate(new Limits(random), clock, random).openLane(most);
		const endsBatch = ({ blame }: Refusal) => blame === 'account' || blame === 'load';
		let left = pairs / processes;
		const work = async () => {
			while (left-- > 0) {
				const turn = await lane.turn();
				if (turn === undefined) return;
				const request = async () => {
					const refusal = await account.request();
					if (clock.now() > EARLY_MS + (processes - 1) * apartMs) early ??= [...merged];
					longestRefusedMs = Math.max(longestRefusedMs, turn.refusedForMs());
					return refusal ? { refusal } : {};
				};
				const sending = await send(turn, request, { maxRetries: 4, clock, random, endsBatch });
				if (sending && !('refusal' in sending.answer)) merged[process] = (merged[process] ?? 0) + 1;
				turn.end();
			}
		};
		await Promise.all(Array.from({ length: 2 * most + 1 }, work));
		lane.close();
		first ??= { merged: [...merged], at: clock.now() };
	};
	await clock.run(Promise.all(merged.map(async (_none, process) => await batch(process))));

	const { atOnce = Number.POSITIVE_INFINITY, perSecond = Number.POSITIVE_INFINITY, serviceMs, jitterMs = 10 } = service;
	const roundTripMs = serviceMs + 2 * DELAY_MS + jitterMs / 2;
	const idealMs = Math.max(
		(pairs / perSecond) * 1_000,
		(pairs * roundTripMs) / Math.min(atOnce, most * processes, pairs),
	);
	const together = first?.merged ?? merged;
	return {
		merged: sum(merged),
		seconds: clock.now() / 1_000,
		/** Time ÷ the shortest in which it can be done. */
		span: clock.now() / idealMs,
		/** Pairs per second with all processes at work. */
		rate: sum(together) / ((first?.at ?? 0) / 1_000),
		refused: account.refusals / account.requests,
		/** The smallest process' part of its fair share, with all at work, and in the first half minute. */
		leastShare: leastShare(together),
		earlyShare: leastShare(early ?? together),
		longestRefusedMs,
		unansweredAt: account.unansweredAt,
	};
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
const leastShare = (each: number[]) => (Math.min(...each) * each.length) / sum(each);

export function median(numbers: number[]): number {
	const sorted = [...numbers].sort((one, other) => one - other);
	const middle = (sorted.length - 1) / 2;
	return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
