import { connectionFault } from '../base/http';
import { editImageAdvice, formatList, imageRequirements } from '../pictures/imageRequirements';

/**
 * Whose fault a refusal is, which decides what happens to the other items:
 * - `item`: this pair alone; the others go on
 * - `account`: key, lock, credits or address; no other item will fare better
 * - `load`: too many requests for now; fewer at a time, later
 * - `service`: AILabTools or the line to it
 */
export type Blame = 'item' | 'account' | 'load' | 'service';

/** What a code of the service means for the user, and for sending again. */
export interface CodeRule {
	blame: Blame;
	/** How many times at most it is worth sending the same pair again after a fault of account or service; default 0. */
	resends?: number;
	/** Whether AILabTools may have billed the request all the same. */
	mayBeBilled?: boolean;
	/** What happened: the beginning of the message. */
	what: string;
	/** What the user should do next. */
	advice: string;
	/** What a visitor should read, when `what` and `advice` concern only the workflow's owner. */
	visitor?: string;
	/** Whether it may be due to a picture that is stored turned: EXIF sets it upright for people, but not for every service. */
	orientationMayBeTheCause?: boolean;
}

/** An answer without a merged picture, or no answer at all. */
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

/** One or two sentences for somebody who uploaded the pictures in a form and knows neither n8n nor the account. */
export function refusalForVisitor({ blame, what, advice, visitor }: CodeRule): string {
	if (blame !== 'item') return 'The pictures could not be merged for now. Please try again later.';
	return visitor ?? `${what}. ${advice}`;
}

const ALWAYS = Number.POSITIVE_INFINITY;

/** The documentation does not say whether a request that was cut off is billed. */
const perhapsBilled = (advice: string) => ({
	mayBeBilled: true,
	advice: `${advice} AILabTools may have billed the request all the same.`,
});

const notAccepted: CodeRule = {
	blame: 'item',
	what: 'AILabTools did not accept this pair',
	advice: 'Check both pictures. If they are fine, send the request ID and log ID to AILabTools support.',
	visitor: 'These two pictures could not be merged. Please try others.',
};
const invalidParameters: CodeRule = {
	...notAccepted,
	what: 'AILabTools did not accept the parameters of this pair',
	advice: "Check 'Similarity' and that both fields hold a picture.",
};
const keyRefused: CodeRule = {
	blame: 'account',
	what: 'AILabTools did not accept the API key',
	advice: 'Open the credential and copy the API key again from https://www.ailabtools.com/developer into it.',
};
const unreachable: CodeRule = {
	blame: 'account',
	what: 'No AILabTools API answers at this address',
	advice: "Check 'Base URL' in the credential. Its default is https://www.ailabapi.com.",
};
const busy: CodeRule = {
	blame: 'load',
	what: 'AILabTools takes no more requests from this account for now',
	advice:
		"Run the workflow again later. If another n8n or program uses the same key, lower 'Max Concurrent Requests' in each.",
};
const unavailable: CodeRule = {
	blame: 'service',
	resends: ALWAYS,
	what: 'AILabTools could not process the pair for now',
	advice: 'Run the workflow again later. If it stays like this, send the request ID and log ID to AILabTools support.',
};

/** What happened, and after the first full stop what to do. */
type Words = `${string}. ${string}`;

const rule = (words: Words, others: Omit<CodeRule, 'what' | 'advice'>): CodeRule => {
	const [what = '', advice = ''] = words.split(/\. (.*)/);
	return { ...others, what, advice };
};
const accountStops = (words: Words) => rule(words, { blame: 'account' });
/** A picture that will never be merged, in words for the owner and for visitors. */
const pictureUnfit = (words: Words) => rule(words, { blame: 'item' });
const perhapsTurned = (words: Words) => rule(words, { blame: 'item', orientationMayBeTheCause: true });
const toBeResized = (words: Words) => rule(`${words} ${editImageAdvice()}`, { blame: 'item', visitor: words });

/** Codes of one meaning, separated by spaces. */
const family = (codes: string, each: CodeRule) => codes.split(' ').map((code) => [code, each] as const);
const families = (toRule: (words: Words) => CodeRule, wordsByCodes: Record<string, Words>) =>
	Object.entries(wordsByCodes).flatMap(([codes, words]) => family(codes, toRule(words)));

const { maxBytes, minSide, maxSide } = imageRequirements;
const goodPictures = 'Use pictures that show one face from the front, evenly lit, with nothing covering it.';

/** The documented codes that a merge can meet. Source: "Error codes" in AILabTools' documentation, one table for all APIs. */
export const codeRules: ReadonlyMap<string, CodeRule> = new Map([
	...family('ERROR_PARAMETERS ERROR_INVALID_PARAMETER ERROR_INVALID_PARAMETER_FORMAT', invalidParameters),
	...family('MISSING_PARAMETERS PARAMETERS_CANNOT_EMPTY UNSUPPORTED_PARAMETER_VALUES', invalidParameters),
	...family('ERROR_PARAMETER_CONVERSION_FAILED ERROR_TOO_MANY_FILES', invalidParameters),
	...family('ERROR_ILLEGAL_OPERATION', notAccepted),
	...family('ERROR_USER_NOT_EXISTS ERROR_APPLICATIONS_NOT_EXISTS', keyRefused),
	...family('ERROR_AI_NOT_EXISTS', unreachable),
	...family('EXCEEDING_LIMITS AI_SERVICE_FLOW_RESTRICTION', busy),
	...family('ERROR_INSUFFICIENT_RESOURCES ERROR_RESOURCE_UNAVAILABLE', busy),
	...family('PROCESSING_FAILURE ERROR_FACE_BLENDING_FAILED', { ...unavailable, resends: 2 }),
	...family('UNKNOWN_ERROR SERVICE_INTERNAL_ERROR ERROR_GATEWAY FILE_SERVICE_ERROR', unavailable),
	...family('AI_SERVICE_ERROR AI_SERVICE_INTERNAL_ERROR AI_SERVICE_TIMEOUT', unavailable),
	...family('AI_SERVICE_UNAUTHORIZED AI_SERVICE_NOT_FOUND', unavailable),
	...family('ERROR_FILE_UPLOAD_FAILED ERROR_DATA_TRANSFER_FAILED', unavailable),
	...families(accountStops, {
		ERROR_USER_LOCKED: 'This AILabTools account is locked. Contact AILabTools support, then run the workflow again.',
		ERROR_NOT_ENOUGH_CREDITS:
			'The AILabTools account does not have enough credits. Buy credits on https://www.ailabtools.com and run the workflow again. A merge costs 8 credits.',
	}),
	...families(toBeResized, {
		'FILE_SIZE_EXCEEDS_LIMIT ERROR_REQUEST_BODY_TOO_LARGE': `The file of one of the two pictures is too large. Save it with fewer pixels: at most ${maxBytes / 1024 / 1024} MB are possible.`,
		'FILE_RESOLUTION_EXCEEDS_LIMITS ERROR_HIGH_RESOLUTION': `One of the two pictures has too many pixels. Width and height must be smaller than ${maxSide} px.`,
		UNSUPPORTED_FILE_TYPES: `The format of one of the two pictures is not supported. Save it as ${formatList}.`,
		ERROR_RESPONSE_BODY_TOO_LARGE:
			'The merged picture would be larger than can be sent. Save the picture that receives the face with fewer pixels.',
	}),
	...families(perhapsTurned, {
		'ERROR_NO_FACE_IN_FILE ERROR_FACE_NOT_FOUND ERROR_NO_RECOGNITION_TARGET_DETECTED': `No face was found in one of the two pictures. ${goodPictures}`,
		// In older answers, the code of a picture without a face.
		FILE_CONTENT_NON_COMPLIANCE: `The content of one of the two pictures is not suitable. ${goodPictures}`,
		ERROR_FACE_COUNT_INVALID:
			'One of the two pictures shows more than one face, or none. Use one with exactly one face: crop other people out.',
		'ERROR_FACE_UNRECOGNIZABLE ERROR_IMAGE_RECOGNITION_FAILED ERROR_POOR_FACE_QUALITY ERROR_QUALITY_SCORE_NOT_MEET_REQUIREMENTS':
			'The face in one of the two pictures is not clear enough. Use one that is sharp, evenly lit, and neither filtered nor strongly compressed.',
		ERROR_FACE_NOT_FACING_FORWARD:
			'The face in one of the two pictures is turned away. Use one taken from the front, with the head upright and looking into the camera.',
	}),
	...families(pictureUnfit, {
		'ERROR_FILE_NOT_FOUND ERROR_CONTENT_NOT_FOUND ERROR_RESOURCE_NOT_FOUND':
			'One of the two pictures did not arrive. Save both again as JPEG or PNG.',
		'FILE_DECODING_FAILURE ERROR_ILLEGAL_FILE ERROR_INVALID_FILE':
			'One of the two pictures cannot be read. It may be damaged or incomplete: save it again as JPEG or PNG.',
		ERROR_LOW_RESOLUTION: `One of the two pictures has too few pixels. Use a larger one: more than ${minSide.target} px in width and height for the portrait whose face is taken, and more than ${minSide.template} px for the picture that receives the face.`,
		ERROR_UNSUPPORTED_GRAYSCALE_IMAGE: 'The portrait whose face is taken is black-and-white. Use a portrait in colour.',
		ERROR_CONTENT_NON_COMPLIANCE: 'The content of one of the two pictures is not allowed. Use another picture.',
		'ERROR_SMALL_FACE_SIZE ERROR_FACE_SIZE_RATIO_NOT_MET ERROR_FACE_SIZE_NOT_MEET_REQUIREMENTS':
			'The face in one of the two pictures is too small. Use one taken closer up, or crop it more tightly: the face should be at least 200 × 200 px.',
		ERROR_BLURRY_FACE:
			'The face in one of the two pictures is too blurred. Use a sharp one, taken with camera and head held still, and not strongly compressed.',
		ERROR_POOR_FACE_LIGHTING:
			'The face in one of the two pictures is badly lit. Use one with even light from the front: not too dark, no hard shadows, no bright window behind the head.',
		ERROR_INCOMPLETE_FACE:
			'A part of the face is cut off in one of the two pictures. Use one that shows the whole face, from the forehead to the chin, with some space around it.',
		ERROR_TEMPLATE_IMAGE_QUALITY_TOO_LOW:
			'The quality of the picture that receives the face, the template, is too low. Use a sharper one, with a face of at least 200 × 200 px and without traces of compression.',
		ERROR_CARTOON_FACE_NOT_SUPPORTED: 'One of the two pictures shows a drawn face. Use a photograph of a person.',
		'ERROR_SYNTHESIS_DETECTION_FAILED ERROR_LIVENESS_DETECTION_FAILED':
			'One of the two pictures does not pass for a photograph of a real person. Use an unedited photograph, taken of the person and not of a screen or a print.',
		ERROR_OBSTRUCTED_FACE:
			'The face is covered in one of the two pictures. Use one with no hand, hair, mask, hat or sunglasses over the face.',
		'ERROR_LEFT_EYE_OCCLUSION_TOO_HIGH ERROR_RIGHT_EYE_OCCLUSION_TOO_HIGH':
			'An eye is covered in one of the two pictures. Use one with no hair, hand or sunglasses over the eyes.',
		'ERROR_LEFT_FACE_OCCLUSION_TOO_HIGH ERROR_RIGHT_FACE_OCCLUSION_TOO_HIGH':
			'A cheek is covered in one of the two pictures. Use one with no hair, hand or scarf over the cheeks.',
		ERROR_NOSE_OCCLUSION_TOO_HIGH:
			'The nose is covered in one of the two pictures. Use one with no hand, glasses or mask over the nose.',
		ERROR_MOUTH_OCCLUSION_TOO_HIGH:
			'The mouth is covered in one of the two pictures. Use one with no hand, cup or mask over the mouth.',
		ERROR_CHIN_OCCLUSION_TOO_HIGH:
			'The chin is covered in one of the two pictures. Use one with no hand, scarf or collar over the chin.',
	}),
]);

/**
 * The rule for a code, or for the HTTP status when the code is unknown or absent: codes have changed their status before.
 * @param fromService whether the answer has the form of AILabTools' answers, so that the address is right
 */
export function ruleFor(httpStatus: number, code: string | undefined, fromService = false): CodeRule {
	const known = code === undefined ? undefined : codeRules.get(code);
	if (known !== undefined) return known;
	if (httpStatus === 401) return keyRefused;
	if (httpStatus >= 300 && httpStatus < 400) return unreachable;
	if (httpStatus === 429 || httpStatus === 503) return busy;
	const isUnavailable = httpStatus === 408 || httpStatus >= 500;
	if (fromService) return isUnavailable ? unavailable : notAccepted;
	// It comes from a proxy on the way, or from another site. Of 200, only a web page comes here.
	if ([200, 400, 404, 405].includes(httpStatus)) return unreachable;
	if (isUnavailable) return { ...unavailable, ...perhapsBilled('Run the workflow again later.') };
	switch (httpStatus) {
		case 403:
			return accountStops(
				'AILabTools did not allow the request. Check the account and its API key on https://www.ailabtools.com/developer and in the credential.',
			);
		case 413:
			return {
				blame: 'item',
				what: 'The pair is too large for a proxy on the way to AILabTools',
				advice: `Raise the proxy's limit, or send smaller files. ${editImageAdvice()}`,
				visitor: 'The two files together are too large. Save the pictures with fewer pixels.',
			};
	}
	return {
		...notAccepted,
		what: 'Something between n8n and AILabTools, such as a firewall, refused this pair',
		advice: `Ask its administrator, or check the address: ${unreachable.advice}`,
	};
}

/**
 * The refusal for a request that got no answer.
 * @param code Node's for the connection, such as `ECONNRESET`; undefined where n8n made none
 */
export function noAnswer(code: string | undefined): Refusal {
	if (code === undefined) {
		return {
			...unreachable,
			what: 'This n8n did not send the request to AILabTools',
			advice: `${unreachable.advice} If it is right, ask the administrator of this n8n whether it allows requests to that address.`,
		};
	}
	const network = `the network between n8n and AILabTools (${code})`;
	const advice = `${unreachable.advice} If the address is right, check ${network}.`;
	switch (connectionFault(code)) {
		case 'notMade':
			// A mistyped name is told soon.
			return {
				...unreachable,
				resends: code === 'ENOTFOUND' ? 2 : ALWAYS,
				what: 'The AILabTools API cannot be reached',
				advice,
			};
		case 'notSecure':
			return { ...unreachable, what: 'No secure connection to the AILabTools API could be made', advice };
		case 'lost':
			return {
				...unavailable,
				what: 'The connection to AILabTools was lost before it answered',
				...perhapsBilled(`Run the workflow again later, and check ${network}.`),
			};
	}
}

/** The refusal for a request that was not answered in time. */
export function timedOut(timeoutMs: number): Refusal {
	return {
		...unavailable,
		what: `AILabTools did not answer within ${timeoutMs} ms`,
		...perhapsBilled("Raise the option 'Timeout', or run the workflow again later."),
	};
}

/** The refusal for an answer with HTTP 200 but no usable picture. */
export function unusableAnswer(what: string): Refusal {
	const { mayBeBilled, advice } = perhapsBilled('Send the request ID and log ID to AILabTools support.');
	return { blame: 'service', mayBeBilled, what, advice: `${advice} Check the credits before you run this pair again.` };
}
