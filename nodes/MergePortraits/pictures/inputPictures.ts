import { createHash } from 'crypto';
import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import type { Picture } from '../api/faceFusion';
import { imageFormat } from './imageHeader';
import { checkFileSize, checkImage, checkNotEmpty, type ImageRole, type Violation } from './imageRequirements';

/** A picture ready to be sent. */
export interface InputPicture {
	picture: Picture;
	/** Of the bytes, hexadecimal. */
	sha256: string;
}

/** What AILabTools would not accept about a picture. */
export interface UnfitPicture {
	violations: Array<Violation & { role: ImageRole }>;
}

interface LoadedPicture {
	/** The id of a stored binary, or the content itself where n8n keeps it in memory. */
	content: string;
	fileName: string | undefined;
	validate: boolean;
	loaded: Promise<InputPicture | UnfitPicture>;
}

/** Reads pictures from n8n's binary store. The last one of each role is kept, so that one template is read once for all items. */
export class InputPictures {
	private readonly last: Partial<Record<ImageRole, LoadedPicture>> = {};

	constructor(private readonly context: IExecuteFunctions) {}

	/**
	 * Loads a picture, and checks it unless `validate` is false; an empty file is refused all the same.
	 */
	async load(
		role: ImageRole,
		itemIndex: number,
		binary: IBinaryData,
		validate: boolean,
	): Promise<InputPicture | UnfitPicture> {
		const content = binary.id ?? binary.data;
		const last = this.last[role];
		if (last?.content === content && last.fileName === binary.fileName && last.validate === validate) {
			return await last.loaded;
		}
		const loaded = this.read(role, itemIndex, binary, validate);
		this.last[role] = { content, fileName: binary.fileName, validate, loaded };
		return await loaded;
	}

	private async read(
		role: ImageRole,
		itemIndex: number,
		binary: IBinaryData,
		validate: boolean,
	): Promise<InputPicture | UnfitPicture> {
		const unfit = (violations: Violation[]) => ({ violations: violations.map((found) => ({ ...found, role })) });
		const bySize = validate ? checkFileSize(await this.recordedSize(binary)) : [];
		if (bySize.length > 0) return unfit(bySize);
		const bytes = await this.context.helpers.getBinaryDataBuffer(itemIndex, binary);
		const byContent = validate ? checkImage(role, bytes) : checkNotEmpty(bytes.length);
		if (byContent.length > 0) return unfit(byContent);
		const format = imageFormat(bytes);
		return {
			picture: {
				bytes,
				fileName: binary.fileName ?? `${role}.${format?.extension ?? 'bin'}`,
				mimeType: format?.mimeType ?? 'application/octet-stream',
			},
			sha256: createHash('sha256').update(bytes).digest('hex'),
		};
	}

	/** The size in bytes of a binary whose content is not loaded yet. n8n 2 tells it; n8n 1 has it in a file of its own. */
	private async recordedSize({ bytes, id, data }: IBinaryData): Promise<number> {
		if (id === undefined) return Buffer.byteLength(data, 'base64');
		return bytes ?? (await this.context.helpers.getBinaryMetadata(id)).fileSize;
	}
}
