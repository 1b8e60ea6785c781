import { Gate } from '../../nodes/MergePortraits/account/gate';
import { Limits } from '../../nodes/MergePortraits/account/limits';
import { send } from '../../nodes/MergePortraits/account/send';
import { noAnswer, ruleFor, timedOut, type Refusal } from '../../nodes/MergePortraits/api/codes';
import { retryDelay } from '../../nodes/MergePortraits/base/backoff';
import { VirtualClock } from '../virtualClock';

const serviceFault: Refusal = ruleFor(502, 'AI_SERVICE_ERROR');
const overload: Refusal = ruleFor(429, 'EXCEEDING_LIMITS');

interface Options {
	maxRetries?: number;
	/** When the lane is closed, ms. */
	closedAt?: number;
	endsBatch?: boolean;
	/** How long the service works, ms. */
	serviceMs?: number;
}

/** Sends one pair to a service that gives these refusals and then a picture; the jitter is at its longest. */
async function sendOne(refusals: Refusal[], options: Options = {}) {
	const { maxRetries = 4, closedAt, endsBatch = false, serviceMs = 0 } = options;
	const clock = new VirtualClock();
	const limits = new Limits(() => 1);
	const lane = new Gate(limits, clock).openLane(1);
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
	expect(sentAt.length).toBeLessThanOrEqual(30);
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
	expect(limits.opensAt()).toBeLessThan(clock.now() + 10_000);
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
	const { lane } = await sendOne([overload, ruleFor(422, 'ERROR_NO_FACE_IN_FILE')]);
	expect(lane.refusedSince).toBeUndefined();
});
