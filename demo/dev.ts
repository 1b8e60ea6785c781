/** `npm run dev`: n8n's editor with the package, a credential and the examples in it, until Ctrl+C. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CACHE_FOLDER } from '../lab/n8n/installation';
import type { Owner } from '../lab/n8n/n8n';
import { freePort } from '../lab/n8n/processes';
import { portrait } from '../lab/portraits';
import { atEnd, main, OUTPUT_FOLDER, setStage, step, usesRealService } from './stage';

void main(async () => {
	const userFolder = join(CACHE_FOLDER, 'dev');
	const { n8n } = await setStage({ userFolder, port: 8717 });
	await provideFiles();

	step('Starting the editor');
	let ready = false;
	const onOutput = (text: string) => ready && process.stdout.write(text);
	const server = await n8n.start({ port: await freePort(5678), onOutput });
	atEnd(server.stop);
	const ownerFile = join(userFolder, 'owner.json');
	let owner: Owner;
	try {
		owner = JSON.parse(await readFile(ownerFile, 'utf8'));
	} catch {
		owner = { email: 'dev@example.com', password: `Dev1${randomBytes(6).toString('hex')}` };
		await server.setupOwner(owner);
		await writeFile(ownerFile, JSON.stringify(owner), { mode: 0o600 });
	}
	console.log(`
n8n:      ${server.url}
Login:    ${owner.email}, password ${owner.password}
Pictures: ${OUTPUT_FOLDER}
${usesRealService ? `Your key stays, encrypted by n8n, in ${userFolder} until you delete that folder.\n` : ''}
After a change of code: Ctrl+C, and npm run dev again. Ctrl+C stops it all.
`);
	ready = true;
	// From here on, an interruption is the way out.
	process.exitCode = 0;
	await server.ended;
	throw new Error('n8n has ended by itself');
});

/** What the examples look for besides the two pictures of the demo. */
async function provideFiles(): Promise<void> {
	const names = ['1', '2', '3'].map((number) => `portrait-${number}.jpg`);
	for (const folder of ['portraits', 'merged']) await mkdir(join(OUTPUT_FOLDER, folder), { recursive: true });
	for (const name of names) {
		await writeFile(join(OUTPUT_FOLDER, 'portraits', name), await portrait(name, { format: 'jpeg' }));
	}
	const list = (header: string, row: (name: string, index: number) => string) =>
		[header, ...names.map(row), ''].join('\n');
	await writeFile(
		join(OUTPUT_FOLDER, 'portraits.csv'),
		list('portrait', (name) => `portraits/${name}`),
	);
	await writeFile(
		join(OUTPUT_FOLDER, 'people.csv'),
		list(
			'name,email,portrait',
			(name, index) => `Portrait ${index + 1},portrait-${index + 1}@example.com,portraits/${name}`,
		),
	);
}
