import { PATIENCE_MS } from '../base/backoff';

/**
 * What came of a request:
 * - `taken`: the service worked on it, whether or not it merged the pair
 * - `refused`: too many requests for now
 * - `ignored`: a fault of the service, which says nothing about its limits
 * - `down`: it got nothing; no connection, a time-out, or a gateway that reaches no service
 */
export type Verdict = 'taken' | 'refused' | 'ignored' | 'down';

/** A request that was let through, and what was known then. Times are in ms; refused requests count nowhere. */
export interface Sent {
	at: number;
	/** How many others were in flight, and how many had been sent in the second before. */
	others: number;
	lastSecond: number;
	/** Whether it was a try for one more place, and after which wait. */
	isTry: boolean;
	wait: number;
	/** Whether it had waited for the rate. */
	isPaced: boolean;
	/** How many were taken since the last refusal; another object after each refusal. */
	since: { taken: number };
}

const SECOND_MS = 1_000;
/** Between tries until the first refusal. If longer, short batches lose; if shorter, the first of several processes takes all. */
const FIRST_WAIT_MS = 80;
/** After the first refusal: a count per second has started over by then, so a second refusal is about places. */
const LEAST_WAIT_MS = 1_300;
/** How much longer each refused try makes the wait: a limit that stays is met four times in the first minute. */
const FACTOR = 3;
/** For how many merges' durations a place is kept at least, and how many requests are sent for one that may be refused. */
const TURN = 6;
const SENT_PER_TRY = 20;
/** A refusal leaves this much of the rate; the n-th taken after it adds (n ÷ 160)² per second: one in 20 to 40 is refused. */
const RATE_FALL = 0.94;
const RATE_HOLD = 160;

/**
 * How many requests at a time and per second the account takes; neither is published.
 *
 * At a time: one more is tried, and counts as a place until it is refused. Until the first refusal, the next try follows 80 ms
 * later, then 1.3 s. Each further refusal makes the wait three times as long, at least 20 requests or six merges, up to 40 s;
 * at its end, a quarter of the places is left free for four merges or 15 s. Whoever has no place asks at least once in that time.
 *
 * Per second: no limit, until two requests in a row are refused that were no tries, or one with none in flight. Then evenly
 * spaced: what was taken in the last second, less 6 %; a refusal takes off 6 %, each taken adds more than the one before.
 */
export class Limits {
	/** How many requests are in flight, and how many are known to be taken. */
	active = 0;
	atOnce = 0;
	/** How many may go per second, the most that were taken in one, and those sent in the last one. */
	#perSecond = Number.POSITIVE_INFINITY;
	#mostPerSecond = Number.POSITIVE_INFINITY;
	#recent: Sent[] = [];
	/** No request goes before the one, and none is tried before the other. */
	#opensFrom = Number.NEGATIVE_INFINITY;
	#tryAt = 0;
	#wait = FIRST_WAIT_MS;
	#since = { taken: 1 };
	/** How long a merge usually takes. */
	#mergeMs = SECOND_MS;

	/** @param random gives numbers from 0 to 1, so that several processes do not act in step */
	constructor(private readonly random: () => number = Math.random) {}

	/** When the next request may go, ms: a past time for now, Infinity for when one in flight is answered. */
	opensAt(now: number): number {
		if (this.active > this.atOnce) return Number.POSITIVE_INFINITY;
		// While as many go per second as ever were taken, a refusal would not tell which limit it met: a try is put off a little.
		const first = this.#recent.at(-this.#mostPerSecond);
		const quietAt = first ? Math.min(first.at + SECOND_MS + FIRST_WAIT_MS, this.#tryAt + 2 * SECOND_MS) : 0;
		if (this.active === this.atOnce) return Math.max(this.#opensFrom, this.#tryAt, quietAt);
		// Taken back before the try, which else would be refused too. Places that nobody used need not be left.
		const backAt = this.#tryAt - FIRST_WAIT_MS;
		const [from, until] = [backAt - this.#roomMs(), this.#opensFrom + 2 * this.#roomMs()];
		const isLeft = this.#wait > LEAST_WAIT_MS && now > from && now < until;
		const isOfThose = this.active >= this.atOnce - Math.max(1, Math.round(this.atOnce / 4));
		return isLeft && isOfThose ? Math.max(this.#opensFrom, backAt) : this.#opensFrom;
	}

	/** Counts a request that goes now; `answered` must follow. @param most how many are wanted at a time */
	send(now: number, most: number): Sent {
		this.#recent = this.#recent.filter(({ at }) => at > now - SECOND_MS);
		const interval = SECOND_MS / this.#perSecond;
		const lastSecond = this.#recent.length;
		const isTry = this.active >= this.atOnce;
		const isPaced = now - this.#opensFrom < interval / 5;
		const sent = { at: now, others: this.active++, lastSecond, isTry, isPaced, wait: this.#wait, since: this.#since };
		this.#recent.push(sent);
		this.#opensFrom = Math.max(this.#opensFrom, now + interval);
		if (isTry) this.#tryOneMore(sent, now);
		// It wants no more and so tries nothing, but what it has may be all that there is.
		else if (this.active >= most && now >= this.#tryAt) this.#waitLonger(this.#wait, now);
		return sent;
	}

	/** @param retryAfterMs how long the service asked to wait */
	answered(sent: Sent, verdict: Verdict, now: number, retryAfterMs = 0): void {
		this.active--;
		if (verdict === 'taken') this.#learnFromTaken(sent, now);
		if (verdict !== 'refused') return;
		this.#opensFrom = Math.max(this.#opensFrom, now + retryAfterMs);
		this.#recent = this.#recent.filter((other) => other !== sent);
		this.#mostPerSecond = Math.min(this.#mostPerSecond, Math.max(1, this.#recent.length));
		if (sent.isTry) this.#learnFromTry(sent, now);
		else this.#learnFromRefused(sent, now);
	}

	#tryOneMore({ others, wait }: Sent, now: number): void {
		this.atOnce = others + 1;
		this.#wait = Math.max(FIRST_WAIT_MS, Math.min(LEAST_WAIT_MS, wait / FACTOR));
		// Whoever has waited for his first place leaves the next ones to others who wait for theirs.
		const isFirst = others === 0;
		this.#tryAt = now + Math.max(this.#wait, isFirst ? Math.min(wait, TURN * this.#mergeMs) : 0);
	}

	#learnFromTaken({ at, lastSecond, isPaced, since }: Sent, now: number): void {
		this.#mergeMs += (now - at - this.#mergeMs) / 5;
		if (since !== this.#since) return;
		since.taken++;
		this.#mostPerSecond = Math.max(this.#mostPerSecond, lastSecond + 1);
		if (isPaced) this.#perSecond += (since.taken / RATE_HOLD) ** 2;
	}

	#learnFromTry(sent: Sent, now: number): void {
		this.atOnce = Math.min(this.atOnce, sent.others);
		if (!this.#isNews(sent)) return;
		this.#since = { ...this.#since };
		if (sent.others === 0) this.#perSecond = Number.POSITIVE_INFINITY;
		const { others, wait } = sent;
		if (wait < LEAST_WAIT_MS) this.#waitFor(LEAST_WAIT_MS, now);
		else if (others > 0 || wait === LEAST_WAIT_MS) this.#waitLonger(wait, now);
		// Whoever has no place asks the more often the longer, and so gets the next one before those who have just left theirs.
		else this.#waitFor(Math.max(FACTOR * LEAST_WAIT_MS, 0.9 * wait), now);
	}

	#learnFromRefused(sent: Sent, now: number): void {
		const recent = this.#recent;
		const isInARow = this.#since.taken === 0 && this.#isNews(sent);
		const isPaced = sent.isPaced && !(isInARow && recent.length === 0);
		const isForRate = isPaced || (recent.length > 0 && (isInARow || this.active === 0));
		if (!isForRate) this.atOnce = Math.min(this.atOnce, this.active);
		if (!this.#isNews(sent)) return;
		this.#since = { taken: 0 };
		const wait = isInARow ? 0 : Math.min(this.#wait, this.#turnMs());
		if (!isForRate) return this.#waitFor(Math.max(LEAST_WAIT_MS, wait), now);
		if (this.#perSecond === Number.POSITIVE_INFINITY) {
			this.#perSecond = Math.max(1, recent.length);
			this.#opensFrom = Math.max(this.#opensFrom, (recent[0]?.at ?? now) + SECOND_MS);
		}
		this.#perSecond *= RATE_FALL;
	}

	/** One that was sent before the last refusal was known tells no more than how many places there are. */
	#isNews({ since }: Sent): boolean {
		return since === this.#since || this.atOnce === 0;
	}

	#waitLonger(than: number, now: number): void {
		this.#waitFor(Math.min(PATIENCE_MS / 3, Math.max(FACTOR * than, this.#turnMs())), now);
	}

	/** Up to a fifth less. Whoever has no place asks for one as often as others leave theirs. */
	#waitFor(wait: number, now: number): void {
		this.#wait = wait;
		this.#tryAt = now + (this.atOnce > 0 ? wait : this.#roomMs()) * (0.8 + this.random() / 5);
	}

	#turnMs(): number {
		return Math.max(TURN, SENT_PER_TRY / Math.max(1, this.atOnce)) * this.#mergeMs;
	}

	#roomMs(): number {
		return Math.min((Math.min(this.#wait, TURN * this.#mergeMs) * 2) / 3, PATIENCE_MS / 8);
	}
}
