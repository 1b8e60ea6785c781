import { AdaptiveLimit } from '../../nodes/MergePortraits/account/adaptiveLimit';
import { VirtualClock } from '../virtualClock';

interface AccountLimits {
	atOnce?: number;
	perSecond?: number;
	serviceMs: number;
}

/** A service that refuses, promptly, what is over the limits of its one account. */
class Account {
	requests = 0;
	refusals = 0;
	taken = 0;
	mostAtOnce = 0;
	private active = 0;
	private recent: number[] = [];

	constructor(
		private readonly clock: VirtualClock,
		readonly limits: AccountLimits,
		private readonly random: () => number,
	) {}

	async request(): Promise<'merged' | 'refused'> {
		this.requests++;
		// The way there takes time, and not always the same.
		await this.clock.sleep(5 + this.random() * 10);
		const { atOnce = Infinity, perSecond = Infinity, serviceMs } = this.limits;
		const now = this.clock.now();
		this.recent = this.recent.filter((at) => at > now - 1_000);
		if (this.active >= atOnce || this.recent.length >= perSecond) {
			this.refusals++;
			return 'refused';
		}
		this.recent.push(now);
		this.active++;
		this.mostAtOnce = Math.max(this.mostAtOnce, this.active);
		await this.clock.sleep(serviceMs * (0.8 + 0.4 * this.random()));
		this.active--;
		this.taken++;
		return 'merged';
	}
}

/** Reproducible: mulberry32. */
function seededRandom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

async function merge(pairs: number, max: number, limits: AccountLimits, seed: number, lines = 1) {
	const clock = new VirtualClock();
	const random = seededRandom(seed);
	const account = new Account(clock, limits, random);
	const send = async () => await account.request();
	const refusal = (answer: string) => (answer === 'refused' ? {} : undefined);
	const all = Array.from({ length: lines }, async () => {
		const limit = new AdaptiveLimit(max, clock, random);
		let left = pairs / lines;
		const work = async () => {
			while (left-- > 0) await limit.run(send, refusal);
		};
		await Promise.all(Array.from({ length: max + 2 }, work));
	});
	await clock.run(Promise.all(all));
	const { atOnce = max * lines, perSecond = Infinity, serviceMs } = limits;
	const idealRate = Math.min((Math.min(atOnce, max * lines) * 1_000) / (serviceMs + 10), perSecond);
	return {
		account,
		throughput: pairs / (clock.now() / 1_000) / idealRate,
		refused: account.refusals / account.requests,
	};
}

const accounts: Array<[string, number, AccountLimits]> = [
	['1 at a time', 10, { atOnce: 1, serviceMs: 1_000 }],
	['2 at a time', 10, { atOnce: 2, serviceMs: 1_000 }],
	['5 at a time', 10, { atOnce: 5, serviceMs: 1_000 }],
	['10 at a time', 10, { atOnce: 10, serviceMs: 1_000 }],
	['2 at a time, asked for 20', 20, { atOnce: 2, serviceMs: 200 }],
	['5 at a time, quick', 10, { atOnce: 5, serviceMs: 200 }],
	['5 at a time, slow', 10, { atOnce: 5, serviceMs: 10_000 }],
	['1 per second', 10, { perSecond: 1, serviceMs: 1_000 }],
	['2 per second', 10, { perSecond: 2, serviceMs: 1_000 }],
	['5 per second', 10, { perSecond: 5, serviceMs: 300 }],
	['10 per second', 10, { perSecond: 10, serviceMs: 250 }],
	['10 per second, slow', 20, { perSecond: 10, serviceMs: 1_000 }],
	['10 per second and 5 at a time', 10, { perSecond: 10, atOnce: 5, serviceMs: 200 }],
];

describe.each(accounts)('an account that takes %s', (_name, max, limits) => {
	it.each([1, 2, 3, 4, 5])('is used to at least 90 %% with fewer than 15 %% refusals (seed %d)', async (seed) => {
		const { account, throughput, refused } = await merge(500, max, limits, seed);
		expect(account.taken).toBe(500);
		expect(throughput).toBeGreaterThan(0.9);
		expect(refused).toBeLessThan(0.15);
	});
});

test.each<[string, AccountLimits]>([
	['5 at a time', { atOnce: 5, serviceMs: 500 }],
	['2 at a time', { atOnce: 2, serviceMs: 500 }],
	['10 per second', { perSecond: 10, serviceMs: 500 }],
])('three workers on one key settle by themselves where %s are taken', async (_name, limits) => {
	const { account, throughput, refused } = await merge(600, 5, limits, 1, 3);
	expect(account.taken).toBe(600);
	expect(throughput).toBeGreaterThan(0.4);
	expect(refused).toBeLessThan(0.15);
});

describe('the gate', () => {
	const load = (answer: string) => (answer === 'refused' ? {} : undefined);

	it('lets through no more than the maximum at a time', async () => {
		const clock = new VirtualClock();
		const account = new Account(clock, { serviceMs: 100 }, () => 0.5);
		const limit = new AdaptiveLimit(2, clock);
		await clock.run(
			Promise.all(Array.from({ length: 20 }, async () => await limit.run(async () => await account.request(), load))),
		);
		expect(account.mostAtOnce).toBe(2);
	});

	it('waits for as long as the service asked, and then sends the refused request before those that wait', async () => {
		const clock = new VirtualClock();
		const limit = new AdaptiveLimit(1, clock);
		const order: Array<[name: string, at: number]> = [];
		const request = (name: string, answers: string[]) =>
			limit.run(
				async () => {
					order.push([name, clock.now()]);
					await clock.sleep(10);
					return answers.shift() ?? 'merged';
				},
				(answer) => (answer === 'refused' ? { retryAfterMs: 30_000 } : undefined),
			);
		await clock.run(Promise.all([request('first', ['refused']), request('second', []), request('third', [])]));
		expect(order).toEqual([
			['first', 0],
			['first', 30_010],
			['second', 30_020],
			['third', 30_030],
		]);
	});

	it('gives the refusal back when nothing at all is taken for two minutes, in few requests', async () => {
		const clock = new VirtualClock();
		const account = new Account(clock, { atOnce: 0, serviceMs: 100 }, () => 0.5);
		const limit = new AdaptiveLimit(3, clock, () => 1);
		const answer = await clock.run(limit.run(async () => await account.request(), load));
		expect(answer).toBe('refused');
		expect(clock.now()).toBeGreaterThan(120_000);
		expect(clock.now()).toBeLessThan(130_000);
		expect(account.requests).toBe(19);
	});

	it('does not wait where the service asks for more time than anybody would', async () => {
		const clock = new VirtualClock();
		const limit = new AdaptiveLimit(3, clock);
		const answer = await clock.run(
			limit.run(
				async () => await Promise.resolve('refused'),
				() => ({ retryAfterMs: 3_600_000 }),
			),
		);
		expect(answer).toBe('refused');
		expect(clock.now()).toBe(0);
	});

	it('sends away what waits when it is stopped, and lets what is in flight finish', async () => {
		const clock = new VirtualClock();
		const account = new Account(clock, { serviceMs: 100 }, () => 0.5);
		const limit = new AdaptiveLimit(2, clock);
		const answers = Array.from({ length: 5 }, async () => await limit.run(async () => await account.request(), load));
		limit.stop();
		expect(await clock.run(Promise.all(answers))).toEqual(['merged', 'merged', undefined, undefined, undefined]);
		expect(await limit.run(async () => await account.request(), load)).toBeUndefined();
		expect(account.requests).toBe(2);
	});
});
