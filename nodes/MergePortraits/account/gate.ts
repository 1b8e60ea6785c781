import { retryDelay } from '../base/backoff';
import type { Clock } from '../base/clock';
import type { Limits, Sent, Verdict } from './limits';

/** How many more pairs than the account takes at a time may be read and waiting, so that one is ready for a free place. */
const READ_AHEAD = 1;

/** One execution's way through the gate. */
export interface Lane {
	/** Aborted when the lane is closed: whatever waits for something else need not wait any longer. */
	readonly closed: AbortSignal;
	/** Waits until a pair should be read; undefined when the lane is closed. */
	turn(): Promise<Turn | undefined>;
	/** Sends away everything in this lane that waits; what is in flight goes on. */
	close(): void;
}

/** One pair's turn, from being read to being let go. */
export interface Turn {
	/** Aborted when the execution's lane is closed. */
	readonly closed: AbortSignal;
	/** Lets others have their turns while this one waits for something other than the account. */
	stepAside(): void;
	/** Waits for a place, ahead of the lane's other pairs if it was just refused one; undefined when the lane is closed. */
	place(): Promise<Sent | undefined>;
	/** Gives the place back. @param retryAfterMs how long the service asked to wait */
	answered(sent: Sent, verdict: Verdict, retryAfterMs?: number): void;
	/** How long the execution has asked while nothing at all was taken from this process, ms. */
	refusedForMs(): number;
	/** Whether anything was taken from this process since then; true, too, before anything was: the address may be wrong. */
	othersServedSince(ms: number): boolean;
	/** Closes the execution's lane: none of its other pairs is sent. */
	closeLane(): void;
	/** Lets the pair go, so that another can be read. */
	end(): void;
}

/** What the gate knows of one execution. */
interface LaneRecord {
	/** The most requests at a time that it wants. */
	most: number;
	openedAt: number;
	/** Who is waiting for a turn, and who for a place. */
	waiting: Array<(turn: Turn | undefined) => void>;
	ready: Array<(sent: Sent | undefined) => void>;
	/** How many of its pairs hold up others, wait for something else, and are in flight. */
	pairs: { held: number; aside: number; inFlight: number };
	closing: AbortController;
}

/**
 * Who goes next to an account. Every execution has a lane, and the lanes take turns: a form's visitor waits for about one
 * place, not for the batch that runs at the same time.
 *
 * A pair waits twice: for its turn to be read, and for a place to be sent. So memory holds only the pairs in flight and
 * about as many that are next.
 *
 * When a request gets nothing, an outage begins: nothing more is sent until an answer comes. Once nothing is in flight, one
 * at a time is tried, with backoff.
 */
export class Gate {
	readonly #limits: Limits;
	readonly #clock: Clock;
	readonly #random: () => number;
	/** In the order in which they are served: who gets a place goes to the end. */
	#lanes: LaneRecord[] = [];
	#outage: { tries: number; opensAt: number } | undefined;
	/** When the service last took something, and since when it has not although it was asked, ms. */
	#takenAt: number | undefined;
	#notTakenSince: number | undefined;
	#idleSince: number;
	#alarm: { at: number; off: AbortController } | undefined;

	constructor(limits: Limits, clock: Clock, random: () => number = Math.random) {
		this.#limits = limits;
		this.#clock = clock;
		this.#random = random;
		this.#idleSince = clock.now();
	}

	/** How long no execution has used it, ms. */
	idleForMs(): number {
		return this.#lanes.length > 0 ? 0 : this.#clock.now() - this.#idleSince;
	}

	/**
	 * A lane for an execution, to be closed when that ends.
	 * @param most the most requests at a time that the execution wants
	 */
	openLane(most: number): Lane {
		const lane: LaneRecord = {
			most,
			openedAt: this.#clock.now(),
			waiting: [],
			ready: [],
			pairs: { held: 0, aside: 0, inFlight: 0 },
			closing: new AbortController(),
		};
		this.#lanes.push(lane);
		return {
			closed: lane.closing.signal,
			turn: async () => await this.#wait<Turn>(lane, (give) => lane.waiting.push(give)),
			close: () => this.#close(lane),
		};
	}

	#turn(lane: LaneRecord): Turn {
		let state: keyof LaneRecord['pairs'] | undefined;
		let goesFirst = false;
		const move = (to?: typeof state) => {
			if (state !== undefined) lane.pairs[state]--;
			if (to !== undefined) lane.pairs[to]++;
			state = to;
		};
		move('held');
		return {
			closed: lane.closing.signal,
			stepAside: () => {
				if (state === 'held') move('aside');
				this.#serve();
			},
			place: async () => {
				if (state === 'aside') move('held');
				return await this.#wait<Sent>(lane, (give) => {
					const go = (sent: Sent | undefined) => {
						if (sent !== undefined) move('inFlight');
						give(sent);
					};
					if (goesFirst) lane.ready.unshift(go);
					else lane.ready.push(go);
				});
			},
			answered: (sent, verdict, retryAfterMs) => {
				move('held');
				// It lost its place through no fault of its own. Refused twice in a row, it may be for what it is, and would hold up
				// all others.
				goesFirst = verdict === 'refused' && !goesFirst;
				this.#answered(lane, sent, verdict, retryAfterMs, goesFirst);
			},
			refusedForMs: () => {
				const now = this.#clock.now();
				return now - Math.max(this.#notTakenSince ?? now, lane.openedAt);
			},
			othersServedSince: (ms) => this.#takenAt === undefined || this.#takenAt > ms,
			closeLane: () => this.#close(lane),
			end: () => {
				move();
				this.#serve();
			},
		};
	}

	async #wait<T>(lane: LaneRecord, queue: (give: (given: T | undefined) => void) => void): Promise<T | undefined> {
		if (lane.closing.signal.aborted) return undefined;
		return await new Promise((resolve) => {
			queue(resolve);
			this.#serve();
		});
	}

	#answered(lane: LaneRecord, sent: Sent, verdict: Verdict, retryAfterMs = 0, goesFirst = false): void {
		const now = this.#clock.now();
		this.#limits.answered(sent, verdict, now, retryAfterMs);
		if (verdict === 'taken') {
			this.#takenAt = now;
			this.#notTakenSince = undefined;
		} else if (verdict !== 'ignored') {
			this.#notTakenSince ??= now;
		}
		if (verdict === 'taken' || verdict === 'refused') this.#outage = undefined;
		if (goesFirst && this.#lanes.includes(lane)) this.#lanes = [lane, ...this.#others(lane)];
		if (verdict === 'down') this.#waitForService(now, retryAfterMs);
		this.#serve();
	}

	#waitForService(now: number, retryAfterMs: number): void {
		const outage = (this.#outage ??= { tries: 0, opensAt: now });
		const wasTry = this.#limits.active === 0 && outage.tries++ > 0;
		const delay = wasTry ? retryDelay(outage.tries - 1, this.#random()) : 0;
		outage.opensAt = Math.max(outage.opensAt, now + (retryAfterMs || delay));
	}

	#close(lane: LaneRecord): void {
		if (lane.closing.signal.aborted) return;
		lane.closing.abort();
		for (const sendAway of [...lane.waiting.splice(0), ...lane.ready.splice(0)]) sendAway(undefined);
		this.#lanes = this.#others(lane);
		this.#idleSince = this.#clock.now();
		this.#serve();
	}

	/** Gives turns and places to whoever may have them now. */
	#serve(): void {
		this.#giveTurns();
		for (;;) {
			const lane = this.#lanes.find(({ ready, pairs, most }) => ready.length > 0 && pairs.inFlight < most);
			const now = this.#clock.now();
			const opensAt = lane ? this.#opensAt(now) : Number.POSITIVE_INFINITY;
			if (lane === undefined || opensAt > now) return this.#setAlarm(opensAt);
			this.#lanes = [...this.#others(lane), lane];
			lane.ready.shift()?.(this.#limits.send(now, this.#most()));
			this.#giveTurns();
		}
	}

	#giveTurns(): void {
		for (;;) {
			const held = this.#lanes.reduce((sum, { pairs }) => sum + pairs.held, 0);
			const isFree = held < Math.max(1, Math.min(this.#limits.atOnce, this.#most())) + READ_AHEAD;
			// When only batches' pairs have been read, a visitor's is read at once, to be ready for the next place.
			const hasLonePair = this.#lanes.some(({ pairs }) => pairs.held > 0 && pairs.held + pairs.inFlight === 1);
			const lane = this.#lanes.find(({ waiting, pairs: { held, aside, inFlight }, most }) => {
				const isNext = isFree || (!hasLonePair && held + inFlight === 0);
				// Of each execution's pairs, one more than it sends at a time is read, so that one is ready.
				return waiting.length > 0 && isNext && held + aside <= most;
			});
			if (lane === undefined) return;
			lane.waiting.shift()?.(this.#turn(lane));
		}
	}

	#others(lane: LaneRecord): LaneRecord[] {
		return this.#lanes.filter((other) => other !== lane);
	}

	#most(): number {
		return Math.max(0, ...this.#lanes.map(({ most }) => most));
	}

	#opensAt(now: number): number {
		const { active } = this.#limits;
		if (active >= this.#most() || (this.#outage !== undefined && active > 0)) return Number.POSITIVE_INFINITY;
		return Math.max(this.#limits.opensAt(now), this.#outage?.opensAt ?? 0);
	}

	/** One timer at most, and none while nothing waits for time to pass. */
	#setAlarm(at: number): void {
		if (this.#alarm?.at === at) return;
		this.#alarm?.off.abort();
		this.#alarm = undefined;
		if (at === Number.POSITIVE_INFINITY) return;
		const alarm = { at, off: new AbortController() };
		this.#alarm = alarm;
		const ring = () => {
			if (this.#alarm !== alarm) return;
			this.#alarm = undefined;
			this.#serve();
		};
		// Rejects when it is aborted, and then does not ring.
		void this.#clock.sleep(at - this.#clock.now(), alarm.off.signal).then(ring, () => undefined);
	}
}
