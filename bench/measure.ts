/** One contestant in one situation, executed once in a fresh n8n and measured. */
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { N8nInstallation } from '../lab/n8n/installation';
import { createN8n } from '../lab/n8n/n8n';
import { freePort, runProcess } from '../lab/n8n/processes';
import { CREDENTIAL } from '../lab/n8n/workflows';
import { sha256 } from '../lab/simulator/exchange';
import { SIMULATOR_KEY, startSimulator, type RecordedRequest } from '../lab/simulator/simulator';
import { HEADER_CREDENTIAL, type Contestant } from './contestants';
import { pairOf, PICTURES_FOLDER, type Pictures } from './pictures';
import { AT_A_TIME, SERVICE_MS, takingPart, type Situation } from './situations';

export interface Figures {
	/** Different pictures of the service in n8n's binary store at the end, or in the items, where the contestant leaves them. */
	merged: number;
	/** Requests that the service took and merged, and so are paid for. */
	paid: number;
	requests: number;
	/** From the first request's start to the last one's end, seconds. */
	span: number;
	/** Of the n8n process: user and system, seconds. */
	cpu: number;
	/** Of the n8n process: the most resident memory, MB of 1024 × 1024 bytes. */
	memory: number;
	/** What n8n stored of the execution in its database, KB of 1024 bytes. */
	stored: number;
}

/**
 * Prepares an n8n with the package and everybody's workflows for some situations in it, and gives what measures there.
 * Everything is kept in `folder`.
 * @throws Error when n8n does not work; so does what is given
 */
export async function prepareMeasuring(
	installation: N8nInstallation,
	tarball: string,
	folder: string,
	situations: Situation[],
) {
	const prepared = join(folder, 'prepared');
	const userFolder = join(folder, 'user');
	const usageFile = join(folder, 'usage.json');
	const port = await freePort();
	const baseUrl = `http://127.0.0.1:${port}`;
	await rm(prepared, { recursive: true, force: true });
	const n8n = await createN8n({ installation, userFolder: prepared, tarball });
	await n8n.importCredentials(
		{ ...CREDENTIAL, data: { apiKey: SIMULATOR_KEY, baseUrl } },
		{ ...HEADER_CREDENTIAL, data: { name: 'ailabapi-api-key', value: SIMULATOR_KEY } },
	);
	const workflows = situations.flatMap((situation) =>
		takingPart(situation).map((contestant) => {
			const { serviceMs = SERVICE_MS, atATime = AT_A_TIME, stopOnError = [] } = situation;
			// Whole seconds, as one would say it, and longer than a merge.
			const betweenMs = 1_000 * Math.floor(serviceMs / 1_000 + 1);
			const told = { baseUrl, atATime, betweenMs, stopOnError: stopOnError.includes(contestant.id) };
			return { ...contestant.workflow(told), id: workflowId(contestant, situation) };
		}),
	);
	await n8n.importWorkflows(...workflows);

	return async function measure(
		contestant: Contestant,
		situation: Situation,
		{ merged, bad }: Pictures,
	): Promise<Figures> {
		const { serviceMs = SERVICE_MS, account, escapeSlashes } = situation;
		await rm(userFolder, { recursive: true, force: true });
		await rm(usageFile, { force: true });
		await cp(prepared, userFolder, { recursive: true });
		const run = await createN8n({
			installation: { ...installation, script: resolve(__dirname, 'usage.cjs') },
			userFolder,
			tarball,
			env: {
				BENCH_SCRIPT: installation.script,
				BENCH_USAGE: usageFile,
				N8N_RESTRICT_FILE_ACCESS_TO: PICTURES_FOLDER,
			},
		});
		const service = await startSimulator({
			port,
			latencyMs: serviceMs,
			accounts: [{ key: SIMULATOR_KEY, ...account }],
			escapeSlashes,
			answerPicture: merged,
			fault: (request) => {
				const why = bad.get(pairOf(request));
				return why ? { kind: 'status', status: why.status, code: why.code } : situation.fault?.(request);
			},
		});
		try {
			const { stdout, stderr } = await run.command('execute', `--id=${workflowId(contestant, situation)}`);
			const usage = await readFile(usageFile, 'utf8').catch(() => undefined);
			const isAtWork = contestant.id === 'nothing' || service.requests.length > 0;
			if (usage === undefined || !isAtWork) throw new Error(`${contestant.name} did not work:\n${stdout}${stderr}`);
			const { bytes, pictures } = await readDatabase(installation, userFolder);
			const kept = contestant.picturesInItems ? pictures : await storedPictures(userFolder);
			const given = new Set(service.requests.map(({ resultSha256 }) => resultSha256));
			return {
				...ofService(service.requests),
				...ofProcess(JSON.parse(usage)),
				merged: [...new Set(kept)].filter((hash) => given.has(hash)).length,
				stored: bytes / 1024,
			};
		} finally {
			await service.close();
		}
	};
}

const workflowId = ({ id }: Contestant, { name }: Situation) => `${id}-${sha256(Buffer.from(name)).slice(0, 16)}`;

function ofService(requests: RecordedRequest[]) {
	const [earliest] = requests;
	const ends = requests.map(({ finishedAt, startedAt }) => finishedAt ?? startedAt);
	return {
		paid: requests.filter(({ status }) => status === 200).length,
		requests: requests.length,
		span: earliest ? (Math.max(...ends) - earliest.startedAt) / 1_000 : 0,
	};
}

function ofProcess({ userCPUTime, systemCPUTime, maxRSS }: NodeJS.ResourceUsage) {
	return { cpu: (userCPUTime + systemCPUTime) / 1e6, memory: maxRSS / 1024 };
}

/** The hashes of all that is in n8n's binary store. */
async function storedPictures(userFolder: string): Promise<string[]> {
	const hashes: string[] = [];
	const files = await readdir(join(userFolder, '.n8n/storage'), { recursive: true, withFileTypes: true });
	for (const file of files) {
		if (file.isFile()) hashes.push(sha256(await readFile(join(file.parentPath, file.name))));
	}
	return hashes;
}

/**
 * How many bytes of execution data are in n8n's database, and the hashes of the pictures in them as Base64. The database is
 * read by n8n's own Node.js, which has SQLite in it.
 */
async function readDatabase(
	{ node }: N8nInstallation,
	userFolder: string,
): Promise<{ bytes: number; pictures: string[] }> {
	const script = `
		const { createHash } = require('node:crypto');
		const { DatabaseSync } = require('node:sqlite');
		const database = new DatabaseSync(process.argv[1], { readOnly: true });
		const texts = database.prepare('SELECT data FROM execution_data').all().map(({ data }) => data);
		const long = texts.flatMap((text) => JSON.parse(text)).filter((part) => typeof part === 'string' && part.length > 10_000);
		const pictures = long.map((base64) => createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex'));
		console.log(JSON.stringify({ bytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0), pictures }));
	`;
	const database = join(userFolder, '.n8n/database.sqlite');
	const { stdout, stderr } = await runProcess(node, ['-e', script, database], { cwd: userFolder, env: process.env });
	if (stdout === '') throw new Error(`n8n's database could not be read:\n${stderr}`);
	return JSON.parse(stdout);
}
