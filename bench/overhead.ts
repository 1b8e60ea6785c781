/** What the node costs beside a loop that does nothing but send. */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { N8nInstallation } from '../lab/n8n/installation';
import { runProcess } from '../lab/n8n/processes';
import { startSimulator } from '../lab/simulator/simulator';
import { makePictures, PICTURES_FOLDER } from './pictures';
import type { Overhead } from './results';

const JOBS = [
	{ pairs: 1_000, pictureBytes: 50_000, rounds: 15 },
	{ pairs: 100, pictureBytes: 1_200_000, rounds: 15 },
];

/** Runs both by turns in n8n's engine, on n8n's Node.js, against a service that answers at once: small pictures, large ones. */
export async function measureOverhead(installation: N8nInstallation, folder: string): Promise<Overhead[]> {
	const results: Overhead[] = [];
	for (const job of JOBS) results.push(await measure(installation, folder, job));
	return results;
}

async function measure(
	installation: N8nInstallation,
	folder: string,
	{ pairs, pictureBytes, rounds }: (typeof JOBS)[0],
): Promise<Overhead> {
	const userFolder = join(folder, 'user');
	await rm(userFolder, { recursive: true, force: true });
	await mkdir(userFolder, { recursive: true });
	const { merged } = await makePictures({ pairs: 1, pictureBytes });
	const service = await startSimulator({ answerPicture: merged });
	try {
		const script = resolve(__dirname, 'nodeAlone.ts');
		const args = ['--import', 'tsx', script, service.baseUrl, PICTURES_FOLDER, String(pairs), String(rounds)];
		const env = {
			...process.env,
			N8N_USER_FOLDER: userFolder,
			N8N_ENCRYPTION_KEY: 'a key for the benchmark',
			N8N_LOG_LEVEL: 'silent',
		};
		const { exitCode, stdout, stderr } = await runProcess(installation.node, args, {
			cwd: resolve(__dirname, '..'),
			env,
		});
		if (exitCode !== 0) throw new Error(`The node alone could not be measured:\n${stdout}${stderr}`);
		return { pictureBytes, ...JSON.parse(stdout) };
	} finally {
		await service.close();
	}
}
