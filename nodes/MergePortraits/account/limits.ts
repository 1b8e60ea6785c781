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

/** By how much the longest time to a refusal fades with each refusal: one slow answer must not hold up a day. */
const REFUSAL_FADES = 0.8;

/** After how many rounds of a full house one place more is tried: at first after 8, after each vain try twice as many. */
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

/** How long to wait where nothing of ours is in flight that would make room: in durations of a merge, and at most. */
const FIRST_POLL_DURATIONS = 2;
const POLL_DURATIONS = 4;
const FIRST_POLL_MS = 1_000;
const LONGEST_POLL_MS = 5_000;

/** After how many durations of a merge a place is left to others: when nobody is known to want it, and when somebody does. */
const ROOM_AFTER_DURATIONS = 8;
const ROOM_AFTER_DURATIONS_SHARED = 16;
/** Not in the first seconds: a short batch would lose more than others gain. */
const FIRST_ROOM_AFTER_MS = 10_000;
const LONGEST_ROOM_AFTER_MS = 45_000;

/**
 * How many requests at a time and per second the account takes. Neither is published, so both are learned from what the
 * service takes and refuses.
 *
 * At a time: begins with 3 and grows with each request taken at a full house, until one is refused; then it is as many as
 * were in flight beside the refused one. From then on one place more is tried now and then. Per second: without limit until
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
	private takenAtFullHouse = 0;
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
			paced: this.active < this.atOnce && now - this.lastSentAt < (1.2 * SECOND_MS) / this.perSecond,
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
		this.refusedInARow = 0;
		this.refusedSince = undefined;
		this.usualMs = 0.8 * (this.usualMs ?? now - sent.at) + 0.2 * (now - sent.at);
		if (sent.paced && this.perSecond < Number.POSITIVE_INFINITY) {
			this.perSecond += RATE_RISE * Math.sqrt(this.perSecond) * (1 + this.takenAtRate++ / RATE_HOLD);
		}
		const isFullHouse = this.active + 1 >= this.atOnce;
		if (!isFullHouse) return;
		if (this.roomUntil !== undefined && sent.at >= this.roomUntil) this.planRoom(now, false);
		if (++this.takenAtFullHouse >= this.tryAfter * this.atOnce) {
			this.takenAtFullHouse = 0;
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
		this.takenAtFullHouse = 0;
		this.trying = true;
		this.mostTaken = 0;
	}

	private learnFromRefused(sent: Sent, now: number, retryAfterMs: number): void {
		this.refusedInARow++;
		this.refusalMs = Math.min(SECOND_MS, Math.max(now - sent.at, REFUSAL_FADES * this.refusalMs));
		this.pausedUntil = Math.max(this.pausedUntil, now + retryAfterMs);
		this.takeBack(sent);
		this.refusedSince ??= now;
		// Within two seconds any count of a second begins anew: who is refused for longer is shut out by others.
		if (this.active === 0 && now - this.refusedSince > 2 * SECOND_MS) this.perSecond = Number.POSITIVE_INFINITY;
		if (this.isForRate(sent, now)) return this.lowerRate(sent, now);
		this.lowerAtOnce(sent, now);
		if (this.active > 0) return;
		const first = Math.max(FIRST_POLL_MS, FIRST_POLL_DURATIONS * (this.usualMs ?? 0));
		const pause = Math.min(this.pollMs(this.usualMs), first * 2 ** (this.refusedInARow - 1));
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
		// One in sixteen may be a place that had just become free.
		const isProven = asMany >= Math.max(1, taken / 16);
		if (this.perSecond === Number.POSITIVE_INFINITY) return isProven && asMany >= 8 * asOften;
		const isAtRate = paced || lastSecond + 1 >= 0.8 * this.perSecond;
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
		this.takenAtFullHouse = 0;
		this.trying = false;
		this.atOnce = Math.max(1, Math.min(this.atOnce, others));
		if (this.roomUntil === undefined && this.nextRoomAt === Number.POSITIVE_INFINITY) this.planRoom(now, false);
		else if (this.roomUntil !== undefined && at >= this.roomUntil) this.planRoom(now, true);
	}

	/** @param wanted whether somebody took the last one */
	private planRoom(now: number, wanted: boolean): void {
		const durations = wanted ? ROOM_AFTER_DURATIONS_SHARED / this.atOnce : ROOM_AFTER_DURATIONS;
		const least = Math.max(wanted ? 0 : FIRST_ROOM_AFTER_MS, durations * (this.usualMs ?? SECOND_MS));
		this.roomAfterMs = Math.min(LONGEST_ROOM_AFTER_MS, wanted ? least : Math.max(least, 2 * this.roomAfterMs));
		this.nextRoomAt = now + this.roomAfterMs * (0.75 + this.random() / 2);
		this.roomUntil = undefined;
	}

	private pollMs(usualMs = Number.POSITIVE_INFINITY): number {
		return Math.min(LONGEST_POLL_MS, POLL_DURATIONS * usualMs);
	}

	private countSince(time: number): number {
		return this.sends.filter(({ at }) => at > time).length;
	}
}
