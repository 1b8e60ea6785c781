/** The workflows in `examples`, and the values in their Settings nodes. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { IConnections, INode } from 'n8n-workflow';

import type { Workflow } from './n8n';

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

const isAssignment = (value: unknown): value is { id: string; name: string } =>
	typeof value === 'object' &&
	value !== null &&
	'id' in value &&
	'name' in value &&
	typeof value.id === 'string' &&
	typeof value.name === 'string';
