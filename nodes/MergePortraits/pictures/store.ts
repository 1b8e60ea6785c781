import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import { retry, type Retries } from '../base/backoff';
import { causes } from '../base/http';
import { quote } from '../base/text';

/** How many times n8n's binary store is tried again: 7 to 15 seconds, in which a database restarts. */
const STORE_RETRIES = 4;

/** What to do about a store that fails, to be followed by a stop or more; and what n8n says of it. */
export const checkStore = 'Check the disk, database or bucket where n8n keeps binary data';
export const n8nSays = (cause: unknown) => `n8n says: ${quote(cause instanceof Error ? cause.message : String(cause))}`;

/** How long a link to a picture works, in n8n's notation. */
export type LinkLifetime = '1h' | '1d' | '7d';

/**
 * n8n's binary store: in memory, where a binary has its content and no id, or on disk, in a database or a bucket. Reading and
 * writing are tried again with backoff. A store that cannot answer throws: only its own word for "no such file" means that.
 */
export class PictureStore {
	private probe: Promise<boolean> | undefined;
	/** Pictures that are being tried again, because the store did not take them. */
	private readonly delayed = new Set<Promise<IBinaryData>>();

	/** @param surroundings whose `closed` ends the retries of reading, and `cancelled` those of a paid picture */
	constructor(
		private readonly context: IExecuteFunctions,
		private readonly surroundings: Omit<Retries, 'maxRetries' | 'signal'> & {
			closed: AbortSignal;
			cancelled: AbortSignal | undefined;
		},
	) {}

	/** A binary's bytes. @throws what n8n throws last */
	async read(binary: IBinaryData): Promise<Buffer> {
		if (!binary.id) return Buffer.from(binary.data, 'base64');
		return await this.again(async () => await this.context.helpers.getBinaryDataBuffer(0, binary));
	}

	/** The first bytes of a binary, or a few more. @throws what n8n throws last */
	async readHead({ id, data }: IBinaryData, length: number): Promise<Buffer> {
		if (!id) return Buffer.from(data.slice(0, 2 * length), 'base64');
		return await this.again(async () => {
			const chunks: Buffer[] = [];
			let missing = length;
			for await (const chunk of await this.context.helpers.getBinaryStream(id, length)) {
				chunks.push(Buffer.from(chunk));
				missing -= chunk.length;
				// Leaving the loop ends the stream.
				if (missing <= 0) break;
			}
			return Buffer.concat(chunks);
		});
	}

	/** A binary's size in bytes, without loading it. n8n 2 states it; n8n 1 keeps it in a file of its own. */
	async size({ bytes, id, data }: IBinaryData): Promise<number> {
		if (!id) return Buffer.byteLength(data, 'base64');
		return bytes ?? (await this.again(async () => await this.context.helpers.getBinaryMetadata(id))).fileSize;
	}

	/** Keeps a picture: under its name, or under a plain one if the store does not take that. @throws what n8n throws last */
	async put(bytes: Buffer, fileName: string, mimeType: string): Promise<IBinaryData> {
		const putAs = async (name: string) => await this.context.helpers.prepareBinaryData(bytes, name, mimeType);
		const plainName = fileName.replace(/^.*(?=\.)/s, 'merged');
		const isPassing = (outcome: object) => {
			const isFailing = 'error' in outcome;
			if (isFailing) this.delayed.add(put);
			return isFailing;
		};
		const put = retry(async () => await putAs(fileName), isPassing, this.retries(this.surroundings.cancelled))
			.catch(async () => await putAs(plainName))
			.finally(() => this.delayed.delete(put));
		return await put;
	}

	/**
	 * Waits until no picture is being tried again.
	 * @throws when the store does not take one in the end: nothing new should be paid for
	 */
	async whenWritable(): Promise<void> {
		while (this.delayed.size > 0) await Promise.all(this.delayed);
	}

	/**
	 * Copies another execution's picture, because n8n deletes it with that execution.
	 * @returns undefined when it is gone
	 * @throws what n8n throws last, when the store cannot tell
	 */
	async copy(binary: IBinaryData, fileName: string): Promise<IBinaryData | undefined> {
		const bytes = await this.read(binary).catch((error: unknown) => {
			if (isGone(error)) return undefined;
			throw error;
		});
		return bytes && (await this.put(bytes, fileName, binary.mimeType));
	}

	/**
	 * Puts a small file into the store, once: before anything is paid for, and because n8n does not tell a node where it keeps
	 * binaries.
	 * @returns whether links are possible: only binaries outside memory get an id
	 * @throws what n8n throws last
	 */
	async canLink(): Promise<boolean> {
		this.probe ??= this.put(
			Buffer.from('Kept to see whether and where n8n keeps binary data'),
			'kept.txt',
			'text/plain',
		).then(({ id }) => id !== undefined);
		return await this.probe;
	}

	/** A link with which anybody can open the picture until it expires. */
	link(binary: IBinaryData, lifetime: LinkLifetime): string {
		return this.context.helpers.createBinarySignedUrl(binary, lifetime);
	}

	private async again<T>(use: () => Promise<T>): Promise<T> {
		const isPassing = (outcome: object) => 'error' in outcome && !isGone(outcome.error);
		return await retry(use, isPassing, this.retries(this.surroundings.closed));
	}

	private retries(signal: AbortSignal | undefined): Retries {
		return { ...this.surroundings, signal, maxRetries: STORE_RETRIES };
	}
}

/** What n8n's stores call a file that is not there: disk and database, the files of n8n 1, S3, Azure. */
const GONE = ['FileNotFoundError', 'BinaryDataFileNotFoundError', 'ENOENT', 'NoSuchKey', 'NotFound', 'BlobNotFound'];

const isGone = (error: unknown) =>
	causes(error).some((cause) =>
		[cause.constructor.name, cause.name, cause.code].some((word) => GONE.includes(String(word))),
	);
