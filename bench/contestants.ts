/** The same work as four workflows: what users build without this package, and with it. */
import type { IDataObject } from 'n8n-workflow';

import type { Workflow } from '../lab/n8n/n8n';
import { chain, node, readFiles, start, to } from '../lab/n8n/workflows';

export type ContestantId = 'nothing' | 'http' | 'batching' | 'loop' | 'node';

export interface Contestant {
	id: ContestantId;
	name: string;
	/** @param folder with `template.jpg` and the folder `targets` */
	workflow(folder: string, baseUrl: string, stopOnError: boolean): Workflow;
}

/** The number of requests at a time that everybody is told. */
export const AT_A_TIME = 5;

export const HEADER_CREDENTIAL = { id: 'aiLabToolsHeader', name: 'Header Auth' };
export const PACKAGE_CREDENTIAL = { id: 'aiLabToolsBench', name: 'AILabTools API' };

const TEMPLATE = "={{ $('Read template').first().binary.template }}";

/** In the order of their turns. */
export const contestants: Contestant[] = [
	{
		id: 'nothing',
		name: 'n8n alone, reading the pictures',
		workflow: (folder) => chain('nothing', inputs(folder)),
	},
	{
		id: 'http',
		name: 'HTTP Request',
		workflow: (folder, baseUrl, stopOnError) =>
			chain('http', [...inputs(folder), httpRequest(baseUrl, stopOnError, {}), convertToFile(stopOnError)]),
	},
	{
		id: 'batching',
		name: 'HTTP Request with Batching',
		workflow: (folder, baseUrl, stopOnError) => {
			const batching = { batch: { batchSize: AT_A_TIME, batchInterval: 1_000 } };
			const request = httpRequest(baseUrl, stopOnError, { batching });
			return chain('batching', [...inputs(folder), request, convertToFile(stopOnError)]);
		},
	},
	{
		id: 'loop',
		name: 'Loop, Wait and Retry On Fail',
		workflow: (folder, baseUrl, stopOnError) => {
			const loop = node('Loop Over Items', 'n8n-nodes-base.splitInBatches', {
				typeVersion: 3,
				parameters: { batchSize: AT_A_TIME },
			});
			const request = { ...httpRequest(baseUrl, stopOnError, {}), retryOnFail: true };
			const wait = node('Wait', 'n8n-nodes-base.wait', { typeVersion: 1.1, parameters: { amount: 1 } });
			const workflow = chain('loop', [...inputs(folder), loop, request, convertToFile(stopOnError), wait]);
			// Output 0 of the loop is "done".
			const round = { main: [[], [{ node: request.name, type: 'main', index: 0 }]] };
			return { ...workflow, connections: { ...workflow.connections, [loop.name]: round, [wait.name]: to(loop.name) } };
		},
	},
	{
		id: 'node',
		name: 'Merge Portraits',
		workflow: (folder, _baseUrl, stopOnError) => {
			const merge = node('Merge Portraits', 'n8n-nodes-merge-portraits.mergePortraits', {
				parameters: { templateBinaryPropertyName: TEMPLATE, options: { maxConcurrency: AT_A_TIME } },
				credentials: { aiLabToolsApi: PACKAGE_CREDENTIAL },
				...onError(stopOnError),
			});
			return chain('node', [...inputs(folder), merge]);
		},
	},
];

const onError = (stopOnError: boolean) => (stopOnError ? {} : { onError: 'continueRegularOutput' as const });

const inputs = (folder: string) => [
	start,
	readFiles('Read template', `${folder}/template.jpg`, 'template'),
	readFiles('Read targets', `${folder}/targets/*.jpg`, 'target'),
];

function httpRequest(baseUrl: string, stopOnError: boolean, options: IDataObject) {
	const file = (name: string, inputDataFieldName: string) => ({
		parameterType: 'formBinaryData',
		name,
		inputDataFieldName,
	});
	const parameters = {
		method: 'POST',
		url: `${baseUrl}/api/portrait/effects/face-fusion`,
		authentication: 'genericCredentialType',
		genericAuthType: 'httpHeaderAuth',
		sendBody: true,
		contentType: 'multipart-form-data',
		bodyParameters: {
			parameters: [
				file('image_target', 'target'),
				file('image_template', TEMPLATE),
				{ parameterType: 'formData', name: 'source_similarity', value: '0.5' },
			],
		},
		options,
	};
	return node('HTTP Request', 'n8n-nodes-base.httpRequest', {
		typeVersion: 4.5,
		parameters,
		credentials: { httpHeaderAuth: HEADER_CREDENTIAL },
		...onError(stopOnError),
	});
}

const convertToFile = (stopOnError: boolean) =>
	node('Convert to File', 'n8n-nodes-base.convertToFile', {
		typeVersion: 1.1,
		parameters: { operation: 'toBinary', sourceProperty: 'data.image' },
		...onError(stopOnError),
	});
