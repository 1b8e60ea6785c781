import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { N8nInstallation } from '../test/n8n/installation';
import { createN8n, type Workflow } from '../test/n8n/n8n';
import { runProcess } from '../test/n8n/processes';
import { startSimulator, type SimulatorOptions } from '../test/simulator/simulator';

export interface Job {
	installation: N8nInstallation;
	tarball: string;
	/** A folder that is emptied before. */
	userFolder: string;
	/** The folder that the workflow reads its pictures from. */
	pictures: string;
	workflow: Workflow;
	simulator: SimulatorOptions;
}

export interface Figures {
	/** Pictures given back. */
	merged: number;
	requests: number;
	refusals: number;
	/** From the first request's start to the last one's end, seconds. */
	span: number;
	/** Of the n8n process: user and system, seconds. */
	cpu: number;
	/** Of the n8n process: the most resident memory, MB of 1024 × 1024 bytes. */
	memory: number;
	/** What n8n stored of the execution in its database, KB of 1024 bytes. */
	stored: number;
}

/** Executes a workflow once in a fresh n8n, with the pictures kept on disk, and measures it. */
export async function measure({ installation, tarball, userFolder, pictures, workflow, simulator }: Job) {
	await rm(userFolder, { recursive: true, force: true });
	const usageFile = join(userFolder, 'usage.json');
	const service = await startSimulator({ ...simulator, keepBytes: false, drawOnce: true });
	try {
		const n8n = await createN8n({
			installation: { ...installation, script: resolve(__dirname, 'usage.cjs') },
			userFolder,
			tarball,
			env: {
				BENCH_SCRIPT: installation.script,
				BENCH_USAGE: usageFile,
				N8N_RESTRICT_FILE_ACCESS_TO: pictures,
				N8N_DEFAULT_BINARY_DATA_MODE: 'filesystem',
			},
		});
		const data = { apiKey: 'simulator-key', baseUrl: service.baseUrl };
		await n8n.importCredentials({ id: 'aiLabToolsBench', name: 'AILabTools API', type: 'aiLabToolsApi', data });
		const [id] = await n8n.importWorkflows(workflow);
		const { exitCode, stdout, stderr } = await n8n.command('execute', `--id=${id}`);
		if (exitCode !== 0) throw new Error(`n8n execute did not work:\n${stdout}${stderr}`);
		return await figures(service.requests, usageFile, await storedKilobytes(installation, userFolder));
	} finally {
		await service.close();
	}
}

async function figures(
	requests: Awaited<ReturnType<typeof startSimulator>>['requests'],
	usageFile: string,
	stored: number,
): Promise<Figures> {
	const usage: NodeJS.ResourceUsage = JSON.parse(await readFile(usageFile, 'utf8'));
	const ends = requests.map(({ finishedAt, startedAt }) => finishedAt ?? startedAt);
	return {
		merged: requests.filter(({ status }) => status === 200).length,
		requests: requests.length,
		refusals: requests.filter(({ status }) => status === 429).length,
		span: (Math.max(...ends) - Math.min(...requests.map(({ startedAt }) => startedAt))) / 1_000,
		cpu: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
		memory: usage.maxRSS / 1024,
		stored,
	};
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
