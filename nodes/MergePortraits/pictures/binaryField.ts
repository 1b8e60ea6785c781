import { sanitizeFilename, type IBinaryData, type INodeExecutionData } from 'n8n-workflow';

import { isRecord } from '../base/values';

/** What a binary field parameter means in an item. */
export type FoundBinary =
	| { binary: IBinaryData }
	/** `empty`: the json field for which no file was uploaded; '' when that is unknown. */
	| { none: 'missing' | 'several' | 'withoutContent' | { empty: string } };

/** What a binary can be found by: n8n's forms, webhooks and chats put this into the json beside the binary itself. */
interface FileDescription {
	fileName?: unknown;
	mimeType?: unknown;
	/** In bytes. */
	size?: unknown;
}

/** How n8n turns a form's label into the name of a binary field (`prepareFormReturnItem` of its Form nodes). */
const formFieldName = (label: string) => label.replace(/\W/g, '_');

/** An item's binaries by the names a parameter may use: in binary mode `combined`, their paths in the json. */
export function binaryFields({ binary, json }: INodeExecutionData): Map<string, IBinaryData> {
	const fields = new Map(Object.entries(binary ?? {}));
	for (const [key, value] of Object.entries(json)) {
		if (isBinary(value)) fields.set(key, value);
		else if (isRecord(value)) {
			for (const [inner, file] of Object.entries(value)) {
				if (isBinary(file)) fields.set(Array.isArray(value) ? `${key}[${inner}]` : `${key}.${inner}`, file);
			}
		}
	}
	return fields;
}

/**
 * Finds the binary that a field name means, or a path that n8n's editor writes when something is dragged.
 * @param name such as `target`, `_files.target`, `Your photo`, `['Your photo'][0].filename`, `files[0]`
 */
export function findByName(item: INodeExecutionData, name: string): FoundBinary {
	const fields = binaryFields(item);
	const [byFileName, another] = byDescription(fields, { fileName: name });
	const exact = fields.get(name) ?? (another === undefined ? byFileName : undefined);
	if (exact !== undefined) return { binary: exact };
	const path = name.replace(/^\$(item\.json|item|json|binary)\.?(?=.)/, '');
	const [key = '', ...rest] = pathKeys(path);
	const index = rest.map(Number).find(Number.isInteger);
	const named = fieldNames(path)
		.concat(fieldNames(key, index))
		.find((field) => fields.has(field));
	const binary = named === undefined ? undefined : fields.get(named);
	if (binary !== undefined) return { binary };
	return findInJson(item, [[path], [key, ...rest]]) ?? emptyUpload(item, name) ?? { none: 'missing' };
}

/** Finds the binary that an expression's value is, or that it describes among the item's. */
export function findByValue(item: INodeExecutionData, value: unknown): FoundBinary {
	if (isBinary(value)) return { binary: value };
	if (isNothing(value)) return { none: { empty: '' } };
	if (Array.isArray(value)) {
		return value.length > 1 ? { none: 'several' } : findByValue(item, value[0]);
	}
	if (!isRecord(value)) return { none: 'missing' };
	const { filename, fileName = filename, mimetype, mimeType = mimetype, size, binaryKey } = value;
	const fields = binaryFields(item);
	// The chat names the field.
	const byKey = typeof binaryKey === 'string' ? fields.get(binaryKey) : undefined;
	if (byKey !== undefined) return { binary: byKey };
	const fitting = byDescription(fields, { fileName, mimeType, size });
	const [binary] = fitting;
	if (binary === undefined) return { none: 'mimeType' in value ? 'withoutContent' : 'missing' };
	return fitting.length > 1 ? { none: 'several' } : { binary };
}

/** The names that n8n's forms, webhooks and chats may have given to the binary of an upload. */
function fieldNames(key: string, index?: number): string[] {
	const bases = [key, formFieldName(key), `_files.${key}`];
	if (index === undefined) return bases;
	const numbered = bases.flatMap((base) => [`${base}_${index}`, `${base}${index}`, `${base}[${index}]`]);
	return index === 0 ? [...numbered, ...bases] : numbered;
}

/** What is in the json at the first of these paths that leads anywhere, or in the nearest object above it. */
function findInJson(item: INodeExecutionData, paths: string[][]): FoundBinary | undefined {
	for (const path of paths) {
		const values: unknown[] = [item.json];
		for (const key of path) {
			const parent = values.at(-1);
			if (!isRecord(parent)) break;
			if (!Object.hasOwn(parent, key)) {
				// The file asked for is not there, and another must not take its place.
				if (Array.isArray(parent) && parent.length > 0) return { none: 'missing' };
				break;
			}
			values.push(parent[key]);
		}
		const [first, ...deeper] = values.slice(1);
		const value = deeper.filter(isRecord).at(-1) ?? first;
		if (isNothing(value) && values.length > 1) return { none: { empty: path[0] ?? '' } };
		if (isRecord(value)) return findByValue(item, value);
	}
	return undefined;
}

/** The field that would exist had a file been uploaded to the form. */
function emptyUpload({ json }: INodeExecutionData, name: string): FoundBinary | undefined {
	const label = Object.keys(json).find((key) => formFieldName(key) === name && isNothing(json[key]));
	return label === undefined ? undefined : { none: { empty: label } };
}

function byDescription(fields: Map<string, IBinaryData>, { fileName, mimeType, size }: FileDescription): IBinaryData[] {
	if (typeof fileName !== 'string' || fileName === '') return [];
	const name = sanitizeFilename(fileName);
	return [...fields.values()].filter((binary) => {
		const bytes = binary.id === undefined ? Buffer.byteLength(binary.data, 'base64') : binary.bytes;
		return (
			binary.fileName === name &&
			(mimeType === undefined || mimeType === binary.mimeType) &&
			(size === undefined || bytes === undefined || size === bytes)
		);
	});
}

/**
 * The keys of a path: `a.b`, `a[0]`, `['a b'][0].c`. When `['a b'].c` is dragged, n8n's editor leaves `'a b'].` and most
 * of `c`.
 */
function pathKeys(path: string): string[] {
	const keys = path.matchAll(/\[?(['"])((?:\\.|(?!\1).)+)\1\]|\[(\d+)\]|[^.[\]]+/g);
	return [...keys].map(([key, , quoted, index]) => quoted?.replace(/\\(.)/g, '$1') ?? index ?? key);
}

/** What a form gives for an upload without a file. */
const isNothing = (value: unknown): boolean =>
	value === null || value === '' || (Array.isArray(value) && value.every((each) => each === null));

/** Has content, or a stored binary's id such as `filesystem-v2:…`: files of other services have types and ids too. */
const isBinary = (value: unknown): value is IBinaryData =>
	isRecord(value) &&
	typeof value.mimeType === 'string' &&
	(typeof value.data === 'string' || (typeof value.id === 'string' && value.id.includes(':')));
