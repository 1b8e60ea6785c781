/** What `npm run demo` and `npm run dev` begin with: a service, two portraits, the examples. */
import { once } from 'node:events';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';

import { applyCredentials, applySettings, EXAMPLES_FOLDER, readExample, type Example } from '../lab/n8n/examples';
import { freePort } from '../lab/n8n/processes';
import { CREDENTIAL } from '../lab/n8n/workflows';
import { portrait, SHOWN } from '../lab/portraits';
import { type RecordedRequest, SIMULATOR_KEY, startSimulator } from '../lab/simulator/simulator';

/** Git-ignored, in the project, where npm runs its scripts. The pictures, and what the workflows make of them. */
export const OUTPUT_FOLDER = resolve('demo-output');

const { AILABTOOLS_API_KEY: realKey, AILABTOOLS_TARGET, AILABTOOLS_TEMPLATE } = process.env;

export const usesRealService = Boolean(realKey);

export interface Stage {
	/** The names of both pictures in the output folder. */
	target: string;
	template: string;
	/** The key and the address of the service. */
	service: { apiKey: string; baseUrl: string };
	/** The workflows in `examples`, set to the pictures and the service, by file name without extension. */
	examples: Map<string, Example>;
}

export interface StageOptions {
	/** The simulator listens there or at the next free one; by default at any. */
	port?: number;
	/** Called when the simulator has answered a request. */
	onRequest?: (request: RecordedRequest) => void;
}

export async function setStage({ port, onRequest }: StageOptions = {}): Promise<Stage> {
	const simulator = realKey
		? undefined
		: await startSimulator({ port: port && (await freePort(port)), onRequest, keepBytes: false });
	if (simulator) atEnd(() => simulator.close());
	const baseUrl = simulator?.baseUrl ?? 'https://www.ailabapi.com';
	step(realKey ? `The service: ${baseUrl} with AILABTOOLS_API_KEY` : `The service: the simulator at ${baseUrl}`);

	step('Two portraits: a target that gives the face, a template that receives it');
	await mkdir(OUTPUT_FOLDER, { recursive: true });
	const target = await providePicture('target', AILABTOOLS_TARGET);
	const template = await providePicture('template', AILABTOOLS_TEMPLATE);
	const examples = await readExamples({ folder: OUTPUT_FOLDER, target, template, baseUrl });
	return { target, template, service: { apiKey: realKey || SIMULATOR_KEY, baseUrl }, examples };
}

let steps = 0;

/** Prints a numbered step. */
export function step(text: string): void {
	console.log(`${++steps}. ${text}`);
}

const lastSteps: (() => unknown)[] = [];

/** What is to be done when the program has ended, been interrupted, or failed; the latest first. */
export function atEnd(work: () => unknown): void {
	lastSteps.unshift(work);
}

/** Runs the program until it ends or is interrupted. What it throws is printed without the key. */
export async function main(program: () => Promise<void>): Promise<never> {
	const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
	try {
		await Promise.race([program(), interrupted.then(() => (process.exitCode ??= 130))]);
	} catch (error) {
		const message = error instanceof Error ? error.message : String(error);
		console.error(realKey ? message.replaceAll(realKey, '(key)') : message);
		process.exitCode = 1;
	}
	for (const work of lastSteps) await work();
	process.exit();
}

async function providePicture(name: 'target' | 'template', given: string | undefined): Promise<string> {
	const file = `${name}${given ? extname(given) : '.jpg'}`;
	if (given) await copyGiven(given, name, join(OUTPUT_FOLDER, file));
	else await writeFile(join(OUTPUT_FOLDER, file), await portrait(SHOWN[name], { format: 'jpeg' }));
	return file;
}

async function copyGiven(given: string, name: string, to: string): Promise<void> {
	try {
		await copyFile(given, to);
	} catch {
		throw new Error(`AILABTOOLS_${name.toUpperCase()} names no file that can be read: ${resolve(given)}`);
	}
}

/** Reads the examples, with these values in their Settings nodes where they have them, and the credential. */
async function readExamples(settings: Record<string, string>): Promise<Map<string, Example>> {
	const files = (await readdir(EXAMPLES_FOLDER)).filter((file) => file.endsWith('.json'));
	const names = files.map((file) => file.replace('.json', ''));
	const examples = names.map(async (name) => {
		const { changed } = applySettings(await readExample(name), settings);
		return [name, applyCredentials(changed, [CREDENTIAL])] as const;
	});
	return new Map(await Promise.all(examples));
}
