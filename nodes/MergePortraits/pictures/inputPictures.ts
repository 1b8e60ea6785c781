import { createHash } from 'crypto';
import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import type { Picture } from '../api/faceFusion';
import type { Clock } from '../base/clock';
import { download } from './download';
import { imageFormat } from './imageHeader';
import { checkFileSize, checkImage, checkNotEmpty, type ImageRole, type Unfit } from './imageRequirements';

/** Where an item's picture comes from, and the label of the parameter that says so. */
export type PictureSource = { label: string } & ({ binary: IBinaryData } | { url: string });

/** The options that matter for reading pictures. */
export interface ReadingOptions {
	validateImages: boolean;
	/** For a download, as for a request to AILabTools: ms for one try, and how many times it is tried again. */
	timeoutMs: number;
	maxRetries: number;
}

/** A picture ready to be sent. */
export interface InputPicture {
	picture: Picture;
	/** The file's name without its extension; undefined when it has no name. */
	baseName: string | undefined;
	/** Of the bytes, hexadecimal. */
	sha256: string;
}

/** A picture that AILabTools would not accept. */
export interface UnfitPicture {
	unfit: Array<Unfit & { role: ImageRole; label: string }>;
}

type Loaded = InputPicture | { unfit: Unfit[] };

interface KeptPicture {
	/** The URL, the id of a stored binary, or the content itself where n8n keeps it in memory. */
	content: string;
	fileName: string | undefined;
	validate: boolean;
	loaded: Promise<Loaded>;
}

/** How many pictures of each role are kept: reading a binary again costs little, downloading one costs more. */
const KEPT = { binary: 1, url: 4 };

/**
 * Reads pictures from n8n's binary store and from URLs. Keeps the last ones of each role, so that a template is read once
 * for all items.
 */
export class InputPictures {
	private readonly kept: Record<ImageRole, KeptPicture[]> = { target: [], template: [] };

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly surroundings: { clock: Clock; random: () => number; closed: AbortSignal },
	) {}

	/**
	 * Loads a picture, and checks it unless `validateImages` is false; an empty file is refused in any case.
	 * @throws the reason of `closed` when it is aborted
	 */
	async load(
		role: ImageRole,
		itemIndex: number,
		source: PictureSource,
		options: ReadingOptions,
	): Promise<InputPicture | UnfitPicture> {
		const { label } = source;
		const loaded = await this.loadOnce(role, itemIndex, source, options);
		if ('sha256' in loaded) return loaded;
		return { unfit: loaded.unfit.map((found) => ({ ...found, role, label })) };
	}

	private async loadOnce(
		role: ImageRole,
		itemIndex: number,
		source: PictureSource,
		options: ReadingOptions,
	): Promise<Loaded> {
		const validate = options.validateImages;
		const isUrl = 'url' in source;
		const content = isUrl ? source.url : (source.binary.id ?? source.binary.data);
		const fileName = isUrl ? undefined : source.binary.fileName;
		const same = (one: KeptPicture) =>
			one.content === content && one.fileName === fileName && one.validate === validate;
		const known = this.kept[role].find(same);
		const loaded =
			known?.loaded ??
			(isUrl ? this.fetch(role, source.url, options) : this.read(role, itemIndex, source.binary, validate));
		const others = this.kept[role].filter((one) => one !== known);
		this.kept[role] = [{ content, fileName, validate, loaded }, ...others].slice(0, isUrl ? KEPT.url : KEPT.binary);
		const forget = () => {
			this.kept[role] = this.kept[role].filter((one) => one.loaded !== loaded);
		};
		loaded.then((result) => 'unfit' in result && result.unfit.some(({ passing }) => passing) && forget(), forget);
		return await loaded;
	}

	private async fetch(role: ImageRole, url: string, options: ReadingOptions): Promise<Loaded> {
		const file = await download(this.context, url, { ...options, ...this.surroundings });
		if ('unfit' in file) return { unfit: [file.unfit] };
		const { bytes, fileName } = file;
		// `photo.php?id=1` can be a picture too: the extension of its format replaces that of its name.
		const baseName = fileName?.replace(/\.[a-z]\w{0,4}$/i, '') || undefined;
		const { extension = 'bin' } = imageFormat(bytes) ?? {};
		const name = baseName && `${baseName}.${extension}`;
		return check(role, bytes, { fileName: name, baseName }, options.validateImages);
	}

	private async read(role: ImageRole, itemIndex: number, binary: IBinaryData, validate: boolean): Promise<Loaded> {
		const bySize = validate ? checkFileSize(await this.recordedSize(binary)) : [];
		if (bySize.length > 0) return { unfit: bySize };
		const bytes = await this.context.helpers.getBinaryDataBuffer(itemIndex, binary);
		const { fileName } = binary;
		const extension = binary.fileExtension?.toLowerCase() ?? '';
		// Edit Image names a file `.jpeg` and its extension `jpg`.
		const endings = [extension, ...(extension === 'jpg' ? ['jpeg'] : [])].map((ending) => `.${ending}`);
		const ending = endings.find((each) => fileName?.toLowerCase().endsWith(each));
		const baseName = ending === undefined ? fileName : fileName?.slice(0, -ending.length);
		return check(role, bytes, { fileName, baseName }, validate);
	}

	/** The size in bytes of a binary whose content is not loaded yet. n8n 2 states it; n8n 1 keeps it in a separate file. */
	private async recordedSize({ bytes, id, data }: IBinaryData): Promise<number> {
		if (id === undefined) return Buffer.byteLength(data, 'base64');
		return bytes ?? (await this.context.helpers.getBinaryMetadata(id)).fileSize;
	}
}

function check(
	role: ImageRole,
	bytes: Buffer,
	{ fileName, baseName }: { fileName: string | undefined; baseName: string | undefined },
	validate: boolean,
): Loaded {
	const unfit = validate ? checkImage(role, bytes) : checkNotEmpty(bytes.length);
	if (unfit.length > 0) return { unfit };
	const { extension = 'bin', mimeType = 'application/octet-stream' } = imageFormat(bytes) ?? {};
	// `form-data` leaves out a name whose last part is empty; that of n8n 1 escapes nothing.
	const partName = (fileName || `${role}.${extension}`).replace(/["\\/\p{Cc}]/gu, '_');
	return {
		picture: { bytes, fileName: partName, mimeType },
		baseName,
		sha256: createHash('sha256').update(bytes).digest('hex'),
	};
}
