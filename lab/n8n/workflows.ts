/** Workflows built of nodes, for tests and benchmark. */
import type { IDataObject, INode, IWorkflowSettings } from 'n8n-workflow';

import type { Workflow } from './n8n';

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
