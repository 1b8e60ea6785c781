/** One request and its answer as they are on the wire: read, recorded, answered, or cut off. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Busboy } from '@fastify/busboy';
import { Refusal } from './rules';

export interface RecordedFile {
	fileName: string | undefined;
	mimeType: string;
	/** In bytes. */
	size: number;
	/** Absent where nobody looks at pictures. */
	sha256?: string;
	bytes?: Buffer;
}

/** A request as it came. Fields and files are those of a form that was read: none when refused before that. */
export interface RecordedRequest {
	/** Its place among the requests of its kind, from 0. */
	index: number;
	method: string;
	path: string;
	headers: IncomingHttpHeaders;
	fields: Record<string, string>;
	files: Record<string, RecordedFile>;
	/** As of performance.now(), in ms. */
	startedAt: number;
	finishedAt?: number;
	/** Whether the client went away before it had the answer. */
	aborted?: boolean;
	/** Of the answer. */
	status?: number;
	/** The error_detail.code of a failed answer. */
	code?: string;
	/** Of the picture made, even if the client had gone by then. */
	resultSha256?: string;
}

export interface UploadedFile extends RecordedFile {
	bytes: Buffer;
}

export interface Answer {
	status: number;
	headers: Record<string, string>;
	body: Buffer;
}

export function sha256(bytes: Buffer): string {
	return createHash('sha256').update(bytes).digest('hex');
}

export class Exchange {
	readonly record: RecordedRequest;
	/** Whether the whole answer was handed to the connection. */
	private answered = false;
	private dropped = false;

	/** @param stopping aborted when the server is closed: that is no client's going away */
	constructor(
		private readonly request: IncomingMessage,
		private readonly response: ServerResponse,
		private readonly stopping: AbortSignal,
		onEnd?: (record: RecordedRequest) => void,
	) {
		const { method = '', url = '', headers } = request;
		const [path = ''] = url.split('?');
		this.record = { index: 0, method, path, headers, fields: {}, files: {}, startedAt: performance.now() };
		// A write that meets a closed connection is told here too; 'close' says all there is to know.
		response.on('error', () => undefined);
		response.once('close', () => {
			this.record.finishedAt = performance.now();
			this.record.aborted = !this.answered && !this.dropped && !stopping.aborted;
			onEnd?.(this.record);
		});
	}

	get gone(): boolean {
		return this.request.socket.destroyed || this.record.aborted === true;
	}

	/**
	 * The files of the multipart form, by field; the fields are in the record.
	 * @param keepBytes whether the record keeps the files' bytes too
	 * @param look false when only the files' sizes are wanted
	 * @throws Refusal (400) when the body is no complete form; Error when the client goes away
	 */
	async readForm(keepBytes: boolean, look: boolean): Promise<Record<string, UploadedFile>> {
		const chunks: Buffer[] = [];
		for await (const chunk of this.request) chunks.push(chunk);
		const files: Record<string, UploadedFile> = {};
		const contentType = this.request.headers['content-type'] ?? '';
		await new Promise<void>((resolve, reject) => {
			const form = new Busboy({
				headers: { ...this.request.headers, 'content-type': contentType },
				preservePath: true,
			});
			form.on('field', (name, value) => {
				this.record.fields[name] = value;
			});
			form.on('file', (name, stream, fileName, _encoding, mimeType) => {
				const parts: Buffer[] = [];
				let size = 0;
				stream.on('data', (part: Buffer) => {
					size += part.length;
					if (look) parts.push(part);
				});
				stream.on('end', () => {
					const bytes = Buffer.concat(parts);
					const file = { fileName, mimeType, size, ...(look ? { sha256: sha256(bytes) } : {}) };
					files[name] = { ...file, bytes };
					this.record.files[name] = keepBytes ? files[name] : file;
				});
			});
			form.on('finish', resolve).on('error', reject);
			for (const chunk of chunks) form.write(chunk);
			form.end();
		}).catch((error: unknown) => {
			throw new Refusal('ERROR_PARAMETERS', `the body is no multipart form: ${String(error)}`);
		});
		return files;
	}

	/** Sends an answer at once, but ends it only when the request's body is in: a client must not be cut off writing. */
	async send({ status, headers, body }: Answer, bytesPerSecond = Infinity): Promise<void> {
		if (this.gone) return;
		this.record.status = status;
		this.response.writeHead(status, { 'content-length': body.length, ...headers });
		const step = Math.min(body.length, Math.max(1, Math.round(bytesPerSecond / 20)));
		this.answered = body.length === 0;
		for (let sent = 0; sent < body.length && !this.gone; sent += step) {
			this.response.write(body.subarray(sent, sent + step), () => {
				// Called without an error for what a connection that was cut had not taken, too.
				this.answered = sent + step >= body.length && !this.request.socket.destroyed;
			});
			if (step < body.length) await sleep((step / bytesPerSecond) * 1000, undefined, { signal: this.stopping });
		}
		await finished(this.request.resume()).catch(() => undefined);
		this.response.end();
		await this.ended();
	}

	/** Cuts the connection, with a reset where TCP has one. */
	reset(): void {
		this.dropped = true;
		this.request.socket.resetAndDestroy();
	}

	/** Until the answer has been sent or the connection is gone. */
	async ended(): Promise<void> {
		await finished(this.response).catch(() => undefined);
	}
}
