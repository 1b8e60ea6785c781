/** Workflows that listen in an n8n that runs as a server, and what calls them: visitors, and whoever starts a batch. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Lab } from '../lab/n8n/lab';
import { node, webhook } from '../lab/n8n/workflows';
import { sha256 } from '../lab/simulator/exchange';
import { credentialData, READ_TEMPLATE, readPictures, type Contestant } from './contestants';
import { PICTURES_FOLDER, TARGETS_FOLDER, targetName } from './pictures';
import type { Situation } from './situations';

/** The most that n8n allows. */
const RETRIES = { retryOnFail: true, maxTries: 5, waitBetweenTries: 5_000 };

export type Callers = Awaited<ReturnType<typeof prepareCallers>>;

/** For an account at the service's address, of which this n8n knows nothing yet. */
export async function prepareCallers(lab: Lab, contestant: Contestant, situation: Situation, baseUrl: string) {
	const { port } = new URL(baseUrl);
	const name = `account at ${port}`;
	const credentials: Record<string, { id: string; name: string }> = {};
	for (const [type, data] of Object.entries(credentialData(baseUrl))) {
		const { id } = await lab.call<{ id: string }>('POST', '/credentials', { name, type, data });
		credentials[type] = { id, name };
	}
	// In whole seconds, as one would say it, and longer than a merge.
	const betweenMs = 1_000 * Math.floor(situation.serviceMs / 1_000 + 1);
	const told = { baseUrl, credentials, atATime: situation.atATime, betweenMs };
	const settings = situation.stopOnError?.includes(contestant.id) ? {} : { onError: 'continueRegularOutput' as const };
	const batch = [webhook(`batches-${port}`, { responseMode: 'responseNode' }), answerId, ...readPictures(SELECTED)];
	const batches = await lab.addWorkflow(contestant.workflow(batch, { ...told, template: READ_TEMPLATE, settings }));
	const visit = { template: 'template', settings: contestant.id === 'http' ? RETRIES : {} };
	const visitor = [webhook(`visitors-${port}`, PICTURE)];
	const visits = await lab.addWorkflow(contestant.workflow(visitor, { ...told, ...visit }));
	for (const workflow of [batches, visits]) await lab.activate(workflow);
	const picture = async (file: string) => new Blob([await readFile(file)], { type: 'image/jpeg' });
	const template = await picture(join(PICTURES_FOLDER, 'template.jpg'));
	const all = (await readdir(TARGETS_FOLDER)).length;

	return {
		/** Sends a visitor's pair. Gives the hash of what came back, if that was a picture. */
		async visit(pair: number): Promise<string | undefined> {
			const body = new FormData();
			body.append('target', await picture(join(TARGETS_FOLDER, targetName(pair))), targetName(pair));
			body.append('template', template, 'template.jpg');
			const answer = await lab.callWebhook(`visitors-${port}`, { body });
			const bytes = Buffer.from(await answer.arrayBuffer());
			return answer.ok ? sha256(bytes) : undefined;
		},

		/** Starts an execution with the pairs from `first` on. Gives its id. */
		async start(first: number, count: number): Promise<string> {
			const names = Array.from({ length: count }, (_, index) => targetName(first + index));
			// A list of thousands is too long a pattern.
			const selector = `${TARGETS_FOLDER}/${count === all ? '*.jpg' : `{${names.join(',')}}`}`;
			const headers = { 'content-type': 'application/json' };
			const answer = await lab.callWebhook(`batches-${port}`, { headers, body: JSON.stringify({ selector }) });
			if (!answer.ok) throw new Error(`The batch was not started: ${answer.status} ${await answer.text()}`);
			const { id }: { id: string } = JSON.parse(await answer.text());
			return id;
		},

		/** The executions of batches, the newest first. */
		executions: async () => await lab.executions(batches),

		/** Else the next start of this n8n would have them listen again. */
		async close(): Promise<void> {
			for (const id of [batches, visits]) await lab.call('POST', `/workflows/${id}/deactivate`, {});
		},
	};
}

const PICTURE = { responseMode: 'lastNode', responseData: 'firstEntryBinary', responseBinaryPropertyName: 'data' };

/** Which targets the caller of a batch wants. */
const SELECTED = "={{ $('Webhook').first().json.body.selector }}";

const answerId = node('Respond to Webhook', 'n8n-nodes-base.respondToWebhook', {
	...{ typeVersion: 1.5, parameters: { respondWith: 'json', responseBody: '={{ { id: $execution.id } }}' } },
});
