import { NodeOperationError, type IBinaryData, type IDataObject, type IExecuteFunctions } from 'n8n-workflow';

import { isAgentTool } from '../output/agentTool';
import { binaryFields, findByName, findByValue, type FoundBinary } from '../pictures/binaryField';
import type { ImageRole } from '../pictures/imageRequirements';
import type { PictureSource } from '../pictures/inputPictures';
import { labels, linkLifetimes, options, type LinkLifetime } from './parameters';

/** The longest delay of Node.js timers; beyond it they fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** What one item asks for. */
export interface MergeRequest {
	pictures: Record<ImageRole, PictureSource>;
	/** 0 to 1; undefined when the parameter is empty. */
	similarity: number | undefined;
	outputField: string;
	/** Undefined when no link is asked for. */
	linkLifetime: LinkLifetime | undefined;
	fileName: string;
	includeOtherFields: boolean;
	validateImages: boolean;
	reuseResults: boolean;
	maxRetries: number;
	timeoutMs: number;
}

/**
 * Reads one item's parameters.
 * @throws NodeOperationError that quotes the parameter's label, or whatever n8n throws for an expression it cannot resolve
 */
export function readMergeRequest(context: IExecuteFunctions, itemIndex: number): MergeRequest {
	const given = context.getNodeParameter('options', itemIndex, {});
	const outputField: unknown = context.getNodeParameter('outputBinaryPropertyName', itemIndex);
	if (typeof outputField !== 'string' || outputField.trim() === '') {
		throw refuse(
			context,
			itemIndex,
			`'${labels.outputBinaryPropertyName}' is empty`,
			'Enter a field name, such as data.',
		);
	}
	return {
		pictures: {
			target: readSource(context, itemIndex, 'target'),
			template: readSource(context, itemIndex, 'template'),
		},
		similarity: readSimilarity(context, itemIndex),
		outputField: outputField.trim(),
		linkLifetime: readLinkLifetime(context, itemIndex, given),
		fileName: String(given.fileName ?? '').trim(),
		includeOtherFields: given.includeOtherFields !== false,
		validateImages: given.validateImages !== false,
		reuseResults: given.reuseResults !== false,
		maxRetries: readInteger(context, itemIndex, given, 'maxRetries', 0),
		timeoutMs: readInteger(context, itemIndex, given, 'timeout', 1, LONGEST_TIMEOUT_MS),
	};
}

/**
 * The most requests at a time, for all items: read from the first.
 * @throws NodeOperationError when it is not a whole number of at least 1
 */
export function readMaxConcurrency(context: IExecuteFunctions): number {
	// Not the whole collection: another option that cannot be resolved fails its item alone.
	const maxConcurrency = context.getNodeParameter('options.maxConcurrency', 0, '');
	return readInteger(context, 0, { maxConcurrency }, 'maxConcurrency', 1);
}

function readInteger(
	context: IExecuteFunctions,
	itemIndex: number,
	given: IDataObject,
	name: 'maxConcurrency' | 'maxRetries' | 'timeout',
	least: number,
	most = Number.MAX_SAFE_INTEGER,
): number {
	const byDefault = Number(options.find((option) => option.name === name)?.default);
	const value = isEmpty(given[name]) ? byDefault : toNumber(given[name]);
	if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
	const rule = value > most ? `at most ${most}` : `a whole number of at least ${least}`;
	const message = `'${labels[name]}' must be ${rule}, but is ${JSON.stringify(given[name])}`;
	throw refuse(context, itemIndex, message, `Enter a number, such as ${byDefault}, or remove the option.`);
}

function readLinkLifetime(
	context: IExecuteFunctions,
	itemIndex: number,
	{ downloadLink = 'none' }: IDataObject,
): LinkLifetime | undefined {
	const chosen = linkLifetimes.find(({ value }) => value === downloadLink)?.value;
	if (chosen !== undefined) return chosen;
	if (downloadLink === 'none') return isAgentTool(context.getNode()) ? '1d' : undefined;
	const message = `'${labels.downloadLink}' must be none, 1h, 1d or 7d, but is ${JSON.stringify(downloadLink)}`;
	throw refuse(context, itemIndex, message, 'Choose one of the four, or let the expression give one of these words.');
}

function readSimilarity(context: IExecuteFunctions, itemIndex: number): number | undefined {
	const given: unknown = context.getNodeParameter('similarity', itemIndex);
	if (isEmpty(given)) return undefined;
	const value = toNumber(given);
	if (value >= 0 && value <= 1) return value;
	const message = `'${labels.similarity}' must be a number from 0 to 1, but is ${JSON.stringify(given)}`;
	throw refuse(context, itemIndex, message, 'Enter a number such as 0.5, or leave the parameter empty.');
}

function readSource(context: IExecuteFunctions, itemIndex: number, role: ImageRole): PictureSource {
	const given: unknown = context.getNodeParameter(`${role}InputType`, itemIndex);
	if (given === 'url') {
		const label = labels[`${role}Url`];
		return { label, url: readUrl(context, itemIndex, label, `${role}Url`) };
	}
	if (given === 'binary') {
		const label = labels[`${role}BinaryPropertyName`];
		return { label, binary: readBinary(context, itemIndex, label, `${role}BinaryPropertyName`) };
	}
	const message = `'${labels[`${role}InputType`]}' must be binary or url, but is ${JSON.stringify(given)}`;
	throw refuse(context, itemIndex, message, 'Choose one of the two, or let the expression give one of these words.');
}

function readUrl(context: IExecuteFunctions, itemIndex: number, label: string, name: string): string {
	const given: unknown = context.getNodeParameter(name, itemIndex, '');
	const text = typeof given === 'string' ? given.trim() : '';
	const url = URL.canParse(text) ? new URL(text) : undefined;
	if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url.href;
	// Shows nothing of the value but its scheme: a mistyped address may hold a password or a token.
	const found = isEmpty(given) ? 'is empty' : url ? `begins with ${url.protocol}` : 'is not a URL';
	throw refuse(
		context,
		itemIndex,
		`'${label}' ${found}`,
		'Enter the whole address of the picture, beginning with https:// or http://, such as https://example.com/portrait.jpg.',
	);
}

function readBinary(context: IExecuteFunctions, itemIndex: number, label: string, name: string): IBinaryData {
	const given: unknown = context.getNodeParameter(name, itemIndex);
	const item = context.getInputData()[itemIndex] ?? { json: {} };
	const field = typeof given === 'string' ? given.trim() : undefined;
	const found = field ? findByName(item, field) : findByValue(item, given);
	if ('binary' in found) return found.binary;
	const fields = [...binaryFields(item).keys()];
	const advice = [
		typeof found.none === 'object' && !isEmpty(given) ? 'Make the upload a required field of its form.' : '',
		fields.length > 0
			? `Binary fields of this item: ${fields.join(', ')}. Enter one of them, or an expression that gives a binary of another node, such as {{ $("Read template").first().binary.data }}.`
			: 'The item has no binary fields. Put a node that reads or downloads the picture before this one, or enter an expression that gives a binary of another node.',
	];
	throw refuse(context, itemIndex, `'${label}' ${whyNone(found.none, given)}`, advice.join(' ').trim());
}

/** Completes "'Label' …" when there is no binary. */
function whyNone(none: Exclude<FoundBinary, { binary: IBinaryData }>['none'], given: unknown): string {
	if (isEmpty(given)) return 'is empty';
	if (typeof none === 'object') {
		return none.empty === '' ? 'gives no file: none was uploaded' : `names "${none.empty}": no file was uploaded there`;
	}
	if (none === 'several') return 'matches several files of the item';
	if (none === 'withoutContent') return 'gives a binary without its content, which $binary leaves out';
	if (typeof given !== 'string') return `gives no binary, but ${describe(given)}`;
	return `names the binary field "${given.trim()}", which the item does not have`;
}

const refuse = (context: IExecuteFunctions, itemIndex: number, message: string, description: string) =>
	new NodeOperationError(context.getNode(), `${message} [item ${itemIndex}]`, { itemIndex, description });

const isEmpty = (value: unknown) =>
	value === undefined || value === null || (typeof value === 'string' && value.trim() === '');

const toNumber = (value: unknown) =>
	typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN;

const describe = (value: unknown) =>
	typeof value === 'object' && value !== null
		? `an object with the fields ${Object.keys(value).slice(0, 5).join(', ') || '(none)'}`
		: `the ${typeof value} ${String(value)}`;
