import {
	NodeConnectionTypes,
	type IExecuteFunctions,
	type INodeExecutionData,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { properties } from './input/parameters';
import { runOperation } from './operation';

/** Uses the raw parameter: the canvas cannot resolve an expression in it, and the subtitle would be empty. */
const subtitle =
	'={{ $rawParameter["operation"] === "check" ? "check" : "similarity: " + ($rawParameter["similarity"] == null || $rawParameter["similarity"] === "" ? "as AILabTools chooses" : String($rawParameter["similarity"]).startsWith("=") ? "by expression" : $rawParameter["similarity"]) }}';

export class MergePortraits implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Merge Portraits',
		name: 'mergePortraits',
		icon: { light: 'file:../../icons/mergePortraits.svg', dark: 'file:../../icons/mergePortraits.dark.svg' },
		group: ['transform'],
		version: 1,
		subtitle,
		description: 'Put the face of a portrait into a template picture with AILabTools',
		defaults: { name: 'Merge Portraits' },
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		usableAsTool: true,
		credentials: [{ name: 'aiLabToolsApi', required: true, displayOptions: { show: { operation: ['merge'] } } }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		return [await runOperation(this)];
	}
}
