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

/** How many characters of an unusable answer are shown. */
const EXCERPT_LENGTH = 120;

/** How many bytes of the Base64 are kept to show if it is damaged: enough to find a whole key in. */
const HEAD_LENGTH = 4_096;

/** How many characters of Base64 are decoded at a time: a multiple of four. */
const PIECE_LENGTH = 65_536;

/** Stands in for the picture's Base64; is not Base64 itself. */
const TAKEN_OUT = '(picture)';

const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const LETTER_N = 0x6e;
const LETTER_R = 0x72;

/**
 * Reads an answer strictly: HTTP 200, no error code, Base64 that decodes to a picture of a known format. Overwrites the body.
 * @param apiKey is struck out of whatever an answer says
 */
export function readAnswer(
	{ httpStatus, retryAfterMs, body }: Answer,
	apiKey: string,
): MergedPicture | { refusal: Refusal } {
	// JSON may escape the key's slashes, and an answer that cannot be parsed is shown as it came.
	const hideKey = (said: string) =>
		said.replaceAll(apiKey, '***').replaceAll(apiKey.replaceAll('/', String.raw`\/`), '***');
	const excerpt = (said: string) => clean(hideKey(said));
	const text = (value: unknown) => (typeof value === 'string' && value !== '' ? hideKey(value) : undefined);
	const { text: withoutPicture, picture } = takeOutPicture(body);
	const json = parseJson(withoutPicture);
	if (json === undefined) {
		const notJson = 'AILabTools answered with something that is not JSON';
		// A web page comes from another site, or from a network that asks to sign in.
		const isPage = withoutPicture.trimStart().startsWith('<');
		const rule = httpStatus === 200 && !isPage ? unusableAnswer(notJson) : ruleFor(httpStatus, undefined);
		return { refusal: { ...rule, httpStatus, retryAfterMs, detail: excerpt(body.toString()) } };
	}
	const detail = isRecord(json.error_detail) ? json.error_detail : {};
	const ids = { requestId: text(json.request_id), logId: text(json.log_id) };
	const code = text(detail.code) ?? text(json.error_code_str);
	const errorCode = json.error_code === undefined ? 0 : Number(json.error_code);
	if (httpStatus !== 200 || errorCode !== 0) {
		const status = httpStatus === 200 ? errorCode : httpStatus;
		// A `request_id` alone proves nothing: gateways send one too.
		const fromService = isRecord(json.error_detail) || json.error_code !== undefined;
		const said = text(detail.code_message) ?? text(detail.message) ?? text(json.error_msg);
		const refusal = { ...ruleFor(status, code, fromService), ...ids, httpStatus, code, retryAfterMs };
		return { refusal: { ...refusal, detail: said && clean(said) } };
	}
	const image = isRecord(json.data) ? json.data.image : undefined;
	const unusable = (what: string, shown?: string) => ({
		refusal: { ...unusableAnswer(what, shown), ...ids, httpStatus, code },
	});
	const parsed = typeof image === 'string' ? image.replace(/[\r\n]/g, '') : '';
	const base64 = image === TAKEN_OUT ? picture : Buffer.from(parsed);
	if (base64.length === 0) return unusable('The answer of AILabTools holds no picture');
	const head = base64.toString('utf8', 0, HEAD_LENGTH);
	const bytes = decodeBase64(unescapeInPlace(withoutPrefix(base64)));
	if (bytes === undefined) return unusable('The picture in the answer of AILabTools is damaged', excerpt(head));
	const format = imageFormat(bytes);
	if (format === undefined) return unusable('AILabTools answered with a picture of unknown format', excerpt(head));
	return { bytes, format, ...ids };
}

/** Takes the picture's Base64 out of an answer, because parsing would copy those megabytes twice. */
function takeOutPicture(body: Buffer): { text: string; picture: Buffer } {
	const field = body.indexOf('"image"');
	const [opening] = /^"image"\s*:\s*"/.exec(body.toString('latin1', field, field + 32)) ?? [''];
	const start = field + opening.length;
	const picture = body.subarray(start, body.indexOf('"', start));
	const escape = picture.indexOf(BACKSLASH);
	// In Base64, only slashes and line breaks are escaped. If anything else comes first, it must be parsed.
	const isReadable = escape < 0 || '/nr'.includes(picture.toString('latin1', escape + 1, escape + 2) || ' ');
	if (opening === '' || !isReadable || picture.at(-1) === BACKSLASH) {
		return { text: body.toString(), picture: Buffer.alloc(0) };
	}
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

function withoutPrefix(base64: Buffer): Buffer {
	const [prefix] = /^data:image\\?\/[\w.+-]+;base64,/.exec(base64.toString('latin1', 0, 64)) ?? [''];
	return base64.subarray(prefix.length);
}

/**
 * Removes escaped line breaks and the backslashes of escaped slashes, in place; other escapes stay as they are. Searched as
 * text, piece by piece: Node finds bytes in a buffer far more slowly, and there are tens of thousands.
 */
function unescapeInPlace(base64: Buffer): Buffer {
	if (!base64.includes(BACKSLASH)) return base64;
	let length = 0;
	let at = 0;
	for (let start = 0; start < base64.length; start += PIECE_LENGTH) {
		const piece = base64.toString('latin1', start, start + PIECE_LENGTH);
		for (let found = piece.indexOf('\\'); found >= 0; found = piece.indexOf('\\', found + 1)) {
			const escape = start + found;
			const escaped = base64[escape + 1];
			const skipped = escaped === SLASH ? 1 : escaped === LETTER_N || escaped === LETTER_R ? 2 : 0;
			if (skipped === 0) continue;
			base64.copyWithin(length, at, escape);
			length += escape - at;
			at = escape + skipped;
		}
	}
	base64.copyWithin(length, at);
	return base64.subarray(0, length + base64.length - at);
}

/**
 * Decodes strictly: Node skips characters that are not Base64, which would hide a damaged picture. In place and in pieces:
 * megabytes of buffers and strings per picture would have n8n's whole heap garbage-collected again and again.
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

/** The first characters of a text from outside, without markup, control characters and runs of whitespace. */
function clean(said: string): string {
	const cleaned = said
		.slice(0, EXCERPT_LENGTH * 20)
		.replace(/<(script|style)[\s\S]*?(<\/\1>|$)|<[^>]*>/gi, ' ')
		.replace(/[\p{C}\s]+/gu, ' ')
		.trim();
	return cleaned.length > EXCERPT_LENGTH ? `${cleaned.slice(0, EXCERPT_LENGTH)}…` : cleaned;
}
