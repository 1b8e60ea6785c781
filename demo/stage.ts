/** What `npm run demo` and `npm run dev` begin with: n8n with the package, a service, two portraits, the examples. */
import { once } from 'node:events';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';

import { applyCredentials, applySettings, EXAMPLES_FOLDER, readExample } from '../lab/n8n/examples';
import { installN8n, NEWEST_N8N } from '../lab/n8n/installation';
import { createN8n, type Credential, type N8n, type Workflow } from '../lab/n8n/n8n';
import { packTarball } from '../lab/n8n/pack';
import { freePort } from '../lab/n8n/processes';
import { progressLine } from '../lab/n8n/progress';
import { portrait, SHOWN } from '../lab/portraits';
import { SIMULATOR_KEY } from '../lab/simulator/key';
import { startSimulator, type RecordedRequest } from '../lab/simulator/simulator';

const PROJECT = resolve(__dirname, '..');

/** Git-ignored. The pictures, and what the workflows make of them. */
export const OUTPUT_FOLDER = join(PROJECT, 'demo-output');

const { AILABTOOLS_API_KEY: realKey, AILABTOOLS_TARGET, AILABTOOLS_TEMPLATE } = process.env;

export const usesRealService = Boolean(realKey);

export interface Stage {
	n8n: N8n;
	/** The names of both pictures in the output folder. */
	target: string;
	template: string;
	/** The key and the address of the service. */
	service: { apiKey: string; baseUrl: string };
	/** The ids in n8n of the workflows in `examples`, by file name without extension. */
	workflows: Partial<Record<string, string>>;
}

export interface StageOptions {
	/** n8n keeps all in it. */
	userFolder: string;
	/** The simulator listens there or at the next free one; by default at any. */
	port?: number;
	/** Called when the simulator has answered a request. */
	onRequest?: (request: RecordedRequest) => void;
	/** What the examples need besides that of AILabTools. */
	credentials?: Credential[];
}

/** Sets everything up. */
export async function setStage({ userFolder, port, onRequest, credentials = [] }: StageOptions): Promise<Stage> {
	step(`Installing n8n ${NEWEST_N8N}, unless it is there: the first time takes minutes and 3 GB`);
	const progress = progressLine();
	const installation = await installN8n(NEWEST_N8N, progress.show);
	progress.done();

	const simulator = realKey
		? undefined
		: await startSimulator({ port: port && (await freePort(port)), onRequest, keepBytes: false });
	if (simulator) atEnd(() => simulator.close());
	const baseUrl = simulator?.baseUrl ?? 'https://www.ailabapi.com';
	step(realKey ? `The service: ${baseUrl} with AILABTOOLS_API_KEY` : `The service: the simulator at ${baseUrl}`);

	step('Packing this package as npm would, and installing it in n8n as a community node');
	const env = {
		N8N_RESTRICT_FILE_ACCESS_TO: OUTPUT_FOLDER,
		// A new credential is for the simulator too: its dialog then asks for the key alone.
		...(simulator && { CREDENTIALS_OVERWRITE_DATA: JSON.stringify({ aiLabToolsApi: { baseUrl } }) }),
	};
	const n8n = await createN8n({ installation, userFolder, tarball: await packTarball(), env });

	step('Two portraits: a target that gives the face, a template that receives it');
	await mkdir(OUTPUT_FOLDER, { recursive: true });
	const target = await providePicture('target', AILABTOOLS_TARGET);
	const template = await providePicture('template', AILABTOOLS_TEMPLATE);

	step('Importing credentials and the example workflows');
	const service = { apiKey: realKey ?? SIMULATOR_KEY, baseUrl };
	const own = { id: 'aiLabToolsDemo', name: 'AILabTools API', type: 'aiLabToolsApi', data: service };
	await n8n.importCredentials(own, ...credentials);
	const examples = await readExamples({ folder: OUTPUT_FOLDER, target, template, baseUrl }, [own, ...credentials]);
	const ids = await n8n.importWorkflows(...examples.values());
	const workflows = Object.fromEntries([...examples.keys()].map((key, index) => [key, ids[index]]));
	return { n8n, target, template, service, workflows };
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
	if (given) await copyFile(given, join(OUTPUT_FOLDER, file));
	else await writeFile(join(OUTPUT_FOLDER, file), await portrait(SHOWN[name], { format: 'jpeg' }));
	return file;
}

/** Reads the examples, with these values in their Settings nodes where they have them, and these credentials. */
async function readExamples(
	settings: Record<string, string>,
	credentials: Credential[],
): Promise<Map<string, Workflow>> {
	const files = (await readdir(EXAMPLES_FOLDER)).filter((file) => file.endsWith('.json'));
	const names = files.map((file) => file.replace('.json', ''));
	const examples = names.map(async (name) => {
		const { changed } = applySettings(await readExample(name), settings);
		return [name, applyCredentials(changed, credentials)] as const;
	});
	return new Map(await Promise.all(examples));
}
