/** One request and its answer on the wire: read, recorded, answered, or cut off. */
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
	/** The last 16 bytes, by which a test may know a picture that is not looked at. */
	end: Buffer;
	/** Absent when pictures are not looked at. */
	sha256?: string;
	bytes?: Buffer;
}

/** A request as it came. Fields and files are those of the form: none when it was refused before that was read. */
export interface RecordedRequest {
	/** Its place among requests of its kind, from 0. */
	index: number;
	method: string;
	path: string;
	headers: IncomingHttpHeaders;
	fields: Record<string, string>;
	files: Record<string, RecordedFile>;
	/** By performance.now(), in ms. */
	startedAt: number;
	finishedAt?: number;
	/** Whether the client went away before it had the answer. */
	aborted?: boolean;
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

	/** @param stopping aborted when the server closes: then it is not the client that goes away */
	constructor(
		private readonly request: IncomingMessage,
		private readonly response: ServerResponse,
		private readonly stopping: AbortSignal,
		onEnd?: (record: RecordedRequest) => void,
	) {
		const { method = '', url = '', headers } = request;
		const [path = ''] = url.split('?');
		this.record = { index: 0, method, path, headers, fields: {}, files: {}, startedAt: performance.now() };
		// Writing to a closed connection emits 'error' as well; 'close' says all there is to know.
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
	 * Reads the multipart form: returns its files by field, and records its fields.
	 * @param keepBytes whether the record keeps the files' bytes too
	 * @param look false when only the files' sizes are wanted
	 * @throws Refusal (400) when the body is not a complete form; Error when the client goes away
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
				let end = Buffer.alloc(0);
				stream.on('data', (part: Buffer) => {
					size += part.length;
					end = Buffer.concat([end, part.subarray(-16)]).subarray(-16);
					if (look) parts.push(part);
				});
				stream.on('end', () => {
					const bytes = Buffer.concat(parts);
					const file = { fileName, mimeType, size, end, ...(look ? { sha256: sha256(bytes) } : {}) };
					files[name] = { ...file, bytes };
					this.record.files[name] = keepBytes ? files[name] : file;
				});
			});
			form.on('finish', resolve).on('error', reject);
			for (const chunk of chunks) form.write(chunk);
			form.end();
		}).catch((error: unknown) => {
			throw new Refusal('ERROR_PARAMETERS', `the body is not a multipart form: ${String(error)}`);
		});
		return files;
	}

	/** Sends an answer at once, but ends it only after the request's body: a client must not be cut off while writing. */
	async send({ status, headers, body }: Answer, bytesPerSecond = Infinity): Promise<void> {
		if (this.gone) return;
		this.record.status = status;
		this.response.writeHead(status, { 'content-length': body.length, ...headers });
		const step = Math.min(body.length, Math.max(1, Math.round(bytesPerSecond / 20)));
		this.answered = body.length === 0;
		for (let sent = 0; sent < body.length && !this.gone; sent += step) {
			this.response.write(body.subarray(sent, sent + step), () => {
				// Also called, without an error, for what a cut connection had not taken.
				this.answered = sent + step >= body.length && !this.request.socket.destroyed;
			});
			if (step < body.length) await sleep((step / bytesPerSecond) * 1000, undefined, { signal: this.stopping });
		}
		await finished(this.request.resume()).catch(() => undefined);
		this.response.end();
		await this.ended();
	}

	/** Sends an answer up to the middle of its body, and cuts the connection. */
	async cut({ status, headers, body }: Answer): Promise<void> {
		if (this.gone) return;
		this.record.status = status;
		this.response.writeHead(status, { 'content-length': body.length, ...headers });
		await new Promise((resolve) => this.response.write(body.subarray(0, body.length / 2), resolve));
		this.reset();
	}

	/** Cuts the connection, with a TCP reset where possible. */
	reset(): void {
		this.dropped = true;
		this.request.socket.resetAndDestroy();
	}

	/** Resolves when the answer has been sent or the connection is gone. */
	async ended(): Promise<void> {
		await finished(this.response).catch(() => undefined);
	}
}

/** One request as a line. A key may be a real one, sent here by mistake: only a few of its characters are shown. */
export function requestLine(request: RecordedRequest): string {
	const { files, fields, startedAt, finishedAt = startedAt } = request;
	const key = String(request.headers['ailabapi-api-key'] ?? '');
	const sent = Object.entries(files).map(([name, { size }]) => `${name} ${(size / 1024).toFixed(0)} kB`);
	if (fields.source_similarity !== undefined) sent.push(`similarity ${fields.source_similarity}`);
	return [
		`${request.method} ${request.path}`,
		request.aborted ? 'client gone' : [request.status, request.code].filter(Boolean).join(' '),
		`${(finishedAt - startedAt).toFixed(0)} ms`,
		key === '' ? 'no key' : `key ${key.slice(0, Math.min(4, key.length / 3))}…`,
		...sent,
	].join(', ');
}
