/** The same work as workflows: what users build without this package, and with it. */
import type { IDataObject } from 'n8n-workflow';

import { first } from '../lab/required';
import { chosen, type Workflow } from '../lab/n8n/n8n';
import { chain, CREDENTIAL, node, readFiles, start, to, type NodeSettings } from '../lab/n8n/workflows';
import { PICTURES_FOLDER } from './pictures';

export type ContestantId = 'nothing' | 'http' | 'batching' | 'loop' | 'sequence' | 'node';

/** What everybody is told where there is a place to say so. */
export interface Told {
	baseUrl: string;
	/** Requests at a time. */
	atATime: number;
	/** Milliseconds to wait between one lot and the next: in seconds, as one would, longer than the service takes. */
	betweenMs: number;
	/** Keeps n8n's default for On Error, Stop Workflow; otherwise an item that failed takes no other with it. */
	stopOnError: boolean;
}

export interface Contestant {
	id: ContestantId;
	name: string;
	/** How often a situation is measured: more than once where that can show anything else. */
	rounds: number;
	/** Whether its pictures stay in the items, where others have them in n8n's binary store. */
	picturesInItems?: boolean;
	workflow(told: Told): Workflow;
}

export const HEADER_CREDENTIAL = { id: 'aiLabToolsHeader', name: 'Header Auth', type: 'httpHeaderAuth' };

const TEMPLATE = "={{ $('Read template').first().binary.template }}";

const inputs = [
	start,
	readFiles('Read template', `${PICTURES_FOLDER}/template.jpg`, 'template'),
	readFiles('Read targets', `${PICTURES_FOLDER}/targets/*.jpg`, 'target'),
];

/** In the order of their turns. */
export const contestants: Contestant[] = [
	{
		id: 'nothing',
		name: 'n8n alone, reading the pictures',
		rounds: 3,
		workflow: () => chain('nothing', inputs),
	},
	{
		id: 'http',
		name: 'HTTP Request',
		rounds: 3,
		workflow: (told) => chain('http', [...inputs, request(told), convert(told)]),
	},
	{
		id: 'batching',
		name: 'HTTP Request with Batching',
		rounds: 1,
		workflow: (told) => {
			const batching = { batch: { batchSize: told.atATime, batchInterval: told.betweenMs } };
			return chain('batching', [...inputs, request(told, { options: { batching } }), convert(told)]);
		},
	},
	{
		id: 'loop',
		name: 'Loop, Wait and Retry On Fail',
		rounds: 1,
		workflow: (told) => {
			const wait = node('Wait', 'n8n-nodes-base.wait', {
				typeVersion: 1.1,
				parameters: { amount: told.betweenMs / 1_000 },
			});
			const each = [request(told, {}, { retryOnFail: true }), convert(told), wait];
			return loop('loop', told.atATime, each);
		},
	},
	{
		id: 'sequence',
		name: 'One after another, left in the item',
		rounds: 1,
		picturesInItems: true,
		workflow: (told) => loop('sequence', 1, [request(told)]),
	},
	{
		id: 'node',
		name: 'Merge Portraits',
		rounds: 3,
		workflow: ({ atATime, stopOnError }) => {
			const merge = node('Merge Portraits', 'n8n-nodes-merge-portraits.mergePortraits', {
				parameters: { templateBinaryPropertyName: TEMPLATE, options: { maxConcurrency: atATime } },
				credentials: chosen(CREDENTIAL),
				...onError(stopOnError),
			});
			return chain('node', [...inputs, merge]);
		},
	},
];

const onError = (stop: boolean) => (stop ? {} : { onError: 'continueRegularOutput' as const });

/** So many items at a time through the nodes of `each`. */
function loop(name: string, batchSize: number, each: Array<ReturnType<typeof node>>): Workflow {
	const items = node('Loop Over Items', 'n8n-nodes-base.splitInBatches', { typeVersion: 3, parameters: { batchSize } });
	const workflow = chain(name, [...inputs, items, ...each]);
	const [{ name: begin }, { name: end }] = [first(each, 'node'), first(each.slice(-1), 'node')];
	// Output 0 of the loop is "done".
	const round = { main: [[], [{ node: begin, type: 'main', index: 0 }]] };
	return { ...workflow, connections: { ...workflow.connections, [items.name]: round, [end]: to(items.name) } };
}

/** How an HTTP Request node sends a pair. */
export function httpRequest(baseUrl: string, template: string, { parameters, ...settings }: NodeSettings = {}) {
	const file = (name: string, inputDataFieldName: string) => ({
		parameterType: 'formBinaryData',
		name,
		inputDataFieldName,
	});
	return node('HTTP Request', 'n8n-nodes-base.httpRequest', {
		typeVersion: 4.5,
		parameters: {
			method: 'POST',
			url: `${baseUrl}/api/portrait/effects/face-fusion`,
			authentication: 'genericCredentialType',
			genericAuthType: 'httpHeaderAuth',
			sendBody: true,
			contentType: 'multipart-form-data',
			bodyParameters: {
				parameters: [
					file('image_target', 'target'),
					file('image_template', template),
					{ parameterType: 'formData', name: 'source_similarity', value: '0.5' },
				],
			},
			...parameters,
		},
		credentials: chosen(HEADER_CREDENTIAL),
		...settings,
	});
}

/** Takes the picture out of the answer. */
export const convertToFile = (settings: NodeSettings = {}) =>
	node('Convert to File', 'n8n-nodes-base.convertToFile', {
		typeVersion: 1.1,
		parameters: { operation: 'toBinary', sourceProperty: 'data.image' },
		...settings,
	});

const request = ({ baseUrl, stopOnError }: Told, parameters: IDataObject = {}, settings: NodeSettings = {}) =>
	httpRequest(baseUrl, TEMPLATE, { parameters, ...settings, ...onError(stopOnError) });

const convert = ({ stopOnError }: Told) => convertToFile(onError(stopOnError));
