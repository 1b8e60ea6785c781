import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';

import { sleep, type INodeExecutionData, type INodeParameters, type INodeType } from 'n8n-workflow';

import { Accounts } from '../../nodes/MergePortraits/account/accounts';
import { nodeOfProcess, type EngineOptions, type EngineResult } from '../../lab/engine';
import { portOf } from '../../lab/required';
import { SIMULATOR_KEY, type SimulatorOptions } from '../../lab/simulator/simulator';
import { SkippingClock } from '../virtualClock';
import { failToStore, failToStoreWhen, files, pairs, restart, run, simulator } from './withSimulator';

/** The node in one process, for all executions of a test. */
let node: INodeType;

beforeEach(() => {
	node = nodeOfProcess();
});

const start = async (options: SimulatorOptions = {}) => await restart({ latencyMs: 20, ...options });

/** An execution of so many pairs, which differ in their similarity, from `first` upwards. */
const execute = async (count: number, first = 0, options: Partial<EngineOptions> = {}): Promise<EngineResult> =>
	await run({ binaryMode: 'filesystem', nodeType: node, ...pairs(count, first), ...options });

const isMerged = (item: INodeExecutionData) => item.binary?.data !== undefined;
const refusals = () => simulator.requests.filter(({ status }) => status === 429).length;

/** Has n8n's binary store fail to give a merged picture, once. */
async function failToRead() {
	const { BinaryDataService } = await import('n8n-core');
	const read = BinaryDataService.prototype.getAsBuffer;
	let left = 1;
	return jest.spyOn(BinaryDataService.prototype, 'getAsBuffer').mockImplementation(async function (
		this: InstanceType<typeof BinaryDataService>,
		binary,
	) {
		if (binary.fileName?.includes('-merged') && left-- > 0) throw new Error('The store timed out');
		return await read.call(this, binary);
	});
}

describe('executions of one process', () => {
	it('share what the account takes: twelve at once, of which one place finds the limit', async () => {
		await start({ accounts: [{ key: SIMULATOR_KEY, maxConcurrentRequests: 2 }], latencyMs: 60 });
		const executions = Array.from({ length: 12 }, async (_, visitor) => await execute(1, visitor));
		const results = await Promise.all(executions);
		for (const { items } of results) expect(items.filter(isMerged)).toHaveLength(1);
		expect(simulator.peakConcurrency).toBeLessThanOrEqual(3);
		expect(refusals()).toBeLessThanOrEqual(3);
	});

	it('go on with what was learned', async () => {
		await start({ latencyMs: 300 });
		await execute(20);
		simulator.reset();
		await execute(10, 100);
		// An execution that knows nothing would have at most five.
		expect(simulator.peakConcurrency).toBeGreaterThanOrEqual(7);
	});

	it('lose nothing when another one ends by a fault of its own', async () => {
		await start({
			latencyMs: 40,
			fault: ({ fields }) =>
				Number(fields.source_similarity) === 0.5
					? { kind: 'status', status: 422, code: 'ERROR_BLURRY_FACE' }
					: undefined,
		});
		const [stopped, other] = await Promise.all([execute(20, 500), execute(20)]);
		expect(stopped.task.error?.message).toBe('The face in one of the two pictures is too blurred [item 0]');
		expect(other.items.filter(isMerged)).toHaveLength(20);
	});

	it('with different keys have nothing to do with each other', async () => {
		await start({ accounts: [{ key: SIMULATOR_KEY }, { key: 'other-key', locked: true }], latencyMs: 40 });
		const credentials = { apiKey: 'other-key', baseUrl: simulator.baseUrl };
		const [locked, other] = await Promise.all([execute(5, 0, { credentials }), execute(5)]);
		// Of whichever item was answered first; the others say nothing, for they were not sent.
		expect(locked.task.error?.message).toMatch(/^This AILabTools account is locked \[item \d\]$/);
		expect(other.items.filter(isMerged)).toHaveLength(5);
	});
});

it('a batch reads its credential once: one that is changed or cannot be read midway takes no pair to another account', async () => {
	await start();
	const { ExecuteContext } = await import('n8n-core');
	const { getCredentials } = ExecuteContext.prototype;
	const read = jest.spyOn(ExecuteContext.prototype, 'getCredentials');
	read.mockImplementation(async () => await Promise.reject(new Error('The database is away')));
	read.mockImplementationOnce(getCredentials);
	const { items } = await execute(6);
	read.mockRestore();
	expect(items.filter(isMerged)).toHaveLength(6);
	expect(simulator.requests.map(({ headers }) => headers['ailabapi-api-key'])).toEqual(Array(6).fill(SIMULATOR_KEY));
});

describe('a service that is away for three seconds in the middle of a batch', () => {
	it.each<[string, () => Promise<void>]>([
		['and refuses connections', async () => await simulator.away(3_000)],
		[
			'and is behind a proxy that answers with 502',
			async () => {
				simulator.setFault(() => ({ kind: 'html', status: 502 }));
				await sleep(3_000);
				simulator.setFault(undefined);
			},
		],
	])('%s, costs no pair, and gets hardly a request meanwhile', async (_how, goAway) => {
		await start({ latencyMs: 100 });
		const batch = execute(60, 0, { nodeSettings: { onError: 'continueRegularOutput' } });
		while (simulator.requests.filter(({ status }) => status === 200).length < 20) await sleep(5);
		await goAway();
		const { items } = await batch;
		expect(items.filter(isMerged)).toHaveLength(60);
		// Those in flight, and then one at a time.
		expect(simulator.requests.length).toBeLessThanOrEqual(60 + 10 + 10);
	});
});

describe('a pair that an earlier execution has merged', () => {
	const again = async (change: Partial<EngineOptions> & { parameters?: INodeParameters } = {}) => {
		await start();
		await execute(3, 0, change.binaryMode ? { binaryMode: change.binaryMode } : {});
		simulator.reset();
		return await execute(3, 0, change);
	};

	it('is given again without a request, as a picture of this execution, and the hint says so', async () => {
		await start();
		const first = await execute(3);
		const before = await Promise.all(first.items.map(async ({ binary }) => await first.read(binary?.data)));
		simulator.reset();
		const second = await execute(3);
		expect(simulator.requests).toHaveLength(0);
		expect(second.items.map(({ json }) => Object(json.mergePortraits).reused)).toEqual([true, true, true]);
		expect(second.task.hints?.map(({ message }) => message)).toEqual([
			'3 of 3 results were reused and not paid for again.',
		]);
		// n8n deletes the binaries of the first execution with it.
		for (const { binary } of first.items) await rm(first.pathOf(binary?.data?.id ?? ''));
		const after = await Promise.all(second.items.map(async ({ binary }) => await second.read(binary?.data)));
		expect(after.map((bytes, index) => before[index]?.equals(bytes))).toEqual([true, true, true]);
		expect(second.items[0]?.binary?.data).toMatchObject({ fileName: 'ben-merged.jpg', mimeType: 'image/jpeg' });
	});

	it('is sent once when two executions have it at the same time', async () => {
		await start({ latencyMs: 80 });
		const [one, other] = await Promise.all([execute(1), execute(1)]);
		expect(simulator.requests).toHaveLength(1);
		expect(await one.read(one.items[0]?.binary?.data)).toEqual(await other.read(other.items[0]?.binary?.data));
	});

	it('is sent by one of those that waited for it when the first is cancelled', async () => {
		await start({ latencyMs: 300 });
		let cancel = () => {};
		const first = execute(1, 0, {
			onStart: (stop) => {
				cancel = stop;
			},
		}).catch(() => undefined);
		while (simulator.requests.length === 0) await sleep(5);
		const others = [execute(1), execute(1), execute(1)];
		await sleep(50);
		cancel();
		await first;
		for (const { items } of await Promise.all(others)) expect(items.filter(isMerged)).toHaveLength(1);
		expect(simulator.requests.map(({ status }) => status)).toEqual([undefined, 200]);
	});

	it('is named as this execution has it', async () => {
		await start();
		await execute(1);
		const options = { fileName: 'group' };
		const { items } = await execute(1, 0, { parameters: { similarity: '={{ $json.index / 1000 }}', options } });
		expect(items[0]?.binary?.data?.fileName).toBe('group.jpg');
		expect(simulator.requests).toHaveLength(1);
	});

	it('is sent when the option is off', async () => {
		await again({ parameters: { similarity: '={{ $json.index / 1000 }}', options: { reuseResults: false } } });
		expect(simulator.requests).toHaveLength(3);
	});

	it('is sent when the similarity is another', async () => {
		await again({ parameters: { similarity: '={{ $json.index / 1000 + 0.5 }}' } });
		expect(simulator.requests).toHaveLength(3);
	});

	it.each(['target', 'template'] as const)('is sent when a single byte of the %s is another', async (role) => {
		const [item] = pairs(1).items;
		const bytes = Buffer.concat([files[role].bytes, Buffer.from([0])]);
		await again({ items: [{ ...item, files: { ...item?.files, [role]: { bytes } } }] });
		expect(simulator.requests).toHaveLength(1);
	});

	it('is sent with another key', async () => {
		await start({ accounts: [{ key: SIMULATOR_KEY }, { key: 'other-key' }] });
		await execute(2);
		await execute(2, 0, { credentials: { apiKey: 'other-key', baseUrl: simulator.baseUrl } });
		expect(simulator.requests).toHaveLength(4);
	});

	it('is sent when n8n has deleted the picture', async () => {
		await start();
		const { items, pathOf } = await execute(2);
		for (const { binary } of items) {
			await rm(pathOf(binary?.data?.id ?? ''));
			await rm(`${pathOf(binary?.data?.id ?? '')}.metadata`);
		}
		await execute(2);
		expect(simulator.requests).toHaveLength(4);
	});

	it('is sent when only what n8n notes of the picture is left', async () => {
		await start();
		const { items, pathOf } = await execute(1);
		await rm(pathOf(items[0]?.binary?.data?.id ?? ''));
		const again = await execute(1);
		expect(again.items.filter(isMerged)).toHaveLength(1);
		expect(simulator.requests).toHaveLength(2);
	});

	it('is not sent because n8n could not read or store the picture for a moment', async () => {
		await start();
		const clock = new SkippingClock();
		const nodeType = nodeOfProcess({ clock, random: () => 1 });
		await execute(1, 0, { nodeType });
		const failing = [await failToRead(), await failToStore('-merged', 1)];
		const { items } = await execute(1, 0, { nodeType });
		for (const spy of failing) spy.mockRestore();
		expect(items.filter(isMerged)).toHaveLength(1);
		expect(simulator.requests).toHaveLength(1);
		expect(clock.waits).toEqual([1_000, 1_000]);
	});

	it('is sent where n8n keeps binaries in memory', async () => {
		await again({ binaryMode: 'default' });
		expect(simulator.requests).toHaveLength(3);
	});

	it.each([0, 1])('is given again as long as n8n has it in one place: %d is deleted of two', async (deleted) => {
		await start();
		const executions = [await execute(1), await execute(1)];
		const { pathOf, items } = executions[deleted] ?? {};
		await rm(String(pathOf?.(String(items?.[0]?.binary?.data?.id))));
		const { task } = await execute(1);
		expect(task.error).toBeUndefined();
		expect(simulator.requests).toHaveLength(1);
	});

	it('is not known to another process', async () => {
		await again({ nodeType: nodeOfProcess() });
		expect(simulator.requests).toHaveLength(3);
	});
});

describe('a merged picture that n8n cannot store', () => {
	it.each(['ENOSPC: no space left on device', 'ENOENT: no such file or directory'])(
		'is stored again, with backoff, and not sent again: %s',
		async (message) => {
			await start();
			const clock = new SkippingClock();
			const broken = await failToStore('-merged', 3, message);
			const { items } = await execute(1, 0, { nodeType: nodeOfProcess({ clock, random: () => 1 }) });
			broken.mockRestore();
			expect(items.filter(isMerged)).toHaveLength(1);
			expect(simulator.requests).toHaveLength(1);
			expect(clock.waits).toEqual([1_000, 2_000, 4_000]);
		},
	);

	it('is told to have been merged and billed when it stays so', async () => {
		await start();
		const broken = await failToStore('merged', 99);
		const { task } = await execute(1, 0, { nodeType: nodeOfProcess({ clock: new SkippingClock() }) });
		broken.mockRestore();
		expect(simulator.requests).toHaveLength(1);
		expect(task.error?.message).toBe('The pair was merged and billed, but n8n could not store the picture');
		expect(task.error?.description).toContain('n8n says: "ENOSPC: no space left on device"');
		expect(task.error?.description).toMatch(/request_id: [0-9a-f-]{36}, log_id: /);
	});

	it('ends the batch, whatever On Error says: no more is paid for that cannot be kept', async () => {
		await start();
		const broken = await failToStore('merged', 99);
		const { items } = await execute(40, 0, {
			nodeType: nodeOfProcess({ clock: new SkippingClock() }),
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		broken.mockRestore();
		expect(simulator.requests.length).toBeLessThanOrEqual(11);
		expect(items).toHaveLength(40);
		expect(items.at(-1)?.json.error).toBe('Not sent: n8n cannot store pictures now [item 39]');
	});
});

describe('a binary store that takes nothing', () => {
	const again = { retryOnFail: true, maxTries: 5, waitBetweenTries: 1 };
	const skipping = () => nodeOfProcess({ clock: new SkippingClock() });

	it.each([undefined, '1h'])(
		'ends a batch before anything is sent, and says what to do: Download Link %s',
		async (downloadLink) => {
			await start();
			const full = await failToStore(/^(kept|merged)\./, Infinity);
			const clock = new SkippingClock();
			const parameters = { ...pairs(1).parameters, options: downloadLink ? { downloadLink } : {} };
			const nodeSettings = { onError: 'continueRegularOutput' as const };
			const { items } = await execute(40, 0, { nodeType: nodeOfProcess({ clock }), parameters, nodeSettings });
			full.mockRestore();
			expect(simulator.requests).toHaveLength(0);
			expect(clock.now()).toBeLessThan(20_000);
			expect(items).toHaveLength(40);
			for (const [index, { json }] of items.entries()) {
				expect(json.error).toBe(`Not sent: n8n cannot store pictures now [item ${index}]`);
				expect(json.description).toContain('Check the disk, database or bucket');
			}
		},
	);

	it('from the first answer on costs an execution one pair, Retry On Fail included', async () => {
		await start();
		const full = await failToStoreWhen(() => simulator.requests.length > 0);
		const { task } = await execute(1, 0, { nodeType: skipping(), nodeSettings: again });
		full.mockRestore();
		expect(simulator.requests).toHaveLength(1);
		expect(task.error?.message).toBe('Not sent: n8n cannot store pictures now');
	});

	it('loses nothing that the execution has: Retry On Fail delivers what the first try has paid for', async () => {
		await start();
		let stored = 0;
		const full = await failToStoreWhen((fileName) => {
			if (fileName.includes('-merged')) stored++;
			return stored > 3;
		});
		const nodeSettings = { ...again, onError: 'continueRegularOutput' as const };
		const parameters = { ...pairs(1).parameters, options: { maxConcurrency: 1 } };
		const { items } = await execute(8, 0, { nodeType: skipping(), parameters, nodeSettings });
		full.mockRestore();
		expect(items.filter(isMerged)).toHaveLength(3);
		expect(simulator.requests.length).toBeLessThanOrEqual(5);
	});

	it('says why it sends nothing more, though it was the copy of an earlier picture that was not taken', async () => {
		await start();
		const nodeType = skipping();
		await execute(1, 0, { nodeType });
		simulator.reset();
		const full = await failToStore(/-merged|^merged\.jpg/, 5 + 5);
		const nodeSettings = { onError: 'continueRegularOutput' as const };
		const { items } = await execute(10, 0, { nodeType, nodeSettings });
		full.mockRestore();
		const failed = items.filter((item) => !isMerged(item));
		expect(failed.length).toBeGreaterThan(0);
		for (const { json } of failed) expect(json.description).toMatch(/Check the disk, database or bucket|n8n says: /);
	});

	it('in the middle of a batch costs what is in flight: who waits for it to work again is not sent', async () => {
		await start();
		const full = await failToStore(/^merged\.(?!txt)|-merged/, Infinity);
		const parameters = { ...pairs(1).parameters, options: { maxConcurrency: 6 } };
		await execute(20, 0, { nodeType: skipping(), parameters, nodeSettings: { onError: 'continueRegularOutput' } });
		full.mockRestore();
		expect(simulator.requests.length).toBeLessThanOrEqual(7);
	});
});

describe('one execution among others', () => {
	it('leaves nothing at the gate when it has ended', async () => {
		const clock = new SkippingClock();
		const accounts = new Accounts(clock);
		await execute(1, 0, { nodeType: nodeOfProcess({ clock, accounts }) });
		await clock.sleep(1_000);
		const { gate } = accounts.find({ apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl });
		expect(gate.idleForMs()).toBe(1_000);
	});

	it('does not hold them up while its pictures are downloaded from a slow host', async () => {
		await start();
		const host = createServer(() => undefined).listen(0, '127.0.0.1');
		await once(host, 'listening');
		const port = portOf(host);
		const parameters = { targetInputType: 'url', targetUrl: `=http://127.0.0.1:${port}/{{ $json.index }}.png` };
		const slow = execute(10, 0, { parameters: { ...parameters, options: { maxRetries: 0 } } });
		await sleep(300);
		// Would not come to its end while the other waits.
		const visitor = await execute(6, 500);
		host.closeAllConnections();
		host.close();
		await slow;
		expect(visitor.items.filter(isMerged)).toHaveLength(6);
		// One at a time would be let through even if they were held up.
		expect(simulator.peakConcurrency).toBeGreaterThan(1);
	});
});
