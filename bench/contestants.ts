/** The same work as workflows: what users build without this package, and with it. */
import type { IDataObject } from 'n8n-workflow';

import type { Workflow } from '../lab/n8n/n8n';
import { chain, node, readFiles, to, type NodeSettings } from '../lab/n8n/workflows';
import { first } from '../lab/required';
import { MERGE_PATH, SIMULATOR_KEY } from '../lab/simulator/simulator';
import { PICTURES_FOLDER } from './pictures';
import type { ContestantId } from './results';

type Nodes = Array<ReturnType<typeof node>>;

/** What everybody is told where there is a place to say so. */
export interface Told {
	baseUrl: string;
	/** The template's field, or an expression that gives it. */
	template: string;
	/** By type. */
	credentials: Record<string, { id: string; name: string }>;
	/** Requests at a time. */
	atATime?: number;
	/** ms to wait between one lot and the next. */
	betweenMs?: number;
	/** Of each node that does the work, such as `onError`. */
	settings: NodeSettings;
}

export interface Contestant {
	id: ContestantId;
	name: string;
	/** How often a situation is measured: more than once where that can show anything else. */
	rounds: number;
	/** @param inputs the nodes that bring the pictures */
	workflow(inputs: Nodes, told: Told): Workflow;
}

/** Of the same account, in both the forms that the contestants need. */
export const credentialData = (baseUrl: string) => ({
	aiLabToolsApi: { apiKey: SIMULATOR_KEY, baseUrl },
	httpHeaderAuth: { name: 'ailabapi-api-key', value: SIMULATOR_KEY },
});

/** Reads the one template, and the targets that the selector names. */
export const readPictures = (targets: string): Nodes => [
	readFiles('Read template', `${PICTURES_FOLDER}/template.jpg`, 'template'),
	readFiles('Read targets', targets, 'target'),
];

/** How a node behind `readPictures` names the template. */
export const READ_TEMPLATE = "={{ $('Read template').first().binary.template }}";

/** In the order of their turns. */
export const contestants: Contestant[] = [
	{ id: 'nothing', name: 'n8n alone, reading the pictures', rounds: 3, workflow: (inputs) => chain('nothing', inputs) },
	{
		...{ id: 'http', name: 'HTTP Request', rounds: 3 },
		workflow: (inputs, told) => chain('http', [...inputs, httpRequest(told), convertToFile(told)]),
	},
	{
		...{ id: 'batching', name: 'HTTP Request with Batching', rounds: 1 },
		workflow: (inputs, told) => {
			const batching = { batch: { batchSize: told.atATime, batchInterval: told.betweenMs } };
			return chain('batching', [...inputs, httpRequest(told, { options: { batching } }), convertToFile(told)]);
		},
	},
	{
		...{ id: 'loop', name: 'Loop, Wait and Retry On Fail', rounds: 1 },
		workflow: (inputs, told) => {
			const amount = (told.betweenMs ?? 0) / 1_000;
			const wait = node('Wait', 'n8n-nodes-base.wait', { typeVersion: 1.1, parameters: { amount } });
			const request = { ...httpRequest(told), retryOnFail: true };
			return loop('loop', told.atATime, inputs, [request, convertToFile(told), wait]);
		},
	},
	{
		...{ id: 'sequence', name: 'One after another, left in the item', rounds: 1 },
		workflow: (inputs, told) => loop('sequence', 1, inputs, [httpRequest(told)]),
	},
	{
		...{ id: 'node', name: 'Merge Portraits', rounds: 3 },
		workflow: (inputs, { template, credentials, atATime, settings }) => {
			const options = atATime === undefined ? {} : { maxConcurrency: atATime };
			const parameters = { templateBinaryPropertyName: template, options };
			const type = 'n8n-nodes-merge-portraits.mergePortraits';
			return chain('node', [...inputs, node('Merge Portraits', type, { parameters, credentials, ...settings })]);
		},
	},
];

/** So many items at a time through the nodes of `each`. */
function loop(name: string, batchSize = 1, inputs: Nodes, each: Nodes): Workflow {
	const items = node('Loop Over Items', 'n8n-nodes-base.splitInBatches', { typeVersion: 3, parameters: { batchSize } });
	const workflow = chain(name, [...inputs, items, ...each]);
	const [{ name: begin }, { name: end }] = [first(each, 'node'), first(each.slice(-1), 'node')];
	// Output 0 of the loop is "done".
	const round = { main: [[], [{ node: begin, type: 'main', index: 0 }]] };
	return { ...workflow, connections: { ...workflow.connections, [items.name]: round, [end]: to(items.name) } };
}

/** Sends a pair as a form. */
function httpRequest({ baseUrl, template, credentials, settings }: Told, parameters: IDataObject = {}) {
	const file = (name: string, field: string) => ({ parameterType: 'formBinaryData', name, inputDataFieldName: field });
	const similarity = { parameterType: 'formData', name: 'source_similarity', value: '0.5' };
	return node('HTTP Request', 'n8n-nodes-base.httpRequest', {
		typeVersion: 4.5,
		parameters: {
			...{ method: 'POST', url: baseUrl + MERGE_PATH, sendBody: true, contentType: 'multipart-form-data' },
			...{ authentication: 'genericCredentialType', genericAuthType: 'httpHeaderAuth' },
			bodyParameters: { parameters: [file('image_target', 'target'), file('image_template', template), similarity] },
			...parameters,
		},
		credentials,
		...settings,
	});
}

/** Takes the picture out of the answer. */
const convertToFile = ({ settings }: Told) =>
	node('Convert to File', 'n8n-nodes-base.convertToFile', {
		...{ typeVersion: 1.1, parameters: { operation: 'toBinary', sourceProperty: 'data.image' }, ...settings },
	});
