import { sanitizeFilename, type IBinaryData, type IDataObject, type INodeExecutionData } from 'n8n-workflow';

import { quote } from '../base/text';
import { isRecord } from '../base/values';
import { imageFormat } from './imageHeader';

/**
 * The binary that is meant, or why that is not certain: words that complete "'Label' …" and, for a visitor, "The portrait …";
 * and a way out of its own.
 */
export type FoundBinary = { binary: IBinaryData } | { why: string; visitorFound?: string; wayOut?: string };

/** What is known of the workflow's binaries. */
export interface BinaryContext {
	/** Whether n8n keeps binaries in the items' JSON, in `_files`: elsewhere that is JSON like any other. */
	isCombined: boolean;
	/** Gives a stored binary that a node has put out, if the expression reads one; undefined for an id that is only JSON. */
	findStored: (id: string) => IBinaryData | undefined;
}

/** Longer than any field's name, or path to one. */
const LONGEST_NAME = 300;

/** How n8n turns a form's label into the name of a binary field (`prepareFormReturnItem` of its Form nodes). */
const formFieldName = (label: string) => label.replace(/\W/g, '_');

/** An item's own binaries by the names that a parameter may use. */
export function binaryFields({ binary, json }: INodeExecutionData, isCombined: boolean): Map<string, IBinaryData> {
	const files = isRecord(json._files) ? Object.entries(json._files).filter(hasBinary) : [];
	const inJson = files.filter(([, { id }]) => isCombined || !id);
	const paths = inJson.map(([name, file]): [string, IBinaryData] => [`_files.${name}`, file]);
	return new Map([...paths, ...inJson, ...Object.entries(binary ?? {})]);
}

/**
 * Finds the binary that a parameter means, and none that is only likely: the field of that very name; the upload that the
 * item's JSON describes at exactly that path; a node's binary that an expression gives; or a picture as text.
 * @param given the parameter's value for the item
 * @param written the same as the workflow's author wrote it
 */
export function findBinary(
	item: INodeExecutionData,
	given: unknown,
	written: unknown,
	context: BinaryContext,
): FoundBinary {
	if (typeof given === 'string' && given.trim() !== '') return findByText(item, given.trim(), context);
	const byValue = takeBinary(given, context.findStored);
	if (byValue !== undefined) return byValue;
	// What is dragged into an expression: nothing but a path.
	const [, path] = /^=\s*\{\{\s*(\$[^{}]{1,300}?)\s*\}\}\s*$/.exec(String(written).slice(0, 400)) ?? [];
	if (path?.replace(KEY_OF_EXPRESSION, '') === '') return findByText(item, path, context);
	if (Array.isArray(given) && given.length > 1) return severalFiles;
	if (given === undefined || given === null || given === '') return { why: 'is empty' };
	return { why: `gives no binary, but ${quote(given)}` };
}

function findByText(item: INodeExecutionData, text: string, { isCombined }: BinaryContext): FoundBinary {
	const fields = binaryFields(item, isCombined);
	const field = fields.get(text);
	if (field !== undefined) return sharedField(item.json, text) ?? { binary: withContent(field) };
	if (text.length > LONGEST_NAME || text.startsWith('data:')) return pictureInText(text);
	const [prefix = '', kind] = /^\$(?:input\.item\.|item\.)?(?:(json|binary)(?=[.[])\.?|(?=_files\.))/.exec(text) ?? [];
	const path = text.slice(prefix.length);
	const keys = pathKeys(path);
	const own = kind === 'json' ? undefined : fields.get(kind === 'binary' ? (keys[0] ?? '') : path);
	if (own !== undefined) return { binary: withContent(own) };
	if (kind === 'binary') return missing(text);
	for (const [label = '', ...rest] of [[path], keys]) {
		if (Object.hasOwn(item.json, label)) return findUpload(item.json, fields, { text, label, rest });
	}
	const isEmptyUpload = (label: string) =>
		label.length === text.length && isNothing(item.json[label]) && formFieldName(label) === text;
	const empty = Object.keys(item.json).find(isEmptyUpload);
	return empty === undefined ? missing(text) : notUploaded(empty);
}

/** The upload that the JSON describes under a label: alone or in a list, and perhaps by one of the description's fields. */
function findUpload(
	json: IDataObject,
	fields: Map<string, IBinaryData>,
	{ text, label, rest }: { text: string; label: string; rest: string[] },
): FoundBinary {
	const value: unknown = json[label];
	if (isNothing(value)) return notUploaded(label);
	let index = 0;
	let deeper = rest;
	if (Array.isArray(value)) {
		const isIndex = /^\d+$/.test(rest[0] ?? '');
		if (!isIndex && value.length > 1) return severalFiles;
		if (isIndex) [index, deeper] = [Number(rest[0]), rest.slice(1)];
	} else if (rest[0] === '0') {
		deeper = rest.slice(1);
	}
	const described: unknown = Array.isArray(value) ? value[index] : value;
	// n8n's editor cuts off the end of some paths that are dragged.
	const isInside = isRecord(described) && Object.keys(described).some((key) => key.startsWith(deeper[0] ?? ''));
	if (!isInside || deeper.length > 1) return missing(text);
	const byValue = takeBinary(described, () => undefined);
	if (byValue !== undefined) return byValue;
	const field = fieldsOf(label, value)[index];
	if (field === undefined) return missing(text);
	const binary = fields.get(field);
	const found = binary && isDescribedBy(binary, described) ? { binary: withContent(binary) } : undefined;
	return (
		sharedField(json, field) ??
		found ?? { why: `names ${quote(text)}, but the item has not got the file that its JSON describes there` }
	);
}

/** The fields that n8n's forms and chats give the uploads that are described under a label. */
function fieldsOf(label: string, value: unknown): Array<string | undefined> {
	// No form has such a label, and a list under it would cost its length for each entry.
	if (label.length > LONGEST_NAME || !isRecord(value)) return [];
	const list = Array.isArray(value) ? value : [value];
	const field = formFieldName(label);
	return list.map((described: unknown, index) => {
		if (!isRecord(described) || !('filename' in described || 'fileName' in described)) return undefined;
		// The chat names the field.
		if (typeof described.binaryKey === 'string') return described.binaryKey;
		return list.length > 1 ? `${field}_${index}` : field;
	});
}

/** Why a field is not certain: n8n has made one name of several labels, and keeps the last one's file. */
function sharedField(json: IDataObject, field: string): FoundBinary | undefined {
	const labels = Object.keys(json).filter((label) => fieldsOf(label, json[label]).includes(field));
	if (labels.length < 2) return undefined;
	return {
		why: `is not certain: n8n keeps the files of ${labels.slice(0, 3).map(quote).join(' and ')} in one field, ${quote(field)}, and so only the last one`,
		wayOut: 'Name these fields of the form in Latin letters and differently, such as portrait and picture.',
	};
}

function isDescribedBy(binary: IBinaryData, described: Record<string, unknown>): boolean {
	const { filename, fileName = filename, mimetype, mimeType = mimetype, size } = described;
	const bytes = binary.id ? binary.bytes : Buffer.byteLength(binary.data, 'base64');
	return (
		typeof fileName === 'string' &&
		binary.fileName === sanitizeFilename(fileName) &&
		mimeType === binary.mimeType &&
		(size === undefined || bytes === undefined || size === bytes)
	);
}

/** A binary with its content, or one that a node has put out; undefined when the value is none. */
function takeBinary(value: unknown, findStored: BinaryContext['findStored']): FoundBinary | undefined {
	if (!isBinary(value)) return undefined;
	if (!value.id) return typeof value.data === 'string' ? { binary: withContent(value) } : undefined;
	const binary = findStored(value.id);
	const why = 'gives the ID of a stored file, which is not a binary of a node that the expression reads';
	return binary ? { binary } : { why };
}

/** A binary as n8n's store takes it: what is in memory may have been made by hand. */
function withContent(binary: IBinaryData): IBinaryData {
	if (binary.id) return binary;
	const { data, mimeType, fileName, fileExtension } = binary;
	const text = (given: unknown) => (typeof given === 'string' ? given : undefined);
	// Made by hand, Base64 may have white space, which counts as content where sizes are estimated.
	const content = /\s/.test(data) ? Buffer.from(data, 'base64').toString('base64') : data;
	return { data: content, mimeType, fileName: text(fileName), fileExtension: text(fileExtension) };
}

/** The picture in Base64 text or a data URL, as messengers and models hand one over. */
export function pictureInText(text: string): FoundBinary {
	const [prefix = ''] = /^data:[\w.+/;=-]{0,100};base64,/i.exec(text.slice(0, 200)) ?? [];
	const bytes = Buffer.from(text.slice(prefix.length), 'base64');
	if (imageFormat(bytes) !== undefined) {
		return { binary: { data: bytes.toString('base64'), mimeType: 'application/octet-stream' } };
	}
	return {
		why: `is ${quote(text)}, which is neither a field of the item nor a picture`,
		visitorFound: 'is not a picture that can be read',
	};
}

const missing = (text: string) => ({ why: `names the binary field ${quote(text)}, which the item does not have` });

const notUploaded = (label: string) => ({
	why: `names ${quote(label)}: no file was uploaded there`,
	wayOut: 'Make the upload a required field of its form.',
});

const severalFiles = {
	why: 'matches several files of the item',
	wayOut: "Turn off 'Multiple Files' in the form, or say which one is meant, such as photos[0].",
};

/** One key of a path: `.a`, `[0]`, `['a b']`. When `['a b'].c` is dragged, n8n's editor leaves `'a b'].` and most of `c`. */
const KEY = String.raw`\[?(['"])((?:[^\\]|\\.)*?)\1\]|\[(\d+)\]|[^.[\]?]+`;

/** The same in an expression, where nothing else may stand. */
const KEY_OF_EXPRESSION = /(?:\?\.|\.)?(?:[\p{L}\p{N}_$]+|\[\d+\]|\[(['"])(?:[^\\]|\\.)*?\1\])/gu;

/** The keys of a path of at most `LONGEST_NAME` characters. */
const pathKeys = (path: string) =>
	[...path.matchAll(new RegExp(KEY, 'g'))].map(
		([key, , quoted, index]) => quoted?.replace(/\\(.)/g, '$1') ?? index ?? key,
	);

/** What a form gives for an upload without a file. */
const isNothing = (value: unknown): boolean =>
	value === null || value === '' || (Array.isArray(value) && value.every((each) => each === null));

const isBinary = (value: unknown): value is IBinaryData =>
	isRecord(value) &&
	typeof value.mimeType === 'string' &&
	(typeof value.data === 'string' || typeof value.id === 'string');

const hasBinary = (entry: [string, unknown]): entry is [string, IBinaryData] => isBinary(entry[1]);
