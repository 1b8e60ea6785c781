/**
 * What the integration tests begin with: a simulator, two portraits, and the node run with them in n8n's engine. A test file
 * that imports it has the simulator started before its tests, reset before each, and ended after them.
 */
import { runInEngine, type EngineOptions, type InputFile } from '../../lab/engine';
import { portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, startSimulator, type Simulator, type SimulatorOptions } from '../../lab/simulator/simulator';

const SIDE = { width: 240, height: 240 };

export let simulator: Simulator;
export let target: Buffer;
export let template: Buffer;
/** Both as an item has them. */
export let files: Record<'target' | 'template', InputFile>;

beforeAll(async () => {
	simulator = await startSimulator();
	target = await portrait('ben', SIDE);
	template = await portrait('anna', { ...SIDE, format: 'jpeg' });
	files = { target: { bytes: target }, template: { bytes: template } };
});
beforeEach(() => simulator.reset());
afterAll(async () => await simulator.close());

/** Starts the simulator anew, with these options, which stay until they are replaced. */
export async function restart(options: SimulatorOptions = {}): Promise<void> {
	await simulator.close();
	simulator = await startSimulator(options);
}

/** Has n8n's binary store fail to take files when told to. Gives what is to be restored. */
export async function failToStoreWhen(
	fails: (fileName: string) => boolean,
	message = 'ENOSPC: no space left on device',
) {
	const { BinaryDataService } = await import('n8n-core');
	const { store } = BinaryDataService.prototype;
	return jest.spyOn(BinaryDataService.prototype, 'store').mockImplementation(async function (
		this: InstanceType<typeof BinaryDataService>,
		...args
	) {
		if (fails(args[2].fileName ?? '')) throw new Error(message);
		return await store.apply(this, args);
	});
}

/** The same for files with such names, so many times. */
export async function failToStore(named: string | RegExp, times: number, message?: string) {
	let left = times;
	return await failToStoreWhen((fileName) => fileName.match(named) !== null && left-- > 0, message);
}

/** Merges one pair, unless the options have other items. */
export const run = async (options: Partial<EngineOptions> = {}) =>
	await runInEngine({
		credentials: { apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl },
		items: [{ files }],
		...options,
	});

/** Options of `run` for so many pairs, which differ in their similarity: a thousandth of `json.index`, which rises from `first`. */
export const pairs = (count: number, first = 0): Pick<EngineOptions, 'items' | 'parameters'> => ({
	items: Array.from({ length: count }, (_, index) => ({
		files: { ...files, target: { ...files.target, fileName: 'ben.png' } },
		json: { index: first + index },
	})),
	parameters: { similarity: '={{ $json.index / 1000 }}' },
});
