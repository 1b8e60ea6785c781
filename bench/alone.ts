/**
 * What the node costs beside a loop that does nothing but send: both by turns in n8n's engine, on n8n's Node.js, in a
 * process of their own, of which this file is the program: so the service's CPU is not counted.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import FormData from 'form-data';
import type { IExecuteFunctions, INodeExecutionData, INodeType } from 'n8n-workflow';

import type { N8nInstallation } from '../lab/n8n/installation';
import { runProcess } from '../lab/n8n/processes';
import { MERGE_PATH, SIMULATOR_KEY, startSimulator } from '../lab/simulator/simulator';
import { BENCH_FOLDER, makePictures, PICTURES_FOLDER, TARGETS_FOLDER, targetName } from './pictures';
import type { Result } from './results';

const JOBS = [
	{ name: 'the node alone, pictures of 50 KB', pairs: 1_000, pictureBytes: 50_000 },
	{ name: 'the node alone, pictures of 1.2 MB', pairs: 100, pictureBytes: 1_200_000 },
];
const ROUNDS = 15;
const AT_A_TIME = 5;

/** Against a service that answers at once. @throws Error when a pair is not merged */
export async function measureAlone(
	installation: N8nInstallation,
	show: (line: string) => void,
	onResult: (results: Result[]) => void,
): Promise<Result[]> {
	const results: Result[] = [];
	for (const { name, pairs, pictureBytes } of JOBS) {
		show(name);
		const userFolder = join(BENCH_FOLDER, 'alone');
		await rm(userFolder, { recursive: true, force: true });
		await mkdir(userFolder, { recursive: true });
		const service = await startSimulator({ answerPicture: (await makePictures(1, pictureBytes)).merged });
		// n8n-core reads these when it is loaded.
		const engine = { N8N_USER_FOLDER: userFolder, N8N_ENCRYPTION_KEY: 'benchmark', N8N_LOG_LEVEL: 'silent' };
		const options = { cwd: resolve(__dirname, '..'), env: { ...process.env, ...engine } };
		const args = ['--import', 'tsx', __filename, service.baseUrl, String(pairs)];
		const { exitCode, stdout, stderr } = await runProcess(installation.node, args, options).finally(service.close);
		if (exitCode !== 0) throw new Error(`The node alone could not be measured:\n${stdout}${stderr}`);
		results.push({ name, pairs, idealSeconds: 0, contestants: JSON.parse(stdout) });
		onResult(results.slice(-1));
	}
	return results;
}

async function main(baseUrl: string, pairs: number): Promise<void> {
	const { MergePortraits } = await import('../index.js');
	const node = new MergePortraits();
	const bareLoop = { ...node, execute: bareLoopTo(baseUrl + MERGE_PATH) };
	const contestants = [
		{ id: 'bareLoop', name: 'A bare loop', type: bareLoop, runs: new Array<{ cpu: number }>() },
		{ id: 'node', name: 'Merge Portraits', type: node, runs: new Array<{ cpu: number }>() },
	];
	for (let round = 0; round <= ROUNDS; round++) {
		for (const { type, runs } of contestants) runs[round] = { cpu: await measure(type, baseUrl, pairs) };
	}
	// The first round only warmed up.
	const results = contestants.map(({ id, name, runs }) => ({ id, name, runs: runs.slice(1) }));
	process.stdout.write(JSON.stringify(results), () => process.exit());
}

/**
 * The least that merges a batch over n8n's own helpers: so many requests at a time, no checks, no retries, nothing
 * remembered, the template read once.
 */
const bareLoopTo = (url: string): INodeType['execute'] =>
	async function (this: IExecuteFunctions) {
		const { helpers } = this;
		const items = this.getInputData();
		const output: INodeExecutionData[] = [];
		const template = await helpers.getBinaryDataBuffer(0, 'template');
		const queue = items.entries();
		const work = async () => {
			for (const [itemIndex, { json }] of queue) {
				const target = await helpers.getBinaryDataBuffer(itemIndex, 'target');
				const body = new FormData();
				body.append('image_target', target, { filename: 'target.jpg', contentType: 'image/jpeg' });
				body.append('image_template', template, { filename: 'template.jpg', contentType: 'image/jpeg' });
				body.append('source_similarity', '0.5');
				const options = { method: 'POST' as const, url, body };
				const answer = await helpers.httpRequestWithAuthentication.call(this, 'aiLabToolsApi', options);
				const bytes = Buffer.from(answer.data.image, 'base64');
				const data = await helpers.prepareBinaryData(bytes, 'merged.jpg', 'image/jpeg');
				output[itemIndex] = { json, binary: { data }, pairedItem: { item: itemIndex } };
			}
		};
		await Promise.all(Array.from({ length: AT_A_TIME }, work));
		return [output];
	};

/** Merges one batch. Gives the CPU that `execute` took of this process, user and system, in seconds. */
async function measure({ description, execute }: INodeType, baseUrl: string, pairs: number): Promise<number> {
	let used = NaN;
	const nodeType: INodeType = {
		description,
		async execute(this: IExecuteFunctions) {
			const items = this.getInputData();
			// One template for all, which any node before could have put on every item.
			for (const item of items) item.binary = { ...items[0]?.binary, ...item.binary };
			const before = process.cpuUsage();
			const output = await execute?.call(this);
			const { user, system } = process.cpuUsage(before);
			used = (user + system) / 1e6;
			return output ?? null;
		},
	};
	const read = (folder: string, fileName: string) => {
		return { bytes: readFileSync(join(folder, fileName)), fileName, mimeType: 'image/jpeg' };
	};
	const template = read(PICTURES_FOLDER, 'template.jpg');
	const target = read(TARGETS_FOLDER, targetName(0));
	const own = (pair: number) => ({ ...target, bytes: Buffer.concat([target.bytes, Buffer.from(` ${pair}`)]) });
	const { runInEngine } = await import('../lab/engine.ts');
	const { items } = await runInEngine({
		...{ binaryMode: 'filesystem', credentials: { apiKey: SIMULATOR_KEY, baseUrl }, nodeType },
		// Each round merges the same pairs.
		parameters: { options: { maxConcurrency: AT_A_TIME, reuseResults: false } },
		items: Array.from({ length: pairs }, (_, pair) => ({
			files: { target: own(pair), ...(pair === 0 && { template }) },
		})),
	});
	if (items.length < pairs) throw new Error('Not all pairs were merged');
	return used;
}

const [, program, url = '', count] = process.argv;
if (program === __filename) void main(url, Number(count));
