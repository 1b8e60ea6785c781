/** An account with the service: its credits, and how many requests it may have at a time and per second. */
import { MERGE_CREDITS, Refusal } from './rules';

/** The key of the simulator's account, unless it is given others. */
export const SIMULATOR_KEY = 'simulator-key';

export interface AccountOptions {
	key: string;
	/** The balance; a merge costs 8; default Infinity. */
	credits?: number;
	/** Merge requests at a time; default Infinity. */
	maxConcurrentRequests?: number;
	/** Merge requests accepted per second; default Infinity. */
	maxRequestsPerSecond?: number;
	/** How requests per second are counted; default `slidingWindow`. */
	rateLimit?: RateLimit;
	/** Whether every request is refused with 403. */
	locked?: boolean;
}

/**
 * How a limit per second is counted:
 * - `slidingWindow`: over the 1000 ms before the request
 * - `fixedWindow`: since the clock's second began
 * - `tokenBucket`: by a bucket that holds one second's requests, full at first, refilled evenly
 */
export type RateLimit = 'slidingWindow' | 'fixedWindow' | 'tokenBucket';

const SECOND_MS = 1000;

export class Account {
	credits: number;
	maxConcurrentRequests: number;
	maxRequestsPerSecond: number;
	readonly locked: boolean;
	private readonly rateLimit: RateLimit;
	private running = 0;
	private reserved = 0;
	/** When the requests that count were accepted, in ms. */
	private accepted: number[] = [];
	private tokens = Infinity;
	private refilledAt = 0;

	constructor(options: AccountOptions) {
		this.credits = options.credits ?? Infinity;
		this.maxConcurrentRequests = options.maxConcurrentRequests ?? Infinity;
		this.maxRequestsPerSecond = options.maxRequestsPerSecond ?? Infinity;
		this.rateLimit = options.rateLimit ?? 'slidingWindow';
		this.locked = options.locked ?? false;
	}

	/**
	 * Lets a request in; `leave` must follow. Refused requests count towards no limit.
	 * @param now in ms, from a clock that never goes back
	 * @throws Refusal (429)
	 */
	enter(now: number): void {
		if (this.leftThisSecond(now) < 1) throw new Refusal('EXCEEDING_LIMITS', 'too many per second');
		if (this.running >= this.maxConcurrentRequests) throw new Refusal('EXCEEDING_LIMITS', 'too many at a time');
		this.accepted.push(now);
		this.tokens--;
		this.running++;
	}

	leave(): void {
		this.running--;
	}

	/** Reserves the price of one merge, to be charged when it is done. @throws Refusal (429) */
	reserve(): void {
		if (this.credits - this.reserved < MERGE_CREDITS) {
			throw new Refusal('ERROR_NOT_ENOUGH_CREDITS', 'not enough credits left');
		}
		this.reserved += MERGE_CREDITS;
	}

	/** Gives the reserved price back, of a merge that does not come about. */
	release(): void {
		this.reserved -= MERGE_CREDITS;
	}

	charge(): void {
		this.release();
		this.credits -= MERGE_CREDITS;
	}

	/** How many more requests the limit per second allows now. */
	private leftThisSecond(now: number): number {
		if (this.maxRequestsPerSecond === Infinity) return Infinity;
		if (this.rateLimit === 'tokenBucket') {
			const refilled = this.tokens + ((now - this.refilledAt) / SECOND_MS) * this.maxRequestsPerSecond;
			this.tokens = Math.min(this.maxRequestsPerSecond, refilled);
			this.refilledAt = now;
			return this.tokens;
		}
		const isFixed = this.rateLimit === 'fixedWindow';
		const counts = (time: number) => (isFixed ? time >= now - (now % SECOND_MS) : now - time < SECOND_MS);
		this.accepted = this.accepted.filter(counts);
		return this.maxRequestsPerSecond - this.accepted.length;
	}
}
