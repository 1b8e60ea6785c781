/**
 * A program of its own, so that the service's CPU is not counted: merges a batch in n8n's engine, by turns with a bare loop
 * and with the node, and prints what `execute` took. Arguments: base URL, folder with the pictures, pairs, rounds.
 */
import { readFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector/promises';
import { basename, join } from 'node:path';

import type { IExecuteFunctions, INodeExecutionData, INodeType } from 'n8n-workflow';

import { MergePortraits } from '../index.js';
import { mergeBatch } from '../nodes/MergePortraits/mergeBatch';
import { runInEngine, type InputFile } from '../lab/engine';
import { SIMULATOR_KEY } from '../lab/simulator/key';
import { bareLoop } from './bareLoop';
import { AT_A_TIME } from './contestants';
import type { Overhead } from './results';

const [baseUrl = '', folder = '', pairs, rounds] = process.argv.slice(2);

const contestants = {
	bareLoop: async (context: IExecuteFunctions) => await bareLoop(context, baseUrl, AT_A_TIME),
	node: async (context: IExecuteFunctions) => await mergeBatch(context),
};

type Contestant = keyof typeof contestants;

async function main(): Promise<void> {
	const cpu: Record<Contestant, number[]> = { bareLoop: [], node: [] };
	// The first round only warms up.
	for (let round = 0; round <= Number(rounds); round++) {
		for (const contestant of ['bareLoop', 'node'] as const) {
			const used = await merge(contestant, async (execute) => {
				const before = process.cpuUsage();
				await execute();
				const { user, system } = process.cpuUsage(before);
				return (user + system) / 1_000;
			});
			if (round > 0) cpu[contestant].push(used / Number(pairs));
		}
	}
	const profiles = { bareLoop: await profile('bareLoop'), node: await profile('node') };
	const places = [...new Set(Object.values(profiles).flatMap((times) => [...times.keys()]))];
	const rows = places.map((where) => ({
		where,
		bareLoop: profiles.bareLoop.get(where) ?? 0,
		node: profiles.node.get(where) ?? 0,
	}));
	const result: Omit<Overhead, 'pictureBytes'> = { ...cpu, profile: rows.sort((a, b) => b.node - a.node) };
	process.stdout.write(JSON.stringify(result), () => process.exit());
}

/** Runs one batch; `watch` is given what executes the contestant itself. */
async function merge<T>(contestant: Contestant, watch: (execute: () => Promise<void>) => Promise<T>): Promise<T> {
	let watched: T | undefined;
	const nodeType: INodeType = {
		description: new MergePortraits().description,
		async execute(this: IExecuteFunctions) {
			const items = this.getInputData();
			// One template for all, which any node before could have put on every item.
			const [leader] = items;
			for (const item of items) item.binary = { ...leader?.binary, ...item.binary };
			let output: INodeExecutionData[] = [];
			watched = await watch(async () => {
				output = await contestants[contestant](this);
			});
			return [output];
		},
	};
	const read = (name: string) => ({ bytes: readFileSync(join(folder, name)), fileName: name, mimeType: 'image/jpeg' });
	const template = read('template.jpg');
	const target = read('targets/00000.jpg');
	const filesOf = (pair: number): Record<string, InputFile> => {
		const own = { ...target, bytes: Buffer.concat([target.bytes, Buffer.from(` ${pair}`)]) };
		return pair === 0 ? { target: own, template } : { target: own };
	};
	const { items } = await runInEngine({
		binaryMode: 'filesystem',
		credentials: { apiKey: SIMULATOR_KEY, baseUrl },
		// Each round merges the same pairs.
		parameters: { options: { maxConcurrency: AT_A_TIME, reuseResults: false } },
		nodeType,
		items: Array.from({ length: Number(pairs) }, (_, pair) => ({ files: filesOf(pair) })),
	});
	if (watched === undefined || items.length < Number(pairs)) throw new Error(`${contestant} did not merge all pairs`);
	return watched;
}

/** Where the time of the main thread goes, in ms per pair. */
async function profile(contestant: Contestant): Promise<Map<string, number>> {
	const session = new Session();
	session.connect();
	await session.post('Profiler.enable');
	await session.post('Profiler.setSamplingInterval', { interval: 200 });
	const taken = await merge(contestant, async (execute) => {
		await session.post('Profiler.start');
		await execute();
		return (await session.post('Profiler.stop')).profile;
	});
	session.disconnect();
	return timesByPlace(taken);
}

/** Every sample counts for the innermost frame that belongs to a place with a name. */
function timesByPlace({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
	const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
	const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
	const times = new Map<string, number>();
	for (const [index, sample] of samples.entries()) {
		let place: string | undefined;
		for (let id: number | undefined = sample; id !== undefined && !place; id = parents.get(id)) {
			place = placeOf(frames.get(id));
		}
		place ??= 'Node.js: files, network, streams';
		if (place === 'idle') continue;
		times.set(place, (times.get(place) ?? 0) + (timeDeltas[index] ?? 0) / 1_000 / Number(pairs));
	}
	return times;
}

function placeOf(frame: Profiler.Profile['nodes'][0]['callFrame'] | undefined): string | undefined {
	if (!frame) return undefined;
	const { functionName, url } = frame;
	// The profiler waits in calls of its own.
	if (functionName === '(idle)' || url === 'node:inspector') return 'idle';
	if (functionName === '(garbage collector)') return 'garbage collection';
	if (url.includes('/node_modules/image-size/')) return 'this node: imageHeader';
	if (url.includes('/nodes/MergePortraits/')) return `this node: ${basename(url, '.ts')}`;
	if (url.includes('bareLoop')) return 'the bare loop';
	if (
		/node_modules\/(axios|follow-redirects|form-data|combined-stream|proxy-from-env|@n8n\/backend-network)\/|request-helpers/.test(
			url,
		)
	) {
		return "n8n's HTTP helper, axios, form-data";
	}
	if (/node_modules\/@n8n\/blob-storage|binary-data/.test(url)) return "n8n's binary store";
	if (url.includes('node_modules')) return 'the rest of n8n';
	return undefined;
}

void main();
