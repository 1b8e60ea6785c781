/** Workflows built of nodes, for tests and benchmark. */
import { join } from 'node:path';

import type { IDataObject, INode, IWorkflowSettings } from 'n8n-workflow';

import { chosen, type Workflow } from './n8n';

export const MERGE = 'Merge Portraits';

/** The service's. */
export const CREDENTIAL = { id: 'aiLabTools', name: 'AILabTools API', type: 'aiLabToolsApi' };

export type NodeSettings = Partial<Omit<INode, 'parameters'>> & { parameters?: IDataObject };

export function node(name: string, type: string, settings: NodeSettings = {}) {
	return { id: name, name, type, typeVersion: 1, position: [0, 0], parameters: {}, ...settings };
}

/** Nodes one after the other, laid out from left to right. */
export function chain(
	name: string,
	nodes: Array<ReturnType<typeof node>>,
	settings: IWorkflowSettings = {},
): Workflow & { connections: IDataObject } {
	const links = nodes.flatMap(({ name: from }, index) =>
		nodes.slice(index + 1, index + 2).map((next) => [from, to(next.name)]),
	);
	return {
		name,
		nodes: nodes.map((each, index) => ({ ...each, position: [index * 224, 0] })),
		connections: Object.fromEntries(links),
		settings: { executionOrder: 'v1', ...settings },
	};
}

export const to = (name: string, type = 'main') => ({ [type]: [[{ node: name, type, index: 0 }]] });

export const start = node('Start', 'n8n-nodes-base.manualTrigger');

/** Reads files: an item for each, which has the binary alone. */
export function readFiles(name: string, selector: string, field: string) {
	const parameters = { fileSelector: selector, options: { dataPropertyName: field } };
	return node(name, 'n8n-nodes-base.readWriteFile', { parameters });
}

/** Listens at a path, for POST. */
export const webhook = (path: string, parameters: IDataObject, name = 'Webhook') =>
	node(name, 'n8n-nodes-base.webhook', {
		typeVersion: 2.1,
		webhookId: path,
		parameters: { httpMethod: 'POST', path, ...parameters },
	});

export function writeFile(name: string, fileName: string, dataPropertyName = 'data') {
	const parameters = { operation: 'write', fileName, dataPropertyName, options: {} };
	return node(name, 'n8n-nodes-base.readWriteFile', { parameters });
}

/** Adds fields to the items' json; a binary stays where it is. */
export function addFields(name: string, fields: Record<string, string>) {
	const assignments = Object.entries(fields).map(([field, value]) => ({
		id: field,
		name: field,
		value,
		type: 'string',
	}));
	return node(name, 'n8n-nodes-base.set', {
		typeVersion: 3.4,
		parameters: { assignments: { assignments }, includeOtherFields: true, options: { stripBinary: false } },
	});
}

/** By itself it pays for what another test has merged: each has its own requests to count. */
export function mergePortraits(settings: NodeSettings = {}) {
	return node(MERGE, 'n8n-nodes-merge-portraits.mergePortraits', {
		credentials: chosen(CREDENTIAL),
		...settings,
		parameters: {
			targetBinaryPropertyName: 'target',
			templateBinaryPropertyName: '={{ $("Template").first().binary.template }}',
			...settings.parameters,
			options: { reuseResults: false, ...Object(settings.parameters?.options) },
		},
	});
}

export const AGENT = 'AI Agent';

/** The scripted chat model's. */
export const CHAT_CREDENTIAL = { id: 'scripted', name: 'OpenAI', type: 'openAiApi' };

/** Merge Portraits as the tool of an agent whose model gives the target's link, the template's and the similarity. */
export function agent(typeVersion: number, parameters: object = {}, settings: NodeSettings = {}) {
	const byModel = {
		targetInputType: 'url',
		targetUrl: "={{ $fromAI('target_url', 'Link to the portrait whose face is taken', 'string') }}",
		templateInputType: 'url',
		templateUrl: "={{ $fromAI('template_url', 'Link to the picture that receives the face', 'string') }}",
		similarity: "={{ $fromAI('similarity', 'How similar, from 0 to 1', 'number', 0.5) }}",
	};
	const tool = mergePortraits({ ...settings, parameters: { ...byModel, ...parameters } });
	const asking = { promptType: 'define', text: 'Merge them', options: {} };
	const model = { model: { __rl: true, mode: 'id', value: 'scripted' }, options: {} };
	const agentNode = node(AGENT, '@n8n/n8n-nodes-langchain.agent', { typeVersion, parameters: asking });
	const modelNode = node('Model', '@n8n/n8n-nodes-langchain.lmChatOpenAi', {
		typeVersion: 1.2,
		parameters: model,
		credentials: chosen(CHAT_CREDENTIAL),
	});
	return {
		name: 'Agent',
		nodes: [agentNode, modelNode, { ...tool, type: `${tool.type}Tool` }],
		connections: { Model: to(AGENT, 'ai_languageModel'), [MERGE]: to(AGENT, 'ai_tool') },
		settings: { executionOrder: 'v1' },
	};
}

/** A similarity for each item that no other one has. */
export const OWN_SIMILARITY = '={{ $itemIndex / 100 }}';

/**
 * Every target of a folder, by the name of its field, with one template, by an expression. What follows looks back at
 * `Source`, whose items are called by their target's file.
 */
export function batch(folder: string, targets: string, settings: NodeSettings = {}, workflow?: IWorkflowSettings) {
	const similarity = OWN_SIMILARITY;
	return chain(
		`Batch of ${targets}`,
		[
			start,
			readFiles('Template', join(folder, 'template.jpg'), 'template'),
			readFiles('Targets', join(folder, targets, '*.png'), 'target'),
			addFields('Source', { pair: '={{ $json.fileName }}' }),
			mergePortraits({ ...settings, parameters: { similarity, ...settings.parameters } }),
			addFields('After', {
				lookedBack: '={{ $("Source").item.json.pair }}',
				requestId: '={{ $("Merge Portraits").item.json.mergePortraits?.requestId ?? "" }}',
			}),
		],
		workflow,
	);
}
