import { Accounts } from '../../nodes/MergePortraits/account/accounts';
import { Gate, type Lane, type Turn } from '../../nodes/MergePortraits/account/gate';
import { Limits, type Sent, type Verdict } from '../../nodes/MergePortraits/account/limits';
import { VirtualClock } from '../virtualClock';

const SERVICE_MS = 1_000;

/** An account that takes so many at a time, and one process' gate before it. */
class Scene {
	readonly clock = new VirtualClock();
	readonly limits = new Limits(() => 0.5);
	readonly gate = new Gate(this.limits, this.clock, () => 1);
	/** Who was sent, in order, with the time. */
	readonly sent: Array<{ who: string; at: number }> = [];
	readonly refused: Array<{ who: string; at: number }> = [];
	/** How many requests the service works on, and how many wait for an answer, be it a refusal. */
	atWork = 0;
	inFlight = 0;
	mostInFlight = 0;
	readonly inFlightOf: Record<string, number> = {};
	readonly mostOf: Record<string, number> = {};
	/** How many pairs are in memory. */
	pairs = 0;
	mostPairs = 0;

	constructor(readonly atOnce = Number.POSITIVE_INFINITY) {}

	/** One pair of a lane, from its turn to its end; tells what became of it. */
	async pair(who: string, lane: Lane, verdict?: Verdict): Promise<'merged' | 'refused' | 'closed'> {
		const turn = await lane.turn();
		if (turn === undefined) return 'closed';
		this.mostPairs = Math.max(this.mostPairs, ++this.pairs);
		try {
			for (;;) {
				const place = await turn.place();
				if (place === undefined) return 'closed';
				const said = await this.request(who, turn, place, verdict);
				if (said !== 'refused') return said === 'taken' ? 'merged' : 'refused';
			}
		} finally {
			this.pairs--;
			turn.end();
		}
	}

	private async request(who: string, turn: Turn, place: Sent, verdict?: Verdict): Promise<Verdict> {
		this.sent.push({ who, at: this.clock.now() });
		const isTaken = this.atWork < this.atOnce;
		if (isTaken) this.atWork++;
		this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
		const ofThis = (this.inFlightOf[who] = (this.inFlightOf[who] ?? 0) + 1);
		this.mostOf[who] = Math.max(this.mostOf[who] ?? 0, ofThis);
		await this.clock.sleep(isTaken ? SERVICE_MS : 5);
		if (isTaken) this.atWork--;
		this.inFlight--;
		this.inFlightOf[who] = ofThis - 1;
		const said = verdict ?? (isTaken ? 'taken' : 'refused');
		if (said === 'refused') this.refused.push({ who, at: this.clock.now() });
		turn.answered(place, said);
		return said;
	}

	/** A batch of pairs in a lane of its own. */
	async batch(who: string, pairs: number, most = 10, lane = this.gate.openLane(most)): Promise<string[]> {
		let left = pairs;
		const ends: string[] = [];
		const work = async () => {
			while (left-- > 0) ends.push(await this.pair(who, lane));
		};
		await Promise.all(Array.from({ length: Math.min(pairs, 2 * most + 1) }, work));
		lane.close();
		return ends;
	}
}

test('no more requests are in flight than an execution wants, and each keeps to its own wish', async () => {
	const scene = new Scene();
	await scene.clock.run(scene.batch('one', 20, 2));
	expect(scene.mostInFlight).toBe(2);
	await scene.clock.run(Promise.all([scene.batch('wants one', 30, 1), scene.batch('wants three', 30, 3)]));
	expect(scene.mostOf['wants one']).toBe(1);
	expect(scene.mostInFlight).toBe(3);
});

test('a visitor waits for about one place, not for the batch', async () => {
	const scene = new Scene(3);
	const waits: number[] = [];
	const batch = scene.batch('batch', 120);
	const visitors = async () => {
		for (let visitor = 0; visitor < 12; visitor++) {
			await scene.clock.sleep(2_700);
			const came = scene.clock.now();
			const lane = scene.gate.openLane(10);
			expect(await scene.pair('visitor', lane)).toBe('merged');
			lane.close();
			waits.push((scene.clock.now() - came) / SERVICE_MS);
		}
	};
	await scene.clock.run(Promise.all([batch, visitors()]));
	waits.sort((a, b) => a - b);
	expect(waits[6]).toBeLessThan(2.5);
	expect(waits.at(-1)).toBeLessThan(4);
});

test('executions take turns, whatever their number of pairs', async () => {
	const scene = new Scene(2);
	const batches = ['a', 'b', 'c'].map(async (who) => await scene.batch(who, 20));
	await scene.clock.run(Promise.all(batches));
	const middle = scene.sent.slice(6, 36).map(({ who }) => who);
	for (const who of ['a', 'b', 'c']) expect(middle.filter((one) => one === who).length).toBeGreaterThanOrEqual(8);
});

test('who was refused goes before those that wait, and who comes later goes after them', async () => {
	const scene = new Scene(1);
	const order: string[] = [];
	const visit = async (who: string) => {
		const lane = scene.gate.openLane(10);
		await scene.pair(who, lane);
		order.push(who);
		lane.close();
	};
	const first = ['a', 'b', 'c', 'd', 'e'].map(visit);
	const later = scene.clock.sleep(1_500).then(async () => await visit('f'));
	await scene.clock.run(Promise.all([...first, later]));
	expect(scene.refused).not.toEqual([]);
	for (const { who, at } of scene.refused) expect(scene.sent.find((sent) => sent.at > at)?.who).toBe(who);
	expect(order.slice(-2)).toEqual(['e', 'f']);
});

test('a refused pair goes before the pairs of its execution that were not sent yet', async () => {
	const { gate, clock } = new Scene();
	const lane = gate.openLane(1);
	const [refused, other] = [await lane.turn(), await lane.turn()];
	const place = await refused?.place();
	const order: string[] = [];
	const others = other?.place().then(() => order.push('other'));
	if (place) refused?.answered(place, 'refused');
	const again = refused?.place().then(() => order.push('refused'));
	await clock.run(Promise.race([others, again]));
	expect(order).toEqual(['refused']);
});

test('where more visitors come than there are places, neither they nor a batch are shut out', async () => {
	const scene = new Scene(1);
	const doneAt: Record<string, number> = {};
	const done = (who: string) => () => (doneAt[who] = scene.clock.now());
	const batch = scene.batch('batch', 10).then(done('batch'));
	const visitors = Array.from({ length: 100 }, async (_, visitor) => {
		await scene.clock.sleep(900 * (visitor + 1));
		const lane = scene.gate.openLane(10);
		await scene.pair('visitor', lane).then(done(`visitor ${visitor}`));
		lane.close();
	});
	await scene.clock.run(Promise.all([batch, ...visitors]));
	expect(scene.sent.slice(0, 10).filter(({ who }) => who === 'batch').length).toBeGreaterThanOrEqual(5);
	expect(scene.sent.slice(0, 10).filter(({ who }) => who === 'visitor').length).toBeGreaterThanOrEqual(3);
	expect(doneAt.batch).toBeLessThan(doneAt['visitor 99'] ?? 0);
});

test('the pair of a visitor is read at once, though what is read of a batch fills the memory', async () => {
	const scene = new Scene(3);
	const batch = scene.batch('batch', 60);
	await scene.clock.run(scene.clock.sleep(10_300));
	const [first, second] = [scene.gate.openLane(10), scene.gate.openLane(10)];
	const read: string[] = [];
	const turns = [
		first.turn().then((turn) => (read.push('first'), turn)),
		second.turn().then((turn) => (read.push('second'), turn)),
	];
	await scene.clock.run(Promise.resolve());
	// One visitor's; more wait for their turns, for memory's sake.
	expect(read).toEqual(['first']);
	for (const turn of turns) void turn.then((given) => given?.end());
	await scene.clock.run(batch);
	expect(read).toEqual(['first', 'second']);
});

test('no more pairs are in memory than are in flight and about to be, whatever is wished', async () => {
	const scene = new Scene(2);
	await scene.clock.run(scene.batch('one', 60, 100));
	expect(scene.mostPairs).toBeLessThanOrEqual(2 * 3 + 1);
	// Once the account is known.
	scene.mostPairs = 0;
	await scene.clock.run(scene.batch('again', 60, 100));
	expect(scene.mostPairs).toBeLessThanOrEqual(2 * 3 + 1);
});

test('a pair that waits for something else, such as a download, does not hold up others', async () => {
	const scene = new Scene(2);
	const slow = scene.gate.openLane(10);
	for (let turns = 0; turns < 4; turns++) (await slow.turn())?.stepAside();
	const visitor = scene.gate.openLane(10);
	expect(await scene.clock.run(scene.pair('visitor', visitor))).toBe('merged');
	expect(scene.clock.now()).toBe(SERVICE_MS);
});

test('an execution has no more pairs aside than it sends at a time, and one', async () => {
	const scene = new Scene();
	const lane = scene.gate.openLane(2);
	let read = 0;
	for (let pair = 0; pair < 6; pair++) {
		void lane.turn().then((turn) => {
			if (turn) read++;
			turn?.stepAside();
		});
	}
	await scene.clock.run(scene.clock.sleep(1_000));
	expect(read).toBe(3);
	lane.close();
});

test('a pair that has waited for something else goes on, and ends once', async () => {
	const scene = new Scene(2);
	const lane = scene.gate.openLane(1);
	const turn = await lane.turn();
	turn?.stepAside();
	const place = await turn?.place();
	if (place) turn?.answered(place, 'taken');
	turn?.end();
	turn?.end();
	turn?.stepAside();
	// As many pairs are read as before: the one that is sent next, and one ahead.
	let read = 0;
	for (let pair = 0; pair < 4; pair++) void lane.turn().then((given) => (read += given ? 1 : 0));
	await scene.clock.run(Promise.resolve());
	expect(read).toBe(2);
	lane.close();
});

test('a closed lane takes only its own pairs out; what is in flight is answered', async () => {
	const scene = new Scene(2);
	const [stopped, first, second] = [scene.gate.openLane(10), scene.gate.openLane(10), scene.gate.openLane(10)];
	const all = Promise.all([
		scene.batch('stopped', 20, 10, stopped),
		scene.batch('first', 20, 10, first),
		scene.batch('second', 20, 10, second),
	]);
	const stop = scene.clock.sleep(3_500).then(() => stopped.close());
	const [ends, ...others] = await scene.clock.run(all);
	await stop;
	expect(ends?.filter((end) => end === 'merged').length).toBeGreaterThan(0);
	expect(ends?.filter((end) => end === 'closed').length).toBeGreaterThan(0);
	for (const other of others) expect(other).toEqual(Array<string>(20).fill('merged'));
	expect(scene.limits.active).toBe(0);
	expect(scene.clock.pending).toBe(0);
});

test('nobody is refused for longer than nothing at all is taken from this process', async () => {
	const scene = new Scene(1);
	const lane = scene.gate.openLane(1);
	const turn = await lane.turn();
	const place = await turn?.place();
	if (turn === undefined || place === undefined) throw new Error('The lane is closed');
	turn.answered(place, 'refused');
	await scene.clock.run(scene.clock.sleep(90_000));
	expect(turn.refusedForMs()).toBe(90_000);
	await scene.clock.run(scene.batch('other', 1));
	expect(turn.refusedForMs()).toBe(0);
});

test('patience begins with the first refusal, however quiet it was before', async () => {
	const scene = new Scene(1);
	const lane = scene.gate.openLane(1);
	await scene.clock.run(scene.pair('first', lane));
	await scene.clock.run(scene.clock.sleep(150_000));
	const turn = await lane.turn();
	const place = await turn?.place();
	if (turn === undefined || place === undefined) throw new Error('The lane is closed');
	turn.answered(place, 'refused');
	expect(turn.refusedForMs()).toBe(0);
});

describe('an outage', () => {
	/** A lane with so many requests in flight. */
	async function withInFlight(count: number) {
		const scene = new Scene();
		const lane = scene.gate.openLane(10);
		const inFlight: Array<{ turn: Turn; place: Sent }> = [];
		while (inFlight.length < count) {
			const turn = await lane.turn();
			const place = turn && (await scene.clock.run(turn.place()));
			if (turn && place) inFlight.push({ turn, place });
		}
		return { scene, lane, inFlight };
	}

	/** Has so many pairs ask for a place at once, and be answered promptly; tells when each got it, ms from now. */
	function ask(scene: Scene, lane: Lane, count: number, verdict: Verdict, retryAfterMs?: number): number[] {
		const from = scene.clock.now();
		const sentAt: number[] = [];
		const pair = async () => {
			const turn = await lane.turn();
			const place = await turn?.place();
			if (turn === undefined || place === undefined) return;
			sentAt.push(scene.clock.now() - from);
			turn.answered(place, verdict, retryAfterMs);
			turn.end();
		};
		for (let pairs = 0; pairs < count; pairs++) void pair();
		return sentAt;
	}

	const answer = (sent: Array<{ turn: Turn; place: Sent }>, verdict: Verdict) => {
		for (const { turn, place } of sent) {
			turn.answered(place, verdict);
			turn.end();
		}
	};

	test('stops everything until those in flight have told; then one at a time is tried, ever more seldom', async () => {
		const { scene, lane, inFlight } = await withInFlight(3);
		answer(inFlight.slice(0, 1), 'down');
		const triedAt = ask(scene, lane, 9, 'down');
		await scene.clock.run(scene.clock.sleep(5_000));
		expect(triedAt).toEqual([]);
		answer(inFlight.slice(1), 'down');
		await scene.clock.run(scene.clock.sleep(32_000));
		expect(triedAt.map((at) => at - 5_000)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 23_000, 31_000]);
		lane.close();
		expect(scene.clock.pending).toBe(0);
	});

	test.each([
		['taken', 2],
		['refused', 2],
		['ignored', 1],
	] as const)('is over when something is taken or refused, not when it is %s', async (verdict, atOnce) => {
		const { scene, lane, inFlight } = await withInFlight(4);
		answer(inFlight.slice(0, 1), 'down');
		let given = 0;
		for (let pair = 0; pair < 2; pair++) void lane.turn().then(async (turn) => await turn?.place().then(() => given++));
		await scene.clock.run(scene.clock.sleep(2_000));
		expect(given).toBe(0);
		answer(inFlight.slice(3), verdict);
		answer(inFlight.slice(1, 3), 'ignored');
		await scene.clock.run(scene.clock.sleep(100));
		expect(given).toBe(atOnce);
	});

	test('is waited for as long as the service asks', async () => {
		const { scene, lane, inFlight } = await withInFlight(1);
		answer(inFlight, 'down');
		const triedAt = ask(scene, lane, 3, 'down', 20_000);
		await scene.clock.run(scene.clock.sleep(41_000));
		expect(triedAt).toEqual([0, 20_000, 40_000]);
	});

	test('does not begin with a fault that says whose it is', async () => {
		const { scene, lane, inFlight } = await withInFlight(3);
		answer(inFlight.slice(0, 1), 'ignored');
		const sentAt = ask(scene, lane, 1, 'taken');
		await scene.clock.run(Promise.resolve());
		expect(sentAt).toEqual([0]);
	});
});

test('whoever comes while nothing is taken has a patience of his own', async () => {
	const scene = new Scene();
	const one = scene.gate.openLane(1);
	const turn = await one.turn();
	const place = await turn?.place();
	if (place) turn?.answered(place, 'refused');
	await scene.clock.run(scene.clock.sleep(90_000));
	const late = await scene.gate.openLane(1).turn();
	await scene.clock.run(scene.clock.sleep(10_000));
	expect([turn?.refusedForMs(), late?.refusedForMs()]).toEqual([100_000, 10_000]);
});

test('there is no timer while nothing waits', async () => {
	const scene = new Scene(0);
	const lane = scene.gate.openLane(1);
	const work = scene.pair('one', lane);
	await scene.clock.run(scene.clock.sleep(6));
	// Refused, and so waiting for time.
	expect([scene.limits.active, scene.clock.pending]).toEqual([0, 1]);
	lane.close();
	expect(scene.clock.pending).toBe(0);
	expect(await work).toBe('closed');
});

describe('accounts', () => {
	const credential = { baseUrl: 'https://www.ailabapi.com', apiKey: 'a key that nobody may see' };

	test('one gate serves all executions of a key at an address, and no other', () => {
		const accounts = new Accounts(new VirtualClock());
		const { id, gate } = accounts.find(credential);
		expect(accounts.find({ ...credential }).gate).toBe(gate);
		expect(accounts.find({ ...credential, apiKey: 'another' }).gate).not.toBe(gate);
		expect(accounts.find({ ...credential, baseUrl: 'http://127.0.0.1' }).gate).not.toBe(gate);
		expect(id).toMatch(/^[0-9a-f]{64}$/);
		expect(JSON.stringify(accounts)).not.toContain(credential.apiKey);
	});

	test('what was learned stays for the next execution, and is forgotten after ten idle minutes', async () => {
		const clock = new VirtualClock();
		const accounts = new Accounts(clock);
		const { gate } = accounts.find(credential);
		await clock.run(clock.sleep(20 * 60_000));
		const lane = accounts.find(credential).gate.openLane(1);
		const busy = accounts.find(credential).gate;
		await clock.run(clock.sleep(20 * 60_000));
		expect(accounts.find(credential).gate).toBe(busy);
		lane.close();
		await clock.run(clock.sleep(9 * 60_000));
		expect(accounts.find(credential).gate).toBe(busy);
		await clock.run(clock.sleep(2 * 60_000));
		expect(accounts.find(credential).gate).not.toBe(busy);
		expect(gate).not.toBe(busy);
	});
});
