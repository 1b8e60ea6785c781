/** `npm run demo` as a process of its own, in a folder of its own. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import sharp from 'sharp';

import { runProcess, type Finished } from '../lab/n8n/processes';

const project = resolve(__dirname, '..');

// Jest sets FORCE_COLOR for its workers on a terminal; if NO_COLOR is set too, Node warns of it on stderr.
const NOTHING_OF_THE_USER = {
	FORCE_COLOR: undefined,
	AILABTOOLS_API_KEY: '',
	AILABTOOLS_TARGET: '',
	AILABTOOLS_TEMPLATE: '',
};

export interface DemoRun extends Finished {
	/** What lies in `demo-output` after it. */
	files: string[];
	read(file: string): Promise<Buffer>;
}

export async function runDemo(name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<DemoRun> {
	const cwd = join(project, 'test-output', name);
	await rm(cwd, { recursive: true, force: true });
	await mkdir(cwd, { recursive: true });
	const command = [require.resolve('tsx/cli'), join(project, 'demo/demo.ts'), ...args];
	const finished = await runProcess(process.execPath, command, {
		cwd,
		env: { ...process.env, ...NOTHING_OF_THE_USER, ...env },
	});
	const output = join(cwd, 'demo-output');
	return {
		...finished,
		files: (await readdir(output)).sort(),
		read: async (file) => await readFile(join(output, file)),
	};
}

/** The pictures on disk: of each similarity one, from the template to what is furthest from it, and the sheet with all. */
export async function expectPictures({ files, read }: DemoRun): Promise<void> {
	const merged = ['0', '0.25', '0.5', '0.75', '1'].map((similarity) => `similarity-${similarity}.jpg`);
	expect(files).toEqual(['contact-sheet.png', ...merged, 'target-merged.jpg', 'target.jpg', 'template.jpg'].sort());
	const [template, target, first, sheet] = await Promise.all(
		['template.jpg', 'target.jpg', 'target-merged.jpg', 'contact-sheet.png'].map(read),
	);
	const pictures = await Promise.all(merged.map(read));
	const away = await Promise.all(pictures.map(async (picture) => await difference(picture, template)));
	expect(away[0]).toBeLessThan(1);
	for (const [index, distance] of away.entries()) expect(distance).toBeGreaterThan((away[index - 1] ?? -1) + 0.5);
	expect(await difference(pictures[2], first)).toBeLessThan(1);
	expect(await difference(target, template)).toBeGreaterThan(away[4] ?? 0);
	// Two rows, the lower one of five squares of 240 px, and something in every place.
	const { width = 0, height = 0 } = await sharp(sheet).metadata();
	expect({ width, height }).toEqual({ width: 1344, height: 624 });
	const inSheet = await sharp(sheet).extract({ left: 24, top: 360, width: 240, height: 240 }).toBuffer();
	expect(await difference(inSheet, template)).toBeLessThan(3);
}

/** The mean difference of two pictures' pixels, 0 to 255. */
async function difference(one: Buffer | undefined, other: Buffer | undefined): Promise<number> {
	const [a, b] = await Promise.all(
		[one, other].map(async (file) => await sharp(file).removeAlpha().resize(240, 240).raw().toBuffer()),
	);
	if (!a || a.length !== b?.length) throw new Error('Pictures of two kinds');
	return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}
