/**
 * `npm run bench`: the same batches merged by this node and by what users build without it, in a real n8n against the
 * simulator; then n8n with visitors, in queue mode, which needs Redis and PostgreSQL, and with all that may break.
 * `--batches`, `--alone`, `--visitors`, `--workers`, `--faults`: only these parts. `--only WORDS`: situations with these words
 * in their names; `--quick`: two minutes of batches; both write nothing. `--report`: page and charts anew from `results.json`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { format, resolveConfig } from 'prettier';

import { installN8n, NEWEST_N8N, progressLine, type N8nInstallation } from '../lab/n8n/installation';
import { openLab } from '../lab/n8n/lab';
import { runProcess } from '../lab/n8n/processes';
import { openQueueLab } from '../lab/n8n/queueLab';
import { measureAlone } from './alone';
import { bounds } from './bounds';
import { drawCharts } from './charts';
import { FAULT_SETTINGS, faults, queueFaults } from './faults';
import { measure, resultsOf, type Stage } from './measure';
import { PICTURES_FOLDER } from './pictures';
import { boundsTable, fill, readmeWith, table } from './report';
import { PARTS, type Part, type Result, type Results } from './results';
import { batches, quickBatches, visitors, workers, type Situation } from './situations';

const PROJECT = resolve(__dirname, '..');
const RESULTS = join(__dirname, 'results.json');

const flag = { type: 'boolean' } as const;
const { values: flags } = parseArgs({
	options: {
		...{ batches: flag, alone: flag, visitors: flag, workers: flag, faults: flag },
		...{ quick: flag, report: flag, only: { type: 'string', default: '' } },
	},
});

type Place = { situations: Situation[]; isQueue?: true; env?: NodeJS.ProcessEnv; as?: Stage['as'] };

/** Where the situations of a part are measured, one place after the other. */
const PLACES: Record<Part, Place[]> = {
	batches: [{ situations: flags.quick ? quickBatches : batches }],
	alone: [],
	visitors: [{ situations: visitors }],
	workers: [
		{ situations: workers, as: { id: 'oneProcess', name: 'One process' } },
		{ situations: workers, as: { id: 'node', name: '3 workers' }, isQueue: true },
	],
	faults: [
		{ situations: faults, env: FAULT_SETTINGS },
		{ situations: queueFaults, isQueue: true },
	],
};

const started = Date.now();
const progress = progressLine();
const show = (line: string) => progress.show(`${Math.round((Date.now() - started) / 60_000)} min: ${line}`);

async function main(): Promise<void> {
	const known: Results = JSON.parse(await readFile(RESULTS, 'utf8'));
	if (flags.report) return await publish(known);
	const installation = await installN8n(NEWEST_N8N, show);
	const found: Results = { about: {}, batches: [], alone: [], visitors: [], workers: [], faults: [] };
	const parts = PARTS.filter((part) => flags[part]);
	for (const part of parts.length > 0 ? parts : flags.quick ? (['batches'] as const) : PARTS) {
		found[part] = known[part] = await measurePart(part, installation);
		known.about[part] = await about(installation);
		// What is done stays, should the rest not work.
		if (!flags.quick && !flags.only) await publish(known);
	}
	progress.done();
	const all = bounds(found);
	console.table(boundsTable(flags.quick ? all.filter(({ isCounted }) => isCounted) : all));
	const counted = all.filter(({ isCounted }) => isCounted);
	const missed = counted.filter(({ isMet }) => !isMet).length;
	console.log(`Expectations: ${counted.length - missed} passed, ${missed} failed`);
	process.exitCode = Math.min(1, missed);
}

async function measurePart(part: Part, installation: N8nInstallation): Promise<Result[]> {
	const print = (results: Result[]) => {
		progress.done();
		console.log(`\n${Math.round((Date.now() - started) / 1_000)} s`);
		console.table(table(part, results));
	};
	if (part === 'alone') return await measureAlone(installation, show, print);
	const results = new Map<Situation, Result[]>();
	for (const { situations, isQueue, env, as } of PLACES[part]) {
		const chosen = situations.filter(({ name }) => name.includes(flags.only));
		if (chosen.length === 0) continue;
		show(`preparing n8n ${isQueue ? 'in queue mode' : 'as a server'}`);
		const options = { files: PICTURES_FOLDER, env };
		const queue = isQueue && (await openQueueLab({ ...options, name: 'bench-queue', workers: 3 }));
		const lab = queue ? queue.lab : await openLab({ ...options, name: 'bench' });
		try {
			for (const situation of chosen) {
				const own = results.get(situation) ?? resultsOf(situation);
				results.set(situation, own);
				await measure({ show, lab, as, queue: queue || undefined }, situation, own);
				print(own);
			}
		} finally {
			await (queue || lab).close();
		}
	}
	return [...results.values()].flat();
}

async function publish(results: Results): Promise<void> {
	await writeFormatted(RESULTS, JSON.stringify(results));
	// The page shows all parts.
	if (PARTS.some((part) => results[part].length === 0)) return;
	const page = fill(await readFile(join(__dirname, 'page.md'), 'utf8'), results);
	await writeFormatted(join(PROJECT, 'docs/benchmark.md'), page);
	const readme = join(PROJECT, 'README.md');
	await writeFormatted(readme, readmeWith(page, await readFile(readme, 'utf8')));
	for (const [name, svg] of Object.entries(drawCharts(results))) {
		await writeFile(join(PROJECT, 'docs/images', `${name}.svg`), svg);
	}
}

async function writeFormatted(file: string, text: string): Promise<void> {
	await writeFile(file, await format(text, { ...(await resolveConfig(file, { editorconfig: true })), filepath: file }));
}

async function about(installation: N8nInstallation): Promise<string> {
	const { stdout } = await runProcess(installation.node, ['--version'], { cwd: PROJECT, env: process.env });
	const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8'));
	const versions = `n8n ${installation.version}, Node.js ${stdout.trim().slice(1)}, package ${version}`;
	const machine = `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GB, ${type()}`;
	return `${new Date().toISOString().slice(0, 10)}: ${versions}, ${machine}`;
}

void main();
