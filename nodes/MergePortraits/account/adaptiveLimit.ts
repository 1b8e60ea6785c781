import type { Clock } from '../clock';
import { PATIENCE_MS } from './retry';

/** What the service said when it refused a request for load. */
export interface LoadRefusal {
	/** How long the service asked to wait, ms. */
	retryAfterMs?: number;
}

/** One request that was let through. */
interface Sent {
	at: number;
	/** How many others were in flight when it was sent. */
	others: number;
	/** How often the limit had been lowered by then. */
	round: number;
	answeredAt?: number;
	refused?: boolean;
}

const FIRST_LIMIT = 3;
const SECOND_MS = 1_000;
/** What requests may differ in the time that they take to arrive: kept clear at the end of each second. */
const MARGIN_MS = 30;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;
/** After how many usual durations without a refusal the limit is raised; refusals multiply it, up to the most caution. */
const CALM_DURATIONS = 10;
const MOST_CAUTION = 4;
/** How many requests are remembered to learn from. */
const MEMORY = 256;

/**
 * Lets through as many requests as the account takes, which is not published and is found out from its refusals.
 *
 * It keeps two limits, because accounts have two: requests at a time, and requests per second. It begins with 3 at a time,
 * as AILabTools advises, and one more with every success. The first refusal ends that. From then on a refusal lowers the
 * limit that it speaks of, and pauses; a time without any raises the limit that holds requests back, by one, to see whether
 * the account takes more. The more often it does not, the longer until the next try.
 *
 * Which limit a refusal speaks of: when as many requests were in flight before and all taken, it is the frequency; else the
 * number. Other workers on the same key look like a smaller account, and are shared with by the same rules.
 */
export class AdaptiveLimit {
	private readonly waiting: Array<(admitted: Sent | undefined) => void> = [];
	private readonly sent: Sent[] = [];
	private active = 0;
	private atOnce: number;
	private perSecond = Number.POSITIVE_INFINITY;
	/** The most that the account has been seen to take. */
	private proven = { atOnce: 0, perSecond: 1 };
	private usualDuration: number | undefined;
	/** Twice the longest time to a refusal. */
	private refusalTakes: number | undefined;
	private lastSuccess: number;
	private pausedUntil = 0;
	private wakesAt: number | undefined;
	private round = 0;
	private roundsWithoutSuccess = 0;
	private lastChange = 0;
	/** 0: the limit grows with every success. Otherwise slowly, the more so the more often looking for more was refused. */
	private caution = 0;
	private raised = false;
	private heldBackBy: 'atOnce' | 'perSecond' = 'atOnce';
	private readonly stopped = new AbortController();

	constructor(
		private readonly max: number,
		private readonly clock: Clock,
		private readonly random: () => number = Math.random,
	) {
		this.atOnce = Math.min(FIRST_LIMIT, max);
		this.lastSuccess = clock.now();
	}

	/**
	 * Sends as soon as there is room; sends again, ahead of all that waits, for as long as the answer is a refusal for load
	 * that another try may turn.
	 * @param send makes one request
	 * @param refusalForLoad tells whether an answer is such a refusal
	 * @returns the last answer, or undefined when the limit was stopped before anything was sent
	 */
	async run<T>(send: () => Promise<T>, refusalForLoad: (answer: T) => LoadRefusal | undefined): Promise<T | undefined> {
		let answer: T | undefined;
		for (let again = false; ; again = true) {
			const request = await this.admission(again);
			if (request === undefined) break;
			answer = await send();
			this.active--;
			request.answeredAt = this.clock.now();
			const refusal = refusalForLoad(answer);
			request.refused = refusal !== undefined;
			if (refusal === undefined) this.learnFromSuccess(request);
			else this.learnFromRefusal(request, refusal);
			this.admit();
			if (refusal === undefined || this.isHopeless(refusal)) break;
		}
		return answer;
	}

	/** Lets nothing through any more, and sends away what waits. */
	stop(): void {
		this.stopped.abort();
		this.waiting.splice(0).forEach((resolve) => resolve(undefined));
	}

	private async admission(first: boolean): Promise<Sent | undefined> {
		if (this.stopped.signal.aborted) return undefined;
		return await new Promise((resolve) => {
			if (first) this.waiting.unshift(resolve);
			else this.waiting.push(resolve);
			this.admit();
		});
	}

	private admit(): void {
		while (this.waiting.length > 0 && this.active < this.atOnce) {
			const now = this.clock.now();
			const secondOpensAt = this.secondOpensAt();
			if (secondOpensAt > now) this.heldBackBy = 'perSecond';
			const opensAt = Math.max(this.pausedUntil, secondOpensAt);
			if (opensAt > now) return this.wakeAt(opensAt);
			const request = { at: now, others: this.active, round: this.round };
			if (this.sent.push(request) > MEMORY) this.sent.shift();
			this.active++;
			this.waiting.shift()?.(request);
		}
		if (this.waiting.length > 0) this.heldBackBy = 'atOnce';
	}

	/** When the number of requests per second leaves room for one more. */
	private secondOpensAt(): number {
		const recent = this.takenBetween(this.clock.now() - SECOND_MS - MARGIN_MS, this.clock.now());
		return recent.length < this.perSecond ? 0 : recent[recent.length - this.perSecond].at + SECOND_MS + MARGIN_MS;
	}

	private wakeAt(time: number): void {
		if (this.wakesAt !== undefined && this.wakesAt <= time) return;
		this.wakesAt = time;
		const wake = () => {
			if (this.wakesAt === time) this.wakesAt = undefined;
			this.admit();
		};
		// Rejects when the limit is stopped: then nothing waits any more.
		void this.clock.sleep(time - this.clock.now(), this.stopped.signal).then(wake, wake);
	}

	/** Refusals come promptly, so what has been in flight for longer than they take was taken. */
	private learnFromInFlight(answered: Sent): void {
		const before = this.clock.now() - (this.refusalTakes ?? (this.usualDuration ?? Number.POSITIVE_INFINITY) / 4);
		const taken = this.sent.filter(
			(sent) => !sent.refused && sent.at < before && (sent === answered || sent.answeredAt === undefined),
		);
		this.proven.atOnce = Math.max(this.proven.atOnce, taken.length);
	}

	private learnFromSuccess(request: Sent): void {
		const now = this.clock.now();
		const { at } = request;
		this.learnFromInFlight(request);
		this.proven.perSecond = Math.max(this.proven.perSecond, this.takenBetween(at - SECOND_MS, at).length);
		this.lastSuccess = now;
		this.usualDuration = 0.8 * (this.usualDuration ?? now - at) + 0.2 * (now - at);
		this.roundsWithoutSuccess = 0;
		if (this.isCalm(now, this.caution)) this.raise(now);
	}

	private isCalm(now: number, caution: number): boolean {
		return now - this.lastChange >= CALM_DURATIONS * caution * (this.usualDuration ?? 0);
	}

	private raise(now: number): void {
		// Two raises with no refusal between them: the account takes more than it did.
		if (this.raised) this.caution = 0;
		this.raised = true;
		this.lastChange = now;
		if (this.heldBackBy === 'perSecond') this.perSecond++;
		else this.atOnce = Math.min(this.max, this.atOnce + 1);
	}

	private learnFromRefusal(request: Sent, { retryAfterMs = 0 }: LoadRefusal): void {
		const now = this.clock.now();
		this.refusalTakes = Math.max(this.refusalTakes ?? 0, 2 * (now - request.at));
		this.learnFromInFlight(request);
		this.pausedUntil = Math.max(this.pausedUntil, now + retryAfterMs);
		// Sent before the limit was last lowered, so it says nothing new.
		if (request.round < this.round) return;
		this.round++;
		this.roundsWithoutSuccess++;
		// A refusal at once after a raise is the raise's. Otherwise: as many at a time were taken before, or they were not.
		const byRaise = this.raised && this.atOnce > this.proven.atOnce && now - this.lastChange <= this.refusalTakes;
		if (byRaise) this.atOnce--;
		else if (request.others >= this.proven.atOnce || this.perSecond === 1) this.lowerAtOnce(request);
		else this.lowerPerSecond(now);
		this.lastChange = now;
		this.raised = false;
		this.caution = Math.min(MOST_CAUTION, Math.max(1, this.caution * 2));
		// A place is free again after about the time that one request takes.
		const pause = (this.usualDuration ?? FIRST_PAUSE_MS) * 2 ** (this.roundsWithoutSuccess - 1);
		const jittered = Math.min(LONGEST_PAUSE_MS, pause) * (0.5 + this.random() / 2);
		this.pausedUntil = Math.max(this.pausedUntil, now + jittered);
	}

	private lowerAtOnce({ others }: Sent): void {
		this.atOnce = Math.max(1, Math.min(this.atOnce - 1, others));
	}

	private lowerPerSecond(now: number): void {
		const taken = Math.max(this.proven.perSecond, this.takenBetween(now - SECOND_MS, now).length);
		if (this.perSecond === Number.POSITIVE_INFINITY) {
			// So many in flight make up the rate; fewer may have been thought too many at a time.
			const needed = Math.ceil((taken * (this.usualDuration ?? 0)) / SECOND_MS) + 1;
			this.atOnce = Math.min(this.max, Math.max(this.atOnce, needed));
			this.perSecond = taken;
		} else {
			const again = !this.isCalm(now, 1);
			this.perSecond = Math.max(1, Math.min(taken, again ? this.perSecond - 1 : this.perSecond));
		}
	}

	private takenBetween(after: number, until: number): Sent[] {
		return this.sent.filter(({ at, refused }) => !refused && at > after && at <= until);
	}

	private isHopeless({ retryAfterMs = 0 }: LoadRefusal): boolean {
		return retryAfterMs > PATIENCE_MS || this.clock.now() - this.lastSuccess > PATIENCE_MS;
	}
}
