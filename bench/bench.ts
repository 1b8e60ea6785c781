/**
 * `npm run bench`: the same batches merged by this node and by what users build without it, in a real n8n against the
 * simulator. `--quick` leaves out what takes long, and writes nothing; `--visitors` measures only n8n as a server, and
 * `--workers` only its queue mode, which needs what `lab/n8n/services.ts` installs; `--report` measures nothing, and writes
 * page and charts anew from `results.json`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';

import { format, resolveConfig } from 'prettier';

import { CACHE_FOLDER, installN8n, NEWEST_N8N, type N8nInstallation } from '../lab/n8n/installation';
import { packTarball } from '../lab/n8n/pack';
import { runProcess } from '../lab/n8n/processes';
import { progressLine } from '../lab/n8n/progress';
import { drawCharts } from './charts';
import { contestants, type ContestantId } from './contestants';
import { expectations, serverExpectations, timedExpectations, type Expectation } from './expectations';
import { prepareMeasuring, type Figures } from './measure';
import { measureOverhead } from './overhead';
import { makePictures } from './pictures';
import { page, serverTable, table } from './report';
import type { Results, ServerPart, SituationResult } from './results';
import { measureVisitors, measureWorkers } from './server';
import { idealSeconds, mergeable, quickSituations, SERVICE_MS, situations, type Situation } from './situations';

const PROJECT = resolve(__dirname, '..');
const RESULTS = join(__dirname, 'results.json');
const PAGE = join(PROJECT, 'docs/benchmark.md');
const FOLDER = join(CACHE_FOLDER, 'bench');
const ROUNDS = 3;
const OVERHEAD_JOBS = [
	{ pairs: 2_000, pictureBytes: 50_000, rounds: 7 },
	{ pairs: 100, pictureBytes: 1_200_000, rounds: 7 },
];

/** What is measured only when asked for, and otherwise stays as it is in `results.json`. */
const PARTS = { visitors: measureVisitors, workers: measureWorkers };

async function main(): Promise<void> {
	const has = (flag: string) => process.argv.includes(`--${flag}`);
	const quick = has('quick');
	const parts = (['visitors', 'workers'] as const).filter(has);
	const earlier: Results = JSON.parse(await readFile(RESULTS, 'utf8'));
	const results: Results =
		has('report') || parts.length > 0
			? earlier
			: { ...(await run(quick)), visitors: earlier.visitors, workers: earlier.workers };
	for (const part of parts) results[part] = await measurePart(part);
	if (!quick) await publish(results);
	if (parts.length > 0) return show(parts.flatMap((part) => serverExpectations(results[part]?.results ?? [])));
	const counted = expectations(results);
	show(counted, quick ? [] : timedExpectations(results));
}

/** Only those that hold on any machine make this program fail. */
function show(counted: Expectation[], timed: Expectation[] = []): void {
	console.table([...counted, ...timed].map((expectation) => ({ ...expectation, met: expectation.met ? 'yes' : 'NO' })));
	const missed = counted.filter(({ met }) => !met).length;
	console.log(`Expectations: ${counted.length - missed} passed, ${missed} failed`);
	process.exitCode = Math.min(1, missed);
}

async function measurePart(part: keyof typeof PARTS): Promise<ServerPart> {
	const progress = progressLine();
	const started = Date.now();
	const measured: ServerPart = { date: today(), results: [] };
	const minutes = () => Math.round((Date.now() - started) / 60_000);
	await PARTS[part](
		(line) => progress.show(`${minutes()} min: ${line}`),
		(result) => {
			measured.results.push(result);
			progress.done();
			// Most columns say nothing of most situations.
			const rows = serverTable([result]).map(Object.entries<string>);
			console.table(rows.map((row) => Object.fromEntries(row.filter(([, value]) => value !== '–'))));
		},
	);
	progress.done();
	return measured;
}

const today = () => new Date().toISOString().slice(0, 10);

async function run(quick: boolean): Promise<Results> {
	const progress = progressLine();
	const installation = await installN8n(NEWEST_N8N, progress.show);
	const [chosen, rounds] = quick ? [quickSituations, 1] : [situations, ROUNDS];
	const results: Results = {
		date: today(),
		machine: machine(),
		versions: await versions(installation),
		serviceMs: SERVICE_MS,
		situations: await measureSituations(installation, chosen, rounds, progress),
		overhead: [],
	};
	for (const job of quick ? [] : OVERHEAD_JOBS) {
		progress.show(`this node alone, and a bare loop: pictures of ${job.pictureBytes / 1_000} KB`);
		results.overhead.push(await measureOverhead(installation, FOLDER, job));
	}
	progress.done();
	return results;
}

async function publish(results: Results): Promise<void> {
	await writeFormatted(RESULTS, JSON.stringify(results));
	await writeFormatted(PAGE, page(results));
	for (const [name, svg] of Object.entries(drawCharts(results))) {
		await writeFile(join(PROJECT, 'docs/images', `${name}.svg`), svg);
	}
}

async function writeFormatted(file: string, text: string): Promise<void> {
	await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}

async function measureSituations(
	installation: N8nInstallation,
	chosen: Situation[],
	rounds: number,
	progress: ReturnType<typeof progressLine>,
): Promise<SituationResult[]> {
	const turnsIn = (situation: Situation) =>
		Array.from({ length: rounds }, (_, round) => round).flatMap((round) =>
			contestants
				.filter(({ id }) => round < (situation.rounds?.[id] ?? rounds))
				.map((contestant) => ({ contestant, round: round + 1 })),
		);
	const allTurns = chosen.flatMap(turnsIn).length;
	const started = Date.now();
	let turn = 0;
	progress.show('preparing an n8n');
	const measure = await prepareMeasuring(installation, await packTarball(), FOLDER);
	const results: SituationResult[] = [];
	for (const situation of chosen) {
		const { name, pairs, pictureBytes } = situation;
		const pictures = await makePictures(situation);
		const runs = new Map<ContestantId, Figures[]>();
		for (const { contestant, round } of turnsIn(situation)) {
			const minutes = Math.round((Date.now() - started) / 60_000);
			progress.show(`${++turn} of ${allTurns}, ${minutes} min: ${name}, round ${round}, ${contestant.name}`);
			const figures = await measure(contestant.id, situation, pictures);
			runs.set(contestant.id, [...(runs.get(contestant.id) ?? []), figures]);
		}
		const result = {
			...{ name, pairs, pictureBytes, mergeable: mergeable(situation), idealSeconds: idealSeconds(situation) },
			contestants: contestants.flatMap(({ id, name: of }) => {
				const own = runs.get(id);
				return own ? [{ id, name: of, runs: own }] : [];
			}),
		};
		results.push(result);
		progress.done();
		console.log(`\n${name}: ${pairs} pairs of ${pictureBytes / 1_000} KB`);
		console.table(table(result));
	}
	return results;
}

function machine(): Results['machine'] {
	const [processor] = cpus();
	const memoryGb = Math.round(totalmem() / 2 ** 30);
	return { cpu: processor?.model ?? 'unknown', cores: cpus().length, memoryGb, system: `${type()} ${arch()}` };
}

async function versions(installation: N8nInstallation): Promise<Results['versions']> {
	const { stdout } = await runProcess(installation.node, ['--version'], { cwd: PROJECT, env: process.env });
	const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8'));
	return { package: version, n8n: installation.version, node: stdout.trim().slice(1) };
}

void main();
