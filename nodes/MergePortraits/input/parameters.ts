import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { formatList, maxFileSize, type ImageRole } from '../pictures/imageRequirements';
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

const linkChoices: INodePropertyOptions[] = [...linkLifetimes, { name: 'None', value: 'none' }];

const onlyToMerge = { show: { operation: ['merge'] } };
const onlyToMergeOption = { show: { '/operation': ['merge'] } };

export const options: INodeProperties[] = [
	{
		displayName: labels.downloadLink,
		name: 'downloadLink',
		type: 'options',
		displayOptions: onlyToMergeOption,
		options: linkChoices,
		// Of the option once it is added; without it there is no link.
		default: '1h',
		hint: 'Whoever has the link can open the picture until it expires, without signing in to n8n',
		description:
			'A link to the merged picture in mergePortraits.downloadUrl, and for how long it works. Without this option there is none, but an AI agent is always given one, for a day.',
	},
	{
		displayName: labels.fileName,
		name: 'fileName',
		type: 'string',
		displayOptions: onlyToMergeOption,
		default: '',
		placeholder: 'e.g. portrait',
		description:
			'Name of the merged picture. The extension follows its format. When empty, the name of the target with -merged.',
	},
	{
		displayName: labels.includeOtherFields,
		name: 'includeOtherFields',
		type: 'boolean',
		displayOptions: onlyToMergeOption,
		default: true,
		description: 'Whether the data and files that came in are passed on beside the merged picture',
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
			'How many times a pair is sent, or a picture downloaded, again when that alone fails. Waiting for a service that cannot be reached costs none.',
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

/** What somebody who cannot look into the input panel has to know of the fields that uploads come in. */
const uploadHint =
	'An upload is in the field that a form names by fieldName, or else by its label with each character but letters, digits and _ replaced by _ (Your photo: Your_photo), a webhook by the part of the form data, and a chat data0, data1 and so on.';

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
				{ name: 'Binary File', value: 'binary', description: 'A file of this workflow, such as an upload' },
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
			hint: `The field with ${picture}: enter its name, or drag the upload here from Schema in the input panel`,
			description: fieldDescription,
			builderHint: { propertyHint: uploadHint },
		},
		{
			displayName: labels[`${role}Url`],
			name: `${role}Url`,
			type: 'string',
			default: '',
			required: true,
			displayOptions: shownFor('url'),
			placeholder: `e.g. https://example.com/${role}.jpg`,
			description: `Direct link to ${picture}: ${formatList}, at most ${maxFileSize}, not a web page. Can also be a data URL.`,
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
		builderHint: {
			propertyHint:
				'Needs no credential. As a tool, it is told by descriptionType manual. Adds json.pictureCheck: fits, canBeMadeFit (by Edit Image), visitorMessage when it does not fit, and for target and template each format, width, height, bytes, upright, fits, canBeMadeFit, code, message.',
		},
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
			'The target gives the face, the template receives it. Best results come from portraits that show one face from the front, evenly lit, with nothing covering it, and with a face of at least 200 × 200 px.',
		name: 'portraitAdvice',
		type: 'notice',
		default: '',
	},
	...pictureProperties(
		'target',
		'the portrait whose face is taken',
		'Can also be an expression that gives a picture of another node, such as {{ $("Read target").item.binary.data }}, its Base64 text or a data URL. The portrait must be in colour.',
	),
	...pictureProperties(
		'template',
		'the picture that receives the face',
		'Can also be an expression that gives a picture of another node, such as {{ $("Read template").first().binary.data }}, its Base64 text or a data URL. One picture then serves for all.',
	),
	{
		displayName: labels.similarity,
		name: 'similarity',
		type: 'number',
		displayOptions: onlyToMerge,
		// No minimum and maximum: with them, the editor makes 0 of 80, 70% and 0,7 without a word.
		typeOptions: { numberStepSize: 0.05 },
		default: 0.5,
		hint: '0: the face stays as in the template. 1: as similar to the target as possible.',
		description: 'How much the face looks like the target. AILabTools decides if an expression gives nothing.',
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
	{
		displayName:
			'To show the picture on the last page of a form, add an n8n Form node, choose the page type Form Ending, and copy this line into its Completion Message: <ul><li>&lt;img src="{{ $json.mergePortraits.downloadUrl }}" width="100%"&gt;</li></ul>',
		name: 'downloadLinkAdvice',
		type: 'notice',
		default: '',
		displayOptions: { show: { '/options.downloadLink': linkLifetimes.map(({ value }) => value) } },
	},
];
