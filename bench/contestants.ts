/** The same work as four workflows: what users build without this package, and with it. */
import type { Workflow } from '../test/n8n/n8n';

export type ContestantId = 'nothing' | 'http' | 'batching' | 'loop' | 'node';

export interface Contestant {
	id: ContestantId;
	name: string;
	/** @param folder with `template.jpg` and the folder `targets` */
	workflow(folder: string, baseUrl: string, stopOnError: boolean): Pick<Workflow, 'nodes' | 'connections'>;
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
		workflow: (folder) => {
			const nodes = inputs(folder);
			return { nodes, connections: chain(nodes) };
		},
	},
	{
		id: 'http',
		name: 'HTTP Request',
		workflow: (folder, baseUrl, stopOnError) => {
			const nodes = [...inputs(folder), httpRequest(baseUrl, stopOnError, {}), convertToFile(stopOnError)];
			return { nodes, connections: chain(nodes) };
		},
	},
	{
		id: 'batching',
		name: 'HTTP Request with Batching',
		workflow: (folder, baseUrl, stopOnError) => {
			const batching = { batch: { batchSize: AT_A_TIME, batchInterval: 1_000 } };
			const request = httpRequest(baseUrl, stopOnError, { batching });
			const nodes = [...inputs(folder), request, convertToFile(stopOnError)];
			return { nodes, connections: chain(nodes) };
		},
	},
	{
		id: 'loop',
		name: 'Loop, Wait and Retry On Fail',
		workflow: (folder, baseUrl, stopOnError) => {
			const request = { ...httpRequest(baseUrl, stopOnError, {}), retryOnFail: true };
			const loop = node('Loop Over Items', 'n8n-nodes-base.splitInBatches', 3, { batchSize: AT_A_TIME });
			const wait = node('Wait', 'n8n-nodes-base.wait', 1.1, { amount: 1 });
			const before = [...inputs(folder), loop];
			const inside = [request, convertToFile(stopOnError), wait];
			// Output 0 of the loop is "done".
			const round = [[], [{ node: request.name, type: 'main', index: 0 }]];
			const connections = { ...chain(before), ...chain([...inside, loop]), [loop.name]: { main: round } };
			return { nodes: [...before, ...inside], connections };
		},
	},
	{
		id: 'node',
		name: 'Merge Portraits',
		workflow: (folder, _baseUrl, stopOnError) => {
			const parameters = {
				templateBinaryPropertyName: TEMPLATE,
				options: { maxConcurrency: AT_A_TIME },
			};
			const merge = {
				...node('Merge Portraits', 'n8n-nodes-ailabtools.mergePortraits', 1, parameters),
				credentials: { aiLabToolsApi: PACKAGE_CREDENTIAL },
				...onError(stopOnError),
			};
			const nodes = [...inputs(folder), merge];
			return { nodes, connections: chain(nodes) };
		},
	},
];

interface Node {
	name: string;
}

function node(name: string, type: string, typeVersion: number, parameters: object) {
	return { id: name, name, type, typeVersion, position: [0, 0], parameters };
}

const onError = (stopOnError: boolean) => (stopOnError ? {} : { onError: 'continueRegularOutput' });

function inputs(folder: string) {
	const read = (name: string, fileSelector: string, dataPropertyName: string) =>
		node(name, 'n8n-nodes-base.readWriteFile', 1, { fileSelector, options: { dataPropertyName } });
	return [
		node('Start', 'n8n-nodes-base.manualTrigger', 1, {}),
		read('Read template', `${folder}/template.jpg`, 'template'),
		read('Read targets', `${folder}/targets/*.jpg`, 'target'),
	];
}

function httpRequest(baseUrl: string, stopOnError: boolean, options: object) {
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
	return {
		...node('HTTP Request', 'n8n-nodes-base.httpRequest', 4.5, parameters),
		credentials: { httpHeaderAuth: HEADER_CREDENTIAL },
		...onError(stopOnError),
	};
}

function convertToFile(stopOnError: boolean) {
	const parameters = { operation: 'toBinary', sourceProperty: 'data.image' };
	return { ...node('Convert to File', 'n8n-nodes-base.convertToFile', 1.1, parameters), ...onError(stopOnError) };
}

function chain(nodes: Node[]): object {
	const pairs = nodes.slice(1).map(({ name }, index) => {
		return [nodes[index].name, { main: [[{ node: name, type: 'main', index: 0 }]] }];
	});
	return Object.fromEntries(pairs);
}
