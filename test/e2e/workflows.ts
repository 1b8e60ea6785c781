/** The workflows of the tests, made of n8n's own nodes around Merge Portraits. */
import { join } from 'node:path';

import type { IDataObject, INode, IWorkflowSettings } from 'n8n-workflow';

import { CREDENTIAL } from '../n8n/lab';
import type { Workflow } from '../n8n/n8n';

export const MERGE = 'Merge Portraits';

type NodeSettings = Partial<Omit<INode, 'parameters'>> & { parameters?: IDataObject };

export function node(name: string, type: string, settings: NodeSettings = {}) {
	return { id: name, name, type, typeVersion: 1, position: [0, 0], parameters: {}, ...settings };
}

/** Nodes one after the other, laid out from left to right. */
export function chain(
	name: string,
	nodes: Array<ReturnType<typeof node>>,
	settings: IWorkflowSettings = {},
): Workflow & { connections: IDataObject } {
	const links = nodes.slice(1).map((next, index) => [nodes[index].name, to(next.name)]);
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

export function mergePortraits(settings: NodeSettings = {}) {
	return node(MERGE, 'n8n-nodes-ailabtools.mergePortraits', {
		credentials: { aiLabToolsApi: CREDENTIAL },
		...settings,
		parameters: {
			targetBinaryPropertyName: 'target',
			templateBinaryPropertyName: '={{ $("Template").first().binary.template }}',
			...settings.parameters,
		},
	});
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
