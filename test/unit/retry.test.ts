import { noAnswer, ruleFor, timedOut, type Refusal } from '../../nodes/MergePortraits/api/codes';
import { retryDelay, sendWithRetries } from '../../nodes/MergePortraits/account/retry';
import { VirtualClock } from '../virtualClock';

const serviceError: Refusal = ruleFor(502, 'AI_SERVICE_ERROR');

/** Sends to a service that gives these refusals and then a picture; the jitter is at its longest. */
async function send(refusals: Refusal[], maxRetries = 4, signal?: AbortSignal) {
	const clock = new VirtualClock();
	const sentAt: number[] = [];
	const left = [...refusals];
	const outcome = await clock.run(
		sendWithRetries(
			async () => {
				sentAt.push(clock.now());
				const refusal = left.shift();
				return await Promise.resolve(refusal ? { refusal } : { picture: true });
			},
			{ maxRetries, clock, random: () => 1, signal },
		),
	);
	return { outcome, attempts: sentAt.length, sentAt };
}

test('the delay doubles from 1 to 8 seconds, with full jitter', () => {
	expect([1, 2, 3, 4, 5, 9].map((resend) => retryDelay(resend, 1))).toEqual([1000, 2000, 4000, 8000, 8000, 8000]);
	expect(retryDelay(3, 0.25)).toBe(1000);
	expect(retryDelay(3, 0)).toBe(0);
});

test('a fault of the service is sent again 1, 2, 4 and 8 seconds apart', async () => {
	const { outcome, attempts, sentAt } = await send([serviceError, serviceError, serviceError, serviceError]);
	expect(outcome).toEqual({ picture: true });
	expect(attempts).toBe(5);
	expect(sentAt).toEqual([0, 1000, 3000, 7000, 15_000]);
});

test('after the last retry the refusal comes back', async () => {
	const { outcome, attempts } = await send(Array<Refusal>(9).fill(serviceError), 2);
	expect(outcome).toEqual({ refusal: serviceError });
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
	['a refusal for load, which the adaptive limit has given up', ruleFor(429, 'EXCEEDING_LIMITS'), 1],
])('%s is sent so many times at most', async (_what, refusal, times) => {
	const { attempts } = await send(Array<Refusal>(9).fill(refusal));
	expect(attempts).toBe(times);
});

test('the service is not asked before the time it gave', async () => {
	const { sentAt } = await send([{ ...serviceError, retryAfterMs: 20_000 }]);
	expect(sentAt).toEqual([0, 20_000]);
});

test('a pair is given up where the service asks for more time than anybody would wait', async () => {
	const { attempts } = await send([{ ...serviceError, retryAfterMs: 3_600_000 }]);
	expect(attempts).toBe(1);
});

test('a cancelled execution sends nothing again', async () => {
	const { attempts } = await send([serviceError, serviceError], 4, AbortSignal.abort());
	expect(attempts).toBe(1);
});
