/** `npm run demo`: the package in a real n8n, from the tarball to merged pictures. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { CACHE_FOLDER } from '../lab/n8n/installation';
import { contactSheet } from './contactSheet';
import { atEnd, main, OUTPUT_FOLDER, setStage, step, usesRealService, type Stage } from './stage';

void main(async () => {
	const started = Date.now();
	const userFolder = join(CACHE_FOLDER, 'demo');
	// n8n keeps the credential, encrypted, in its database: a real key is not to stay there.
	if (usesRealService) atEnd(() => rm(userFolder, { recursive: true, force: true, maxRetries: 5 }));
	await removeOldResults();
	const stage = await setStage({ userFolder });
	for (const name of ['first-merge', 'compare-similarities']) await execute(stage, name);

	step('Putting the pictures on one sheet');
	await writeFile(join(OUTPUT_FOLDER, 'contact-sheet.png'), await drawSheet(stage));
	const files = (await readdir(OUTPUT_FOLDER)).map((file) => `   ${relative('', join(OUTPUT_FOLDER, file))}`);
	console.log(`\nDone in ${((Date.now() - started) / 1000).toFixed(1)} s:\n${files.join('\n')}`);
});

/** All but what the user may have put there. */
async function removeOldResults(): Promise<void> {
	const files = await readdir(OUTPUT_FOLDER).catch(() => []);
	const results = files.filter((file) => /^similarity-|-merged\.|^contact-sheet\.png$/.test(file));
	await Promise.all(results.map((file) => rm(join(OUTPUT_FOLDER, file))));
}

async function execute({ n8n, workflows }: Stage, name: string): Promise<void> {
	step(`Executing examples/${name}.json`);
	const id = workflows[name];
	if (id === undefined) throw new Error(`There is no examples/${name}.json`);
	const { exitCode, run, stdout, stderr } = await n8n.execute(id);
	const error = run?.data.resultData.error;
	if (error) throw new Error([error.message, error.description].filter(Boolean).join('\n'));
	if (exitCode !== 0) throw new Error(`n8n execute did not work:\n${stdout}${stderr}`);
}

async function drawSheet({ target, template }: Stage): Promise<Buffer> {
	const read = async (label: string, file: string) => ({ label, picture: await readFile(join(OUTPUT_FOLDER, file)) });
	const files = (await readdir(OUTPUT_FOLDER)).filter((file) => file.startsWith('similarity-'));
	const merged = files.map((file) => ({ file, similarity: parseFloat(file.slice('similarity-'.length)) }));
	merged.sort((a, b) => a.similarity - b.similarity);
	return await contactSheet([
		[await read('Target', target), await read('Template', template)],
		await Promise.all(merged.map(({ file, similarity }) => read(`Similarity ${similarity}`, file))),
	]);
}
