/** The workflows in `examples`, and what is put into them: the values of their Settings nodes, and credentials. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { IConnections, INode } from 'n8n-workflow';

import { chosen, type Credential, type Workflow } from './n8n';

export const EXAMPLES_FOLDER = resolve(__dirname, '../../examples');

export interface Example extends Workflow {
	nodes: INode[];
	connections: IConnections;
}

export async function readExample(name: string): Promise<Example> {
	return JSON.parse(await readFile(join(EXAMPLES_FOLDER, `${name}.json`), 'utf8'));
}

/** The same workflow with these values in its Settings node, and the names of those that it has no setting for. */
export function applySettings(
	workflow: Example,
	settings: Record<string, unknown>,
): { changed: Example; unused: string[] } {
	const unused = new Set(Object.keys(settings));
	const changed: Example = JSON.parse(JSON.stringify(workflow), (_key, value: unknown) => {
		if (!isAssignment(value) || !(value.name in settings) || !value.id.startsWith('settings-')) return value;
		unused.delete(value.name);
		return { ...value, value: settings[value.name] };
	});
	return { changed, unused: [...unused] };
}

/** The same workflow with these values in its Settings node. @throws Error for a setting that it does not have */
export function withSettings(workflow: Example, settings: Record<string, unknown>): Example {
	const { changed, unused } = applySettings(workflow, settings);
	if (unused.length > 0) throw new Error(`${workflow.name} has no setting ${unused.join(', ')}`);
	return changed;
}

/**
 * The same workflow with credentials in the nodes that ask for one of their types. The files name none: one that n8n
 * does not have is taken for chosen by its editor, which then forgets what the user chooses instead. Without, n8n marks
 * the nodes, or chooses by itself.
 */
export function applyCredentials(workflow: Example, credentials: Array<Omit<Credential, 'data'>>): Example {
	const nodes = workflow.nodes.map((node) => {
		const wanted = credentialType(node);
		const found = credentials.find(({ type }) => type === wanted);
		return found ? { ...node, credentials: chosen(found) } : node;
	});
	return { ...workflow, nodes };
}

const CREDENTIAL_TYPES: Record<string, string> = {
	'n8n-nodes-merge-portraits.mergePortraits': 'aiLabToolsApi',
	'n8n-nodes-merge-portraits.mergePortraitsTool': 'aiLabToolsApi',
	'n8n-nodes-base.emailSend': 'smtp',
	'n8n-nodes-base.s3': 's3',
	'n8n-nodes-base.webhook': 'httpHeaderAuth',
	'@n8n/n8n-nodes-langchain.lmChatOpenAi': 'openAiApi',
	'@n8n/n8n-nodes-langchain.mcpTrigger': 'httpBearerAuth',
};

/** An HTTP Request node names the type in its parameters. Check needs none. */
function credentialType({ type, parameters }: INode): unknown {
	if (type === 'n8n-nodes-merge-portraits.mergePortraits' && parameters.operation === 'check') return undefined;
	return CREDENTIAL_TYPES[type] ?? parameters.nodeCredentialType ?? parameters.genericAuthType;
}

const isAssignment = (value: unknown): value is { id: string; name: string } =>
	typeof value === 'object' &&
	value !== null &&
	'id' in value &&
	'name' in value &&
	typeof value.id === 'string' &&
	typeof value.name === 'string';
