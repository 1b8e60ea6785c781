/** An account with the service: its credits, and how many requests it may have at a time and per second. */
import { Refusal } from './rules';

export interface AccountOptions {
	key: string;
	/** How many merges are left to make; default Infinity. */
	credits?: number;
	/** Merge requests at a time; default Infinity. */
	maxConcurrentRequests?: number;
	/** Merge requests accepted within any second; default Infinity. */
	maxRequestsPerSecond?: number;
	/** Whether every request is refused with 403. */
	locked?: boolean;
}

export class Account {
	credits: number;
	readonly locked: boolean;
	private readonly maxConcurrent: number;
	private readonly maxPerSecond: number;
	private running = 0;
	private reserved = 0;
	/** When the requests of the last second were accepted, in ms. */
	private accepted: number[] = [];

	constructor(options: AccountOptions) {
		this.credits = options.credits ?? Infinity;
		this.locked = options.locked ?? false;
		this.maxConcurrent = options.maxConcurrentRequests ?? Infinity;
		this.maxPerSecond = options.maxRequestsPerSecond ?? Infinity;
	}

	/** Lets a request in, to be followed by `leave`. Refused ones count towards no limit. @throws Refusal (429) */
	enter(now: number): void {
		this.accepted = this.accepted.filter((time) => now - time < 1000);
		if (this.accepted.length >= this.maxPerSecond) throw new Refusal('EXCEEDING_LIMITS', 'too many per second');
		if (this.running >= this.maxConcurrent) throw new Refusal('EXCEEDING_LIMITS', 'too many at a time');
		this.accepted.push(now);
		this.running++;
	}

	leave(): void {
		this.running--;
	}

	/** Sets the price of one merge aside, to be charged when it is done. @throws Refusal (429) */
	reserve(): void {
		if (this.credits - this.reserved < 1) throw new Refusal('ERROR_NOT_ENOUGH_CREDITS', 'no credits left');
		this.reserved++;
	}

	charge(): void {
		this.reserved--;
		this.credits--;
	}
}
