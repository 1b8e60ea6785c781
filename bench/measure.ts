/** One contestant in one situation, executed once in a fresh n8n and measured. */
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { N8nInstallation } from '../lab/n8n/installation';
import { createN8n } from '../lab/n8n/n8n';
import { freePort, runProcess } from '../lab/n8n/processes';
import { sha256 } from '../lab/simulator/exchange';
import { SIMULATOR_KEY } from '../lab/simulator/key';
import { startSimulator, type RecordedRequest } from '../lab/simulator/simulator';
import { contestants, HEADER_CREDENTIAL, PACKAGE_CREDENTIAL, type ContestantId } from './contestants';
import { PICTURES_FOLDER, type Pictures } from './pictures';
import { SERVICE_MS, type Situation } from './situations';

export interface Figures {
	/** Different pictures of the service in n8n's binary store at the end. */
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
 * Prepares an n8n with the package and everybody's workflows in it, and gives what measures there. Everything is kept in
 * `folder`.
 * @throws Error when n8n does not work; so does what is given
 */
export async function prepareMeasuring(installation: N8nInstallation, tarball: string, folder: string) {
	const prepared = join(folder, 'prepared');
	const userFolder = join(folder, 'user');
	const usageFile = join(folder, 'usage.json');
	const port = await freePort();
	const baseUrl = `http://127.0.0.1:${port}`;
	await rm(prepared, { recursive: true, force: true });
	const n8n = await createN8n({ installation, userFolder: prepared, tarball });
	await n8n.importCredentials(
		{ ...PACKAGE_CREDENTIAL, type: 'aiLabToolsApi', data: { apiKey: SIMULATOR_KEY, baseUrl } },
		{ ...HEADER_CREDENTIAL, type: 'httpHeaderAuth', data: { name: 'ailabapi-api-key', value: SIMULATOR_KEY } },
	);
	const workflows = contestants.flatMap(({ id, workflow }) =>
		[true, false].map((stopOnError) => ({
			...workflow(PICTURES_FOLDER, baseUrl, stopOnError),
			id: workflowId(id, stopOnError),
		})),
	);
	await n8n.importWorkflows(...workflows);

	return async function measure(id: ContestantId, situation: Situation, { merged, bad }: Pictures): Promise<Figures> {
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
			latencyMs: SERVICE_MS,
			accounts: [{ key: SIMULATOR_KEY, ...situation.account }],
			answerPicture: merged,
			fault: (request) => {
				const why = bad.get(request.files.image_target?.fileName ?? '');
				return why ? { kind: 'status', status: why.status, code: why.code } : situation.fault?.(request);
			},
		});
		try {
			const stopOnError = situation.stopOnError?.includes(id) ?? false;
			const { stdout, stderr } = await run.command('execute', `--id=${workflowId(id, stopOnError)}`);
			const usage = await readFile(usageFile, 'utf8').catch(() => undefined);
			const isAtWork = id === 'nothing' || service.requests.length > 0;
			if (usage === undefined || !isAtWork) throw new Error(`${id} did not work:\n${stdout}${stderr}`);
			return {
				...ofService(service.requests),
				...ofProcess(JSON.parse(usage)),
				merged: await countMerged(userFolder, service.requests),
				stored: await storedKilobytes(installation, userFolder),
			};
		} finally {
			await service.close();
		}
	};
}

const workflowId = (id: ContestantId, stopOnError: boolean) => `${id}-${stopOnError ? 'stop' : 'continue'}`;

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

/** How many of the service's pictures are in n8n's binary store. */
async function countMerged(userFolder: string, requests: RecordedRequest[]): Promise<number> {
	const given = new Set(requests.map(({ resultSha256 }) => resultSha256));
	const stored = new Set<string>();
	const store = join(userFolder, '.n8n/storage');
	for (const file of await readdir(store, { recursive: true, withFileTypes: true })) {
		if (file.isFile()) stored.add(sha256(await readFile(join(file.parentPath, file.name))));
	}
	return [...stored].filter((hash) => given.has(hash)).length;
}

/** n8n's database is read by n8n's own Node.js, which has SQLite in it. */
async function storedKilobytes({ node }: N8nInstallation, userFolder: string): Promise<number> {
	const script = `
		const { DatabaseSync } = require('node:sqlite');
		const database = new DatabaseSync(process.argv[1], { readOnly: true });
		console.log(database.prepare('SELECT SUM(LENGTH(CAST(data AS BLOB))) AS bytes FROM execution_data').get().bytes);
	`;
	const database = join(userFolder, '.n8n/database.sqlite');
	const { stdout, stderr } = await runProcess(node, ['-e', script, database], { cwd: userFolder, env: process.env });
	const bytes = Number.parseInt(stdout, 10);
	if (Number.isNaN(bytes)) throw new Error(`n8n's database could not be read:\n${stderr}`);
	return bytes / 1024;
}
