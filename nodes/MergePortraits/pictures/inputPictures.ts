import { createHash } from 'crypto';
import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import type { Retries } from '../base/backoff';
import { quote } from '../base/text';
import { download } from './download';
import { HEAD_BYTES, imageFormat, readImageHeader, type ImageHeader } from './imageHeader';
import {
	checkFileSize,
	checkImage,
	checkNotEmpty,
	editImageAdvice,
	editLinkedImageAdvice,
	type ImageRole,
	type Unfit,
} from './imageRequirements';
import type { Picture } from './picture';
import type { PictureStore } from './store';

/** Where an item's picture comes from, or why it has none, and the label of the parameter that says so. */
export type PictureSource = { label: string } & (
	| { binary: IBinaryData; field?: string }
	| { url: string }
	| { unfit: Unfit }
);

type NamedSource = Exclude<PictureSource, { unfit: Unfit }>;

/** The options that matter for reading pictures. */
export interface ReadingOptions {
	validateImages: boolean;
	/** For a download, as for a request to AILabTools: ms for one try, and how many times it is tried again. */
	timeoutMs: number;
	maxRetries: number;
}

/** A picture ready to be sent. */
export interface InputPicture extends Picture {
	unfit?: undefined;
	/** The file's name without its extension; undefined when it has no name. */
	baseName: string | undefined;
	/** Of the bytes, hexadecimal. */
	sha256: string;
	/** Whether its pixels are stored the way up in which they are shown. */
	upright: boolean;
}

/** A reason why a picture cannot be sent, with the picture's role and its parameter's label. */
export type UnfitPicture = Unfit & { role: ImageRole; label: string };

/** What the first bytes of a picture tell; without `header` when there is no picture, or none of a known format. */
export interface Inspection extends Seen {
	unfit: UnfitPicture[];
}

interface Seen {
	header?: ImageHeader;
	byteLength?: number;
	unfit: Unfit[];
}

type Loaded = InputPicture | { unfit: Unfit[] };

/** How many pictures of each role are kept: reading a binary again costs little, downloading one costs more. */
const KEPT = { binary: 1, url: 4 };

/** Up to this size a file is read whole where its first bytes do not tell its width and height. */
const MOST_READ_WHOLE = 32 * 1024 * 1024;

/**
 * Reads pictures from n8n's binary store and from URLs. Keeps the last ones of each role, so that a template is read once
 * for all items.
 */
export class InputPictures {
	private readonly loaded = { target: new LastOnes<Loaded>(), template: new LastOnes<Loaded>() };
	private readonly inspected = { target: new LastOnes<Seen>(), template: new LastOnes<Seen>() };

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly store: PictureStore,
		private readonly surroundings: Omit<Retries, 'maxRetries'>,
	) {}

	/**
	 * Loads a picture, and checks it unless `validateImages` is false; an empty file is refused in any case.
	 * @throws the reason of `signal` when it is aborted
	 */
	async load(
		role: ImageRole,
		itemIndex: number,
		source: PictureSource,
		options: ReadingOptions,
	): Promise<InputPicture | { unfit: UnfitPicture[] }> {
		if ('unfit' in source) return { unfit: withRole([source.unfit], role, source) };
		const validate = options.validateImages;
		const loaded = await this.loaded[role]
			.get([...identity(source), validate], mostKept(source), async () =>
				'url' in source
					? await this.fetch(role, source.url, options)
					: await this.read(role, itemIndex, source, validate),
			)
			.catch(this.tellUnread);
		return 'sha256' in loaded ? loaded : { unfit: withRole(loaded.unfit, role, source) };
	}

	/** Looks at a picture as `load` does, but reads only the first bytes of a stored one. @throws as `load` does */
	async inspect(role: ImageRole, source: PictureSource, options: ReadingOptions): Promise<Inspection> {
		if ('unfit' in source) return { unfit: withRole([source.unfit], role, source) };
		const inspected = await this.inspected[role]
			.get(identity(source), mostKept(source), async () => {
				const seen = 'url' in source ? await this.download(source.url, options) : await this.readHead(source.binary);
				if ('unfit' in seen) return { unfit: [seen.unfit] };
				const { bytes, byteLength = bytes.length } = { byteLength: undefined, ...seen };
				const howToMend = 'url' in source ? editLinkedImageAdvice : editImageAdvice(source.field);
				const unfit = checkImage(role, bytes, byteLength, howToMend);
				return { header: readImageHeader(bytes), byteLength, unfit };
			})
			.catch(this.tellUnread);
		return { ...inspected, unfit: withRole(inspected.unfit, role, source) };
	}

	/** @throws the reason of `signal` when nobody waits for the picture any more */
	private readonly tellUnread = (error: unknown): { unfit: Unfit[] } => {
		this.surroundings.signal?.throwIfAborted();
		const said = quote(error instanceof Error ? error.message : String(error));
		const unread: Unfit = {
			code: 'FILE_SERVICE_ERROR',
			found: 'could not be read from where n8n keeps it',
			wayOut: `Check the disk, database or bucket where n8n keeps binary data, then run the workflow again. n8n says: ${said}.`,
			visitorFound: 'could not be read',
			visitorWayOut: 'Please try again later.',
		};
		return { unfit: [unread] };
	};

	private async readHead(binary: IBinaryData): Promise<{ bytes: Buffer; byteLength: number }> {
		const byteLength = await this.store.size(binary);
		const bytes = await this.store.readHead(binary, HEAD_BYTES);
		const isEnough = readImageHeader(bytes)?.pixels !== undefined || bytes.length >= byteLength;
		if (isEnough || byteLength > MOST_READ_WHOLE) return { bytes, byteLength };
		return { bytes: await this.store.read(0, binary), byteLength };
	}

	private async fetch(role: ImageRole, url: string, options: ReadingOptions): Promise<Loaded> {
		const file = await this.download(url, options);
		if ('unfit' in file) return { unfit: [file.unfit] };
		const { length } = file.bytes;
		const unfit = options.validateImages
			? checkImage(role, file.bytes, length, editLinkedImageAdvice)
			: checkNotEmpty(length);
		// `photo.php?id=1` can be a picture too.
		return unfit.length > 0 ? { unfit } : inputPicture(file.bytes, file.fileName?.replace(/\.[a-z]\w{0,4}$/i, ''));
	}

	private async download(url: string, options: ReadingOptions) {
		return await download(this.context, url, { ...options, ...this.surroundings });
	}

	private async read(
		role: ImageRole,
		itemIndex: number,
		{ binary, field }: { binary: IBinaryData; field?: string },
		validate: boolean,
	): Promise<Loaded> {
		const howToMend = editImageAdvice(field);
		const bySize = validate && binary.id ? checkFileSize(await this.store.size(binary), howToMend) : [];
		if (bySize.length > 0) return { unfit: bySize };
		const bytes = await this.store.read(itemIndex, binary);
		const unfit = validate ? checkImage(role, bytes, bytes.length, howToMend) : checkNotEmpty(bytes.length);
		return unfit.length > 0 ? { unfit } : inputPicture(bytes, withoutExtension(binary));
	}
}

const withRole = (unfit: Unfit[], role: ImageRole, { label }: PictureSource) =>
	unfit.map((found) => ({ ...found, role, label }));

/** What tells a picture from others. An empty id is none: the content is in memory. */
const identity = (source: NamedSource) =>
	'url' in source ? [source.url] : [source.binary.id || source.binary.data, source.binary.fileName];

const mostKept = (source: NamedSource) => ('url' in source ? KEPT.url : KEPT.binary);

/** Keeps the last few of what takes time to get; but not what failed, or may be different a moment later. */
class LastOnes<T extends { unfit?: Unfit[] }> {
	private kept: Array<{ key: unknown[]; value: Promise<T> }> = [];

	async get(key: unknown[], most: number, load: () => Promise<T>): Promise<T> {
		const isSame = (one: { key: unknown[] }) => one.key.every((part, index) => part === key[index]);
		const one = this.kept.find(isSame) ?? { key, value: load() };
		this.kept = [one, ...this.kept.filter((other) => other !== one)].slice(0, most);
		const forget = () => {
			this.kept = this.kept.filter((other) => other !== one);
		};
		one.value.then((value) => isPassing(value) && forget(), forget);
		return await one.value;
	}
}

const isPassing = (value: { unfit?: Unfit[] }) => value.unfit?.some(({ passing }) => passing);

function inputPicture(bytes: Buffer, baseName: string | undefined): InputPicture {
	const { extension = 'bin', mimeType = 'application/octet-stream' } = imageFormat(bytes) ?? {};
	const sha256 = createHash('sha256').update(bytes).digest('hex');
	return { bytes, extension, mimeType, baseName, sha256, upright: readImageHeader(bytes)?.upright ?? true };
}

function withoutExtension({ fileName, fileExtension }: IBinaryData): string | undefined {
	const extension = fileExtension?.toLowerCase() ?? '';
	// Edit Image names a file `.jpeg` and its extension `jpg`.
	const endings = [extension, ...(extension === 'jpg' ? ['jpeg'] : [])].map((ending) => `.${ending}`);
	const ending = endings.find((each) => fileName?.toLowerCase().endsWith(each));
	return ending === undefined ? fileName : fileName?.slice(0, -ending.length);
}
