import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { CACHE_FOLDER } from './installation';
import { runProcess } from './processes';

const PROJECT = resolve(__dirname, '../..');

/** Packs the project as npm would publish it. Gives the tarball's path. @throws Error when it has not been built */
export async function packTarball(): Promise<string> {
	if (!existsSync(join(PROJECT, 'dist/nodes'))) throw new Error('Nothing to pack: run npm run build first');
	await mkdir(CACHE_FOLDER, { recursive: true });
	const args = ['pack', '--silent', '--pack-destination', CACHE_FOLDER];
	const { exitCode, stdout, stderr } = await runProcess('npm', args, { cwd: PROJECT, env: process.env });
	const name = stdout.trim().split('\n').pop();
	if (exitCode !== 0 || !name) throw new Error(`npm pack did not work:\n${stderr}${stdout}`);
	return join(CACHE_FOLDER, name);
}
