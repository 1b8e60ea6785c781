import { clean } from '../base/text';
import { isRecord } from '../base/values';
import { imageFormat, type ImageFormat } from '../pictures/imageHeader';
import { ruleFor, unusableAnswer, type Refusal } from './codes';

/** The response to a request. */
export interface Answer {
	httpStatus: number;
	/** How long the service asked to wait (`Retry-After`), ms. */
	retryAfterMs?: number;
	body: Buffer;
}

export interface MergedPicture {
	bytes: Buffer;
	format: ImageFormat;
	requestId?: string;
	logId?: string;
}

/**
 * Reads an answer strictly: HTTP 200, no error code, Base64 that decodes to a picture of a known format.
 * @param apiKey is struck out of whatever an answer says
 */
export function readAnswer(
	{ httpStatus, retryAfterMs, body }: Answer,
	apiKey: string,
): MergedPicture | { refusal: Refusal } {
	/** Every text of the answer that a user may read. An answer that cannot be parsed may have escaped the key's slashes. */
	const said = (text: unknown) => {
		if (typeof text !== 'string') return undefined;
		const withoutKey = text.replaceAll(apiKey, '***').replaceAll(apiKey.replaceAll('/', String.raw`\/`), '***');
		return clean(withoutKey) || undefined;
	};
	const { text, picture } = takeOutPicture(body) ?? { text: body.toString(), picture: undefined };
	const json = parseJson(text);
	if (json === undefined) {
		// A web page comes from another site, or from a network that asks to sign in.
		const isUnusable = httpStatus === 200 && !text.trimStart().startsWith('<');
		const notJson = 'AILabTools answered with something that is not JSON';
		const rule = isUnusable ? unusableAnswer(notJson) : ruleFor(httpStatus, undefined);
		return { refusal: { ...rule, httpStatus, retryAfterMs, detail: said(text) } };
	}
	const detail = isRecord(json.error_detail) ? json.error_detail : {};
	const ids = { requestId: said(json.request_id), logId: said(json.log_id) };
	const code = said(detail.code) ?? said(json.error_code_str);
	const errorCode = isRecord(json.error_code) ? Number.NaN : Number(json.error_code ?? 0);
	if (httpStatus !== 200 || errorCode !== 0) {
		const status = httpStatus === 200 ? errorCode : httpStatus;
		// A `request_id` alone proves nothing: gateways send one too.
		const fromService = isRecord(json.error_detail) || json.error_code !== undefined;
		const words = said(detail.code_message) ?? said(detail.message) ?? said(json.error_msg);
		const rule = ruleFor(status, code, fromService);
		return { refusal: { ...rule, ...ids, httpStatus, code, retryAfterMs, detail: words } };
	}
	const image = isRecord(json.data) ? json.data.image : undefined;
	const unusable = (what: string) => ({
		refusal: { ...unusableAnswer(what), ...ids, httpStatus, code, detail: said(image) },
	});
	if (typeof image !== 'string' || image === '') return unusable('The answer of AILabTools holds no picture');
	const bytes = image === TAKEN_OUT ? picture : decodeBase64(image);
	if (bytes === undefined) return unusable('The picture in the answer of AILabTools is damaged');
	const format = imageFormat(bytes);
	if (format === undefined) return unusable('AILabTools answered with a picture of unknown format');
	return { bytes, format, ...ids };
}

/** Stands in for the picture's Base64; is not Base64 itself. */
const TAKEN_OUT = '(picture)';

/** An answer has its picture's field within so many bytes, or is parsed whole. */
const HEAD_LENGTH = 1_024;

const PIECE_LENGTH = 65_536;

/**
 * Decodes the picture before the answer is parsed, in pieces: strings of megabytes have n8n's whole heap garbage-collected
 * again and again. With pictures of 1.2 MB, a pair takes 0.97 times the CPU of a bare loop over n8n's helpers; parsed, 1.2.
 * @returns undefined unless it is a picture of a known format, in Base64 with nothing but slashes escaped
 */
function takeOutPicture(body: Buffer): { text: string; picture: Buffer } | undefined {
	const [{ length: start }] = /^.*?"image"\s*:\s*"/s.exec(body.toString('latin1', 0, HEAD_LENGTH)) ?? [''];
	const end = body.indexOf('"', start);
	if (end <= start) return undefined;
	const bytes = Buffer.allocUnsafe(Math.ceil((end - start) * 0.75));
	let length = 0;
	let piece = '';
	for (let at = start; at < end; at += PIECE_LENGTH) {
		piece = (piece + body.toString('latin1', at, Math.min(end, at + PIECE_LENGTH))).replace(/\\\//g, '/');
		// Its end waits for the next piece: it may be padded, or half of an escaped slash.
		const whole = (piece.length - 1) & ~3;
		const written = bytes.write(piece.slice(0, whole), length, 'base64');
		if (written !== (whole / 4) * 3) return undefined;
		length += written;
		piece = piece.slice(whole);
	}
	const last = Buffer.from(piece, 'base64');
	const picture = bytes.subarray(0, length + last.copy(bytes, length));
	if (last.toString('base64') !== piece || imageFormat(picture) === undefined) return undefined;
	return { text: body.toString('utf8', 0, start) + TAKEN_OUT + body.toString('utf8', end), picture };
}

function parseJson(text: string): Record<string, unknown> | undefined {
	try {
		// A byte order mark is trimmed, too.
		const json: unknown = JSON.parse(text.trimStart());
		return isRecord(json) ? json : undefined;
	} catch {
		return undefined;
	}
}

/** Decodes strictly: Node skips characters that are not Base64, which would hide a damaged picture. */
function decodeBase64(text: string): Buffer | undefined {
	const base64 = text
		.replace(/^data:image\/[\w.+-]+;base64,/, '')
		.replaceAll('\n', '')
		.replaceAll('\r', '');
	const bytes = Buffer.from(base64, 'base64');
	const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
	return bytes.length === (base64.length * 3) / 4 - padding ? bytes : undefined;
}
