import { Gate } from '../../nodes/MergePortraits/account/gate';
import { Limits } from '../../nodes/MergePortraits/account/limits';
import { send } from '../../nodes/MergePortraits/account/send';
import { noAnswer, ruleFor, timedOut, type Refusal } from '../../nodes/MergePortraits/api/codes';
import { seededRandom } from '../simulatedAccount';
import { VirtualClock } from '../virtualClock';

const SEEDS = 300;

/** What happens to a request, apart from refusals for load; most pairs are merged. */
const misfortunes: Array<[part: number, refusal: Refusal]> = [
	[0.03, ruleFor(500, 'SERVICE_INTERNAL_ERROR')],
	[0.03, { ...ruleFor(502, undefined), httpStatus: 502 }],
	[0.01, noAnswer('ECONNRESET')],
	[0.01, noAnswer('ECONNREFUSED')],
	[0.01, timedOut(60_000)],
	[0.03, ruleFor(422, 'ERROR_NO_FACE_IN_FILE')],
	[0.005, ruleFor(401, 'ERROR_USER_NOT_EXISTS')],
];

/**
 * Executions of all sizes come at random to one account of random limits that is away now and then. They download, wait,
 * are stopped, and end at their first failure.
 * @returns what should be nothing: requests in flight at the end, timers left, and pairs that were merged twice
 */
async function scenario(seed: number) {
	const random = seededRandom(seed);
	const pick = <T>(...of: [T, ...T[]]): T => of[Math.floor(random() * of.length)] ?? of[0];
	const clock = new VirtualClock();
	const limits = new Limits(random);
	const gate = new Gate(limits, clock, random);
	const atOnce = pick(1, 1, 2, 3, 5, 50);
	const perSecond = pick(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1, 2, 10);
	const awayFrom = pick(20_000, 60_000, Number.POSITIVE_INFINITY);
	const awayUntil = awayFrom + pick(5_000, 40_000, 150_000);
	let inFlight = 0;
	let second = { number: -1, taken: 0 };
	/** By pair, what was merged. */
	const paid = new Map<string, number>();

	const load = async (): Promise<Refusal> => {
		await clock.sleep(pick(0, 1, 30));
		const retryAfterMs = pick(undefined, undefined, 0, 500, 5_000, 119_000, 130_000);
		return { ...ruleFor(429, 'EXCEEDING_LIMITS'), retryAfterMs };
	};
	const request = async (key: string): Promise<{ refusal: Refusal } | { merged: true }> => {
		const isAway = clock.now() >= awayFrom && clock.now() < awayUntil;
		if (isAway) return { refusal: pick(noAnswer('ECONNREFUSED'), { ...ruleFor(502, undefined), httpStatus: 502 }) };
		const number = Math.floor(clock.now() / 1_000);
		if (number !== second.number) second = { number, taken: 0 };
		if (inFlight >= atOnce || ++second.taken > perSecond) return { refusal: await load() };
		inFlight++;
		await clock.sleep(pick(0, 1, 50, 1_000, 1_000, 5_000, 59_000));
		inFlight--;
		let luck = random();
		const refusal = misfortunes.find(([part]) => (luck -= part) < 0)?.[1];
		if (refusal) return { refusal: { ...refusal, retryAfterMs: pick(undefined, undefined, 0, 2_000, 200_000) } };
		paid.set(key, (paid.get(key) ?? 0) + 1);
		return { merged: true };
	};

	const execution = async (execution: number) => {
		await clock.sleep(random() * 60_000);
		const lane = gate.openLane(pick(1, 1, 2, 3, 10, 40));
		const stopsAtFailure = random() < 0.3;
		const stop = random() < 0.15 ? clock.sleep(random() * 100_000).then(() => lane.close()) : undefined;
		const endsBatch = ({ blame }: Refusal) => stopsAtFailure || blame === 'account' || blame === 'load';
		const maxRetries = pick(0, 1, 4, 4);
		const atWork: Array<Promise<void>> = [];
		for (let pair = pick(1, 1, 3, 10, 25); pair > 0; pair--) {
			const turn = await lane.turn();
			if (turn === undefined) break;
			const merge = async () => {
				if (random() < 0.3) {
					turn.stepAside();
					await clock.sleep(random() * 20_000);
				}
				const key = `${execution}: ${pair}`;
				await send(turn, async () => await request(key), { maxRetries, clock, random, endsBatch });
				turn.end();
			};
			atWork.push(merge());
		}
		await Promise.all(atWork);
		lane.close();
		await stop;
	};
	await clock.run(Promise.all(Array.from({ length: pick(1, 2, 4, 8, 20) }, async (_, each) => await execution(each))));
	for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
	return { inFlight: limits.active, timers: clock.pending, paidTwice: [...paid.values()].filter((times) => times > 1) };
}

test(`of ${SEEDS} random afternoons at one account, each ends, with nothing left over and nothing merged twice`, async () => {
	for (let seed = 1; seed <= SEEDS; seed++) {
		const left = await scenario(seed).catch((error: unknown) => error);
		expect({ seed, left }).toEqual({ seed, left: { inFlight: 0, timers: 0, paidTwice: [] } });
	}
});
