/**
 * What an answer says of the account's limits:
 * - `taken`: the service worked on the request, whatever came of it
 * - `refused`: too many requests for now
 * - `ignored`: nothing; a time-out, a lost line or a fault of the service speaks of no limit
 */
export type Verdict = 'taken' | 'refused' | 'ignored';

/** A request that was let through, and what was known when it was. */
export interface Sent {
	/** Times are in ms. */
	at: number;
	answeredAt?: number;
	verdict?: Verdict;
	/** Its number in the order of sending. */
	order: number;
	/** How many others were in flight. Those that were refused do not count, here and below. */
	others: number;
	/** How many others had been sent within the second before. */
	lastSecond: number;
	/** Whether it had waited for the rate. */
	paced: boolean;
}

const SECOND_MS = 1_000;

/** With how many requests at a time AILabTools advises to begin. */
const FIRST_AT_ONCE = 3;

/** How many requests are remembered to learn from. */
const MEMORY = 64;

/** What of the longest time to a refusal is left with each refusal: one slow answer must not hold up a day. */
const REFUSAL_FADES = 0.8;

/** How much the last merge counts for the usual duration: the last five or so make it up. */
const LAST_MERGE_COUNTS = 0.2;

/** After how many rounds with all places taken one more is tried: at first after 8, after each vain try twice as many. */
const FIRST_TRY_AFTER = 8;
const LAST_TRY_AFTER = 32;

/**
 * A refused rate falls by a fifth at first and by a twentieth when it had held for long. A taken request raises it by this
 * times its root, more the longer it has held: refusals stay at a few in a hundred, whatever the rate, and of several
 * processes the slow one gains on the fast one.
 */
const FIRST_RATE_FALL = 0.2;
const LAST_RATE_FALL = 0.05;
const RATE_RISE = 0.002;
const RATE_HOLD = 24;

/** Sent within so many intervals of the rate after the one before: it had waited for the rate, whatever the timers' delay. */
const PACED_WITHIN = 1.2;

/**
 * What proves that a refusal was for the rate: of those taken, one in so many was beside as many others (fewer may have met a
 * place that had just become free), so many times more than were taken in so short a time; and the rate known was nearly used.
 */
const PROVEN_BY_ONE_IN = 16;
const PROVEN_TIMES = 8;
const NEARLY = 0.8;

/** How long to wait where nothing of ours is in flight that would make room: in durations of a merge, and at most. */
const FIRST_POLL_DURATIONS = 2;
const POLL_DURATIONS = 5;
const FIRST_POLL_MS = 1_000;
const LONGEST_POLL_MS = 5_000;

/** After how many durations of a merge a place is left to others: long enough to be worth the way in, short for who waits. */
const ROOM_AFTER_DURATIONS = 8;
/** When nobody is known to want it, not in the first seconds: a short batch would lose more than others gain. */
const FIRST_ROOM_AFTER_MS = 10_000;
const LONGEST_ROOM_AFTER_MS = 45_000;

/**
 * How many requests at a time and per second the account takes. Neither is published, so both are learned from what the
 * service takes and refuses.
 *
 * At a time: begins with 3 and grows with each request taken while all places are, until one is refused; then it is as many
 * as were in flight beside the refused one. From then on one place more is tried now and then. Per second: without limit until
 * requests are refused although as many at a time have been taken before; then paced evenly.
 *
 * Other processes with the same key look like a smaller account. So that none of them is shut out by those that have the
 * places, a place is left free now and then for as long as somebody shut out waits between two tries. Where nobody takes it,
 * this becomes rare.
 */
export class Limits {
	/** How many requests are in flight. */
	active = 0;
	/** How many may be. */
	atOnce = FIRST_AT_ONCE;
	/** How many may go per second. */
	perSecond = Number.POSITIVE_INFINITY;

	/** The last requests that were not refused, in the order of sending. */
	private sends: Sent[] = [];
	private order = 0;
	private lastSentAt = Number.NEGATIVE_INFINITY;
	private pausedUntil = Number.NEGATIVE_INFINITY;
	private refusedInARow = 0;
	private refusedSince: number | undefined;
	/** How long a merge usually takes, and the longest that a refusal lately took, ms. */
	private usualMs: number | undefined;
	private refusalMs = 0;

	/** Whether the last place is one that is being tried. */
	private trying = true;
	private tryAfter = 0;
	private takenWhenFull = 0;
	/** The most requests at a time that were taken. */
	private mostTaken = 0;

	private rateChangedAt = Number.NEGATIVE_INFINITY;
	private takenAtRate = 0;

	private nextRoomAt = Number.POSITIVE_INFINITY;
	private roomUntil: number | undefined;
	private roomAfterMs = 0;

	/** @param random gives numbers from 0 to 1, so that several processes do not keep step */
	constructor(private readonly random: () => number = Math.random) {}

	/** When the next request may go, ms: any time that has passed for now, Infinity for when one in flight has been answered. */
	opensAt(): number {
		if (this.active >= this.atOnce) return Number.POSITIVE_INFINITY;
		const isLastPlace = this.active === this.atOnce - 1;
		// A try at the same moment as others would not tell which limit refused it.
		const apart = Math.min(SECOND_MS + this.refusalMs, (this.usualMs ?? 0) / this.atOnce);
		const spread = this.trying && isLastPlace ? apart : 0;
		const paced = this.lastSentAt + Math.max(spread, SECOND_MS / this.perSecond);
		return Math.max(this.pausedUntil, paced, isLastPlace ? (this.roomUntil ?? 0) : 0);
	}

	/** Counts a request that goes now; its answer is to be told. */
	send(now: number): Sent {
		const sent = {
			at: now,
			order: this.order++,
			others: this.active++,
			lastSecond: this.countSince(now - SECOND_MS),
			// Where a place was free, it had not waited for one.
			paced: this.active < this.atOnce && now - this.lastSentAt < (PACED_WITHIN * SECOND_MS) / this.perSecond,
		};
		this.sends.push(sent);
		if (this.sends.length > 2 * MEMORY + this.active) this.sends = this.sends.slice(-MEMORY - this.active);
		this.lastSentAt = now;
		return sent;
	}

	/** @param retryAfterMs how long the service asked to wait */
	answered(sent: Sent, verdict: Verdict, now: number, retryAfterMs = 0): void {
		this.active--;
		sent.verdict = verdict;
		sent.answeredAt = now;
		if (verdict === 'taken') this.learnFromTaken(sent, now);
		if (verdict === 'refused') this.learnFromRefused(sent, now, retryAfterMs);
	}

	private learnFromTaken(sent: Sent, now: number): void {
		if (this.refusedInARow > 0 && this.atOnce === 1 && this.mostTaken > FIRST_AT_ONCE) this.beginAnew();
		this.mostTaken = Math.max(this.mostTaken, sent.others + 1);
		const tookMs = now - sent.at;
		this.usualMs = (1 - LAST_MERGE_COUNTS) * (this.usualMs ?? tookMs) + LAST_MERGE_COUNTS * tookMs;
		// Others had all places: they will want this one as well.
		if (this.isShutOut(sent.at)) this.planRoom(now, true);
		this.refusedInARow = 0;
		this.refusedSince = undefined;
		if (sent.paced && this.perSecond < Number.POSITIVE_INFINITY) {
			this.perSecond += RATE_RISE * Math.sqrt(this.perSecond) * (1 + this.takenAtRate++ / RATE_HOLD);
		}
		const isFull = this.active + 1 >= this.atOnce;
		if (!isFull) return;
		if (this.roomUntil !== undefined && sent.at >= this.roomUntil) this.planRoom(now, false);
		// While merges of a slow service go on, a second passes: soon it shows whether a refusal was for the rate.
		const isSoonTold = this.tryAfter === FIRST_TRY_AFTER && this.usualMs > SECOND_MS;
		if (++this.takenWhenFull >= (isSoonTold ? 1 : this.tryAfter) * this.atOnce) {
			this.takenWhenFull = 0;
			// The place tried before was not refused: the account takes more than it did.
			if (this.trying) this.tryAfter = Math.min(this.tryAfter, 1);
			this.atOnce++;
			this.trying = true;
		}
		if (now >= this.nextRoomAt) {
			this.nextRoomAt = Number.POSITIVE_INFINITY;
			this.roomUntil = now + this.pollMs(this.usualMs);
		}
	}

	/** Where everything was refused for a while, that was the service and not the account's limit: it is found anew. */
	private beginAnew(): void {
		this.tryAfter = 0;
		this.takenWhenFull = 0;
		this.trying = true;
		this.mostTaken = 0;
	}

	private learnFromRefused(sent: Sent, now: number, retryAfterMs: number): void {
		this.refusedInARow++;
		this.refusalMs = Math.min(SECOND_MS, Math.max(now - sent.at, REFUSAL_FADES * this.refusalMs));
		this.pausedUntil = Math.max(this.pausedUntil, now + retryAfterMs);
		this.takeBack(sent);
		this.refusedSince ??= now;
		if (this.isShutOut(now)) this.perSecond = Number.POSITIVE_INFINITY;
		if (this.isForRate(sent, now)) return this.lowerRate(sent, now);
		this.lowerAtOnce(sent, now);
		if (this.active > 0) return;
		const first = Math.max(FIRST_POLL_MS, FIRST_POLL_DURATIONS * (this.usualMs ?? 0));
		const pause = Math.min(this.pollMs(this.usualMs), first * 2 ** (this.refusedInARow - 1));
		// A little earlier than others wait, never later than a room is left.
		this.pausedUntil = Math.max(this.pausedUntil, now + pause * (0.8 + this.random() / 5));
	}

	/**
	 * A refused request was not there for the others; and as requests overtake each other, whatever was under way meanwhile may
	 * have been there before it.
	 */
	private takeBack(sent: Sent): void {
		this.sends = this.sends.filter((other) => other !== sent);
		for (const later of this.sends.filter(({ order }) => order > sent.order)) {
			if (later.verdict === undefined) later.others--;
			if (later.at < sent.at + SECOND_MS) later.lastSecond--;
		}
		const answeredMeanwhile = this.sends.filter(
			({ answeredAt = 0, order }) => order < sent.order && answeredAt > sent.at,
		);
		sent.others = this.active + answeredMeanwhile.length;
		sent.lastSecond = this.countSince(sent.at - SECOND_MS);
	}

	/** Whether it was the rate: as many at a time have been taken before, but not so many in so short a time. */
	private isForRate({ at, order, others, lastSecond, paced }: Sent, now: number): boolean {
		if (lastSecond === 0 && !paced) return false;
		const before = this.sends.filter((one) => one.order < order);
		// Refusals come promptly: what has been in flight for longer is taken.
		const isTaken = (one: Sent) =>
			one.verdict === 'taken' || (one.verdict === undefined && one.at < now - 2 * this.refusalMs);
		const spanBefore = (index: number, time: number) =>
			time - (before[index - lastSecond]?.at ?? Number.NEGATIVE_INFINITY);
		const span = spanBefore(before.length, at);
		const taken = before.filter(isTaken).length;
		const asMany = before.filter((one) => isTaken(one) && one.others >= others).length;
		const asOften = before.filter((one, index) => isTaken(one) && spanBefore(index, one.at) <= span).length;
		const isProven = asMany >= Math.max(1, taken / PROVEN_BY_ONE_IN);
		if (this.perSecond === Number.POSITIVE_INFINITY) return isProven && asMany >= PROVEN_TIMES * asOften;
		const isAtRate = paced || lastSecond + 1 >= NEARLY * this.perSecond;
		return others === 0 || (isProven && isAtRate);
	}

	private lowerRate({ at, lastSecond }: Sent, now: number): void {
		// Half the time between two requests is enough to wait: some of it had passed.
		if (this.lastSentAt === at && this.perSecond < Number.POSITIVE_INFINITY) {
			this.lastSentAt -= SECOND_MS / this.perSecond / 2;
		}
		// Others sent within the same second tell nothing more.
		if (at < this.rateChangedAt + SECOND_MS) return;
		if (this.perSecond === Number.POSITIVE_INFINITY) {
			this.perSecond = Math.max(1, lastSecond * (1 - LAST_RATE_FALL));
			const first = this.sends.find((sent) => sent.at > at - SECOND_MS);
			this.pausedUntil = Math.max(this.pausedUntil, (first?.at ?? at) + SECOND_MS + this.refusalMs);
		} else {
			this.perSecond *= 1 - Math.max(LAST_RATE_FALL, FIRST_RATE_FALL / (1 + this.takenAtRate / 4));
		}
		// So many in flight make up the rate; fewer may have been thought too many at a time.
		const needed = Math.ceil((Math.max(lastSecond, this.perSecond) * (this.usualMs ?? 0)) / SECOND_MS) + 1;
		this.atOnce = Math.max(this.atOnce, needed);
		this.rateChangedAt = now;
		this.takenAtRate = 0;
	}

	private lowerAtOnce({ at, others }: Sent, now: number): void {
		if (this.tryAfter === 0) this.tryAfter = FIRST_TRY_AFTER;
		else if (others >= this.atOnce - 1) {
			this.tryAfter = Math.min(LAST_TRY_AFTER, Math.max(FIRST_TRY_AFTER, this.tryAfter * 2));
		}
		this.takenWhenFull = 0;
		this.trying = false;
		this.atOnce = Math.max(1, Math.min(this.atOnce, others));
		if (this.roomUntil === undefined && this.nextRoomAt === Number.POSITIVE_INFINITY) this.planRoom(now, false);
		else if (this.roomUntil !== undefined && at >= this.roomUntil) this.planRoom(now, true);
	}

	/** @param wanted whether somebody took the last one */
	private planRoom(now: number, wanted: boolean): void {
		const durations = wanted ? ROOM_AFTER_DURATIONS / this.atOnce : ROOM_AFTER_DURATIONS;
		const least = Math.max(wanted ? 0 : FIRST_ROOM_AFTER_MS, durations * (this.usualMs ?? SECOND_MS));
		this.roomAfterMs = Math.min(LONGEST_ROOM_AFTER_MS, wanted ? least : Math.max(least, 2 * this.roomAfterMs));
		this.nextRoomAt = now + this.roomAfterMs * (0.75 + this.random() / 2);
		this.roomUntil = undefined;
	}

	/** Within two seconds any count of a second begins anew: who is refused for longer is shut out by others. */
	private isShutOut(now: number): boolean {
		return this.active === 0 && this.refusedSince !== undefined && now - this.refusedSince > 2 * SECOND_MS;
	}

	private pollMs(usualMs = Number.POSITIVE_INFINITY): number {
		return Math.min(LONGEST_POLL_MS, POLL_DURATIONS * usualMs);
	}

	private countSince(time: number): number {
		return this.sends.filter(({ at }) => at > time).length;
	}
}
