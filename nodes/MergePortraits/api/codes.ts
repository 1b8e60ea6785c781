import { formatList, imageRequirements } from '../pictures/imageRequirements';

/**
 * Whose fault a refusal is, which decides what becomes of the other items:
 * - `item`: this pair alone; the others go on
 * - `account`: key, lock, credits or address; no other item will fare better
 * - `load`: too many requests for now; fewer at a time, later
 * - `service`: AILabTools or the line to it
 */
export type Blame = 'item' | 'account' | 'load' | 'service';

/** What a code of the service means for the user and for sending again. */
export interface CodeRule {
	blame: Blame;
	/** How many times sending the same pair again is worth trying, at most. */
	resends: number;
	/** What happened: the message's first words. */
	what: string;
	/** What the user should do next. */
	advice: string;
}

/** An answer, or the lack of one, that is not a merged picture. */
export interface Refusal extends CodeRule {
	httpStatus?: number;
	/** `error_detail.code`, or the older `error_code_str`, as it came. */
	code?: string;
	/** The service's own words, cleaned. */
	detail?: string;
	requestId?: string;
	logId?: string;
	/** How long the service asked to wait (`Retry-After`), ms. */
	retryAfterMs?: number;
}

const ALWAYS = Number.POSITIVE_INFINITY;

const invalidParameters: CodeRule = {
	blame: 'item',
	resends: 0,
	what: 'AILabTools did not accept the parameters of this pair',
	advice: "Check 'Similarity' and that both fields hold a picture.",
};
const keyRefused: CodeRule = {
	blame: 'account',
	resends: 0,
	what: 'AILabTools did not accept the API key',
	advice:
		'Open the credential and copy the API key again from the developer console of your account on www.ailabtools.com.',
};
const unreachable: CodeRule = {
	blame: 'account',
	resends: 0,
	what: 'No AILabTools API answers at this address',
	advice: "Check 'Base URL' in the credential. Its default is https://www.ailabapi.com.",
};
const unavailable: CodeRule = {
	blame: 'service',
	resends: ALWAYS,
	what: 'AILabTools could not process the pair for now',
	advice: 'Run the workflow again later. If it stays like this, send the request ID and log ID to AILabTools support.',
};
const busy: CodeRule = {
	blame: 'load',
	resends: ALWAYS,
	what: 'AILabTools takes no more requests from this account for now',
	advice: "Run the workflow again later, or lower 'Max Concurrent Requests' in every workflow that uses this key.",
};
const unfitPicture = (what: string, advice: string): CodeRule => ({ blame: 'item', resends: 0, what, advice });

/** The documented codes of the face-fusion endpoint. Source: "Error codes" of its documentation. */
export const codeRules: Readonly<Record<string, CodeRule>> = {
	ERROR_PARAMETERS: invalidParameters,
	MISSING_PARAMETERS: invalidParameters,
	ERROR_INVALID_PARAMETER: invalidParameters,
	PARAMETERS_CANNOT_EMPTY: invalidParameters,
	PROCESSING_FAILURE: { ...unavailable, resends: 2 },
	ERROR_USER_NOT_EXISTS: keyRefused,
	ERROR_APPLICATIONS_NOT_EXISTS: keyRefused,
	ERROR_USER_LOCKED: {
		blame: 'account',
		resends: 0,
		what: 'This AILabTools account is locked',
		advice: 'Contact AILabTools support, then run the workflow again.',
	},
	ERROR_AI_NOT_EXISTS: unreachable,
	FILE_SIZE_EXCEEDS_LIMIT: unfitPicture(
		'A picture is too large for AILabTools',
		`Make both files at most ${imageRequirements.maxBytes / 1024 / 1024} MB, for example with an Edit Image node: operation 'Resize'.`,
	),
	FILE_RESOLUTION_EXCEEDS_LIMITS: unfitPicture(
		'The width or height of a picture is outside the limits of AILabTools',
		"Change it with an Edit Image node: operation 'Resize'.",
	),
	UNSUPPORTED_FILE_TYPES: unfitPicture(
		'The format of a picture is not supported by AILabTools',
		`Provide ${formatList}, for example with an Edit Image node and its option 'Format'.`,
	),
	FILE_DECODING_FAILURE: unfitPicture(
		'AILabTools could not read a picture',
		'The file may be damaged or incomplete. Save it again as JPEG or PNG.',
	),
	ERROR_NO_FACE_IN_FILE: unfitPicture(
		'AILabTools found no face in a picture',
		'Use portraits that show one face from the front, evenly lit, with nothing covering it.',
	),
	ERROR_FACE_SIZE_RATIO_NOT_MET: unfitPicture(
		'The face in a picture is too small for AILabTools',
		'Crop the picture closer: the face should be at least 200 × 200 px.',
	),
	ERROR_BLURRY_FACE: unfitPicture(
		'The face in a picture is too blurred for AILabTools',
		'Use a sharp picture without strong compression.',
	),
	ERROR_CONTENT_NON_COMPLIANCE: unfitPicture(
		"A picture does not comply with AILabTools' content rules",
		'Use another picture. A black-and-white portrait counts as not compliant as well.',
	),
	ERROR_NOT_ENOUGH_CREDITS: {
		blame: 'account',
		resends: 0,
		what: 'The AILabTools account has not enough credits',
		advice: 'Buy credits on www.ailabtools.com, then run the workflow again.',
	},
	EXCEEDING_LIMITS: busy,
	AI_SERVICE_ERROR: unavailable,
	ERROR_INSUFFICIENT_RESOURCES: busy,
	AI_SERVICE_TIMEOUT: unavailable,
};

/** The rule for a code, or for the HTTP status where the code is unknown or absent. */
export function ruleFor(httpStatus: number, code: string | undefined): CodeRule {
	if (code !== undefined && Object.hasOwn(codeRules, code)) return codeRules[code];
	if (httpStatus === 401) return keyRefused;
	if (httpStatus === 403) {
		return {
			...keyRefused,
			what: 'AILabTools did not allow the request',
			advice: 'Check the API key and the account.',
		};
	}
	if (httpStatus === 404 || (httpStatus >= 300 && httpStatus < 400)) return unreachable;
	if (httpStatus === 429 || httpStatus === 503) return busy;
	if (httpStatus === 408 || httpStatus >= 500) return unavailable;
	return {
		blame: 'item',
		resends: 0,
		what: 'AILabTools did not accept this pair',
		advice: 'Check both pictures. If they are fine, send the request ID and log ID to AILabTools support.',
	};
}

/** Node's codes for a connection that was never made, as opposed to one that was lost. */
const NOT_CONNECTED = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'];

/** The refusal for a request that got no answer. `code` is Node's, such as `ECONNRESET`. */
export function noAnswer(code: string | undefined): Refusal {
	if (code !== undefined && NOT_CONNECTED.includes(code)) {
		return { ...unreachable, resends: ALWAYS, what: 'The AILabTools API cannot be reached' };
	}
	if (code !== undefined && /CERT|SSL|TLS|SELF_SIGNED|VERIFY/.test(code)) {
		return { ...unreachable, what: 'No secure connection to the AILabTools API could be made' };
	}
	return {
		...unavailable,
		what: 'The connection to AILabTools was lost before it answered',
		advice: 'Run the workflow again later, and check the network between n8n and AILabTools.',
	};
}

/** The refusal for a request that was not answered in time. */
export function timedOut(timeoutMs: number): Refusal {
	return {
		...unavailable,
		what: `AILabTools did not answer within ${timeoutMs} ms`,
		advice: "Raise the option 'Timeout', or run the workflow again later.",
	};
}

/** The refusal for an answer with HTTP 200 that holds no usable picture. */
export function unusableAnswer(what: string, detail?: string): Refusal {
	return {
		blame: 'service',
		resends: 0,
		what,
		detail,
		advice: 'Send the request ID and log ID to AILabTools support. Check the credits before you run this pair again.',
	};
}
