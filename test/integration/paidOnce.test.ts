/** A pair is paid for once: within an execution, loops and retries included; over executions as long as n8n has the picture. */
import { NodeConnectionTypes, type INodeParameters, type INodeType, type IRunExecutionData } from 'n8n-workflow';

import { engineNode, nodeOfProcess, runWorkflow, to, useBinaryMode, type BinaryMode } from '../../lab/engine';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { SkippingClock } from '../virtualClock';
import { failToStore, failToStoreWhen, files, pairs, run, simulator, target, template } from './withSimulator';

const paid = () => simulator.requests.filter(({ status }) => status === 200).length;
const inOneProcess = () => nodeOfProcess({ clock: new SkippingClock() });

describe('a node that runs three times in one execution, as in Loop Over Items', () => {
	/** Gives the pair, stored anew; and with `failing` a pair of its own round, and an item without pictures. */
	const source = (failing: boolean): INodeType => ({
		description: {
			displayName: 'Round',
			name: 'round',
			group: ['transform'],
			version: 1,
			description: '',
			defaults: {},
			inputs: [NodeConnectionTypes.Main],
			outputs: [NodeConnectionTypes.Main],
			properties: [],
		},
		async execute() {
			const item = async (bytes: Buffer) => ({
				json: { round: this.getNode().name },
				binary: {
					target: await this.helpers.prepareBinaryData(bytes, 'ben.png', 'image/png'),
					template: await this.helpers.prepareBinaryData(template, 'anna.jpg', 'image/jpeg'),
				},
			});
			if (!failing) return [[await item(target)]];
			return [[await item(Buffer.concat([target, Buffer.from(this.getNode().name)])), { json: {} }]];
		},
	});

	async function threeRounds(binaryMode: BinaryMode, options: INodeParameters, failing = false) {
		await useBinaryMode(binaryMode);
		const { data } = await runWorkflow({
			credentials: { apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl },
			start: 'Start',
			settings: { executionOrder: 'v1' },
			types: { round: source(failing), mergePortraits: nodeOfProcess() },
			nodes: [
				...['Start', 'A', 'B', 'C'].map((name) => engineNode(name, 'test.round')),
				{
					...engineNode('Merge Portraits', 'n8n-nodes-merge-portraits.mergePortraits', { options }),
					credentials: { aiLabToolsApi: { id: '1', name: 'AILabTools API' } },
					onError: failing ? 'continueErrorOutput' : 'stopWorkflow',
				},
			],
			connections: {
				Start: to('A', 'B', 'C'),
				A: to('Merge Portraits'),
				B: to('Merge Portraits'),
				C: to('Merge Portraits'),
			},
		});
		expect(data.resultData.error).toBeUndefined();
		const runs = data.resultData.runData['Merge Portraits'] ?? [];
		const names = runs.map((task) => task.data?.main?.[0]?.[0]?.binary?.data?.fileName);
		return { names, saved: data.executionData?.contextData.flow };
	}

	it.each<[BinaryMode, INodeParameters]>([
		['filesystem', {}],
		['filesystem', { reuseResults: false }],
		['default', {}],
		['default', { reuseResults: false }],
	])('pays once for a pair of all rounds, which has one name: %s %j', async (mode, options) => {
		expect((await threeRounds(mode, options)).names).toEqual(Array(3).fill('ben-merged.jpg'));
		expect(paid()).toBe(1);
	});

	it.each<BinaryMode>(['filesystem', 'default'])(
		'leaves nothing in the execution, and no name twice, when items fail: %s',
		async (mode) => {
			const { saved, names } = await threeRounds(mode, {}, true);
			expect(names).toEqual(['ben-merged.jpg', 'ben-merged-2.jpg', 'ben-merged-3.jpg']);
			expect(saved).toEqual({});
		},
	);
});

describe("n8n's binary store stutters", () => {
	async function failToRead(method: 'getAsBuffer' | 'getMetadata', message: string, times: number) {
		const { BinaryDataService } = await import('n8n-core');
		const original = BinaryDataService.prototype[method] as (binary: unknown) => Promise<unknown>;
		let left = times;
		return jest.spyOn(BinaryDataService.prototype, method).mockImplementation(async function (
			this: unknown,
			binary: unknown,
		) {
			const isResult = typeof binary === 'string' || Object(binary).fileName?.includes('-merged');
			if (isResult && left-- > 0) throw new Error(message);
			return (await original.call(this, binary)) as never;
		});
	}
	const messages = [
		'connect ETIMEDOUT 127.0.0.1:443',
		'getaddrinfo ENOTFOUND n8n-binaries.s3.example.com',
		"EMFILE: too many open files, open '/home/node/.n8n/storage/workflows/x/executions/404/binary_data/y'",
		'The table binary_data was not found in the cache',
		'HTTP 404: no upstream',
	];

	it.each(messages)('and a later execution does not pay again: %s', async (message) => {
		const nodeType = inOneProcess();
		await run({ binaryMode: 'filesystem', nodeType, ...pairs(1) });
		const spy = await failToRead('getAsBuffer', message, 1);
		const { items } = await run({ binaryMode: 'filesystem', nodeType, ...pairs(1) });
		spy.mockRestore();
		expect(items[0]?.json.mergePortraits).toMatchObject({ reused: true });
		expect(simulator.requests).toHaveLength(1);
	});

	it('for long, and the item fails unpaid', async () => {
		const nodeType = inOneProcess();
		await run({ binaryMode: 'filesystem', nodeType, ...pairs(1) });
		const spy = await failToRead('getAsBuffer', 'connect ETIMEDOUT 127.0.0.1:443', 99);
		const { task } = await run({ binaryMode: 'filesystem', nodeType, ...pairs(1) });
		spy.mockRestore();
		expect(task.error?.message).toBe('n8n has this picture from an earlier merge, but could not read or copy it');
		expect(simulator.requests).toHaveLength(1);
	});

	it('while paid pictures wait to be stored: no new pair is sent', async () => {
		const spy = await failToStore('-merged', 3);
		let sent: number | undefined;
		const clock = new SkippingClock();
		const sleep = clock.sleep.bind(clock);
		clock.sleep = async (ms, signal) => {
			if (ms >= 500) sent ??= simulator.requests.length;
			// Whatever could be sent meanwhile is sent.
			for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
			if (ms >= 500) expect(simulator.requests).toHaveLength(sent ?? 0);
			await sleep(ms, signal);
		};
		const { items } = await run({
			...pairs(6),
			parameters: { ...pairs(6).parameters, options: { maxConcurrency: 1 } },
			nodeType: nodeOfProcess({ clock }),
		});
		spy.mockRestore();
		expect(items).toHaveLength(6);
		expect(paid()).toBe(6);
	});
});

describe('two nodes of one execution', () => {
	const source: INodeType = {
		description: { ...nodeOfProcess().description, name: 'source', credentials: [], properties: [], inputs: [] },
		async execute() {
			const binary = {
				target: await this.helpers.prepareBinaryData(target, 'ben.png', 'image/png'),
				template: await this.helpers.prepareBinaryData(template, 'anna.jpg', 'image/jpeg'),
			};
			return [[{ json: {}, binary }]];
		},
	};

	async function merged(binaryMode: BinaryMode, similarities: [number, number], options: INodeParameters) {
		await useBinaryMode(binaryMode);
		const merge = (name: string, similarity: number) => ({
			...engineNode(name, 'n8n-nodes-merge-portraits.mergePortraits', { similarity, options }),
			credentials: { aiLabToolsApi: { id: '1', name: 'AILabTools API' } },
		});
		const { data } = await runWorkflow({
			credentials: { apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl },
			start: 'Start',
			settings: { executionOrder: 'v1' },
			types: { source, mergePortraits: inOneProcess() },
			nodes: [engineNode('Start', 'test.source'), merge('A', similarities[0]), merge('B', similarities[1])],
			connections: { Start: to('A', 'B') },
		});
		const { runData } = data.resultData;
		return ['A', 'B'].map((name) => runData[name]?.[0]?.data?.main?.[0]?.[0]?.binary?.data?.fileName);
	}

	it('give two different pictures two names', async () => {
		const names = await merged('filesystem', [0.3, 0.8], {});
		expect(names.sort()).toEqual(['ben-merged-2.jpg', 'ben-merged.jpg']);
	});

	it.each<[BinaryMode, boolean]>([
		['default', true],
		['filesystem', false],
	])('pay for a pair once: binary mode %s, Reuse Earlier Results %s', async (mode, reuseResults) => {
		expect(await merged(mode, [0.5, 0.5], { reuseResults })).toEqual(['ben-merged.jpg', 'ben-merged.jpg']);
		expect(simulator.requests).toHaveLength(1);
	});
});

describe('a name that the store refuses', () => {
	/** What n8n's database store does: `fileName` is varchar(255). */
	const refuse = async (isRefused: (fileName: string) => boolean) =>
		await failToStoreWhen(isRefused, 'value too long for type character varying(255)');

	it.each([
		['250 characters, in PostgreSQL', `${'x'.repeat(246)}.png`, (name: string) => name.length > 255],
		['half an emoji, in S3', 'a\ud83d.png', (name: string) => /[\ud800-\udfff]/.test(name)],
		['for a reason of its own', 'ben.png', (name: string) => name.startsWith('ben-')],
	])('does not lose the picture: %s', async (_what, fileName, isRefused) => {
		const item = (bytes: Buffer, name: string) => ({
			files: { target: { bytes, fileName: name }, template: { bytes: template } },
		});
		const spy = await refuse((name) => name !== fileName && isRefused(name));
		const { items } = await run({
			binaryMode: 'filesystem',
			nodeType: inOneProcess(),
			items: [item(target, fileName), item(Buffer.concat([target, Buffer.from('2')]), 'b.png')],
			nodeSettings: { onError: 'continueRegularOutput', retryOnFail: true, maxTries: 3, waitBetweenTries: 1 },
		});
		spy.mockRestore();
		expect(items.map(({ json }) => json.error)).toEqual([undefined, undefined]);
		expect(items.every(({ binary }) => binary?.data?.id)).toBe(true);
		expect(paid()).toBe(2);
	});
});

it('the Retry of a failed execution has pictures of its own, and pays for what is missing', async () => {
	simulator.setFault(({ index }) =>
		index === 1 ? { kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' } : undefined,
	);
	const options = {
		binaryMode: 'filesystem' as const,
		...pairs(2),
		parameters: { ...pairs(2).parameters, options: { maxConcurrency: 1, reuseResults: false } },
	};
	const failed = await run(options);
	const saved: Record<string, { binary: { id: string } }> = Object(
		failed.run.data.executionData?.contextData.flow,
	).paidResults;
	const resume: IRunExecutionData = JSON.parse(JSON.stringify(failed.run.data));
	delete resume.resultData.error;
	resume.resultData.runData['Merge Portraits']?.pop();
	const { items } = await run({ ...options, resume });
	// Which of the two goes first is not said.
	const reused = items.filter(({ json }) => Object(json.mergePortraits).reused);
	expect([items.length, reused.length]).toEqual([2, 1]);
	expect(Object.values(saved).map(({ binary }) => binary.id)).not.toContain(reused[0]?.binary?.data?.id);
	expect(paid()).toBe(2);
});

it('a pair that occurs several times in a batch of others is paid for once', async () => {
	const twin = { files, json: { index: 0 } };
	await run({ items: [...pairs(4).items, twin, twin, ...pairs(4).items], parameters: pairs(1).parameters });
	expect(paid()).toBe(4);
});
