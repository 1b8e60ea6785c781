/**
 * What an answer says about the account's limits:
 * - `taken`: the service worked on the request, whatever came of it
 * - `refused`: too many requests for now
 * - `ignored`: nothing; a time-out, a lost connection and a fault of the service say nothing about limits
 */
export type Verdict = 'taken' | 'refused' | 'ignored';

/** A request that was let through, and what was known then. */
export interface Sent {
	/** Times are in ms. */
	at: number;
	answeredAt?: number;
	verdict?: Verdict;
	/** Its number in order of sending. */
	order: number;
	/** How many others were in flight. Here and below, refused ones do not count. */
	others: number;
	/** How many others had been sent in the second before. */
	lastSecond: number;
	/** Whether it had waited for the rate. */
	paced: boolean;
}

const SECOND_MS = 1_000;

/** How many requests at a time AILabTools advises to begin with. */
const FIRST_AT_ONCE = 3;

/** How many requests are remembered to learn from. */
const MEMORY = 64;

/** What each refusal leaves of the longest time to a refusal: one slow answer must not count all day. */
const REFUSAL_FADES = 0.8;

/** How much the last merge counts in the usual duration: the last five or so make it up. */
const LAST_MERGE_COUNTS = 0.2;

/**
 * After how many rounds with all places taken one more is tried: 8 at first (1 where a merge takes over a second), twice
 * as many after each failed try.
 */
const FIRST_TRY_AFTER = 8;
const LAST_TRY_AFTER = 32;

/**
 * A refusal lowers the rate by a fifth, or less the longer it had held, but at least by a twentieth. A taken request raises
 * it by RATE_RISE times its square root, more the longer it has held: refusals stay at a few in a hundred at any rate, and
 * a slow process gains on a fast one.
 */
const FIRST_RATE_FALL = 0.2;
const LAST_RATE_FALL = 0.05;
const RATE_RISE = 0.002;
const RATE_HOLD = 24;

/** A request sent within this many intervals of the one before had waited for the rate: timers may be late. */
const PACED_WITHIN = 1.2;

/**
 * What proves that a refusal was for the rate: at least one in 16 of the requests taken had as many others in flight (fewer
 * may have met a place that had just become free); and these are 8 times those taken in as short a time, or, once a rate is
 * known, it was nearly used up.
 */
const PROVEN_BY_ONE_IN = 16;
const PROVEN_TIMES = 8;
const NEARLY = 0.8;

/** The first wait when nothing of ours is in flight to make room, doubled by each refusal up to the longest poll. */
const FIRST_POLL_DURATIONS = 2;
const FIRST_POLL_MS = 1_000;
/** The longest such wait: in merge durations, and at most. */
const POLL_DURATIONS = 5;
const LONGEST_POLL_MS = 5_000;

/** After how many merge durations a place is left to others: long enough to be worth getting in, short for those who wait. */
const ROOM_AFTER_DURATIONS = 8;
/** Not in the first seconds unless somebody is known to want it: a short batch would lose more than others gain. */
const FIRST_ROOM_AFTER_MS = 10_000;
const LONGEST_ROOM_AFTER_MS = 40_000;

/**
 * How many requests at a time and per second the account takes. Neither is published, so both are learned from what the
 * service takes and refuses.
 *
 * At a time: begins with 3 and grows with each request taken while all places are in use, until one is refused; then it is
 * the number that were in flight beside it. From then on one more place is tried now and then. Per second: no limit until
 * requests are refused although as many at a time have been taken before; then paced evenly.
 *
 * Other processes with the same key make the account look smaller. So that those with places shut nobody out, a place is
 * left free now and then, for as long as somebody shut out waits between two tries. If nobody takes it, this becomes rare.
 */
export class Limits {
	/** How many requests are in flight. */
	active = 0;
	/** How many the account is thought to take. */
	atOnce = FIRST_AT_ONCE;
	/** How many this process wants at most. */
	most = Number.POSITIVE_INFINITY;
	/** How many may go per second. */
	perSecond = Number.POSITIVE_INFINITY;

	/** The last requests that were not refused, in order of sending. */
	private sends: Sent[] = [];
	private order = 0;
	private lastSentAt = Number.NEGATIVE_INFINITY;
	private pausedUntil = Number.NEGATIVE_INFINITY;
	private refusedInARow = 0;
	private refusedSince: number | undefined;
	/** Whether it has just left its last place to somebody else. */
	private hasLeft = false;
	/** Since when nothing is in flight. */
	private idleSince = Number.NEGATIVE_INFINITY;
	/** How long a merge usually takes, and the longest that a recent refusal took, ms. */
	private usualMs: number | undefined;
	private refusalMs = 0;

	/** Whether the last place is only being tried. */
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

	/** @param random gives numbers from 0 to 1, so that several processes do not act in step */
	constructor(private readonly random: () => number = Math.random) {}

	/** How many may be in flight. */
	get places(): number {
		return Math.min(this.atOnce, this.most);
	}

	/** When the next request may go, ms: a past time for now, Infinity for when one in flight is answered. */
	opensAt(): number {
		if (this.active >= this.places) return Number.POSITIVE_INFINITY;
		// Were it tried at the same moment as others, a refusal would not tell which limit it met.
		const apart = Math.min(SECOND_MS + this.refusalMs, (this.usualMs ?? 0) / this.atOnce);
		const spread = this.trying && this.active === this.atOnce - 1 ? apart : 0;
		const paced = this.lastSentAt + Math.max(spread, SECOND_MS / this.perSecond);
		return Math.max(this.pausedUntil, paced, this.active === this.places - 1 ? (this.roomUntil ?? 0) : 0);
	}

	/** Counts a request that goes now; `answered` must follow. */
	send(now: number): Sent {
		const isIdle = this.active === 0 && this.refusedSince === undefined;
		// All places were left free for as long as others wait between two tries.
		if (isIdle && this.isRoomPlanned() && now - this.idleSince > this.pollMs(this.usualMs)) this.planRoom(now, false);
		const sent = {
			at: now,
			order: this.order++,
			others: this.active++,
			lastSecond: this.countSince(now - SECOND_MS),
			// With a place free, it had not waited for one.
			paced: this.active < this.places && now - this.lastSentAt < (PACED_WITHIN * SECOND_MS) / this.perSecond,
		};
		this.sends.push(sent);
		if (this.sends.length > 2 * MEMORY + this.active) this.sends = this.sends.slice(-MEMORY - this.active);
		this.lastSentAt = now;
		return sent;
	}

	/** @param retryAfterMs how long the service asked to wait */
	answered(sent: Sent, verdict: Verdict, now: number, retryAfterMs = 0): void {
		if (--this.active === 0) this.idleSince = now;
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
		// Others had all the places: they will want this one too.
		if (this.isShutOut(sent.at)) this.planRoom(now, true);
		this.refusedInARow = 0;
		this.refusedSince = undefined;
		this.hasLeft = false;
		if (sent.paced && this.perSecond < Number.POSITIVE_INFINITY) {
			this.perSecond += RATE_RISE * Math.sqrt(this.perSecond) * (1 + this.takenAtRate++ / RATE_HOLD);
		}
		const isFull = this.active + 1 >= this.places;
		if (isFull) this.learnFromFull(sent, now, this.usualMs);
	}

	/** With all places in use, one more may be tried, or one left to others. */
	private learnFromFull(sent: Sent, now: number, usualMs: number): void {
		if (this.wasAfterRoom(sent)) {
			this.planRoom(now, false);
			// Nobody took the only place: others have left, or have enough.
			if (this.atOnce === 1) this.tryAfter = Math.min(this.tryAfter, FIRST_TRY_AFTER);
		} else if (this.atOnce >= this.most && !this.isRoomPlanned()) {
			// It wants no more and so is never refused, but what it has may be all that there is.
			this.roomAfterMs = LONGEST_ROOM_AFTER_MS;
			this.planRoom(now, false);
		}
		// A round of slow merges lasts over a second, so it soon shows whether a refusal was for the rate.
		const isSoonTold = this.tryAfter === FIRST_TRY_AFTER && usualMs > SECOND_MS;
		// Up to one more than is wanted, so that none of those is only being tried.
		if (this.atOnce <= this.most && ++this.takenWhenFull >= (isSoonTold ? 1 : this.tryAfter) * this.atOnce) {
			this.takenWhenFull = 0;
			// The last try was not refused: the account takes more than before.
			if (this.trying) this.tryAfter = Math.min(this.tryAfter, 1);
			this.atOnce++;
			this.trying = true;
		}
		if (now >= this.nextRoomAt) {
			this.nextRoomAt = Number.POSITIVE_INFINITY;
			this.roomUntil = now + this.pollMs(usualMs);
		}
	}

	/** When everything was refused for a while, that was the service, not the account's limit: it is learned afresh. */
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
		if (this.wasAfterRoom(sent)) this.hasLeft = true;
		this.lowerAtOnce(sent, now);
		if (this.active > 0) return;
		const first = Math.max(FIRST_POLL_MS, FIRST_POLL_DURATIONS * (this.usualMs ?? 0));
		const longest = this.pollMs(this.usualMs);
		// Who has just got in is not to be pushed out by short polls.
		const pause = this.hasLeft ? longest : Math.min(longest, first * 2 ** (this.refusedInARow - 1));
		// Up to a fifth shorter, so as not to act in step; never longer than a place is left free.
		this.pausedUntil = Math.max(this.pausedUntil, now + pause * (0.8 + this.random() / 5));
	}

	/**
	 * A refused request took no place from the others; and as requests overtake each other, whatever was under way at the same
	 * time may have arrived before it.
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

	/** Whether it was for the rate: as many at a time have been taken before, but not as many in so short a time. */
	private isForRate({ at, order, others, lastSecond, paced }: Sent, now: number): boolean {
		if (lastSecond === 0 && !paced) return false;
		const before = this.sends.filter((one) => one.order < order);
		// Refusals come promptly: what has been in flight for longer has been taken.
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
		// Half an interval is enough to wait: some of it had passed.
		if (this.lastSentAt === at && this.perSecond < Number.POSITIVE_INFINITY) {
			this.lastSentAt -= SECOND_MS / this.perSecond / 2;
		}
		// Others sent in the same second tell nothing more.
		if (at < this.rateChangedAt + SECOND_MS) return;
		if (this.perSecond === Number.POSITIVE_INFINITY) {
			this.perSecond = Math.max(1, lastSecond * (1 - LAST_RATE_FALL));
			const first = this.sends.find((sent) => sent.at > at - SECOND_MS);
			this.pausedUntil = Math.max(this.pausedUntil, (first?.at ?? at) + SECOND_MS + this.refusalMs);
		} else {
			this.perSecond *= 1 - Math.max(LAST_RATE_FALL, FIRST_RATE_FALL / (1 + this.takenAtRate / 4));
		}
		// The rate needs this many in flight, even if fewer were once thought too many at a time.
		const needed = Math.ceil((Math.max(lastSecond, this.perSecond) * (this.usualMs ?? 0)) / SECOND_MS) + 1;
		this.atOnce = Math.max(this.atOnce, needed);
		this.rateChangedAt = now;
		this.takenAtRate = 0;
	}

	private lowerAtOnce(sent: Sent, now: number): void {
		const { others } = sent;
		if (this.tryAfter === 0) this.tryAfter = FIRST_TRY_AFTER;
		else if (others >= this.atOnce - 1) {
			this.tryAfter = Math.min(LAST_TRY_AFTER, Math.max(FIRST_TRY_AFTER, this.tryAfter * 2));
		}
		this.takenWhenFull = 0;
		this.trying = false;
		this.atOnce = Math.max(1, Math.min(this.atOnce, others));
		if (!this.isRoomPlanned()) this.planRoom(now, false);
		else if (this.wasAfterRoom(sent)) this.planRoom(now, true);
	}

	private isRoomPlanned(): boolean {
		return this.roomUntil !== undefined || this.nextRoomAt < Number.POSITIVE_INFINITY;
	}

	/** Whether it was sent into a place that had been left free. */
	private wasAfterRoom({ at }: Sent): boolean {
		return this.roomUntil !== undefined && at >= this.roomUntil;
	}

	/** Plans when a place is next left free. @param wanted whether somebody took the last one */
	private planRoom(now: number, wanted: boolean): void {
		const durations = wanted ? ROOM_AFTER_DURATIONS / this.atOnce : ROOM_AFTER_DURATIONS;
		const least = Math.max(wanted ? 0 : FIRST_ROOM_AFTER_MS, durations * (this.usualMs ?? SECOND_MS));
		this.roomAfterMs = Math.min(LONGEST_ROOM_AFTER_MS, wanted ? least : Math.max(least, 2 * this.roomAfterMs));
		this.nextRoomAt = now + this.roomAfterMs * (0.75 + this.random() / 2);
		this.roomUntil = undefined;
	}

	/** Any count per second starts over within two seconds: whoever is refused for longer is shut out by others. */
	private isShutOut(now: number): boolean {
		return this.active === 0 && this.refusedSince !== undefined && now - this.refusedSince > 2 * SECOND_MS;
	}

	private pollMs(usualMs = Number.POSITIVE_INFINITY): number {
		return Math.min(LONGEST_POLL_MS, POLL_DURATIONS * usualMs);
	}

	private countSince(time: number): number {
		return this.sends.length - 1 - this.sends.findLastIndex(({ at }) => at <= time);
	}
}
