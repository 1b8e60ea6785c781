import { createHash } from 'crypto';
import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import type { Retries } from '../base/backoff';
import { download } from './download';
import { HEAD_BYTES, readImageHeader, type ImageHeader } from './imageHeader';
import {
	checkImage,
	checkNotEmpty,
	editImageAdvice,
	editLinkedImageAdvice,
	imageRequirements,
	type ImageRole,
	type Unfit,
} from './imageRequirements';
import type { Picture } from './picture';
import { checkStore, n8nSays, type PictureStore } from './store';

/** Where an item's picture comes from, or why it has none, and the label of the parameter that says so. */
export type PictureSource = { label: string } & (
	| { binary: IBinaryData; field?: string }
	| { url: string }
	| { unfit: Unfit }
);

/** The options that matter for reading pictures. */
export interface ReadingOptions {
	validateImages: boolean;
	/** For a download, as for a request to AILabTools: ms for one try, and how many times it is tried again. */
	timeoutMs: number;
	maxRetries: number;
}

/** A picture ready to be sent. */
export interface InputPicture extends Picture {
	/** The file's name without its extension; undefined when it has no name. */
	baseName: string | undefined;
	/** Of the bytes, hexadecimal. */
	sha256: string;
	/** Whether its pixels are stored the way up in which they are shown. */
	upright: boolean;
}

/** A reason why a picture cannot be sent, with the picture's role and its parameter's label. */
export type UnfitPicture = Unfit & { role: ImageRole; label: string };

/** A picture as it was found. */
export interface FoundPicture {
	/** Absent when there is no picture, or none of a known format. */
	header?: ImageHeader;
	byteLength?: number;
	/** Why it cannot be sent. */
	unfit: UnfitPicture[];
	/** Only of one that is fit, and was read to be sent. */
	picture?: InputPicture;
}

interface ReadFile {
	/** Of a large file, the first ones. */
	bytes: Buffer;
	/** Of the whole file, if more than these. */
	byteLength?: number;
	fileName: string | undefined;
}

type Found = Omit<FoundPicture, 'unfit'> & { unfit: Unfit[] };
type Kept = { key: unknown[]; found: Promise<Found> };
type NamedSource = Exclude<PictureSource, { unfit: Unfit }>;

/** How many pictures of each role are kept: reading a binary again costs little, downloading one costs more. */
const KEPT = { binary: 1, url: 4 };

/** Up to this size a file is read whole where its first bytes do not tell its width and height. */
const MOST_READ_WHOLE = 32 * 1024 * 1024;

/**
 * Reads pictures from n8n's binary store and from URLs. Keeps the last ones of each role, so that a template is read once
 * for all items.
 */
export class InputPictures {
	/** By role and kind, the last one first. */
	private readonly kept = new Map<string, Kept[]>();

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly store: PictureStore,
		private readonly surroundings: Omit<Retries, 'maxRetries'>,
	) {}

	/**
	 * Finds a picture, and checks it unless `validateImages` is false; an empty file is unfit in any case.
	 * @param isSent whether the whole file is needed; else the first bytes of a stored one are read
	 * @throws the reason of `signal` when it is aborted
	 */
	async find(role: ImageRole, source: PictureSource, options: ReadingOptions, isSent: boolean): Promise<FoundPicture> {
		const told = (unfit: Unfit[]) => unfit.map((one) => ({ ...one, role, label: source.label }));
		if ('unfit' in source) return { unfit: told([source.unfit]) };
		const isUrl = 'url' in source;
		// An empty id is none: the content is in memory.
		const content = isUrl ? [source.url] : [source.binary.id || source.binary.data, source.binary.fileName];
		const key = [...content, options.validateImages];
		const shelf = `${role} ${isUrl ? 'url' : 'binary'}`;
		const others = (but?: Kept) => (this.kept.get(shelf) ?? []).filter((other) => other !== but);
		const known = others().find((one) => one.key.every((part, index) => part === key[index]));
		const one = known ?? { key, found: this.look(role, source, options, isSent) };
		this.kept.set(shelf, [one, ...others(one)].slice(0, isUrl ? KEPT.url : KEPT.binary));
		const forget = () => this.kept.set(shelf, others(one));
		one.found.then(({ unfit }) => unfit.some(({ passing }) => passing) && forget(), forget);
		const { unfit, ...found } = await one.found.catch(this.tellUnread);
		return { ...found, unfit: told(unfit) };
	}

	private async look(role: ImageRole, source: NamedSource, options: ReadingOptions, isSent: boolean): Promise<Found> {
		const file =
			'url' in source
				? await download(this.context, source.url, { ...options, ...this.surroundings })
				: await this.read(source.binary, isSent, options.validateImages);
		if ('unfit' in file) return { unfit: [file.unfit] };
		const { bytes, fileName, byteLength = bytes.length }: ReadFile = file;
		const howToMend = 'url' in source ? editLinkedImageAdvice : editImageAdvice(source.field);
		const header = readImageHeader(bytes);
		const unfit = options.validateImages ? checkImage(role, header, byteLength, howToMend) : checkNotEmpty(byteLength);
		if (unfit.length > 0 || !isSent) return { header, byteLength, unfit };
		const { extension = 'bin', mimeType = 'application/octet-stream' } = header?.format ?? {};
		const sha256 = createHash('sha256').update(bytes).digest('hex');
		const upright = header?.upright ?? true;
		const baseName = withoutExtension(fileName, source);
		return { unfit, header, picture: { bytes, extension, mimeType, baseName, sha256, upright } };
	}

	/** The whole of a file that may be sent; of any other the first bytes, if they tell what it is. */
	private async read(binary: IBinaryData, isSent: boolean, validate: boolean): Promise<ReadFile> {
		const { fileName } = binary;
		const byteLength = await this.store.size(binary);
		const isWhole = isSent && !(validate && byteLength > imageRequirements.maxBytes);
		const head = isWhole ? undefined : await this.store.readHead(binary, HEAD_BYTES);
		const isEnough = head && (readImageHeader(head)?.pixels !== undefined || byteLength > MOST_READ_WHOLE);
		return isEnough ? { bytes: head, byteLength, fileName } : { bytes: await this.store.read(binary), fileName };
	}

	/** @throws the reason of `signal` when nobody waits for the picture any more */
	private readonly tellUnread = (error: unknown): Found => {
		this.surroundings.signal?.throwIfAborted();
		const unread = {
			code: 'FILE_SERVICE_ERROR',
			found: 'could not be read from where n8n keeps it',
			wayOut: `${checkStore}, then run the workflow again. ${n8nSays(error)}.`,
			visitorFound: 'could not be read',
			visitorWayOut: 'Please try again later.',
		};
		return { unfit: [unread] };
	};
}

function withoutExtension(fileName: string | undefined, source: NamedSource): string | undefined {
	// `photo.php?id=1` can be a picture too.
	if ('url' in source) return fileName?.replace(/\.[a-z]\w{0,4}$/i, '');
	const extension = source.binary.fileExtension?.toLowerCase() ?? '';
	// Edit Image names a file `.jpeg` and its extension `jpg`.
	const endings = [extension, ...(extension === 'jpg' ? ['jpeg'] : [])].map((ending) => `.${ending}`);
	const ending = endings.find((each) => fileName?.toLowerCase().endsWith(each));
	return ending === undefined ? fileName : fileName?.slice(0, -ending.length);
}
