import {
	NodeOperationError,
	type IBinaryData,
	type IDataObject,
	type IExecuteFunctions,
	type INodeProperties,
} from 'n8n-workflow';

import type { ImageRole } from './pictures/imageRequirements';

/** The label of each parameter, as shown in the editor and quoted in messages. */
export const labels = {
	target: 'Target Input Binary Field',
	template: 'Template Input Binary Field',
	similarity: 'Similarity',
	output: 'Put Output File in Field',
	maxConcurrency: 'Max Concurrent Requests',
	maxRetries: 'Max Retries',
	timeout: 'Timeout',
} as const;

const options: INodeProperties[] = [
	{
		displayName: 'File Name',
		name: 'fileName',
		type: 'string',
		default: '',
		placeholder: 'e.g. portrait',
		description:
			'Name of the merged picture. The extension follows its format. When empty, the name of the target with <code>-merged</code>.',
	},
	{
		displayName: 'Include Other Input Fields',
		name: 'includeOtherFields',
		type: 'boolean',
		default: true,
		description: "Whether the input item's JSON and other binary fields are passed on",
	},
	{
		displayName: labels.maxConcurrency,
		name: 'maxConcurrency',
		type: 'number',
		typeOptions: { minValue: 1 },
		default: 3,
		description: 'How many requests may run at a time. The node uses fewer by itself when the account takes fewer.',
	},
	{
		displayName: labels.maxRetries,
		name: 'maxRetries',
		type: 'number',
		typeOptions: { minValue: 0 },
		default: 4,
		description: 'How many times a pair is sent again when the service or the line fails',
	},
	{
		displayName: labels.timeout,
		name: 'timeout',
		type: 'number',
		typeOptions: { minValue: 1 },
		default: 60000,
		description: 'How many milliseconds one request may take',
	},
	{
		displayName: 'Validate Images',
		name: 'validateImages',
		type: 'boolean',
		default: true,
		description: 'Whether both pictures are checked against the requirements of AILabTools before anything is sent',
	},
];

export const properties: INodeProperties[] = [
	{
		displayName:
			'Best results come from portraits that show one face from the front, evenly lit, with nothing covering it, and with a face of at least 200 × 200 px',
		name: 'portraitAdvice',
		type: 'notice',
		default: '',
	},
	{
		displayName: labels.target,
		name: 'targetBinaryPropertyName',
		type: 'string',
		default: 'target',
		required: true,
		placeholder: 'e.g. target',
		hint: 'The name of the input binary field containing the portrait whose face is taken',
		description:
			'A picture in colour. Can also be an expression that gives a binary of another node, such as <code>{{ $("Read target").item.binary.data }}</code>.',
	},
	{
		displayName: labels.template,
		name: 'templateBinaryPropertyName',
		type: 'string',
		default: 'template',
		required: true,
		placeholder: 'e.g. template',
		hint: 'The name of the input binary field containing the picture that receives the face',
		description:
			'Can also be an expression that gives a binary of another node, such as <code>{{ $("Read template").first().binary.data }}</code>: one template then serves every item',
	},
	{
		displayName: labels.similarity,
		name: 'similarity',
		type: 'number',
		typeOptions: { minValue: 0, maxValue: 1, numberStepSize: 0.01, numberPrecision: 2 },
		default: 0.5,
		description:
			'How much the face looks like the target: 0 as in the template, 1 as similar to the target as possible. When empty, AILabTools decides.',
	},
	{
		displayName: labels.output,
		name: 'outputBinaryPropertyName',
		type: 'string',
		default: 'data',
		required: true,
		placeholder: 'e.g. data',
		hint: 'The name of the output binary field to put the merged picture in',
	},
	{
		displayName: 'Options',
		name: 'options',
		type: 'collection',
		placeholder: 'Add option',
		default: {},
		options,
	},
];

/** What one item asks for. */
export interface MergeRequest {
	pictures: Record<ImageRole, IBinaryData>;
	/** 0 to 1, undefined when the parameter is empty. */
	similarity: number | undefined;
	outputField: string;
	fileName: string;
	includeOtherFields: boolean;
	validateImages: boolean;
	maxRetries: number;
	timeoutMs: number;
}

/**
 * Reads one item's parameters.
 * @throws NodeOperationError that quotes the parameter's label, and whatever n8n throws on an expression it cannot resolve
 */
export function readMergeRequest(context: IExecuteFunctions, itemIndex: number): MergeRequest {
	const given = context.getNodeParameter('options', itemIndex, {});
	const outputField: unknown = context.getNodeParameter('outputBinaryPropertyName', itemIndex);
	if (typeof outputField !== 'string' || outputField.trim() === '') {
		throw refuse(context, itemIndex, `'${labels.output}' is empty`, 'Enter a field name, such as data.');
	}
	return {
		pictures: {
			target: readBinary(context, itemIndex, labels.target, 'targetBinaryPropertyName'),
			template: readBinary(context, itemIndex, labels.template, 'templateBinaryPropertyName'),
		},
		similarity: readSimilarity(context, itemIndex),
		outputField: outputField.trim(),
		fileName: String(given.fileName ?? '').trim(),
		includeOtherFields: given.includeOtherFields !== false,
		validateImages: given.validateImages !== false,
		maxRetries: readInteger(context, itemIndex, given, 'maxRetries', 0),
		timeoutMs: readInteger(context, itemIndex, given, 'timeout', 1),
	};
}

/**
 * The most requests at a time, which holds for all items and is read from the first.
 * @throws NodeOperationError when it is no whole number of at least 1
 */
export function readMaxConcurrency(context: IExecuteFunctions): number {
	return readInteger(context, 0, context.getNodeParameter('options', 0, {}), 'maxConcurrency', 1);
}

function readInteger(
	context: IExecuteFunctions,
	itemIndex: number,
	given: IDataObject,
	name: 'maxConcurrency' | 'maxRetries' | 'timeout',
	least: number,
): number {
	const byDefault = Number(options.find((option) => option.name === name)?.default);
	const value = isEmpty(given[name]) ? byDefault : toNumber(given[name]);
	if (Number.isSafeInteger(value) && value >= least) return value;
	const message = `'${labels[name]}' must be a whole number of at least ${least}, but is ${JSON.stringify(given[name])}`;
	throw refuse(context, itemIndex, message, `Enter a number, such as ${byDefault}, or remove the option.`);
}

function readSimilarity(context: IExecuteFunctions, itemIndex: number): number | undefined {
	const given: unknown = context.getNodeParameter('similarity', itemIndex);
	if (isEmpty(given)) return undefined;
	const value = toNumber(given);
	if (value >= 0 && value <= 1) return value;
	const message = `'${labels.similarity}' must be a number from 0 to 1, but is ${JSON.stringify(given)}`;
	throw refuse(context, itemIndex, message, 'Enter a number such as 0.5, or leave the parameter empty.');
}

function readBinary(context: IExecuteFunctions, itemIndex: number, label: string, name: string): IBinaryData {
	const given: unknown = context.getNodeParameter(name, itemIndex);
	if (typeof given === 'string' && !isEmpty(given)) return readBinaryField(context, itemIndex, label, given.trim());
	if (isBinary(given)) return given;
	if (typeof given === 'object' && given !== null && 'mimeType' in given) {
		const advice = 'In n8n, $binary leaves the content out. Enter the name of the field instead, such as target.';
		throw refuse(context, itemIndex, `'${label}' gives a binary without its content`, advice);
	}
	throw refuse(
		context,
		itemIndex,
		isEmpty(given) ? `'${label}' is empty` : `'${label}' gives no binary, but ${describe(given)}`,
		'Enter the name of a binary field, or an expression that gives one, such as {{ $("Read template").first().binary.data }}.',
	);
}

function readBinaryField(context: IExecuteFunctions, itemIndex: number, label: string, field: string): IBinaryData {
	try {
		return context.helpers.assertBinaryData(itemIndex, field);
	} catch {
		const { binary, json } = context.getInputData()[itemIndex];
		// Where a workflow's binary mode is `combined`, binaries are kept inside the JSON and named by their path.
		const names = [...Object.keys(binary ?? {}), ...Object.keys(json._files ?? {}).map((key) => `_files.${key}`)];
		throw refuse(
			context,
			itemIndex,
			`'${label}' names the binary field "${field}", which the item does not have`,
			names.length > 0
				? `Binary fields of this item: ${names.join(', ')}. Enter one of them, or an expression that gives a binary of another node.`
				: 'The item has no binary fields. Put a node that reads or downloads the picture before this one, or enter an expression that gives a binary of another node.',
		);
	}
}

const refuse = (context: IExecuteFunctions, itemIndex: number, message: string, description: string) =>
	new NodeOperationError(context.getNode(), `${message} [item ${itemIndex}]`, { itemIndex, description });

const isEmpty = (value: unknown) =>
	value === undefined || value === null || (typeof value === 'string' && value.trim() === '');

const toNumber = (value: unknown) =>
	typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN;

const isBinary = (value: unknown): value is IBinaryData =>
	typeof value === 'object' && value !== null && 'data' in value && 'mimeType' in value;

const describe = (value: unknown) =>
	typeof value === 'object' && value !== null
		? `an object with the fields ${Object.keys(value).slice(0, 5).join(', ') || '(none)'}`
		: `the ${typeof value} ${String(value)}`;
