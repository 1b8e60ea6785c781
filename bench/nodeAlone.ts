/**
 * A program of its own, so that the service's CPU is not counted: merges a batch in n8n's engine, by turns with a bare loop
 * and with the built node, and prints what `execute` took. Arguments: base URL, folder with the pictures, pairs, rounds.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import FormData from 'form-data';
import type { IExecuteFunctions, INodeExecutionData, INodeType } from 'n8n-workflow';

import { MergePortraits } from '../index.js';
import { runInEngine, type InputFile } from '../lab/engine';
import { SIMULATOR_KEY } from '../lab/simulator/simulator';
import type { Overhead } from './results';
import { AT_A_TIME } from './situations';

const [baseUrl = '', folder = '', pairs, rounds] = process.argv.slice(2);
const { description, execute: node } = new MergePortraits();

async function main(): Promise<void> {
	const cpu: Omit<Overhead, 'pictureBytes'> = { bareLoop: [], node: [] };
	// The first round only warms up.
	for (let round = 0; round <= Number(rounds); round++) {
		const used = { bareLoop: await measure(bareLoop), node: await measure(node) };
		if (round === 0) continue;
		cpu.bareLoop.push(used.bareLoop);
		cpu.node.push(used.node);
	}
	process.stdout.write(JSON.stringify(cpu), () => process.exit());
}

/**
 * The least that merges a batch over n8n's own helpers: so many requests at a time, no checks, no retries, nothing
 * remembered, the template read once.
 */
async function bareLoop(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
	const { helpers } = this;
	const items = this.getInputData();
	const output: INodeExecutionData[] = [];
	const template = await helpers.getBinaryDataBuffer(0, 'template');
	const url = `${baseUrl}/api/portrait/effects/face-fusion`;
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
}

/** Merges one batch. Gives the CPU that `execute` took of this process, user and system, in ms per pair. */
async function measure(execute: INodeType['execute']): Promise<number> {
	let used = Number.NaN;
	const nodeType: INodeType = {
		description,
		async execute(this: IExecuteFunctions) {
			const items = this.getInputData();
			// One template for all, which any node before could have put on every item.
			const [leader] = items;
			for (const item of items) item.binary = { ...leader?.binary, ...item.binary };
			const before = process.cpuUsage();
			const output = await execute?.call(this);
			const { user, system } = process.cpuUsage(before);
			used = (user + system) / 1_000 / Number(pairs);
			return output ?? null;
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
	if (items.length < Number(pairs)) throw new Error('Not all pairs were merged');
	return used;
}

void main();
