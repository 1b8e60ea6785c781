/**
 * The documented rules of the face-fusion request and the documented shape of every answer, taken from the service's
 * public documentation (https://www.ailabtools.com/docs/ai-portrait/effects/face-fusion/api and the page on public response
 * fields). Shares nothing with the node, so that the two can disagree.
 */
import { randomUUID } from 'node:crypto';
import { decode, formatOf, hasFace, readHeader, type Picture } from './blend';
import { documentedStatus } from './codes';

export type Role = 'image_target' | 'image_template';

/** "At most 4 MB", taken as binary megabytes. */
export const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Width and height must both lie strictly between the two, in pixels: 128 is refused, 129 is not. */
export const PIXELS: Record<Role, { above: number; below: number }> = {
	image_target: { above: 128, below: 4096 },
	image_template: { above: 200, below: 4096 },
};

/** The similarity of a request without one. The documentation names no default; this is the simulator's choice. */
export const DEFAULT_SIMILARITY = 0.5;

export const MERGE_CREDITS = 8;

/** The service's words for the codes that the simulator itself produces. */
const MEANINGS = {
	ERROR_PARAMETERS: 'The request cannot be read.',
	MISSING_PARAMETERS: 'A required parameter is absent.',
	PARAMETERS_CANNOT_EMPTY: 'A parameter is empty.',
	ERROR_INVALID_PARAMETER: 'A parameter has a value that is not allowed.',
	ERROR_USER_NOT_EXISTS: 'No user has this key.',
	ERROR_USER_LOCKED: 'The user is locked.',
	ERROR_AI_NOT_EXISTS: 'There is no such service.',
	FILE_SIZE_EXCEEDS_LIMIT: 'The file is too large.',
	ERROR_HIGH_RESOLUTION: 'The width or height is too large.',
	ERROR_LOW_RESOLUTION: 'The width or height is too small.',
	UNSUPPORTED_FILE_TYPES: 'The file type is not supported.',
	ERROR_UNSUPPORTED_GRAYSCALE_IMAGE: 'Black-and-white pictures are not supported.',
	FILE_DECODING_FAILURE: 'The file cannot be decoded.',
	ERROR_NO_FACE_IN_FILE: 'No face detected in the file.',
	EXCEEDING_LIMITS: 'Too many requests.',
	ERROR_NOT_ENOUGH_CREDITS: 'Not enough credits.',
} as const;

type Code = keyof typeof MEANINGS;

/** A refused request: the documented code, and a message that says what is wrong with this request. */
export class Refusal extends Error {
	constructor(
		readonly code: Code,
		message: string,
	) {
		super(message);
	}
}

/**
 * Both files of a form, and its similarity.
 * @throws Refusal (400) when a file is absent or empty, or the similarity is not a number from 0 to 1
 */
export function checkForm<T extends { size: number }>(
	fields: Record<string, string>,
	files: Record<string, T>,
): { target: T; template: T; similarity: number } {
	const fileOf = (role: Role): T => {
		const file = files[role];
		if (!file) throw new Refusal('MISSING_PARAMETERS', `${role} is missing`);
		if (file.size === 0) throw new Refusal('PARAMETERS_CANNOT_EMPTY', `${role} is empty`);
		return file;
	};
	const both = { target: fileOf('image_target'), template: fileOf('image_template') };
	const text = 'source_similarity' in files ? '(a file)' : fields.source_similarity;
	if (text === undefined) return { ...both, similarity: DEFAULT_SIMILARITY };
	const similarity = /^\d*\.?\d+(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
	if (similarity >= 0 && similarity <= 1) return { ...both, similarity };
	throw new Refusal('ERROR_INVALID_PARAMETER', `source_similarity must be in [0,1], not '${text}'`);
}

/**
 * Decodes a file that meets the requirements of its role. Pixels come last: most rules need only the header.
 * @throws Refusal (413, 415 or 422)
 */
export async function checkPicture(role: Role, file: Buffer): Promise<Picture> {
	if (file.length > MAX_FILE_BYTES) throw new Refusal('FILE_SIZE_EXCEEDS_LIMIT', `${role} has ${file.length} bytes`);
	const format = formatOf(file);
	if (!format) throw new Refusal('UNSUPPORTED_FILE_TYPES', `${role} is not JPEG, PNG or BMP`);
	const undecodable = (): never => {
		throw new Refusal('FILE_DECODING_FAILURE', `${role} cannot be decoded`);
	};
	const { width, height, greyscale } = await readHeader(file, format).catch(undecodable);
	const { above, below } = PIXELS[role];
	const pixels = `${role} has ${width}x${height} pixels`;
	if (Math.min(width, height) <= above) throw new Refusal('ERROR_LOW_RESOLUTION', pixels);
	// The documentation also has FILE_RESOLUTION_EXCEEDS_LIMITS, and does not say how the two differ.
	if (Math.max(width, height) >= below) throw new Refusal('ERROR_HIGH_RESOLUTION', pixels);
	if (greyscale && role === 'image_target') {
		throw new Refusal('ERROR_UNSUPPORTED_GRAYSCALE_IMAGE', `${role} is black and white`);
	}
	const picture = await decode(file, format).catch(undecodable);
	if (!(await hasFace(picture))) throw new Refusal('ERROR_NO_FACE_IN_FILE', 'pic not has face');
	return picture;
}

/** `full` has the older error_code, error_code_str and error_msg, which are being withdrawn; `new` does not. */
export type AnswerShape = 'full' | 'new';

/** What a failed answer says: a status, a code or both. What is undefined follows from the rest, as documented. */
export interface Failure {
	status?: number;
	code?: string;
	message?: string;
	/** The older error_code, documented as equal to the status; null for an answer of the newer shape. */
	errorCode?: number | null;
}

/** The JSON of an answer that carries data. */
export function success(data: unknown, shape: AnswerShape): object {
	return { ...publicFields(shape, 0, { status_code: 200, code: '', code_message: '', message: '' }), data };
}

/**
 * The JSON of a failed answer, with its status and code.
 * @throws RangeError when there is no status and the code is not documented
 */
export function failure({ status, code, message, errorCode }: Failure, shape: AnswerShape) {
	const answered = status ?? documentedStatus.get(code ?? '');
	if (answered === undefined) throw new RangeError(`${code} is not a documented code, so it needs a status`);
	const [usual = `HTTP_${answered}`] = [...documentedStatus].find(([, of]) => of === answered) ?? [];
	const name = code ?? usual;
	const words = documentedStatus.has(name) ? name.toLowerCase().replaceAll('_', ' ') : '';
	const meaning = Object.entries(MEANINGS).find(([known]) => known === name)?.[1] ?? words;
	const detail = { status_code: answered, code: name, code_message: meaning, message: message ?? meaning };
	const body = publicFields(errorCode === null ? 'new' : shape, errorCode ?? answered, detail);
	return { status: answered, code: name, body };
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
	// The older field has one code for all content that does not comply, a missing face included.
	const older = status === 422 && newer.code !== 'FILE_DECODING_FAILURE' ? 'FILE_CONTENT_NON_COMPLIANCE' : newer.code;
	return { ...ids, error_code: errorCode, error_code_str: older, error_msg: newer.message, error_detail: detail };
}
