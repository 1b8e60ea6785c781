/** `npm run dev`: n8n's editor with the package, credentials and the examples in it, until Ctrl+C. */
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CACHE_FOLDER } from '../lab/n8n/installation';
import type { Owner } from '../lab/n8n/n8n';
import { freePort } from '../lab/n8n/processes';
import { hasGraphicsMagick } from '../lab/n8n/services';
import { portrait } from '../lab/portraits';
import { startCounterparts } from '../lab/counterparts/counterparts';
import { requestLine } from '../lab/simulator/simulator';
import { prepareN8n } from './inN8n';
import { atEnd, main, OUTPUT_FOLDER, setStage, step, usesRealService } from './stage';

void main(async () => {
	const userFolder = join(CACHE_FOLDER, 'dev');
	const counterparts = await startCounterparts(join(userFolder, 'storage'), ({ recipients, mail }) => {
		console.log(`E-mail to ${recipients.join(', ')}: ${mail.subject}`);
	});
	atEnd(counterparts.close);
	const stage = await setStage({ port: 8717, onRequest: (request) => console.log(requestLine(request)) });
	const { n8n } = await prepareN8n(stage, userFolder, counterparts.credentials);
	await provideFiles();

	step('Starting the editor');
	const logFile = join(userFolder, 'n8n.log');
	const log = createWriteStream(logFile);
	const server = await n8n.start({ port: await freePort(5678), onOutput: (text) => log.write(text) });
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
	if (!(await hasGraphicsMagick())) {
		console.log(`
GraphicsMagick is missing, which n8n's Edit Image node calls: the examples still merge pictures that AILabTools takes as
they are. To have it: apt-get install graphicsmagick, or brew install graphicsmagick.`);
	}
	console.log(`
Pictures:  ${OUTPUT_FOLDER}
n8n's log: ${logFile}
Service:   ${usesRealService ? `${stage.service.baseUrl}. Your key stays, encrypted by n8n, in ${userFolder} until you delete that folder.` : `the simulator. A new credential takes the API Key ${stage.service.apiKey}. Its requests are shown below, as are e-mails.`}
After a change of code: Ctrl+C, and npm run dev again. Ctrl+C stops it all.

Login:     ${owner.email}, password ${owner.password}
Open       ${server.url}/home/workflows
`);
	// From here on, an interruption is the way out.
	process.exitCode = 0;
	await server.ended;
	throw new Error(`n8n has ended by itself: ${logFile}`);
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
