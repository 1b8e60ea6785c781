import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { runProcess } from './processes';

const PROJECT = resolve(__dirname, '../..');
/** Git-ignored, and of this copy of the project alone, where installations may serve several. */
const OUTPUT_FOLDER = join(PROJECT, 'test-output');

/** Packs the project as npm would publish it. Gives the tarball's path. @throws Error when it has not been built */
export async function packTarball(): Promise<string> {
	if (!existsSync(join(PROJECT, 'dist/nodes'))) throw new Error('Nothing to pack: run npm run build first');
	await mkdir(OUTPUT_FOLDER, { recursive: true });
	const args = ['pack', '--silent', '--pack-destination', OUTPUT_FOLDER];
	const { exitCode, stdout, stderr } = await runProcess('npm', args, { cwd: PROJECT, env: process.env });
	const name = stdout.trim().split('\n').pop();
	if (exitCode !== 0 || !name) throw new Error(`npm pack did not work:\n${stderr}${stdout}`);
	return join(OUTPUT_FOLDER, name);
}
