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
	/** What happened: the beginning of the message. */
	what: string;
	/** What the user should do next. */
	advice: string;
	/** What a visitor should read, when `what` and `advice` concern only the workflow's owner. */
	visitor?: string;
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
const mayBeBilled = 'AILabTools may have billed the request all the same.';

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
	advice:
		'Open the credential and copy the API key again from the developer console of your account on www.ailabtools.com.',
};
const locked: CodeRule = {
	blame: 'account',
	what: 'This AILabTools account is locked',
	advice: 'Contact AILabTools support, then run the workflow again.',
};
const noCredits: CodeRule = {
	blame: 'account',
	what: 'The AILabTools account does not have enough credits',
	advice: 'Buy credits on www.ailabtools.com, then run the workflow again. A merge costs 8 credits.',
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

/** The rule for pictures that will never be merged. Without `visitor`, visitors read `what` and `advice`. */
const picture = (what: string, advice: string, visitor?: string): CodeRule => ({
	blame: 'item',
	what,
	advice,
	visitor,
});

const { maxBytes, minSide, maxSide } = imageRequirements;
const goodPortrait = 'that show one face from the front, evenly lit, with nothing covering it.';

const pictureNotFound = picture(
	'AILabTools did not find one of the two pictures in the request',
	'Save both again as JPEG or PNG, then run the workflow again.',
	'One of the two pictures did not arrive. Please save both again as JPEG or PNG, and upload them.',
);
const unreadable = picture(
	'One of the two pictures cannot be read',
	'It may be damaged or incomplete: save it again as JPEG or PNG.',
);
const fileTooLarge = picture(
	'The file of one of the two pictures is too large for AILabTools',
	`At most ${maxBytes / 1024 / 1024} MB are taken. ${editImageAdvice()}`,
	`One of the two files is too large. Save it with fewer pixels: at most ${maxBytes / 1024 / 1024} MB are possible.`,
);
const tooManyPixels = picture(
	'One of the two pictures has too many pixels for AILabTools',
	`Width and height must be smaller than ${maxSide} px. ${editImageAdvice()}`,
	`One of the two pictures has too many pixels. Save it with less than ${maxSide} px in width and height.`,
);
const tooFewPixels = picture(
	'One of the two pictures has too few pixels',
	`Use a larger one: more than ${minSide.target} px in width and height for the portrait whose face is taken, and more than ${minSide.template} px for the picture that receives the face.`,
);
const wrongFormat = picture(
	'The format of one of the two pictures is not supported by AILabTools',
	`Provide ${formatList}. ${editImageAdvice()}`,
	'The format of one of the two pictures is not supported. Save it as JPEG or PNG.',
);
const blackAndWhite = picture('The portrait whose face is taken is black-and-white', 'Use a portrait in colour.');
const notCompliant = picture(
	'The content of one of the two pictures is not allowed by AILabTools',
	'Use another picture.',
	'The content of one of the two pictures is not allowed. Please use another picture.',
);
const unfitContent = picture('The content of one of the two pictures is not suitable', `Use pictures ${goodPortrait}`);
const noFace = picture(
	'AILabTools found no face in a picture',
	`Use portraits ${goodPortrait}`,
	`No face was found in one of the two pictures. Use pictures ${goodPortrait}`,
);
const faceCount = picture(
	'One of the two pictures shows more than one face, or none',
	'Use one with exactly one face: crop other people out.',
);
const faceTooSmall = picture(
	'The face in one of the two pictures is too small',
	'Use one taken closer up, or crop it more tightly: the face should be at least 200 × 200 px.',
);
const faceBlurred = picture(
	'The face in one of the two pictures is too blurred',
	'Use a sharp one, taken with camera and head held still, and not strongly compressed.',
);
const faceUnclear = picture(
	'The face in one of the two pictures is not clear enough',
	'Use one that is sharp, evenly lit, and neither filtered nor strongly compressed.',
);
const faceBadlyLit = picture(
	'The face in one of the two pictures is badly lit',
	'Use one with even light from the front: not too dark, no hard shadows, no bright window behind the head.',
);
const faceCutOff = picture(
	'A part of the face is cut off in one of the two pictures',
	'Use one that shows the whole face, from the forehead to the chin, with some space around it.',
);
const faceTurned = picture(
	'The face in one of the two pictures is turned away',
	'Use one taken from the front, with the head upright and looking into the camera.',
);
const templateTooPoor = picture(
	'The quality of the picture that receives the face, the template, is too low',
	'Use a sharper one, with a face of at least 200 × 200 px and without traces of compression.',
);
const drawnFace = picture('One of the two pictures shows a drawn face', 'Use a photograph of a person.');
const notRealPerson = picture(
	'One of the two pictures does not pass for a photograph of a real person',
	'Use an unedited photograph, taken of the person and not of a screen or a print.',
);
const covered = (part: string, advice: string) => picture(`${part} is covered in one of the two pictures`, advice);
const faceCovered = covered('The face', 'Use one with no hand, hair, mask, hat or sunglasses over the face.');
const eyeCovered = covered('An eye', 'Use one with no hair, hand or sunglasses over the eyes.');
const cheekCovered = covered('A cheek', 'Use one with no hair, hand or scarf over the cheeks.');
const noseCovered = covered('The nose', 'Use one with no hand, glasses or mask over the nose.');
const mouthCovered = covered('The mouth', 'Use one with no hand, cup or mask over the mouth.');
const chinCovered = covered('The chin', 'Use one with no hand, scarf or collar over the chin.');
const tooLargeForProxy = picture(
	'The pair is too large for a proxy on the way to AILabTools',
	`Raise the proxy's limit, or send smaller files. ${editImageAdvice()}`,
	'The two files together are too large. Save the pictures with fewer pixels.',
);
const resultTooLarge = picture(
	'The merged picture would be larger than AILabTools can send',
	`Make the template smaller. ${editImageAdvice()}`,
	'The merged picture would be too large. Save the picture that receives the face with fewer pixels.',
);

const family = (rule: CodeRule, ...codes: string[]) => codes.map((code) => [code, rule] as const);

/** The documented codes that a merge can meet. Source: "Error codes" in AILabTools' documentation, one table for all APIs. */
export const codeRules: ReadonlyMap<string, CodeRule> = new Map([
	// The request
	...family(invalidParameters, 'ERROR_PARAMETERS', 'ERROR_INVALID_PARAMETER', 'ERROR_INVALID_PARAMETER_FORMAT'),
	...family(invalidParameters, 'MISSING_PARAMETERS', 'PARAMETERS_CANNOT_EMPTY', 'UNSUPPORTED_PARAMETER_VALUES'),
	...family(invalidParameters, 'ERROR_PARAMETER_CONVERSION_FAILED', 'ERROR_TOO_MANY_FILES'),
	...family(notAccepted, 'ERROR_ILLEGAL_OPERATION'),
	// The account and the address
	...family(keyRefused, 'ERROR_USER_NOT_EXISTS', 'ERROR_APPLICATIONS_NOT_EXISTS'),
	...family(locked, 'ERROR_USER_LOCKED'),
	...family(noCredits, 'ERROR_NOT_ENOUGH_CREDITS'),
	...family(unreachable, 'ERROR_AI_NOT_EXISTS'),
	// A picture as a file
	...family(pictureNotFound, 'ERROR_FILE_NOT_FOUND', 'ERROR_CONTENT_NOT_FOUND', 'ERROR_RESOURCE_NOT_FOUND'),
	...family(unreadable, 'FILE_DECODING_FAILURE', 'ERROR_ILLEGAL_FILE', 'ERROR_INVALID_FILE'),
	...family(fileTooLarge, 'FILE_SIZE_EXCEEDS_LIMIT', 'ERROR_REQUEST_BODY_TOO_LARGE'),
	...family(tooManyPixels, 'FILE_RESOLUTION_EXCEEDS_LIMITS', 'ERROR_HIGH_RESOLUTION'),
	...family(tooFewPixels, 'ERROR_LOW_RESOLUTION'),
	...family(wrongFormat, 'UNSUPPORTED_FILE_TYPES'),
	...family(blackAndWhite, 'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE'),
	...family(resultTooLarge, 'ERROR_RESPONSE_BODY_TOO_LARGE'),
	// What a picture shows
	...family(notCompliant, 'ERROR_CONTENT_NON_COMPLIANCE'),
	...family(unfitContent, 'FILE_CONTENT_NON_COMPLIANCE'),
	...family(noFace, 'ERROR_NO_FACE_IN_FILE', 'ERROR_FACE_NOT_FOUND', 'ERROR_NO_RECOGNITION_TARGET_DETECTED'),
	...family(faceCount, 'ERROR_FACE_COUNT_INVALID'),
	...family(faceTooSmall, 'ERROR_SMALL_FACE_SIZE', 'ERROR_FACE_SIZE_RATIO_NOT_MET'),
	...family(faceTooSmall, 'ERROR_FACE_SIZE_NOT_MEET_REQUIREMENTS'),
	...family(faceBlurred, 'ERROR_BLURRY_FACE'),
	...family(faceUnclear, 'ERROR_POOR_FACE_QUALITY', 'ERROR_QUALITY_SCORE_NOT_MEET_REQUIREMENTS'),
	...family(faceUnclear, 'ERROR_FACE_UNRECOGNIZABLE', 'ERROR_IMAGE_RECOGNITION_FAILED'),
	...family(faceBadlyLit, 'ERROR_POOR_FACE_LIGHTING'),
	...family(faceCutOff, 'ERROR_INCOMPLETE_FACE'),
	...family(faceTurned, 'ERROR_FACE_NOT_FACING_FORWARD'),
	...family(templateTooPoor, 'ERROR_TEMPLATE_IMAGE_QUALITY_TOO_LOW'),
	...family(drawnFace, 'ERROR_CARTOON_FACE_NOT_SUPPORTED'),
	...family(notRealPerson, 'ERROR_SYNTHESIS_DETECTION_FAILED', 'ERROR_LIVENESS_DETECTION_FAILED'),
	...family(faceCovered, 'ERROR_OBSTRUCTED_FACE'),
	...family(eyeCovered, 'ERROR_LEFT_EYE_OCCLUSION_TOO_HIGH', 'ERROR_RIGHT_EYE_OCCLUSION_TOO_HIGH'),
	...family(cheekCovered, 'ERROR_LEFT_FACE_OCCLUSION_TOO_HIGH', 'ERROR_RIGHT_FACE_OCCLUSION_TOO_HIGH'),
	...family(noseCovered, 'ERROR_NOSE_OCCLUSION_TOO_HIGH'),
	...family(mouthCovered, 'ERROR_MOUTH_OCCLUSION_TOO_HIGH'),
	...family(chinCovered, 'ERROR_CHIN_OCCLUSION_TOO_HIGH'),
	// Load
	...family(busy, 'EXCEEDING_LIMITS', 'AI_SERVICE_FLOW_RESTRICTION'),
	...family(busy, 'ERROR_INSUFFICIENT_RESOURCES', 'ERROR_RESOURCE_UNAVAILABLE'),
	// The service
	...family({ ...unavailable, resends: 2 }, 'PROCESSING_FAILURE', 'ERROR_FACE_BLENDING_FAILED'),
	...family(unavailable, 'UNKNOWN_ERROR', 'SERVICE_INTERNAL_ERROR', 'ERROR_GATEWAY', 'FILE_SERVICE_ERROR'),
	...family(unavailable, 'AI_SERVICE_ERROR', 'AI_SERVICE_INTERNAL_ERROR', 'AI_SERVICE_TIMEOUT'),
	...family(unavailable, 'AI_SERVICE_UNAUTHORIZED', 'AI_SERVICE_NOT_FOUND'),
	...family(unavailable, 'ERROR_FILE_UPLOAD_FAILED', 'ERROR_DATA_TRANSFER_FAILED'),
]);

/**
 * The rule for a code, or for the HTTP status when the code is unknown or absent: codes have changed their status before.
 * @param fromService whether the answer has the form of AILabTools' answers, so that the address is right
 */
export function ruleFor(httpStatus: number, code: string | undefined, fromService = false): CodeRule {
	const known = code === undefined ? undefined : codeRules.get(code);
	if (known !== undefined) return known;
	if (httpStatus === 401) return keyRefused;
	if (httpStatus === 403 && !fromService) {
		return {
			...keyRefused,
			what: 'AILabTools did not allow the request',
			advice: 'Check the API key and the account.',
		};
	}
	if (httpStatus === 413 && !fromService) return tooLargeForProxy;
	// Of 200, only a web page comes here.
	if ([200, 400, 404, 405].includes(httpStatus) && !fromService) return unreachable;
	if (httpStatus >= 300 && httpStatus < 400) return unreachable;
	if (httpStatus === 429 || httpStatus === 503) return busy;
	if (httpStatus === 408 || httpStatus >= 500) return unavailable;
	return notAccepted;
}

/** The refusal for a request that got no answer. `code` is Node's, such as `ECONNRESET`. */
export function noAnswer(code: string | undefined): Refusal {
	const network = `the network between n8n and AILabTools${code ? ` (${code})` : ''}`;
	const advice = `${unreachable.advice} If the address is right, check ${network}.`;
	switch (connectionFault(code)) {
		case 'notMade':
			// A mistyped name is told soon.
			return { ...unreachable, resends: code === 'ENOTFOUND' ? 2 : ALWAYS, what: 'The AILabTools API cannot be reached', advice };
		case 'notSecure':
			return { ...unreachable, what: 'No secure connection to the AILabTools API could be made', advice };
		case 'lost':
			return {
				...unavailable,
				what: 'The connection to AILabTools was lost before it answered',
				advice: `Run the workflow again later, and check ${network}. ${mayBeBilled}`,
			};
	}
}

/** The refusal for a request that was not answered in time. */
export function timedOut(timeoutMs: number): Refusal {
	return {
		...unavailable,
		what: `AILabTools did not answer within ${timeoutMs} ms`,
		advice: `Raise the option 'Timeout', or run the workflow again later. ${mayBeBilled}`,
	};
}

/** The refusal for an answer with HTTP 200 but no usable picture. */
export function unusableAnswer(what: string, detail?: string): Refusal {
	return {
		blame: 'service',
		what,
		detail,
		advice: `Send the request ID and log ID to AILabTools support. ${mayBeBilled} Check the credits before you run this pair again.`,
	};
}
