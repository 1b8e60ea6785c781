import { Gate } from '../../nodes/MergePortraits/account/gate';
import { Limits } from '../../nodes/MergePortraits/account/limits';
import { send } from '../../nodes/MergePortraits/account/send';
import { noAnswer, ruleFor, timedOut, type Refusal } from '../../nodes/MergePortraits/api/codes';
import { PATIENCE_MS, retryDelay } from '../../nodes/MergePortraits/base/backoff';
import { simulate, type Service } from '../simulatedAccount';
import { VirtualClock } from '../virtualClock';

const serviceFault: Refusal = ruleFor(500, 'SERVICE_INTERNAL_ERROR');
const gatewayFault: Refusal = { ...ruleFor(502, 'ERROR_GATEWAY'), httpStatus: 502 };
const proxyFault: Refusal = { ...ruleFor(502, undefined), httpStatus: 502 };
const unreached = noAnswer('ECONNREFUSED');
const cutOff = timedOut(60_000);
const overload: Refusal = ruleFor(429, 'EXCEEDING_LIMITS');

interface Options {
	maxRetries?: number;
	/** When the lane is closed, ms. */
	closedAt?: number;
	endsBatch?: boolean;
	/** How long the service works, ms. */
	serviceMs?: number;
	/** Whether the service has taken a pair of this process before. */
	isKnown?: boolean;
}

/** Sends one pair to a service that gives these refusals and then a picture; the jitter is at its longest. */
async function sendOne(refusals: Refusal[], options: Options = {}) {
	const { maxRetries = 4, closedAt, endsBatch = false, serviceMs = 0, isKnown = false } = options;
	const clock = new VirtualClock();
	const limits = new Limits(() => 1);
	const gate = new Gate(limits, clock, () => 1);
	if (isKnown) await clock.run(sendTo(gate, clock, []));
	const lane = gate.openLane(1);
	const turn = await lane.turn();
	if (turn === undefined) throw new Error('The lane is closed');
	const sentAt: number[] = [];
	const left = [...refusals];
	const request = async () => {
		sentAt.push(clock.now());
		if (serviceMs > 0) await clock.sleep(serviceMs);
		const refusal = left.shift();
		return await Promise.resolve(refusal ? { refusal } : { picture: true });
	};
	const work = send(turn, request, { maxRetries, clock, random: () => 1, endsBatch: () => endsBatch });
	if (closedAt !== undefined) void clock.sleep(closedAt).then(() => lane.close());
	const sending = await clock.run(work);
	turn.end();
	return { ...sending, sentAt, endedAt: clock.now(), clock, lane, limits };
}

/** Sends another pair of another execution at once; the service gives these refusals and then a picture. */
async function sendTo(gate: Gate, clock: VirtualClock, refusals: Refusal[]) {
	const lane = gate.openLane(1);
	const turn = await lane.turn();
	if (turn === undefined) throw new Error('The lane is closed');
	const left = [...refusals];
	const request = async () => {
		const refusal = left.shift();
		return await Promise.resolve(refusal ? { refusal } : { picture: true });
	};
	const sending = send(turn, request, { maxRetries: 4, clock, random: () => 1, endsBatch: () => false });
	return await sending.finally(() => lane.close());
}

test('the delay doubles from 1 to 8 seconds, of which jitter leaves at least half', () => {
	expect([1, 2, 3, 4, 5, 9].map((retry) => retryDelay(retry, 1))).toEqual([1000, 2000, 4000, 8000, 8000, 8000]);
	expect(retryDelay(3, 0.5)).toBe(3000);
	expect(retryDelay(3, 0)).toBe(2000);
});

test('a fault of the service is sent again 1, 2, 4 and 8 seconds apart', async () => {
	const { answer, attempts, sentAt } = await sendOne(Array<Refusal>(4).fill(serviceFault));
	expect(answer).toEqual({ picture: true });
	expect(attempts).toBe(5);
	expect(sentAt).toEqual([0, 1000, 3000, 7000, 15_000]);
});

test('after the last retry the refusal comes back', async () => {
	const { answer, attempts } = await sendOne(Array<Refusal>(9).fill(serviceFault), { maxRetries: 2 });
	expect(answer).toEqual({ refusal: serviceFault });
	expect(attempts).toBe(3);
});

test.each([
	['a lost connection', noAnswer('ECONNRESET'), 5],
	['a connection that is not made', noAnswer('ECONNREFUSED'), 5],
	['a certificate that does not fit', noAnswer('CERT_HAS_EXPIRED'), 1],
	['a time-out', timedOut(60_000), 5],
	['PROCESSING_FAILURE', ruleFor(500, 'PROCESSING_FAILURE'), 3],
	['a picture without a face', ruleFor(422, 'ERROR_NO_FACE_IN_FILE'), 1],
	['a wrong key', ruleFor(401, 'ERROR_USER_NOT_EXISTS'), 1],
	['an empty account', ruleFor(429, 'ERROR_NOT_ENOUGH_CREDITS'), 1],
])('%s is sent so many times at most', async (_what, refusal, times) => {
	const { attempts } = await sendOne(Array<Refusal>(9).fill(refusal));
	expect(attempts).toBe(times);
});

test('the service is not asked before the time it gave', async () => {
	expect((await sendOne([{ ...serviceFault, retryAfterMs: 20_000 }])).sentAt).toEqual([0, 20_000]);
	expect((await sendOne([{ ...overload, retryAfterMs: 30_000 }])).sentAt).toEqual([0, 30_000]);
});

test.each([serviceFault, overload])(
	'a pair is given up where the service asks for more time than anybody would wait',
	async (refusal) => {
		const { attempts, clock } = await sendOne([{ ...refusal, retryAfterMs: 3_600_000 }]);
		expect(attempts).toBe(1);
		expect(clock.now()).toBe(0);
	},
);

test('a refusal for load costs no retry', async () => {
	const mixed = await sendOne([overload, overload, serviceFault, overload, serviceFault], { maxRetries: 2 });
	expect(mixed).toMatchObject({ answer: { picture: true }, attempts: 6 });
	const { answer, attempts } = await sendOne([overload, overload, overload], { maxRetries: 0 });
	expect(answer).toEqual({ picture: true });
	expect(attempts).toBe(4);
});

test('a pair is given up when nothing at all was taken for two minutes from the first refusal, in few requests', async () => {
	const { answer, sentAt, clock } = await sendOne(Array<Refusal>(99).fill(overload));
	expect(answer).toEqual({ refusal: overload });
	expect(clock.now()).toBeGreaterThan(120_000);
	expect(clock.now()).toBeLessThan(130_000);
	expect(sentAt.length).toBeLessThanOrEqual(45);
});

test.each([
	['in flight', 500, 1_000],
	['waiting to be sent again', 1_500, 1_500],
])('a pair that is %s when the lane closes is not sent again, and nobody waits for it', async (_what, closedAt, at) => {
	const sent = await sendOne([serviceFault, serviceFault], { serviceMs: 1_000, closedAt });
	expect(sent).toMatchObject({ attempts: 1, answer: { refusal: serviceFault }, endedAt: at });
});

test('a request that throws gives its place back', async () => {
	const clock = new VirtualClock();
	const gate = new Gate(new Limits(), clock);
	const lane = gate.openLane(1);
	const turn = await lane.turn();
	if (turn === undefined) throw new Error('The lane is closed');
	const request = async () => await Promise.reject<{ refusal: Refusal }>(new Error('broken'));
	const options = { maxRetries: 4, clock, random: () => 1, endsBatch: () => false };
	await expect(send(turn, request, options)).rejects.toThrow('broken');
	turn.end();
	const next = await lane.turn();
	expect(await next?.place()).toMatchObject({ others: 0 });
});

test('a pair that was refused for load when the lane closed was not sent', async () => {
	const clock = new VirtualClock();
	const gate = new Gate(new Limits(() => 1), clock);
	const lane = gate.openLane(1);
	const turn = await lane.turn();
	if (turn === undefined) throw new Error('The lane is closed');
	const request = async () => await Promise.resolve({ refusal: overload });
	const options = { maxRetries: 4, clock, random: () => 1, endsBatch: () => false };
	const sending = send(turn, request, options);
	await clock.run(clock.sleep(10));
	lane.close();
	expect(await clock.run(sending)).toBeUndefined();
});

test('an hour that the service asked for is not left to the executions to come', async () => {
	const { limits, clock } = await sendOne([{ ...overload, retryAfterMs: 3_600_000 }]);
	expect(limits.opensAt(clock.now())).toBeLessThan(clock.now() + 10_000);
});

test('the lane is closed before the place is given back, when the answer ends the batch', async () => {
	const clock = new VirtualClock();
	const gate = new Gate(new Limits(), clock);
	const lane = gate.openLane(1);
	const [one, other] = [await lane.turn(), await lane.turn()];
	if (one === undefined || other === undefined) throw new Error('The lane is closed');
	const wrongKey = { refusal: ruleFor(401, 'ERROR_USER_NOT_EXISTS') };
	const options = { maxRetries: 4, clock, random: () => 1, endsBatch: () => true };
	const first = send(one, async () => await Promise.resolve(wrongKey), options);
	const waiting = other.place();
	expect(await clock.run(first)).toMatchObject({ answer: wrongKey });
	expect(await waiting).toBeUndefined();
});

test('an answer that ends nothing leaves the lane open', async () => {
	const merged = await sendOne([], { endsBatch: true });
	expect(await merged.lane.turn()).toBeDefined();
});

test('a pair that is refused for what it shows proves that the account takes requests', async () => {
	const { lane, clock } = await sendOne([overload, ruleFor(422, 'ERROR_NO_FACE_IN_FILE')]);
	await clock.run(clock.sleep(PATIENCE_MS));
	expect((await lane.turn())?.refusedForMs()).toBe(0);
});

describe('while nobody is served', () => {
	test.each([
		["a gateway of AILabTools' that reaches no service", gatewayFault],
		['a connection that is not made', unreached],
	])('%s costs no retry: the pair waits for as long as anybody is patient', async (_what, refusal) => {
		const { answer, sentAt } = await sendOne(Array<Refusal>(12).fill(refusal), { maxRetries: 1, isKnown: true });
		expect(answer).toEqual({ picture: true });
		expect(sentAt.slice(0, 7)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 23_000, 31_000]);
	});

	test('a pair is given up after two minutes, as one of a batch of which no other would fare better', async () => {
		const options = { isKnown: true, endsBatch: true };
		const { answer, endedAt, lane } = await sendOne(Array<Refusal>(99).fill(gatewayFault), options);
		expect(answer).toEqual({ refusal: { ...gatewayFault, blame: 'account' } });
		expect(endedAt).toBeGreaterThan(PATIENCE_MS);
		expect(endedAt).toBeLessThan(PATIENCE_MS + 10_000);
		expect(lane.closed.aborted).toBe(true);
	});

	test('a request that may have been billed costs a retry all the same', async () => {
		const { attempts } = await sendOne(Array<Refusal>(9).fill(cutOff), { maxRetries: 2, isKnown: true });
		expect(attempts).toBe(3);
		const mixed = [gatewayFault, cutOff, unreached, proxyFault, gatewayFault, cutOff];
		expect((await sendOne(mixed, { maxRetries: 2, isKnown: true })).attempts).toBe(4);
	});

	test.each([gatewayFault, proxyFault, unreached, cutOff])(
		'Max Retries 0 means that nothing is sent again: $what',
		async (refusal) => {
			expect((await sendOne([refusal], { maxRetries: 0, isKnown: true })).attempts).toBe(1);
		},
	);

	test('a name that does not resolve is told soon', async () => {
		const { answer, endedAt } = await sendOne(Array<Refusal>(9).fill(noAnswer('ENOTFOUND')), { isKnown: true });
		expect(answer).toMatchObject({ refusal: { blame: 'account' } });
		expect(endedAt).toBe(3_000);
	});
});

test('a fault of one pair while others are served costs its retries', async () => {
	const clock = new VirtualClock();
	const gate = new Gate(new Limits(() => 1), clock, () => 1);
	await clock.run(sendTo(gate, clock, []));
	let isDone = false;
	const serveOthers = async () => {
		while (!isDone) {
			await clock.sleep(300);
			await sendTo(gate, clock, []);
		}
	};
	const one = sendTo(gate, clock, Array<Refusal>(99).fill(gatewayFault)).finally(() => (isDone = true));
	const [sending] = await clock.run(Promise.all([one, serveOthers()]));
	expect(sending).toEqual({ answer: { refusal: gatewayFault }, attempts: 5 });
});

/** The service is away in the middle of a batch. */
describe.each<[string, NonNullable<Service['outage']>]>([
	['refuses connections', { from: 12_000, until: 42_000, kind: 'notMade' }],
	['is behind a proxy that answers with 502', { from: 12_000, until: 42_000, kind: '502' }],
	['hangs', { from: 12_000, until: 42_000, kind: 'hangs' }],
	['is behind such a proxy for long', { from: 12_000, until: 102_000, kind: '502' }],
	['hangs for longer than any request may take', { from: 12_000, until: 110_000, kind: 'hangs' }],
])('a service that %s for a while', (_what, outage) => {
	test.each([1, 2, 3])('gets all pairs of a batch in the end, and hardly a request before (seed %d)', async (seed) => {
		const service: Service = { atOnce: 6, serviceMs: 1_000, outage };
		const { merged, unansweredAt } = await simulate({ pairs: 120, most: 10, service, seed });
		expect(merged).toBe(120);
		// Those that were about to be sent, and then one at a time, up to eight seconds apart.
		const firstAt = unansweredAt[0] ?? 0;
		const tries = unansweredAt.filter((at) => at > firstAt + 1_500);
		expect(unansweredAt.length - tries.length).toBeLessThanOrEqual(10);
		expect(tries.length).toBeLessThanOrEqual(4 + (outage.until - outage.from) / 6_000);
	});
});

describe('a pair that is refused for load again and again while others are taken', () => {
	const refused: Refusal = { ...ruleFor(503, 'ERROR_INSUFFICIENT_RESOURCES', true), httpStatus: 503 };

	function scene() {
		const clock = new VirtualClock();
		const gate = new Gate(new Limits(() => 0.5), clock, () => 0.5);
		/** An execution of pairs that take 2 s, of which one is never taken. Gives how many were merged, and how long it took, ms. */
		const execute = async (count: number, neverTaken?: number) => {
			const begunAt = clock.now();
			const lane = gate.openLane(10);
			const work: Array<Promise<unknown>> = [];
			for (let pair = 0; pair < count; pair++) {
				const turn = await lane.turn();
				if (turn === undefined) break;
				const request = async () => {
					await clock.sleep(pair === neverTaken ? 300 : 2_000);
					return pair === neverTaken ? { refusal: refused } : { picture: true };
				};
				const endsBatch = ({ blame }: Refusal) => ['load', 'account'].includes(blame);
				const sent = send(turn, request, { maxRetries: 4, clock, random: () => 0.5, endsBatch });
				work.push(sent.finally(() => turn.end()));
			}
			const sendings = await Promise.all(work);
			lane.close();
			const merged = sendings.filter((sending) => Object(Object(sending).answer).picture === true).length;
			return { merged, tookMs: clock.now() - begunAt, sendings };
		};
		return { clock, execute };
	}

	it.each([0, 5])('is given up alone, and not its batch: pair %d', async (neverTaken) => {
		const { clock, execute } = scene();
		const { merged, sendings } = await clock.run(execute(100, neverTaken));
		expect(merged).toBe(99);
		expect(sendings[neverTaken]).toMatchObject({
			answer: { refusal: { blame: 'service', what: 'AILabTools refused this pair 10 times while it took others' } },
		});
	});

	it('is not told so because a clock goes on between its refusal and the note of it', async () => {
		const { clock, execute } = scene();
		const now = clock.now.bind(clock);
		let ticks = 0;
		clock.now = () => now() + ++ticks * 1e-6;
		const { sendings } = await clock.run(execute(1, 0));
		// Nothing else was ever taken: it waits for two minutes instead.
		expect(sendings[0]).toMatchObject({ answer: { refusal: { blame: 'load' } } });
		expect(now()).toBeGreaterThan(PATIENCE_MS);
	});

	it('holds up most visitors for less than a minute', async () => {
		const { clock, execute } = scene();
		const visitors: Array<ReturnType<typeof execute>> = [];
		const hour = (async () => {
			for (let visitor = 0; visitor < 180; visitor++) {
				if (visitor % 5 === 3) void execute(1, 0);
				visitors.push(execute(1));
				await clock.sleep(20_000);
			}
			return await Promise.all(visitors);
		})();
		const all = await clock.run(hour);
		expect(all.filter(({ merged }) => merged === 1)).toHaveLength(180);
		const waits = all.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
		expect(waits[90]).toBeLessThan(60_000);
	});
});

test('what may have been billed is told so, though the lane is closed while the pair waits for a place again', async () => {
	const { answer } = await sendOne([cutOff, overload, overload, overload], { closedAt: 4_000 });
	expect(answer).toMatchObject({ refusal: { mayBeBilled: true } });
});
