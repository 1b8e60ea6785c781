import type { Clock } from './clock';

/** What the service said when it refused a request for load. */
export interface LoadRefusal {
	/** How long the service asked to wait, ms. */
	retryAfterMs?: number;
}

const FIRST_LIMIT = 3;
const SECOND_MS = 1_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;
/** How long a request may be refused for load while none succeeds. */
const PATIENCE_MS = 120_000;
/** After how many successes for each place at the limit it is raised, and by how much refusals multiply that. */
const SUCCESSES_PER_PLACE = 10;
const MOST_CAUTION = 16;

/**
 * Lets through as many requests as the account takes, which is not published and found out from its refusals:
 * how many at a time, and how many per second. Begins with 3, as AILabTools advises.
 */
export class AdaptiveLimit {
	private readonly waiting: Array<(admitted: boolean) => void> = [];
	private active = 0;
	private atOnce: number;
	private perSecond = Number.POSITIVE_INFINITY;
	/** The most requests in flight at a time that the service has taken. */
	private mostTaken = 0;
	/** When requests of the last second were let through; refused ones are taken out again. */
	private recentStarts: number[] = [];
	private lastSuccess: number;
	private usualDuration: number | undefined;
	private pausedUntil = 0;
	private wakesAt: number | undefined;
	/** Counts the lowerings: a refusal of a request that was sent before the last one says nothing new. */
	private round = 0;
	private roundsWithoutSuccess = 0;
	private successes = 0;
	private caution = 1;
	private raised = true;
	private stopped = false;

	constructor(
		private readonly max: number,
		private readonly clock: Clock,
		private readonly random: () => number = Math.random,
	) {
		this.atOnce = Math.min(FIRST_LIMIT, max);
		this.lastSuccess = clock.now();
	}

	/**
	 * Sends as soon as there is room; sends again, before anything that waits, for as long as the answer is a refusal for
	 * load that another try may turn.
	 * @param send makes one request
	 * @param refusalForLoad tells whether an answer is such a refusal
	 * @returns the last answer, or undefined when the limit was stopped before anything was sent
	 */
	async run<T>(send: () => Promise<T>, refusalForLoad: (answer: T) => LoadRefusal | undefined): Promise<T | undefined> {
		let answer: T | undefined;
		for (let again = false; await this.admission(again); again = true) {
			const start = { round: this.round, at: this.clock.now(), others: this.active - 1 };
			answer = await send();
			this.active--;
			const refusal = refusalForLoad(answer);
			if (refusal === undefined) this.taken(start);
			else this.refused(start, refusal);
			this.admit();
			if (refusal === undefined || this.isHopeless(refusal)) return answer;
		}
		return answer;
	}

	/** Lets nothing through any more; what waits is sent away. */
	stop(): void {
		this.stopped = true;
		this.waiting.splice(0).forEach((resolve) => resolve(false));
	}

	private async admission(first: boolean): Promise<boolean> {
		if (this.stopped) return false;
		return await new Promise((resolve) => {
			if (first) this.waiting.unshift(resolve);
			else this.waiting.push(resolve);
			this.admit();
		});
	}

	private admit(): void {
		while (this.waiting.length > 0 && this.active < this.atOnce) {
			const now = this.clock.now();
			const opensAt = Math.max(this.pausedUntil, this.secondOpensAt(now));
			if (opensAt > now) return this.wakeAt(opensAt);
			this.active++;
			this.recentStarts.push(now);
			this.waiting.shift()?.(true);
		}
	}

	private secondOpensAt(now: number): number {
		this.recentStarts = this.recentStarts.filter((start) => start > now - SECOND_MS);
		if (this.recentStarts.length < this.perSecond) return now;
		return this.recentStarts[this.recentStarts.length - this.perSecond] + SECOND_MS;
	}

	private wakeAt(time: number): void {
		if (this.wakesAt !== undefined && this.wakesAt <= time) return;
		this.wakesAt = time;
		void this.clock.sleep(time - this.clock.now()).then(() => {
			if (this.wakesAt === time) this.wakesAt = undefined;
			this.admit();
		});
	}

	private taken(start: { at: number; others: number }): void {
		const now = this.clock.now();
		this.lastSuccess = now;
		this.usualDuration = (this.usualDuration ?? now - start.at) * 0.8 + (now - start.at) * 0.2;
		this.mostTaken = Math.max(this.mostTaken, start.others + 1);
		this.roundsWithoutSuccess = 0;
		this.successes++;
		// Until the first refusal the limit grows with every success; after it slowly, so that looking for more costs little.
		const needed = this.round === 0 ? 1 : SUCCESSES_PER_PLACE * this.caution * this.atOnce;
		if (this.successes >= needed) this.raise();
	}

	private raise(): void {
		// Two raises without a refusal between them: the account takes more than it did.
		if (this.raised) this.caution = 1;
		this.raised = true;
		this.successes = 0;
		this.atOnce = Math.min(this.max, this.atOnce + 1);
		this.perSecond++;
	}

	private refused(start: { round: number; at: number }, { retryAfterMs }: LoadRefusal): void {
		const now = this.clock.now();
		const own = this.recentStarts.indexOf(start.at);
		if (own >= 0) this.recentStarts.splice(own, 1);
		if (retryAfterMs !== undefined) this.pausedUntil = Math.max(this.pausedUntil, now + retryAfterMs);
		if (start.round !== this.round) return;
		this.round++;
		this.roundsWithoutSuccess++;
		this.successes = 0;
		this.caution = Math.min(MOST_CAUTION, this.caution * 2);
		this.raised = false;
		// As many at a time were taken before, so it is their frequency that the account does not take.
		if (this.active + 1 <= this.mostTaken) this.perSecond = Math.max(1, this.startsSince(now - SECOND_MS));
		else this.atOnce = Math.max(1, Math.min(this.atOnce, this.active));
		// A place is free again after about the time that one request takes.
		const pause = (this.usualDuration ?? FIRST_PAUSE_MS) * 2 ** (this.roundsWithoutSuccess - 1);
		const jittered = Math.min(LONGEST_PAUSE_MS, pause) * (0.5 + this.random() / 2);
		this.pausedUntil = Math.max(this.pausedUntil, now + jittered);
	}

	private startsSince(time: number): number {
		return this.recentStarts.filter((start) => start > time).length;
	}

	private isHopeless({ retryAfterMs = 0 }: LoadRefusal): boolean {
		return retryAfterMs > PATIENCE_MS || this.clock.now() - this.lastSuccess > PATIENCE_MS;
	}
}
