import FormData from 'form-data';
import type { IExecuteFunctions, IHttpRequestOptions } from 'n8n-workflow';

import { noAnswer, ruleFor, timedOut, unusableAnswer, type Refusal } from './codes';
import type { Clock } from '../clock';
import { isRecord, isStreamedResponse, networkCode, readBody, withDeadline } from '../http';
import { imageFormat, type ImageFormat } from '../pictures/imageHeader';

/** One picture as a part of the multipart request. */
export interface Picture {
	bytes: Buffer;
	fileName: string;
	mimeType: string;
}

export interface FaceFusionRequest {
	target: Picture;
	template: Picture;
	/** 0 to 1; left out of the request when undefined. */
	similarity?: number;
}

export interface MergedPicture {
	bytes: Buffer;
	format: ImageFormat;
	requestId?: string;
	logId?: string;
}

/** How a request is sent. The key is here to be struck out of texts; n8n's own authentication sends it. */
export interface Connection {
	baseUrl: string;
	apiKey: string;
	timeoutMs: number;
	clock: Clock;
	signal?: AbortSignal;
}

const FACE_FUSION_PATH = '/api/portrait/effects/face-fusion';

/** An uncompressed picture of the largest size allowed, 4096 × 4096 px of 3 bytes, as Base64. */
const MAX_ANSWER_BYTES = 4096 * 4096 * 4;

/** How much of an answer that cannot be used is shown. */
const EXCERPT_LENGTH = 120;

/** How many bytes of a picture's Base64 are kept to be shown should it be damaged: enough to find a whole key in. */
const HEAD_LENGTH = 4_096;

/** How many characters of Base64 are decoded at a time: a multiple of four. */
const PIECE_LENGTH = 65_536;

/** Stands where the picture's Base64 was; no Base64 itself. */
const TAKEN_OUT = '(picture)';

/**
 * Sends one pair to AILabTools and reads the answer strictly: HTTP 200, no error code, Base64 that decodes to a picture.
 * Never throws: whatever is not a merged picture is a refusal.
 */
export async function faceFusion(
	context: IExecuteFunctions,
	request: FaceFusionRequest,
	connection: Connection,
): Promise<MergedPicture | { refusal: Refusal }> {
	const answer = await post(context, multipartBody(request), connection);
	if ('refusal' in answer) return answer;
	return readAnswer(answer, (said) => said.replaceAll(connection.apiKey, '***'));
}

function multipartBody({ target, template, similarity }: FaceFusionRequest): FormData {
	const form = new FormData();
	const part = ({ fileName, mimeType }: Picture) => ({ filename: fileName, contentType: mimeType });
	form.append('image_target', target.bytes, part(target));
	form.append('image_template', template.bytes, part(template));
	if (similarity !== undefined) form.append('source_similarity', String(similarity));
	return form;
}

interface Answer {
	httpStatus: number;
	retryAfterMs?: number;
	body: Buffer;
}

async function post(
	context: IExecuteFunctions,
	form: FormData,
	{ baseUrl, timeoutMs, clock, signal }: Connection,
): Promise<Answer | { refusal: Refusal }> {
	const { deadline, abortSignal } = withDeadline(clock, timeoutMs, signal);
	const options: IHttpRequestOptions = {
		method: 'POST',
		url: `${baseUrl}${FACE_FUSION_PATH}`,
		body: form,
		encoding: 'stream',
		returnFullResponse: true,
		ignoreHttpStatusErrors: true,
		// A redirect would take the key to another host.
		disableFollowRedirect: true,
		// The deadline is ours.
		timeout: 0,
	};
	try {
		const response: unknown = await context.helpers.httpRequestWithAuthentication.call(
			cancelledBy(context, abortSignal),
			'aiLabToolsApi',
			options,
		);
		return await readResponse(response);
	} catch (error) {
		return { refusal: deadline.aborted ? timedOut(timeoutMs) : noAnswer(networkCode(error)) };
	}
}

/** The same context with another cancel signal: n8n's HTTP helper takes its signal from nowhere else. */
function cancelledBy(context: IExecuteFunctions, signal: AbortSignal): IExecuteFunctions {
	const derived: IExecuteFunctions = Object.create(context);
	derived.getExecutionCancelSignal = () => signal;
	return derived;
}

async function readResponse(response: unknown): Promise<Answer | { refusal: Refusal }> {
	if (!isStreamedResponse(response)) {
		return { refusal: unusableAnswer('The answer of AILabTools could not be read') };
	}
	const body = await readBody(response.body, MAX_ANSWER_BYTES);
	if (body === undefined) {
		return { refusal: unusableAnswer(`The answer of AILabTools is larger than ${MAX_ANSWER_BYTES} bytes`) };
	}
	return { httpStatus: response.statusCode, retryAfterMs: retryAfter(response.headers['retry-after']), body };
}

/** `Retry-After` in ms: seconds, or a date (RFC 9110, 10.2.3). */
function retryAfter(header: unknown): number | undefined {
	if (typeof header !== 'string') return undefined;
	const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
	return ms >= 0 ? ms : undefined;
}

/** @param hideKey strikes the key out of what an answer says, should it echo it */
function readAnswer(
	{ httpStatus, retryAfterMs, body }: Answer,
	hideKey: (said: string) => string,
): MergedPicture | { refusal: Refusal } {
	const excerpt = (said: string) => clean(hideKey(said));
	const text = (value: unknown) => (typeof value === 'string' && value !== '' ? hideKey(value) : undefined);
	const { text: withoutPicture, picture } = takeOutPicture(body);
	const json = parseJson(withoutPicture);
	if (json === undefined) {
		const notJson = 'AILabTools answered with something that is not JSON';
		const rule = httpStatus === 200 ? unusableAnswer(notJson) : ruleFor(httpStatus, undefined);
		return { refusal: { ...rule, httpStatus, retryAfterMs, detail: excerpt(body.toString()) } };
	}
	const detail = isRecord(json.error_detail) ? json.error_detail : {};
	const ids = { requestId: text(json.request_id), logId: text(json.log_id) };
	const code = text(detail.code) ?? text(json.error_code_str);
	const errorCode = json.error_code === undefined ? 0 : Number(json.error_code);
	if (httpStatus !== 200 || errorCode !== 0) {
		const status = httpStatus === 200 ? errorCode : httpStatus;
		const said = text(detail.code_message) ?? text(detail.message) ?? text(json.error_msg);
		const refusal = { ...ruleFor(status, code), ...ids, httpStatus, code, retryAfterMs };
		return { refusal: { ...refusal, detail: said && clean(said) } };
	}
	const image = isRecord(json.data) ? json.data.image : undefined;
	const unusable = (what: string, shown?: string) => ({
		refusal: { ...unusableAnswer(what, shown), ...ids, httpStatus, code },
	});
	const base64 = image === TAKEN_OUT ? picture : Buffer.from(typeof image === 'string' ? image : '');
	if (base64.length === 0) return unusable('The answer of AILabTools holds no picture');
	const head = base64.toString('utf8', 0, HEAD_LENGTH);
	const bytes = decodeBase64(base64);
	if (bytes === undefined) return unusable('The picture in the answer of AILabTools is damaged', excerpt(head));
	const format = imageFormat(bytes);
	if (format === undefined) return unusable('AILabTools answered with a picture of unknown format', excerpt(head));
	return { bytes, format, ...ids };
}

/** Takes the picture's Base64 out of an answer, for parsing would copy those megabytes twice. */
function takeOutPicture(body: Buffer): { text: string; picture: Buffer } {
	const field = body.indexOf('"image"');
	const [opening] = /^"image"\s*:\s*"/.exec(body.toString('latin1', field, field + 32)) ?? [''];
	const start = field + opening.length;
	const picture = body.subarray(start, body.indexOf('"', start));
	// What is written with escapes can only be parsed.
	if (opening === '' || picture.includes('\\')) return { text: body.toString(), picture: Buffer.alloc(0) };
	const text = body.toString('utf8', 0, start) + TAKEN_OUT + body.toString('utf8', start + picture.length);
	return { text, picture };
}

function parseJson(body: string): Record<string, unknown> | undefined {
	try {
		const json: unknown = JSON.parse(body);
		return isRecord(json) ? json : undefined;
	} catch {
		return undefined;
	}
}

/**
 * Decodes strictly: Node skips characters that are not Base64, which would hide a damaged picture. In place, and in pieces:
 * buffers and strings of megabytes for each picture have n8n's whole heap searched for garbage again and again.
 */
function decodeBase64(base64: Buffer): Buffer | undefined {
	const end = base64.toString('latin1', base64.length - 2);
	const padding = end === '==' ? 2 : end.endsWith('=') ? 1 : 0;
	let length = 0;
	for (let at = 0; at < base64.length; at += PIECE_LENGTH) {
		length += base64.write(base64.toString('latin1', at, at + PIECE_LENGTH), length, 'base64');
	}
	return length === (base64.length * 3) / 4 - padding ? base64.subarray(0, length) : undefined;
}

/** The first characters of a text from outside, without markup, control characters and runs of white space. */
function clean(said: string): string {
	const cleaned = said
		.slice(0, EXCERPT_LENGTH * 20)
		.replace(/<(script|style)[\s\S]*?(<\/\1>|$)|<[^>]*>/gi, ' ')
		.replace(/[\p{C}\s]+/gu, ' ')
		.trim();
	return cleaned.length > EXCERPT_LENGTH ? `${cleaned.slice(0, EXCERPT_LENGTH)}…` : cleaned;
}
