import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { formatList, imageRequirements, type ImageRole } from '../pictures/imageRequirements';
import type { LinkLifetime } from '../pictures/store';

/** The label of each parameter, as shown in the editor and quoted in messages. */
export const labels = {
	operation: 'Operation',
	targetInputType: 'Target Input Type',
	targetBinaryPropertyName: 'Target Input Binary Field',
	targetUrl: 'Target URL',
	templateInputType: 'Template Input Type',
	templateBinaryPropertyName: 'Template Input Binary Field',
	templateUrl: 'Template URL',
	similarity: 'Similarity',
	outputBinaryPropertyName: 'Put Output File in Field',
	options: 'Options',
	downloadLink: 'Download Link',
	fileName: 'File Name',
	includeOtherFields: 'Include Other Input Fields',
	maxConcurrency: 'Max Concurrent Requests',
	maxRetries: 'Max Retries',
	reuseResults: 'Reuse Earlier Results',
	timeout: 'Timeout',
	validateImages: 'Validate Images',
} as const;

/** Merge sends a pair to AILabTools; Check looks at its pictures here, and sends nothing. */
export type Operation = 'merge' | 'check';

export const linkLifetimes: Array<{ name: string; value: LinkLifetime }> = [
	{ name: 'For 1 Hour', value: '1h' },
	{ name: 'For 1 Day', value: '1d' },
	{ name: 'For 7 Days', value: '7d' },
];

const onlyToMerge = { show: { operation: ['merge'] } };
const onlyToMergeOption = { show: { '/operation': ['merge'] } };

export const options: INodeProperties[] = [
	{
		displayName: labels.downloadLink,
		name: 'downloadLink',
		type: 'options',
		displayOptions: onlyToMergeOption,
		options: [{ name: 'None', value: 'none' }, ...linkLifetimes],
		default: 'none',
		hint: 'Whoever has the link can open the picture until it expires, without signing in to n8n',
		description:
			'A link to the merged picture, and for how long it works. It is in <code>mergePortraits.downloadUrl</code>. An AI agent is always given one, for a day unless you choose otherwise.',
	},
	{
		displayName: labels.fileName,
		name: 'fileName',
		type: 'string',
		displayOptions: onlyToMergeOption,
		default: '',
		placeholder: 'e.g. portrait',
		description:
			'Name of the merged picture. The extension follows its format. When empty, the name of the target with <code>-merged</code>.',
	},
	{
		displayName: labels.includeOtherFields,
		name: 'includeOtherFields',
		type: 'boolean',
		displayOptions: onlyToMergeOption,
		default: true,
		description: "Whether the input item's JSON and other binary fields are passed on",
	},
	{
		displayName: labels.maxConcurrency,
		name: 'maxConcurrency',
		type: 'number',
		displayOptions: onlyToMergeOption,
		typeOptions: { minValue: 1 },
		default: 10,
		description:
			'The most requests at a time with this account in one n8n process. The node uses fewer by itself when the account takes fewer.',
	},
	{
		displayName: labels.maxRetries,
		name: 'maxRetries',
		type: 'number',
		typeOptions: { minValue: 0 },
		default: 4,
		description:
			'How many times a pair is sent, or a picture downloaded, again when the service or the connection fails',
	},
	{
		displayName: labels.reuseResults,
		name: 'reuseResults',
		type: 'boolean',
		displayOptions: onlyToMergeOption,
		default: true,
		description:
			'Whether a pair that an earlier execution has merged is reused and not paid for again, for as long as n8n has the picture',
	},
	{
		displayName: labels.timeout,
		name: 'timeout',
		type: 'number',
		typeOptions: { minValue: 1 },
		default: 60000,
		description: 'How many milliseconds one request, or the download of one picture, may take',
	},
	{
		displayName: labels.validateImages,
		name: 'validateImages',
		type: 'boolean',
		displayOptions: onlyToMergeOption,
		default: true,
		description: 'Whether both pictures are checked against the requirements of AILabTools before anything is sent',
	},
];

export type InputType = 'binary' | 'url';

/** Where one picture comes from: the choice, and the parameter for each. */
function pictureProperties(role: ImageRole, picture: string, fieldDescription: string): INodeProperties[] {
	const shownFor = (type: InputType) => ({ show: { [`${role}InputType`]: [type] } });
	return [
		{
			displayName: labels[`${role}InputType`],
			name: `${role}InputType`,
			type: 'options',
			noDataExpression: true,
			options: [
				{ name: 'Binary File', value: 'binary', description: 'A binary field of the input item, or of another node' },
				{ name: 'URL', value: 'url', description: 'A link to the picture, which is downloaded' },
			],
			default: 'binary',
			description: `Where ${picture} comes from`,
		},
		{
			displayName: labels[`${role}BinaryPropertyName`],
			name: `${role}BinaryPropertyName`,
			type: 'string',
			default: role,
			required: true,
			// What is dropped here replaces the value.
			requiresDataPath: 'single',
			displayOptions: shownFor('binary'),
			placeholder: `e.g. ${role}`,
			hint: `The name of the input binary field containing ${picture}`,
			description: fieldDescription,
		},
		{
			displayName: labels[`${role}Url`],
			name: `${role}Url`,
			type: 'string',
			default: '',
			required: true,
			displayOptions: shownFor('url'),
			placeholder: `e.g. https://example.com/${role}.jpg`,
			description: `Direct link to ${picture}: ${formatList}, at most ${imageRequirements.maxBytes / 1024 / 1024} MB, not a web page`,
		},
	];
}

const operations: Array<INodePropertyOptions & { value: Operation }> = [
	{
		name: 'Merge',
		value: 'merge',
		description: "Put the target's face into the template",
		action: 'Merge two portraits',
	},
	{
		name: 'Check',
		value: 'check',
		description: 'Look at format, size and resolution of both pictures. Sends nothing and costs nothing.',
		action: 'Check two pictures',
	},
];

export const properties: INodeProperties[] = [
	{
		displayName: labels.operation,
		name: 'operation',
		type: 'options',
		noDataExpression: true,
		options: operations,
		default: 'merge',
	},
	{
		displayName:
			'Best results come from portraits that show one face from the front, evenly lit, with nothing covering it, and with a face of at least 200 × 200 px',
		name: 'portraitAdvice',
		type: 'notice',
		default: '',
	},
	...pictureProperties(
		'target',
		'the portrait whose face is taken',
		'A portrait in colour. Can also be an expression that gives a binary of another node, such as <code>{{ $("Read target").item.binary.data }}</code>.',
	),
	...pictureProperties(
		'template',
		'the picture that receives the face',
		'Can also be an expression that gives a binary of another node, such as <code>{{ $("Read template").first().binary.data }}</code>: one template then serves every item',
	),
	{
		displayName: labels.similarity,
		name: 'similarity',
		type: 'number',
		displayOptions: onlyToMerge,
		typeOptions: { minValue: 0, maxValue: 1, numberStepSize: 0.01, numberPrecision: 2 },
		default: 0.5,
		hint: '0: the face stays as in the template. 1: as similar to the target as possible.',
		description: 'How much the face looks like the target. When empty, AILabTools decides.',
	},
	{
		displayName: labels.outputBinaryPropertyName,
		name: 'outputBinaryPropertyName',
		type: 'string',
		displayOptions: onlyToMerge,
		default: 'data',
		required: true,
		placeholder: 'e.g. data',
		hint: 'The name of the output binary field to put the merged picture in',
	},
	{
		displayName: labels.options,
		name: 'options',
		type: 'collection',
		placeholder: 'Add option',
		default: {},
		options,
	},
];
