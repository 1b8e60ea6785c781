/**
 * `npm run demo`: two of the examples, from a pair of portraits to a sheet of merged pictures. In n8n's engine, which is there
 * in seconds; with `-- --n8n` in a whole n8n, which has the packed package installed as its users have it.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import type { IRun } from 'n8n-workflow';

import { CACHE_FOLDER } from '../lab/n8n/installation';
import { contactSheet } from './contactSheet';
import { prepareEngine } from './inEngine';
import { prepareN8n } from './inN8n';
import { atEnd, main, OUTPUT_FOLDER, setStage, step, usesRealService, type Stage } from './stage';

const SHEET = join(OUTPUT_FOLDER, 'contact-sheet.png');

/** Executes the workflow in `examples` that has this name. */
type Execute = (name: string) => Promise<Pick<IRun, 'data'> | undefined>;

void main(async () => {
	const started = Date.now();
	const { values } = parseArgs({ options: { n8n: { type: 'boolean', default: false } } });
	const stage = await setStage();
	const execute = values.n8n ? await inN8n(stage) : await inEngine(stage);
	await executeExample('first-merge', execute);
	// Not before the service has merged something: what it made the last time may have been paid for.
	await removeOldSheet();
	await executeExample('compare-similarities', execute);
	step('Putting the pictures on one sheet');
	await writeFile(SHEET, await drawSheet(stage));
	const inEngineAlone = `
   npm run demo -- --n8n                 the same in a whole n8n, without stand-ins`;
	console.log(`
Done in ${((Date.now() - started) / 1000).toFixed(1)} s. Look at
   ${SHEET}
and at the pictures beside it. What you can do next:
   AILABTOOLS_API_KEY=... npm run demo   merge with the real service; AILABTOOLS_TARGET and AILABTOOLS_TEMPLATE name your pictures${values.n8n ? '' : inEngineAlone}
   npm run dev                           n8n's editor, with this package and all examples
A whole n8n is installed once, which takes five to ten minutes and 3 GB.`);
});

async function executeExample(name: string, execute: Execute): Promise<void> {
	step(`Executing examples/${name}.json`);
	const run = await execute(name);
	const error = run?.data.resultData.error;
	if (error) throw new Error([error.message, error.description].filter(Boolean).join('\n'));
}

async function inEngine(stage: Stage): Promise<Execute> {
	const execute = await prepareEngine(stage);
	return async (name) => await execute(found(stage.examples.get(name), name));
}

async function inN8n(stage: Stage): Promise<Execute> {
	const userFolder = join(CACHE_FOLDER, 'demo');
	// n8n keeps the credential, encrypted, in its database: a real key is not to stay there.
	if (usesRealService) atEnd(() => rm(userFolder, { recursive: true, force: true, maxRetries: 5 }));
	const { n8n, workflows } = await prepareN8n(stage, userFolder);
	return async (name) => {
		const { exitCode, run, stdout, stderr } = await n8n.execute(found(workflows[name], name));
		if (exitCode !== 0 && !run?.data.resultData.error) throw new Error(`n8n execute did not work:\n${stdout}${stderr}`);
		return run;
	};
}

function found<T>(value: T | undefined, name: string): T {
	if (value === undefined) throw new Error(`There is no examples/${name}.json`);
	return value;
}

/** The sheet, and what was on it. */
async function removeOldSheet(): Promise<void> {
	const files = await readdir(OUTPUT_FOLDER).catch(() => []);
	const results = files.filter((file) => /^similarity-[\d.]+\.\w+$|^contact-sheet\.png$/.test(file));
	await Promise.all(results.map((file) => rm(join(OUTPUT_FOLDER, file))));
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
