import { rm } from 'node:fs/promises';

import { sleep, type INodeExecutionData, type IRunExecutionData } from 'n8n-workflow';

import { sha256 } from '../../lab/simulator/exchange';
import { faceless, portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, type Fault, type RecordedRequest, type SimulatorOptions } from '../../lab/simulator/simulator';
import { logger, nodeOfProcess, type EngineOptions, type EngineResult } from '../../lab/engine';
import { SkippingClock } from '../virtualClock';
import { files, pairs, restart, run as runNode, simulator, target, template } from './withSimulator';

const start = async (options: SimulatorOptions = {}) => await restart({ latencyMs: 20, ...options });

/** Merges so many pairs that differ in their similarity. */
const run = async (count: number, options: Partial<EngineOptions> = {}): Promise<EngineResult> =>
	await runNode({ ...pairs(count), ...options });

const similarity = ({ fields }: RecordedRequest) => Number(fields.source_similarity);
const isMerged = (item: INodeExecutionData) => item.binary?.data !== undefined;
const noFace: Fault = { kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' };
/** Refuses, once or always, the request of the pair with this index. */
const refuse = (pair: number, times = Number.POSITIVE_INFINITY, fault = noFace): SimulatorOptions['fault'] => {
	let left = times;
	return ({ fields }) => (Number(fields.source_similarity) === pair / 1000 && left-- > 0 ? fault : undefined);
};

describe('a batch', () => {
	it('comes out in the order in which it went in, each item paired with its input', async () => {
		await start({ latencyMs: 30, fault: ({ index }) => (index === 0 ? { kind: 'reset' } : undefined) });
		const { items, read } = await run(12, {
			parameters: { similarity: '={{ $json.index / 1000 }}', options: { maxConcurrency: 4 } },
		});
		expect(items.map(({ json, pairedItem }) => [json.index, pairedItem])).toEqual(
			Array.from({ length: 12 }, (_, item) => [item, { item }]),
		);
		const results = await Promise.all(items.map(async (item) => sha256(await read(item.binary?.data))));
		const paidFor = simulator.requests.filter(({ status }) => status === 200);
		expect(results).toEqual(
			paidFor.sort((a, b) => similarity(a) - similarity(b)).map(({ resultSha256 }) => resultSha256),
		);
		expect(items[0]?.json).toMatchObject({ mergePortraits: { attempts: 2, similarity: 0 } });
		expect(simulator.requests).toHaveLength(13);
		expect(simulator.peakConcurrency).toBeLessThanOrEqual(4);
	});

	it('asked for 20 at a time where 2 are taken merges all, with few refusals', async () => {
		await start({ accounts: [{ key: SIMULATOR_KEY, maxConcurrentRequests: 2 }] });
		const { items } = await run(60, {
			parameters: { similarity: '={{ $json.index / 1000 }}', options: { maxConcurrency: 20 } },
		});
		expect(items.filter(isMerged)).toHaveLength(60);
		const refusals = simulator.requests.filter(({ status }) => status === 429).length;
		expect(refusals).toBeGreaterThan(0);
		expect(refusals / simulator.requests.length).toBeLessThan(0.25);
		expect(items.every(({ json }) => 'mergePortraits' in json)).toBe(true);
	});

	it('reads one template for all items once', async () => {
		await start();
		const { BinaryDataService } = await import('n8n-core');
		const load = jest.spyOn(BinaryDataService.prototype, 'getAsBuffer');
		const { items } = await run(10, {
			binaryMode: 'filesystem',
			parameters: {
				similarity: '={{ $json.index / 1000 }}',
				templateBinaryPropertyName: '={{ $("Source").first().binary.template }}',
			},
		});
		const loads = load.mock.calls.length;
		load.mockRestore();
		expect(items.filter(isMerged)).toHaveLength(10);
		expect(loads).toBe(11);
	});

	it.each([
		[50, 1],
		[60, 2],
		[10, 0],
	])('of %d pairs writes %d lines into the log', async (pairs, lines) => {
		await start({ latencyMs: 0, answerPicture: template });
		const info = jest.spyOn(logger, 'info').mockImplementation();
		await run(pairs, { parameters: { similarity: '={{ $json.index / 1000 }}', options: { maxConcurrency: 20 } } });
		const written = info.mock.calls.filter(([text]) => text.startsWith('Merge Portraits: '));
		info.mockRestore();
		expect(written).toHaveLength(lines);
		if (lines > 0) {
			const counts = { merged: pairs, reused: 0, failed: 0 };
			expect(written.at(-1)).toEqual([`Merge Portraits: ${pairs} of ${pairs} items finished`, counts]);
		}
	});

	it('leaves little in the stored execution where binaries are kept on disk', async () => {
		await start();
		const { run: execution } = await run(20, { binaryMode: 'filesystem' });
		expect(JSON.stringify(execution.data).length / 20).toBeLessThan(3_000);
	});
});

describe('each pair is paid for once', () => {
	const paid = () => simulator.requests.filter(({ status }) => status === 200).length;

	it('with Retry On Fail: six pairs, one refused once, are seven requests', async () => {
		await start({ fault: refuse(3, 1) });
		const { items, task } = await run(6, { nodeSettings: { retryOnFail: true, maxTries: 2, waitBetweenTries: 1 } });
		expect(items.filter(isMerged)).toHaveLength(6);
		expect(simulator.requests).toHaveLength(7);
		const reused = items.filter(({ json }) => Object(json.mergePortraits).reused === true).length;
		expect(reused).toBeGreaterThanOrEqual(3);
		const hints = task.hints?.map(({ message }) => message);
		expect(hints).toEqual([`${reused} of 6 results were reused and not paid for again.`]);
	});

	describe.each(['default', 'filesystem'] as const)('binary mode %s', (binaryMode) => {
		it('with a retry of the failed execution: seven requests in all', async () => {
			await start({ fault: refuse(3, 1) });
			const failed = await run(6, { binaryMode });
			expect(failed.task.error).toBeDefined();
			const { items } = await run(6, { binaryMode, resume: forRetry(failed.run.data) });
			expect(items.filter(isMerged)).toHaveLength(6);
			expect(simulator.requests).toHaveLength(7);
		});
	});

	it('nor because n8n could not say for a moment whether the picture is there', async () => {
		await start({ fault: refuse(1, 1) });
		const failed = await run(2, { binaryMode: 'filesystem' });
		const { BinaryDataService } = await import('n8n-core');
		const ask = jest.spyOn(BinaryDataService.prototype, 'getMetadata').mockRejectedValueOnce(new Error('timed out'));
		const nodeType = nodeOfProcess({ clock: new SkippingClock() });
		const { items } = await run(2, { binaryMode: 'filesystem', nodeType, resume: forRetry(failed.run.data) });
		ask.mockRestore();
		expect(items.filter(isMerged)).toHaveLength(2);
		expect(simulator.requests).toHaveLength(3);
	});

	it('but a stored picture that is gone is paid for again', async () => {
		await start({ fault: ({ index }) => (index === 1 ? noFace : undefined) });
		const inTurn = { ...pairs(2).parameters, options: { maxConcurrency: 1 } };
		const failed = await run(2, { binaryMode: 'filesystem', parameters: inTurn });
		const [result] = Object.values(failed.run.data.executionData?.contextData.flow?.paidResults);
		const { binary } = Object(result);
		await rm(failed.pathOf(binary.id));
		await rm(`${failed.pathOf(binary.id)}.metadata`);
		const { items, read } = await run(2, { binaryMode: 'filesystem', resume: forRetry(failed.run.data) });
		expect(simulator.requests).toHaveLength(4);
		expect((await read(items[0]?.binary?.data)).length).toBeGreaterThan(1_000);
	});

	it('when it stands in a batch several times, in flight or done', async () => {
		await start({ latencyMs: 50 });
		const { items, read } = await run(8, { parameters: { similarity: '={{ $json.index % 2 }}' } });
		expect(simulator.requests).toHaveLength(2);
		expect(paid()).toBe(2);
		const pictures = await Promise.all(items.map(async (item) => (await read(item.binary?.data)).toString('base64')));
		expect(new Set(pictures).size).toBe(2);
		expect(pictures[6]).toBe(pictures[0]);
		expect(items.filter(({ json }) => Object(json.mergePortraits).reused === true)).toHaveLength(6);
	});

	it('and nothing is kept once every item has its picture', async () => {
		await start();
		const { run: execution } = await run(3);
		expect(execution.data.executionData?.contextData.flow).toEqual({});
	});
});

describe('one failure', () => {
	it('stops the batch, lets what is in flight finish, and tells what was merged', async () => {
		await start({ latencyMs: 60, fault: refuse(4) });
		const { task, run: execution } = await run(40);
		expect(task.error?.message).toBe('No face was found in one of the two pictures [item 4]');
		const sent = simulator.requests.length;
		const merged = simulator.requests.filter(({ status }) => status === 200).length;
		expect(sent).toBeLessThanOrEqual(4 + 3);
		expect(merged).toBe(sent - 1);
		expect(simulator.requests.every(({ aborted }) => !aborted)).toBe(true);
		expect(task.error?.description).toContain(
			`${merged} of 40 pairs were merged. Their results are kept: a retry of this execution does not pay for them again.`,
		);
		const { paidResults } = execution.data.executionData?.contextData.flow ?? {};
		expect(Object.keys(paidResults)).toHaveLength(merged);
	});

	it('is told of the first item that failed, not of the one that was answered first', async () => {
		// The first waits to be sent again when the second ends the batch.
		const faults: Fault[] = [{ kind: 'status', code: 'AI_SERVICE_ERROR', status: 502 }, noFace];
		await start({ fault: (request) => faults[similarity(request) * 1000] });
		const { task } = await run(2);
		expect(task.error?.message).toBe('AILabTools could not process the pair for now [item 0]');
		expect(simulator.requests).toHaveLength(2);
	});

	it('leaves every other item alone when On Error says to continue', async () => {
		await start({ fault: refuse(4) });
		const { items, task } = await run(10, { nodeSettings: { onError: 'continueRegularOutput' } });
		expect(items.filter(isMerged)).toHaveLength(9);
		expect(items[4]?.json.error).toBe('No face was found in one of the two pictures [item 4]');
		expect(task.hints?.map(({ message }) => message)).toEqual(['1 of 10 items was not merged. Each says why.']);
	});

	it('of a picture that is not fit to be sent leaves the others alone too', async () => {
		await start();
		const small = await portrait('ben', { width: 100, height: 100 });
		const { items } = await runNode({
			items: [target, small, await faceless(), target].map((bytes) => ({ files: { ...files, target: { bytes } } })),
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		expect(items.map(({ json }) => json.error)).toEqual([
			undefined,
			expect.stringContaining("'Target Input Binary Field' is 100 × 100 px"),
			'No face was found in one of the two pictures [item 2]',
			undefined,
		]);
		expect(simulator.requests).toHaveLength(2);
	});

	it('of the account stops new requests at once: credits for 10 of 40', async () => {
		await start({ accounts: [{ key: SIMULATOR_KEY, credits: 80 }], latencyMs: 30 });
		const { items } = await run(40, {
			parameters: { similarity: '={{ $json.index / 1000 }}', options: { maxConcurrency: 3 } },
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		expect(items.filter(isMerged)).toHaveLength(10);
		expect(simulator.requests.length).toBeLessThanOrEqual(10 + 3);
		const failed = items.filter((item) => !isMerged(item));
		expect(failed).toHaveLength(30);
		for (const { json, pairedItem } of failed) {
			expect(json.error).toMatch(/^(Not sent: )?The AILabTools account does not have enough credits \[item \d+\]$/);
			expect(json).toMatchObject({
				code: 'ERROR_NOT_ENOUGH_CREDITS',
				description: expect.stringContaining('Buy credits'),
			});
			expect(pairedItem).toEqual({ item: json.index });
		}
		expect(failed.filter(({ json }) => String(json.error).startsWith('Not sent')).length).toBeGreaterThanOrEqual(27);
	});

	it('of an account that takes nothing for two minutes ends the batch', async () => {
		await start({ fault: () => ({ kind: 'status', status: 429, code: 'EXCEEDING_LIMITS' }) });
		const { items } = await run(4, {
			nodeType: nodeOfProcess({ clock: new SkippingClock() }),
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		const told = items.map(({ json }) => String(json.error).replace(/ \[item \d\]$/, ''));
		const takesNoMore = 'AILabTools takes no more requests from this account for now';
		// Those that had asked as often say the same.
		expect(new Set(told)).toEqual(new Set([takesNoMore, `Not sent: ${takesNoMore}`]));
	});

	it('of the key is told after the first requests, and is not asked for again', async () => {
		await start();
		const { items } = await run(20, {
			credentials: { apiKey: 'wrong', baseUrl: simulator.baseUrl },
			nodeSettings: { onError: 'continueErrorOutput' },
		});
		expect(items).toHaveLength(0);
		expect(simulator.requests.length).toBeLessThanOrEqual(3);
	});
});

describe('a cancelled execution', () => {
	it.each<[string, Fault]>([
		['ends the requests in flight', { kind: 'hang' }],
		['does not wait for the next try', { kind: 'status', status: 429, retryAfter: '60' }],
	])('%s, and sends nothing more', async (_what, fault) => {
		await start({ fault: () => fault });
		let cancel = () => {};
		const onStart = (stop: () => void) => {
			cancel = stop;
		};
		// n8n then begins again even though it has been cancelled.
		const nodeSettings = { retryOnFail: true, maxTries: 2, waitBetweenTries: 1 };
		const execution = run(20, { onStart, nodeSettings }).catch((error: unknown) => error);
		while (!simulator.requests.some(({ status }) => fault.kind === 'hang' || status)) await sleep(5);
		const sent = simulator.requests.length;
		const cancelledAt = performance.now();
		cancel();
		await execution;
		while (simulator.requests.some(({ aborted, status }) => !aborted && !status)) await sleep(5);
		expect(performance.now() - cancelledAt).toBeLessThan(1_000);
		expect(simulator.requests).toHaveLength(sent);
	});

	it.each([
		['filesystem', "'Reuse Earlier Results' saves paying for them again."],
		['default', 'Their results are lost: this n8n keeps binary data in memory.'],
	] as const)('says what becomes of the pictures that there are: binary mode %s', async (binaryMode, words) => {
		let cancel = () => {};
		const fault: SimulatorOptions['fault'] = ({ index }) => (index < 2 ? undefined : { kind: 'hang' });
		await start({ fault });
		const inTurn = { ...pairs(6).parameters, options: { maxConcurrency: 1 } };
		const onStart = (stop: () => void) => {
			cancel = stop;
		};
		const execution = run(6, { binaryMode, parameters: inTurn, onStart });
		while (simulator.requests.length < 3) await sleep(5);
		cancel();
		const { task } = await execution;
		expect(task.error?.description).toMatch(/^2 of 6 pairs were merged\. /);
		expect(task.error?.description).toContain(words);
	});
});

/** An execution's data as n8n hands it to the engine for the Retry of the executions list. */
function forRetry(data: IRunExecutionData): IRunExecutionData {
	const copy: IRunExecutionData = JSON.parse(JSON.stringify(data));
	const { resultData } = copy;
	delete resultData.error;
	if (resultData.lastNodeExecuted) resultData.runData[resultData.lastNodeExecuted]?.pop();
	return copy;
}
