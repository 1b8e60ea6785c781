import type { IBinaryData, IDataObject, IExecuteFunctions, INodeExecutionData, NodeOperationError } from 'n8n-workflow';

import { operationError } from '../base/operationError';
import { atItem, clean, quote } from '../base/text';
import { binaryFields, findBinary, pictureInText, type FoundBinary } from '../pictures/binaryField';
import type { ImageRole, Unfit } from '../pictures/imageRequirements';
import type { PictureSource } from '../pictures/inputPictures';
import { checkStore, n8nSays, type LinkLifetime } from '../pictures/store';
import type { StoredBinaries } from '../pictures/storedBinaries';
import { labels, linkLifetimes, options } from './parameters';

/** The longest delay of Node.js timers; beyond it they fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Which pictures an item names, and how they are read. */
export interface PicturesRequest {
	pictures: Record<ImageRole, PictureSource>;
	validateImages: boolean;
	maxRetries: number;
	timeoutMs: number;
}

/** What one item asks for. */
export interface MergeRequest extends PicturesRequest {
	/** 0 to 1; undefined when the parameter is empty. */
	similarity: number | undefined;
	outputField: string;
	/** Undefined when no link is asked for. */
	linkLifetime: LinkLifetime | undefined;
	fileName: string;
	includeOtherFields: boolean;
	reuseResults: boolean;
}

/**
 * Reads one item's parameters. Each method throws NodeOperationError that quotes the parameter's label, or whatever n8n
 * throws for an expression that it cannot resolve.
 */
export class RequestReader {
	private readonly item: INodeExecutionData;

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly itemIndex: number,
		private readonly storedBinaries: StoredBinaries,
	) {
		this.item = context.getInputData()[itemIndex] ?? { json: {} };
	}

	/** @param isAgent an AI agent is always given a link: it cannot be given the picture itself */
	merge(isAgent: boolean): MergeRequest {
		const given = this.options();
		return {
			...this.pictures(given),
			validateImages: isOn(given.validateImages),
			similarity: this.similarity(),
			outputField: this.outputField(),
			linkLifetime: this.linkLifetime(given) ?? (isAgent ? '1d' : undefined),
			fileName: isEmpty(given.fileName) ? '' : String(given.fileName),
			includeOtherFields: isOn(given.includeOtherFields),
			reuseResults: isOn(given.reuseResults),
		};
	}

	pictures(given = this.options()): PicturesRequest {
		return {
			pictures: { target: this.source('target'), template: this.source('template') },
			validateImages: true,
			maxRetries: this.integer(given, 'maxRetries', 0),
			timeoutMs: this.integer(given, 'timeout', 1, LONGEST_TIMEOUT_MS),
		};
	}

	/** The most requests at a time, for all items: read from the first. */
	maxConcurrency(): number {
		// Not the whole collection: another option that cannot be resolved fails its item alone.
		const maxConcurrency = this.context.getNodeParameter('options.maxConcurrency', this.itemIndex, '');
		return this.integer({ maxConcurrency }, 'maxConcurrency', 1);
	}

	outputField(): string {
		const given = this.parameter('outputBinaryPropertyName');
		const name = typeof given === 'string' ? given.trim() : '';
		// In binary mode combined, fields are read as `_files.data`.
		const field = this.storedBinaries.isCombined ? name.replace(/^_files\.(?=.)/, '') : name;
		const isPath = this.storedBinaries.isCombined && /^(_files\b|\$)/.test(field);
		if (field !== '' && !isPath) return field;
		const found = isEmpty(given) ? 'is empty' : `must be a field name, but is ${quote(given)}`;
		throw this.refusal(`'${labels.outputBinaryPropertyName}' ${found}`, 'Enter a field name, such as data.');
	}

	/** Why no link is possible. */
	noLinks(isAgent: boolean): NodeOperationError {
		const otherwise = isAgent
			? 'An AI agent can be given a picture only as a link.'
			: `Or choose None in '${labels.downloadLink}'.`;
		return this.refusal(
			`'${labels.downloadLink}' is not possible: this n8n keeps binary data in memory, which no link can reach`,
			`Set N8N_DEFAULT_BINARY_DATA_MODE to filesystem, database or s3 where n8n is started. ${otherwise}`,
		);
	}

	/** Why a pair that has been merged before is not merged again: its picture may still be there. */
	notCopied(cause: unknown): NodeOperationError {
		return this.refusal(
			'n8n has this picture from an earlier merge, but could not read or copy it',
			`Nothing was paid for. ${checkStore}, then run the workflow again. ${n8nSays(cause)}.`,
		);
	}

	private options(): IDataObject {
		return this.context.getNodeParameter('options', this.itemIndex, {});
	}

	private parameter(name: string): unknown {
		return this.context.getNodeParameter(name, this.itemIndex, '');
	}

	private integer(
		given: IDataObject,
		name: 'maxConcurrency' | 'maxRetries' | 'timeout',
		least: number,
		most = Number.MAX_SAFE_INTEGER,
	): number {
		const byDefault = Number(options.find((option) => option.name === name)?.default);
		const value = isEmpty(given[name]) ? byDefault : toNumber(given[name]);
		if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
		const rule = value > most ? `at most ${most}` : `a whole number of at least ${least}`;
		const message = `'${labels[name]}' must be ${rule}, but is ${quote(given[name])}`;
		throw this.refusal(message, `Enter a number, such as ${byDefault}, or remove the option.`);
	}

	private linkLifetime({ downloadLink }: IDataObject): LinkLifetime | undefined {
		const chosen = linkLifetimes.find(({ value }) => value === downloadLink)?.value;
		if (chosen !== undefined || isEmpty(downloadLink) || downloadLink === 'none') return chosen;
		const message = `'${labels.downloadLink}' must be none, 1h, 1d or 7d, but is ${quote(downloadLink)}`;
		throw this.refusal(message, 'Choose one of the four, or let the expression give one of these words.');
	}

	private similarity(): number | undefined {
		const given = this.parameter('similarity');
		if (isEmpty(given)) return undefined;
		const value = toNumber(given);
		if (value >= 0 && value <= 1) return value;
		const message = `'${labels.similarity}' must be a number from 0 to 1, but is ${quote(given)}`;
		throw this.refusal(message, meantSimilarity(given), 'The similarity must be a number from 0 to 1.');
	}

	private source(role: ImageRole): PictureSource {
		const given = this.parameter(`${role}InputType`);
		if (given === 'url') return this.url(labels[`${role}Url`], `${role}Url`);
		if (given === 'binary') return this.binary(labels[`${role}BinaryPropertyName`], `${role}BinaryPropertyName`);
		const message = `'${labels[`${role}InputType`]}' must be binary or url, but is ${quote(given)}`;
		throw this.refusal(message, 'Choose one of the two.');
	}

	private url(label: string, name: string): PictureSource {
		const given = this.parameter(name);
		const text = typeof given === 'string' ? given.trim() : '';
		if (/^data:/i.test(text)) return this.found(label, pictureInText(text));
		const url = URL.canParse(text) ? new URL(text) : undefined;
		if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return { label, url: url.href };
		// Shows nothing of the value but its scheme: a mistyped address may hold a password or a token.
		const why = isEmpty(given) ? 'is empty' : url ? `begins with ${url.protocol.slice(0, 20)}` : 'is not a URL';
		const wayOut =
			'Enter the whole address of the picture, beginning with https:// or http://, such as https://example.com/portrait.jpg.';
		const visitorFound = isEmpty(given) ? 'is missing' : 'is not given by a web address';
		const visitorWayOut = 'Please give its whole address, beginning with https://.';
		return { label, unfit: noPicture(why, wayOut, { visitorFound, visitorWayOut }) };
	}

	private binary(label: string, name: string): PictureSource {
		const { context, itemIndex, item, storedBinaries } = this;
		const written: unknown = context.getNodeParameter(name, itemIndex, '', { rawExpressions: true });
		const known = { isCombined: storedBinaries.isCombined, findStored: storedBinaries.findIn(written) };
		return this.found(label, findBinary(item, this.parameter(name), written, known));
	}

	private found(label: string, found: FoundBinary): PictureSource {
		if ('binary' in found) {
			const content = ({ id, data }: IBinaryData) => id || data;
			const isSame = ([, binary]: [string, IBinaryData]) => content(binary) === content(found.binary);
			const [field] = [...binaryFields(this.item, this.storedBinaries.isCombined)].find(isSame) ?? [];
			return { label, binary: found.binary, field };
		}
		const { why, visitorFound, wayOut = this.fieldsAdvice() } = found;
		return {
			label,
			unfit: noPicture(
				why,
				wayOut,
				visitorFound ? { visitorFound, visitorWayOut: 'Save it as JPEG or PNG.' } : missingUpload,
			),
		};
	}

	private fieldsAdvice(): string {
		const fields = [...binaryFields(this.item, this.storedBinaries.isCombined).keys()];
		const more = fields.length > MOST_LISTED ? ` and ${fields.length - MOST_LISTED} more` : '';
		const listed = fields.slice(0, MOST_LISTED).map(clean);
		if (fields.length > 0) {
			return `Binary fields of this item: ${listed.join(', ')}${more}. Enter one of them, or an expression that gives a binary of another node, such as {{ $("Read template").first().binary.data }}.`;
		}
		return 'The item has no binary fields. Put a node that reads or downloads the picture before this one, or enter an expression that gives a binary of another node.';
	}

	/** @param visitorMessage where it is not the workflow's owner alone who can mend it */
	private refusal(message: string, description: string, visitorMessage?: string): NodeOperationError {
		const { context, itemIndex } = this;
		const named = `${message}${atItem(itemIndex, context.getInputData().length)}`;
		const error = operationError(context.getNode(), named, { itemIndex, description });
		if (visitorMessage) error.context.visitorMessage = visitorMessage;
		return error;
	}
}

/** How many binary fields of an item a message lists. */
const MOST_LISTED = 10;

const missingUpload = { visitorFound: 'is missing', visitorWayOut: 'Please upload it.' };

const noPicture = (
	found: string,
	wayOut: string,
	forVisitor: Pick<Unfit, 'visitorFound' | 'visitorWayOut'>,
): Unfit => ({ code: 'PARAMETERS_CANNOT_EMPTY', found, wayOut, ...forVisitor });

/** What somebody probably meant who wrote 80, 70% or 0,7; whether 7 means 0.7 cannot be known. */
function meantSimilarity(given: unknown): string {
	const [, digits = '', percent] =
		/^\s*(\d+(?:[.,]\d+)?)\s*(%)?\s*$/.exec(typeof given === 'object' ? '' : String(given).slice(0, 20)) ?? [];
	const number = Number(digits.replace(',', '.'));
	const meant = percent || number >= 10 ? number / 100 : number;
	if (digits === '' || meant > 1) return 'Enter a number such as 0.5.';
	return `${quote(given)} probably means ${meant}: enter that.`;
}

const isEmpty = (value: unknown) =>
	value === undefined || value === null || (typeof value === 'string' && value.trim() === '');

/** Whether an option is on, as all are by default. An expression may give any value. */
const isOn = (value: unknown) =>
	value === undefined || !(isEmpty(value) || ['0', 'false'].includes(String(value).trim().toLowerCase()));

const toNumber = (value: unknown) =>
	typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN;
