import type { Clock } from '../base/clock';
import type { Limits, Sent, Verdict } from './limits';

/** How many more pairs than the account takes at a time may be read and waiting, so that one is ready for a free place. */
const READ_AHEAD = 1;

/**
 * Who goes next to an account. Every execution has a lane, and the lanes take turns: a form's visitor waits for about one
 * place, not for the batch that runs at the same time.
 *
 * A pair waits twice: for its turn to be read, and for a place to be sent. So memory holds only the pairs in flight and
 * about as many that are next.
 */
export class Gate {
	private readonly lanes = new Set<Lane>();
	private alarm: { at: number; off: AbortController } | undefined;
	private idleSince: number;
	/** Counts the turns and places given, to tell which lane has waited longest. */
	private given = 0;

	constructor(
		readonly limits: Limits,
		private readonly clock: Clock,
	) {
		this.idleSince = clock.now();
	}

	/** How long no execution has used it, ms. */
	idleForMs(): number {
		return this.lanes.size > 0 ? 0 : this.clock.now() - this.idleSince;
	}

	/**
	 * A lane for an execution, to be closed when that ends.
	 * @param most the most requests at a time that the execution wants
	 */
	openLane(most: number): Lane {
		const lane = new Lane(this, most, this.given);
		this.lanes.add(lane);
		this.limits.most = this.most();
		return lane;
	}

	now(): number {
		return this.clock.now();
	}

	/** Gives turns and places to whoever may have them now. */
	serve(): void {
		this.giveTurns();
		this.givePlaces();
	}

	/** Removes a closed lane; what it has in flight may still be answered. */
	remove(lane: Lane): void {
		this.lanes.delete(lane);
		this.limits.most = this.most();
		this.idleSince = this.clock.now();
		this.serve();
	}

	/** The account took something from this process: the patience of every lane starts over. */
	resetPatience(): void {
		for (const lane of this.lanes) lane.refusedSince = undefined;
	}

	private most(): number {
		return Math.max(0, ...[...this.lanes].map(({ most }) => most));
	}

	private giveTurns(): void {
		for (;;) {
			const lanes = [...this.lanes];
			const isFree = sum(lanes.map(({ turns }) => turns.held)) < this.limits.places + READ_AHEAD;
			// When only batches' pairs have been read, a visitor's is read at once, to be ready for the next place.
			const hasLonePair = lanes.some(({ turns: { held, inFlight } }) => held > 0 && held + inFlight === 1);
			const isNext = ({ held, inFlight }: Lane['turns']) => isFree || (!hasLonePair && held + inFlight === 0);
			// Of each execution's pairs, one more than it sends at a time is read, so that one is ready.
			const isWithin = ({ held, aside }: Lane['turns'], most: number) => held + aside <= most;
			const canRead = ({ waiting, turns, most }: Lane) => waiting.length > 0 && isWithin(turns, most) && isNext(turns);
			const lane = longestWaiting(this.lanes, canRead, 'turnGiven');
			if (lane === undefined) return;
			lane.turnGiven = ++this.given;
			lane.giveTurn();
		}
	}

	private givePlaces(): void {
		for (;;) {
			const canGo = (lane: Lane) => lane.ready.length > 0 && lane.turns.inFlight < lane.most;
			const lane = longestWaiting(this.lanes, canGo, 'placeGiven');
			const now = this.clock.now();
			const opensAt = lane ? this.limits.opensAt() : Number.POSITIVE_INFINITY;
			if (lane === undefined || opensAt > now) return this.setAlarm(opensAt);
			lane.placeGiven = ++this.given;
			lane.givePlace(this.limits.send(now));
			this.giveTurns();
		}
	}

	/** One timer at most, and none while nothing waits for time to pass. */
	private setAlarm(at: number): void {
		if (this.alarm?.at === at) return;
		this.alarm?.off.abort();
		this.alarm = undefined;
		if (at === Number.POSITIVE_INFINITY) return;
		const alarm = { at, off: new AbortController() };
		this.alarm = alarm;
		const ring = () => {
			if (this.alarm !== alarm) return;
			this.alarm = undefined;
			this.givePlaces();
		};
		// Rejects when it is aborted, and then does not ring.
		void this.clock.sleep(at - this.clock.now(), alarm.off.signal).then(ring, () => undefined);
	}
}

/** One execution's way through the gate. */
export class Lane {
	/** Who is waiting for a turn, and who for a place. */
	readonly waiting: Array<(turn: Turn | undefined) => void> = [];
	readonly ready: Array<(sent: Sent | undefined) => void> = [];
	/** How many turns hold up others, wait for something else, are in flight, and have ended. */
	readonly turns: Record<TurnState, number> = { held: 0, aside: 0, inFlight: 0, ended: 0 };
	/** Since when it has been refused, ms, while nothing at all was taken from this process. */
	refusedSince: number | undefined;
	/** When it was last served, by the gate's count. A new lane comes after those that wait. */
	turnGiven: number;
	placeGiven: number;
	private readonly closing = new AbortController();

	constructor(
		readonly gate: Gate,
		readonly most: number,
		given: number,
	) {
		this.turnGiven = given;
		this.placeGiven = given;
	}

	/** Aborted when the lane is closed: whatever waits for something else need not wait any longer. */
	get closed(): AbortSignal {
		return this.closing.signal;
	}

	/** Waits until a pair should be read; undefined when the lane is closed. */
	async turn(): Promise<Turn | undefined> {
		return await this.queue(this.waiting);
	}

	/**
	 * Waits until a request may be sent; undefined when the lane is closed.
	 * @param onGiven called in the moment in which it may
	 */
	async place(again: boolean, onGiven: () => void): Promise<Sent | undefined> {
		return await this.queue(this.ready, again, onGiven);
	}

	giveTurn(): void {
		this.waiting.shift()?.(new Turn(this));
	}

	givePlace(sent: Sent): void {
		this.ready.shift()?.(sent);
	}

	/** Sends away everything in this lane that waits; what is in flight goes on. */
	close(): void {
		if (this.closed.aborted) return;
		this.closing.abort();
		for (const sendAway of [...this.waiting.splice(0), ...this.ready.splice(0)]) sendAway(undefined);
		this.gate.remove(this);
	}

	private async queue<T>(
		line: Array<(given: T | undefined) => void>,
		ahead = false,
		onGiven?: () => void,
	): Promise<T | undefined> {
		if (this.closed.aborted) return undefined;
		return await new Promise((resolve) => {
			const give = (given: T | undefined) => {
				if (given !== undefined) onGiven?.();
				resolve(given);
			};
			if (ahead) line.unshift(give);
			else line.push(give);
			this.gate.serve();
		});
	}
}

type TurnState = 'held' | 'aside' | 'inFlight' | 'ended';

/** One pair's turn, from being read to being let go. */
export class Turn {
	private state: TurnState = 'held';
	private hasBeenSent = false;

	constructor(private readonly lane: Lane) {
		lane.turns.held++;
	}

	/** Lets others have their turns while this one waits for something other than the account. */
	stepAside(): void {
		if (this.state !== 'held') return;
		this.move('aside');
		this.lane.gate.serve();
	}

	/** Waits for a place, ahead of the lane's other pairs if it was sent before; undefined when the lane is closed. */
	async place(): Promise<Sent | undefined> {
		if (this.state === 'aside') this.move('held');
		const again = this.hasBeenSent;
		this.hasBeenSent = true;
		return await this.lane.place(again, () => this.move('inFlight'));
	}

	/** Gives the place back. @param retryAfterMs how long the service asked to wait */
	answered(sent: Sent, verdict: Verdict, retryAfterMs?: number): void {
		const { lane } = this;
		const { gate } = lane;
		this.move('held');
		gate.limits.answered(sent, verdict, gate.now(), retryAfterMs);
		if (verdict === 'taken') gate.resetPatience();
		if (verdict === 'refused') {
			lane.refusedSince ??= gate.now();
			// It lost its place through no fault of its own, and so goes first.
			lane.placeGiven = 0;
		}
		gate.serve();
	}

	/** How long the execution has been refused while nothing at all was taken from this process, ms. */
	refusedForMs(): number {
		const { refusedSince, gate } = this.lane;
		return refusedSince === undefined ? 0 : gate.now() - refusedSince;
	}

	/** Aborted when the execution's lane is closed. */
	get closed(): AbortSignal {
		return this.lane.closed;
	}

	/** Closes the execution's lane: none of its other pairs is sent. */
	closeLane(): void {
		this.lane.close();
	}

	/** Lets the pair go, so that another can be read. */
	end(): void {
		if (this.state === 'ended') return;
		this.move('ended');
		this.lane.gate.serve();
	}

	private move(to: TurnState): void {
		this.lane.turns[this.state]--;
		this.lane.turns[to]++;
		this.state = to;
	}
}

function longestWaiting(
	lanes: Iterable<Lane>,
	isEligible: (lane: Lane) => boolean,
	served: 'turnGiven' | 'placeGiven',
): Lane | undefined {
	let first: Lane | undefined;
	for (const lane of lanes) {
		if (isEligible(lane) && (first === undefined || lane[served] < first[served])) first = lane;
	}
	return first;
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
