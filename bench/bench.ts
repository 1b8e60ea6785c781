/**
 * `npm run bench`: the same batches merged by this node and by what users build without it, in a real n8n against the
 * simulator; then n8n as a server, with visitors, and its queue mode, which needs Redis and PostgreSQL.
 * `--quick` leaves out what takes long, `--only WORDS` all situations without these words in their names, and both write
 * nothing; `--report` measures nothing, and writes page and charts anew from `results.json`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';

import { format, resolveConfig } from 'prettier';

import { packTarball } from '../lab/n8n/pack';
import { runProcess } from '../lab/n8n/processes';
import { CACHE_FOLDER, installN8n, NEWEST_N8N, progressLine, type N8nInstallation } from '../lab/n8n/installation';
import { drawCharts } from './charts';
import { expectations, serverExpectations, timedExpectations, type Expectation } from './expectations';
import { prepareMeasuring, type Figures } from './measure';
import { measureOverhead } from './overhead';
import { makePictures } from './pictures';
import { page, readmeWith, serverTable, table } from './report';
import type { Results, SituationResult } from './results';
import { measureServer } from './server';
import { idealSeconds, mergeable, quickSituations, situations, takingPart, type Situation } from './situations';

const PROJECT = resolve(__dirname, '..');
const RESULTS = join(__dirname, 'results.json');
const PAGE = join(PROJECT, 'docs/benchmark.md');
const README = join(PROJECT, 'README.md');
const FOLDER = join(CACHE_FOLDER, 'bench');

async function main(): Promise<void> {
	const [, , flag, words = ''] = process.argv;
	if (flag === '--report') return await publish(JSON.parse(await readFile(RESULTS, 'utf8')));
	const started = Date.now();
	const progress = progressLine();
	const show = (line: string) => progress.show(`${Math.round((Date.now() - started) / 60_000)} min: ${line}`);
	const print = (title: string, rows: Array<Record<string, string>>) => {
		progress.done();
		console.log(`\n${Math.round((Date.now() - started) / 1_000)} s: ${title}`);
		console.table(rows);
	};
	const installation = await installN8n(NEWEST_N8N, show);
	const quick = flag === '--quick';
	const chosen = (name: string) => flag !== '--only' || name.includes(words);
	const batches = (quick ? quickSituations : situations).filter(({ name }) => chosen(name));
	const results: Results = {
		date: new Date().toISOString().slice(0, 10),
		machine: machine(),
		versions: await versions(installation),
		situations: [],
		server: [],
		overhead: [],
	};
	// What is done stays, should the rest not work.
	const keep = async () => {
		if (flag === undefined) await publish(results);
	};
	if (batches.length > 0) {
		await measureSituations(installation, batches, show, (result) => {
			results.situations.push(result);
			print(result.name, table(result));
		});
	}
	if (flag === undefined) {
		show('this node alone, and a bare loop');
		results.overhead = await measureOverhead(installation, FOLDER);
		await keep();
	}
	if (!quick) {
		const measured = measureServer(show, chosen, (result) => {
			results.server.push(result);
			print(result.name, serverTable([result]));
		});
		await measured.finally(keep);
	}
	progress.done();
	// A part says nothing of them.
	if (flag === '--only') return;
	const counted = expectations(results);
	const timed = quick ? [] : [...timedExpectations(results), ...serverExpectations(results.server)];
	report(counted, timed);
}

/** Only those that hold on any machine make this program fail. */
function report(counted: Expectation[], timed: Expectation[]): void {
	console.table([...counted, ...timed].map((expectation) => ({ ...expectation, met: expectation.met ? 'yes' : 'NO' })));
	const missed = counted.filter(({ met }) => !met).length;
	console.log(`Expectations: ${counted.length - missed} passed, ${missed} failed`);
	process.exitCode = Math.min(1, missed);
}

async function publish(results: Results): Promise<void> {
	await writeFormatted(RESULTS, JSON.stringify(results));
	await writeFormatted(PAGE, page(results));
	await writeFormatted(README, readmeWith(results, await readFile(README, 'utf8')));
	for (const [name, svg] of Object.entries(drawCharts(results))) {
		await writeFile(join(PROJECT, 'docs/images', `${name}.svg`), svg);
	}
}

async function writeFormatted(file: string, text: string): Promise<void> {
	await writeFile(file, await format(text, { ...(await resolveConfig(file, { editorconfig: true })), filepath: file }));
}

async function measureSituations(
	installation: N8nInstallation,
	chosen: Situation[],
	show: (line: string) => void,
	onResult: (result: SituationResult) => void,
): Promise<void> {
	show('preparing an n8n');
	const measure = await prepareMeasuring(installation, await packTarball(), FOLDER, chosen);
	for (const situation of chosen) {
		const { name, pairs, pictureBytes } = situation;
		const pictures = await makePictures(situation);
		const taking = takingPart(situation).map((contestant) => ({ contestant, runs: new Array<Figures>() }));
		// Round by round, so that what the machine does besides meets everybody.
		for (let round = 1; taking.some(({ contestant }) => round <= contestant.rounds); round++) {
			for (const { contestant, runs } of taking.filter((each) => round <= each.contestant.rounds)) {
				show(`${name}, round ${round}, ${contestant.name}`);
				runs.push(await measure(contestant, situation, pictures));
			}
		}
		onResult({
			...{ name, pairs, pictureBytes, mergeable: mergeable(situation), idealSeconds: idealSeconds(situation) },
			contestants: taking.map(({ contestant: { id, name: of }, runs }) => ({ id, name: of, runs })),
		});
	}
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
