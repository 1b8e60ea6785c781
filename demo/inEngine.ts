/** n8n's engine alone, as `npm ci` has brought it, with the package's node and stand-ins for n8n's own. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { IRun, ITaskData } from 'n8n-workflow';

import type { Example } from '../lab/n8n/examples';
import { standIns } from './standIns';
import { atEnd, step, usesRealService, type Stage } from './stage';

/** Loads the engine. Gives what executes a workflow in it and prints each node that has run. */
export async function prepareEngine({ service }: Stage): Promise<(workflow: Example) => Promise<IRun>> {
	step("Loading n8n's engine");
	const userFolder = await mkdtemp(join(tmpdir(), 'n8n-nodes-merge-portraits-demo-'));
	atEnd(() => rm(userFolder, { recursive: true, force: true }));
	// n8n-core reads these when it is loaded.
	Object.assign(process.env, {
		N8N_USER_FOLDER: userFolder,
		N8N_ENCRYPTION_KEY: randomUUID(),
		N8N_LOG_LEVEL: 'silent',
		// The simulator is on this computer.
		...(!usesRealService && { NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' }),
	});
	const { nodeOfProcess, runWorkflow, useBinaryMode } = await import('../lab/engine.ts');
	await useBinaryMode('filesystem');
	const types = { ...standIns, mergePortraits: nodeOfProcess() };

	return async ({ nodes, connections, settings }) => {
		const ours = nodes.find(({ type }) => type.endsWith('.mergePortraits'))?.name;
		const onNode = (name: string, { executionTime, data }: ITaskData) => {
			const items = data?.main?.[0]?.length ?? 0;
			const what = name === ours ? `this package, in ${executionTime} ms; pictures: ${items}` : 'stand-in';
			console.log(`     ${name.padEnd(18)}${what}`);
		};
		return await runWorkflow({
			// Notes are for who reads the canvas.
			nodes: nodes.filter(({ type }) => !type.endsWith('.stickyNote')),
			connections,
			settings,
			start: 'Start',
			types,
			credentials: service,
			onNode,
		});
	};
}
