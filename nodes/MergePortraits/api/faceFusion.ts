import FormData from 'form-data';
import type { IExecuteFunctions, IHttpRequestOptions } from 'n8n-workflow';

import type { Clock } from '../base/clock';
import { networkCode, readBody, withDeadline, type StreamedResponse } from '../base/http';
import type { Picture } from '../pictures/picture';
import { readAnswer, type Answer, type MergedPicture } from './answer';
import { noAnswer, timedOut, unusableAnswer, type Refusal } from './codes';

export interface FaceFusionRequest {
	target: Picture;
	template: Picture;
	/** 0 to 1; left out of the request when undefined. */
	similarity?: number;
}

/** How a request is sent: signed by n8n with the credential as the batch found it, so that its account cannot change midway. */
export interface Connection {
	baseUrl: string;
	apiKey: string;
	timeoutMs: number;
	clock: Clock;
	signal?: AbortSignal;
}

const FACE_FUSION_PATH = '/api/portrait/effects/face-fusion';

/** An uncompressed picture of the largest allowed size, 4096 × 4096 px of 3 bytes, as Base64. */
const MAX_ANSWER_BYTES = 4096 * 4096 * 4;

/**
 * Sends one pair to AILabTools and reads the answer. Never throws: whatever is not a merged picture is a refusal, faults of
 * the line and of this n8n too.
 */
export async function faceFusion(
	context: IExecuteFunctions,
	request: FaceFusionRequest,
	connection: Connection,
): Promise<MergedPicture | { refusal: Refusal }> {
	const answer = await post(context, multipartBody(request), connection);
	if ('refusal' in answer) return answer;
	return readAnswer(answer, connection.apiKey);
}

function multipartBody({ target, template, similarity }: FaceFusionRequest): FormData {
	const form = new FormData();
	// Their own names tell of people, and may hold what would break a part's header.
	for (const [role, { bytes, mimeType, extension }] of Object.entries({ target, template })) {
		form.append(`image_${role}`, bytes, { filename: `${role}.${extension}`, contentType: mimeType });
	}
	if (similarity !== undefined) form.append('source_similarity', String(similarity));
	return form;
}

async function post(
	context: IExecuteFunctions,
	form: FormData,
	{ baseUrl, apiKey, timeoutMs, clock, signal }: Connection,
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
		// The deadline is our own.
		timeout: 0,
	};
	try {
		const response: StreamedResponse = await context.helpers.httpRequestWithAuthentication.call(
			cancelledBy(context, abortSignal),
			'aiLabToolsApi',
			options,
			{ credentialsDecrypted: { id: '', name: '', type: 'aiLabToolsApi', data: { apiKey, baseUrl } } },
		);
		return await readResponse(response);
	} catch (error) {
		return { refusal: deadline.aborted ? timedOut(timeoutMs) : noAnswer(networkCode(error)) };
	}
}

/**
 * The context with another cancel signal, because n8n's HTTP helper overwrites a request's `abortSignal` with the context's.
 * Derived by `Object.create`: all requests share the context, and a spread would lose the methods of its class.
 */
function cancelledBy(context: IExecuteFunctions, signal: AbortSignal): IExecuteFunctions {
	const derived: IExecuteFunctions = Object.create(context);
	derived.getExecutionCancelSignal = () => signal;
	return derived;
}

async function readResponse(response: StreamedResponse): Promise<Answer | { refusal: Refusal }> {
	const body = await readBody(response.body, MAX_ANSWER_BYTES);
	if (body === undefined) {
		return { refusal: unusableAnswer(`The answer of AILabTools is larger than ${MAX_ANSWER_BYTES} bytes`) };
	}
	return { httpStatus: response.statusCode, retryAfterMs: retryAfter(response.headers), body };
}

/** `Retry-After` in ms: seconds, or a date (RFC 9110, 10.2.3), which counts from the answer's own: clocks differ. */
function retryAfter({ 'retry-after': asked, date }: StreamedResponse['headers']): number | undefined {
	if (typeof asked !== 'string') return undefined;
	const sent = Date.parse(String(date)) || Date.now();
	const ms = /^\d+$/.test(asked) ? Number(asked) * 1_000 : Date.parse(asked) - sent;
	return ms >= 0 ? ms : undefined;
}
