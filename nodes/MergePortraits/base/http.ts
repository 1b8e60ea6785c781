import type { Clock } from './clock';
import { isRecord } from './values';

/** What n8n's HTTP helpers return for `encoding: 'stream'` with `returnFullResponse`. */
export interface StreamedResponse {
	statusCode: number;
	/** By lower-case name. */
	headers: Record<string, unknown>;
	body: AsyncIterable<Buffer> & { destroy(): void };
}

/**
 * Reads a body to its end, or ends the download at the first chunk beyond `maxBytes`.
 * @returns undefined when the body is larger
 * @throws whatever reading the connection throws
 */
export async function readBody(body: StreamedResponse['body'], maxBytes: number): Promise<Buffer | undefined> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of body) {
		length += chunk.length;
		// Leaving the loop ends the stream, and with it the download.
		if (length > maxBytes) return undefined;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

/**
 * Our own deadline, because n8n's time-out counts only silence: one byte a second would hold a request forever.
 * @param timeoutMs for the whole request and its answer, ms
 * @returns the deadline, and a signal that aborts at the deadline or with the execution
 */
export function withDeadline(clock: Clock, timeoutMs: number, cancelled: AbortSignal | undefined) {
	const deadline = clock.timeout(timeoutMs);
	return { deadline, abortSignal: cancelled ? AbortSignal.any([cancelled, deadline]) : deadline };
}

/** Node's code for a failed connection, such as `ECONNRESET`, however deeply n8n wrapped it; a code alone holds no secret. */
export function networkCode(error: unknown): string | undefined {
	for (const cause of causes(error)) {
		const { name, code } = cause;
		if (name !== 'NodeApiError' && typeof code === 'string' && /^[A-Z0-9_]+$/.test(code)) return code;
	}
	return undefined;
}

const NOT_MADE = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'];

/**
 * What became of a connection, by Node's code for it. Node 20 reports every TLS fault as EPROTO, and some pass by
 * themselves: so it counts as lost.
 */
export function connectionFault(code = ''): 'notMade' | 'notSecure' | 'lost' {
	if (NOT_MADE.includes(code)) return 'notMade';
	return /CERT|SSL|TLS|SELF_SIGNED|VERIFY/.test(code) ? 'notSecure' : 'lost';
}

/** An error and its causes, outermost first. */
export function causes(error: unknown): Array<Record<string, unknown>> {
	const found: Array<Record<string, unknown>> = [];
	for (let cause = error; isRecord(cause) && !found.includes(cause); cause = cause.cause) found.push(cause);
	return found;
}
