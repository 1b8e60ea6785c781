/**
 * Stand-ins for the nodes of n8n's own that the demo's workflows use: as much of each as those need. n8n-core has the engine
 * but no nodes; n8n itself, with all of them, is a hundred times as large.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';

import {
	NodeConnectionTypes,
	type IExecuteFunctions,
	type INodeExecutionData,
	type INodeProperties,
	type INodeType,
} from 'n8n-workflow';

type Execute = (context: IExecuteFunctions, input: INodeExecutionData, index: number) => Promise<INodeExecutionData[]>;

/** A node that makes of each input item those that `execute` gives, paired with it. */
function standIn(displayName: string, properties: INodeProperties[], execute: Execute): INodeType {
	return {
		description: {
			displayName: `${displayName} (stand-in)`,
			name: displayName,
			group: ['transform'],
			version: [1, 1.1, 3.5],
			description: '',
			defaults: {},
			inputs: [NodeConnectionTypes.Main],
			outputs: [NodeConnectionTypes.Main],
			properties,
		},
		async execute(this: IExecuteFunctions) {
			const output: INodeExecutionData[] = [];
			for (const [index, input] of this.getInputData().entries()) {
				const items = await execute(this, input, index);
				output.push(...items.map((item) => ({ ...item, pairedItem: { item: index } })));
			}
			return [output];
		},
	};
}

/** A parameter: n8n-core drops what a node's description does not name. */
const parameter = (name: string, type: INodeProperties['type'], value: INodeProperties['default']) => ({
	displayName: name,
	name,
	type,
	default: value,
});

const options: INodeProperties = {
	...parameter('options', 'collection', {}),
	options: [parameter('dataPropertyName', 'string', '')],
};

interface Assignment {
	name: string;
	type: string;
	value: unknown;
}

/** By the last part of the names of the types that they stand for. */
export const standIns: Record<string, INodeType> = {
	manualTrigger: standIn('Manual Trigger', [], async (_context, input) => [input]),

	set: standIn(
		'Edit Fields',
		[parameter('assignments', 'assignmentCollection', {})],
		async (context, _input, index) => {
			const assignments = context.getNodeParameter('assignments.assignments', index, []);
			const fields = Array.isArray(assignments) ? assignments : [];
			const json = fields.map(({ name, type, value }: Assignment) => [
				name,
				type === 'array' && typeof value === 'string' ? JSON.parse(value) : value,
			]);
			return [{ json: Object.fromEntries(json) }];
		},
	),

	readWriteFile: standIn(
		'Read/Write Files from Disk',
		[
			parameter('operation', 'string', 'read'),
			parameter('fileSelector', 'string', ''),
			parameter('fileName', 'string', ''),
			options,
		],
		async (context, input, index) => {
			const text = (name: string, otherwise?: string) => String(context.getNodeParameter(name, index, otherwise));
			const field = text('options.dataPropertyName', 'data');
			if (text('operation') === 'write') {
				await writeFile(text('fileName'), await context.helpers.getBinaryDataBuffer(index, field));
				return [input];
			}
			const file = text('fileSelector');
			const binary = await context.helpers.prepareBinaryData(await readFile(file), basename(file));
			return [{ json: { fileName: basename(file) }, binary: { [field]: binary } }];
		},
	),

	splitOut: standIn('Split Out', [parameter('fieldToSplitOut', 'string', '')], async (context, { json }, index) => {
		const field = String(context.getNodeParameter('fieldToSplitOut', index));
		const values = json[field];
		return Array.isArray(values) ? values.map((value) => ({ json: { [field]: value } })) : [];
	}),
};
