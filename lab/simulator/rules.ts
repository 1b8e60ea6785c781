/**
 * The documented rules of the face-fusion request, and the documented shape of every answer, written down from the
 * service's public documentation (https://www.ailabtools.com/docs/ai-portrait/effects/face-fusion/api and the page on
 * public response fields). Nothing here is shared with the node, so that the two can disagree.
 */
import { randomUUID } from 'node:crypto';
import { decode, formatOf, hasFace, readHeader, type Picture } from './blend';

export type Role = 'image_target' | 'image_template';

export const ROLES: readonly Role[] = ['image_target', 'image_template'];

/** "At most 4 MB", read as binary megabytes. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Width and height each lie strictly between the two, in pixels: 128 is refused, 129 is not. */
export const PIXELS: Record<Role, { above: number; below: number }> = {
	image_target: { above: 128, below: 4096 },
	image_template: { above: 200, below: 4096 },
};

/** The similarity of a request without one. The documentation names no default; the middle is this simulator's choice. */
export const DEFAULT_SIMILARITY = 0.5;

/** The documented codes this endpoint answers with. */
const CODES = {
	ERROR_PARAMETERS: { status: 400, meaning: 'The request cannot be read.' },
	MISSING_PARAMETERS: { status: 400, meaning: 'A required parameter is absent.' },
	PARAMETERS_CANNOT_EMPTY: { status: 400, meaning: 'A parameter is empty.' },
	ERROR_INVALID_PARAMETER: { status: 400, meaning: 'A parameter has a value that is not allowed.' },
	ERROR_USER_NOT_EXISTS: { status: 401, meaning: 'No user has this key.' },
	ERROR_USER_LOCKED: { status: 403, meaning: 'The user is locked.' },
	ERROR_AI_NOT_EXISTS: { status: 404, meaning: 'There is no such service.' },
	FILE_SIZE_EXCEEDS_LIMIT: { status: 413, meaning: 'The file is too large.' },
	FILE_RESOLUTION_EXCEEDS_LIMITS: { status: 413, meaning: 'The width or height is outside the limits.' },
	UNSUPPORTED_FILE_TYPES: { status: 415, meaning: 'The file type is not supported.' },
	FILE_DECODING_FAILURE: { status: 422, meaning: 'The file cannot be decoded.' },
	ERROR_NO_FACE_IN_FILE: { status: 422, meaning: 'No face detected in the file.' },
	ERROR_CONTENT_NON_COMPLIANCE: { status: 422, meaning: 'The content does not meet the requirements.' },
	EXCEEDING_LIMITS: { status: 429, meaning: 'Too many requests.' },
	ERROR_NOT_ENOUGH_CREDITS: { status: 429, meaning: 'Not enough credits.' },
	PROCESSING_FAILURE: { status: 500, meaning: 'The picture could not be processed.' },
	AI_SERVICE_ERROR: { status: 502, meaning: 'The AI service answered wrongly.' },
	ERROR_INSUFFICIENT_RESOURCES: { status: 503, meaning: 'The service has no resources left.' },
	AI_SERVICE_TIMEOUT: { status: 504, meaning: 'The AI service did not answer in time.' },
} as const;

type Code = keyof typeof CODES;

/** A request turned down: the documented code, and in the message what about this request it is. */
export class Refusal extends Error {
	readonly status: number;

	constructor(
		readonly code: Code,
		message: string,
	) {
		super(message);
		this.status = CODES[code].status;
	}
}

/**
 * The similarity a form asks for.
 * @throws Refusal (400) when a file is absent or empty, or the similarity is no number from 0 to 1.
 */
export function checkForm(fields: Record<string, string>, files: Record<string, { size: number }>): number {
	for (const role of ROLES) {
		if (!files[role]) throw new Refusal('MISSING_PARAMETERS', `${role} is missing`);
		if (files[role].size === 0) throw new Refusal('PARAMETERS_CANNOT_EMPTY', `${role} is empty`);
	}
	const text = 'source_similarity' in files ? '(a file)' : fields.source_similarity;
	if (text === undefined) return DEFAULT_SIMILARITY;
	const similarity = /^\d*\.?\d+(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
	if (similarity >= 0 && similarity <= 1) return similarity;
	throw new Refusal('ERROR_INVALID_PARAMETER', `source_similarity must be in [0,1], not '${text}'`);
}

/**
 * The decoded picture of one file that meets the requirements of its role.
 * @throws Refusal (413, 415 or 422). Pixels are decoded last: a header is enough for the other rules.
 */
export async function checkPicture(role: Role, file: Buffer): Promise<Picture> {
	if (file.length > MAX_FILE_BYTES) throw new Refusal('FILE_SIZE_EXCEEDS_LIMIT', `${role} has ${file.length} bytes`);
	const format = formatOf(file);
	if (!format) throw new Refusal('UNSUPPORTED_FILE_TYPES', `${role} is not JPEG, PNG or BMP`);
	const undecodable = (): never => {
		throw new Refusal('FILE_DECODING_FAILURE', `${role} cannot be decoded`);
	};
	const { width, height, greyscale } = await readHeader(file, format).catch(undecodable);
	// The documentation has one code for resolutions, and "exceeds limits" is read as "outside of them": too small too.
	const { above, below } = PIXELS[role];
	if (Math.min(width, height) <= above || Math.max(width, height) >= below) {
		throw new Refusal('FILE_RESOLUTION_EXCEEDS_LIMITS', `${role} has ${width}x${height} pixels`);
	}
	// The documentation says that black-and-white targets are not supported, but names no code for them.
	if (greyscale && role === 'image_target') {
		throw new Refusal('ERROR_CONTENT_NON_COMPLIANCE', `${role} is black and white`);
	}
	const picture = await decode(file, format).catch(undecodable);
	if (!(await hasFace(picture))) throw new Refusal('ERROR_NO_FACE_IN_FILE', 'pic not has face');
	return picture;
}

/** `full` has the older error_code, error_code_str and error_msg, which are being withdrawn; `new` has not. */
export type AnswerShape = 'full' | 'new';

/** What a failed answer says. An undefined code or message is the documented one of the status or code. */
export interface Failure {
	status: number;
	code?: string;
	message?: string;
	/** The older error_code, by the documentation equal to the status; null for an answer of the newer shape. */
	errorCode?: number | null;
}

/** The JSON of an answer that carries data. */
export function success(data: unknown, shape: AnswerShape): object {
	return { ...publicFields(shape, 0, { status_code: 200, code: '', code_message: '', message: '' }), data };
}

/** The JSON of a failed answer, and the code in it. */
export function failure({ status, code, message, errorCode = status }: Failure, shape: AnswerShape) {
	const documented = Object.entries(CODES).find(([name, of]) => (code ? name === code : of.status === status));
	const name = code ?? documented?.[0] ?? `HTTP_${status}`;
	const meaning = documented?.[1].meaning ?? '';
	const detail = { status_code: status, code: name, code_message: meaning, message: message ?? meaning };
	return { code: name, body: publicFields(errorCode === null ? 'new' : shape, errorCode ?? status, detail) };
}

interface ErrorDetail {
	status_code: number;
	code: string;
	code_message: string;
	message: string;
}

function publicFields(shape: AnswerShape, errorCode: number, detail: ErrorDetail): object {
	const { status_code: status, ...newer } = detail;
	const ids = { request_id: randomUUID(), log_id: randomUUID() };
	if (shape === 'new') return { ...ids, error_detail: newer };
	// The older field has one word for all content that does not comply, a missing face included.
	const older = status === 422 && newer.code !== 'FILE_DECODING_FAILURE' ? 'FILE_CONTENT_NON_COMPLIANCE' : newer.code;
	return { ...ids, error_code: errorCode, error_code_str: older, error_msg: newer.message, error_detail: detail };
}
