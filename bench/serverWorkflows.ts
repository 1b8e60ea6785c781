/** The workflows of a server: one that gives a visitor his picture, and one that merges a batch, for each contestant. */
import type { Workflow } from '../lab/n8n/n8n';
import { chain, node, readFiles, type NodeSettings } from '../lab/n8n/workflows';
import { convertToFile, httpRequest, type ContestantId } from './contestants';
import { PICTURES_FOLDER } from './pictures';

export interface ServerContestant {
	id: ContestantId;
	name: string;
	/** What its workflows call the service with. */
	credential(apiKey: string, baseUrl: string): { type: string; data: object };
	/** Takes `target` and `template` as files of a form; answers with the picture. */
	visitors(path: string, credential: Credential, baseUrl: string): Workflow;
	/** Takes the `selector` of the targets' files; answers with the execution's id as soon as it has begun. */
	batches?(path: string, credential: Credential, maxConcurrency?: number): Workflow;
}

interface Credential {
	id: string;
	name: string;
}

/** What of a batch is merged comes out of this node. */
export const LAST = 'Merge Portraits';

export const serverContestants: ServerContestant[] = [
	{
		id: 'http',
		name: 'HTTP Request with Retry On Fail',
		credential: (value) => ({ type: 'httpHeaderAuth', data: { name: 'ailabapi-api-key', value } }),
		visitors: (path, credential, baseUrl) => {
			// The most that n8n allows.
			const retries = { retryOnFail: true, maxTries: 5, waitBetweenTries: 5_000 };
			const settings = { ...retries, credentials: { httpHeaderAuth: credential } };
			return chain(path, [visit(path), httpRequest(baseUrl, 'template', settings), convertToFile()]);
		},
	},
	{
		id: 'node',
		name: 'Merge Portraits',
		credential: (apiKey, baseUrl) => ({ type: 'aiLabToolsApi', data: { apiKey, baseUrl } }),
		visitors: (path, credential) => chain(path, [visit(path), mergePortraits(credential)]),
		batches: (path, credential, maxConcurrency) => {
			const templateBinaryPropertyName = "={{ $('Read template').first().binary.template }}";
			const options = maxConcurrency === undefined ? {} : { maxConcurrency };
			const merge = mergePortraits(credential, {
				parameters: { templateBinaryPropertyName, options },
				onError: 'continueRegularOutput',
			});
			return chain(path, [...batch(path), merge]);
		},
	},
];

const visit = (path: string) =>
	webhook(path, {
		responseMode: 'lastNode',
		responseData: 'firstEntryBinary',
		responseBinaryPropertyName: 'data',
	});

const batch = (path: string) => [
	webhook(path, { responseMode: 'responseNode' }),
	node('Respond to Webhook', 'n8n-nodes-base.respondToWebhook', {
		typeVersion: 1.5,
		parameters: { respondWith: 'json', responseBody: '={{ { id: $execution.id } }}' },
	}),
	readFiles('Read template', `${PICTURES_FOLDER}/template.jpg`, 'template'),
	readFiles('Read targets', "={{ $('Webhook').first().json.body.selector }}", 'target'),
];

const webhook = (path: string, parameters: NodeSettings['parameters']) =>
	node('Webhook', 'n8n-nodes-base.webhook', {
		typeVersion: 2.1,
		webhookId: path,
		parameters: { httpMethod: 'POST', path, ...parameters },
	});

const mergePortraits = (credential: Credential, settings: NodeSettings = {}) =>
	node(LAST, 'n8n-nodes-merge-portraits.mergePortraits', { credentials: { aiLabToolsApi: credential }, ...settings });
