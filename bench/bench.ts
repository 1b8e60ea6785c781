/** `npm run bench`: batches in a real n8n, against the simulator on the same machine. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CACHE_FOLDER, installN8n } from '../test/n8n/installation';
import { packTarball } from '../test/n8n/pack';
import { progressLine } from '../test/n8n/progress';
import { portrait } from '../test/portraits';
import { measure, type Figures } from './measure';
import { thisNode } from './workflows';

interface Situation {
	pairs: number;
	bytes: number;
	/** How many requests at a time the account takes. */
	taken: number;
	/** The option Max Concurrent Requests. */
	asked: number;
	/** Where the template is: fetched by an expression for each item, or on the item itself. */
	template: 'by expression' | 'on the item';
}

const SERVICE_MS = 200;

const situations: Situation[] = [
	{ pairs: 200, bytes: 1_200_000, taken: 5, asked: 5, template: 'by expression' },
	{ pairs: 2_000, bytes: 50_000, taken: 5, asked: 5, template: 'on the item' },
	{ pairs: 2_000, bytes: 50_000, taken: 5, asked: 5, template: 'by expression' },
	{ pairs: 200, bytes: 50_000, taken: 2, asked: 20, template: 'by expression' },
];

async function main(): Promise<void> {
	const progress = progressLine();
	const installation = await installN8n('2.41.1', progress.show);
	progress.done();
	const tarball = await packTarball();
	const rows: Array<Situation & Figures> = [];
	for (const situation of situations) {
		console.log(`${name(situation)} …`);
		const pictures = await makePictures(situation);
		const figures = await measure({
			installation,
			tarball,
			userFolder: join(CACHE_FOLDER, 'bench/user'),
			pictures,
			workflow: thisNode(pictures, situation.template, { maxConcurrency: situation.asked }),
			simulator: {
				latencyMs: SERVICE_MS,
				accounts: [{ key: 'simulator-key', maxConcurrentRequests: situation.taken }],
			},
		});
		rows.push({ ...situation, ...figures });
	}
	console.table(rows.map(row));
}

function name({ pairs, bytes, taken, asked, template }: Situation): string {
	return `${pairs} pairs of ${bytes / 1_000} KB, ${asked} asked for, ${taken} taken, template ${template}`;
}

function row(result: Situation & Figures) {
	const { pairs, taken, merged, requests, refusals, span, cpu, memory, stored } = result;
	const ideal = (pairs * SERVICE_MS) / taken / 1_000;
	return {
		situation: name(result),
		merged: `${merged} of ${pairs}`,
		'requests per merged': (requests / merged).toFixed(2),
		refused: `${((100 * refusals) / requests).toFixed(1)} %`,
		'span, s': span.toFixed(1),
		'span / ideal': (span / ideal).toFixed(2),
		'CPU per pair, ms': ((1_000 * cpu) / pairs).toFixed(0),
		'peak memory, MB': memory.toFixed(0),
		'stored, KB': stored.toFixed(0),
	};
}

/** The targets differ in their padding only: drawing each would take longer than the benchmark. */
async function makePictures({ pairs, bytes }: Situation): Promise<string> {
	const folder = join(CACHE_FOLDER, 'bench/pictures');
	await rm(folder, { recursive: true, force: true });
	await mkdir(join(folder, 'targets'), { recursive: true });
	await writeFile(join(folder, 'template.jpg'), await portrait('template', { format: 'jpeg', minBytes: bytes }));
	const target = await portrait('target', { format: 'jpeg', minBytes: bytes - 8 });
	for (let pair = 0; pair < pairs; pair++) {
		const number = Buffer.alloc(8);
		number.writeUInt32BE(pair);
		await writeFile(join(folder, 'targets', `${String(pair).padStart(5, '0')}.jpg`), Buffer.concat([target, number]));
	}
	return folder;
}

void main();
