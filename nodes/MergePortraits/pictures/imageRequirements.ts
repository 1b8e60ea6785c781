import { formatName, readImageHeader } from './imageHeader';

export type ImageRole = 'target' | 'template';

/** One requirement that a picture does not meet, in words that complete "'Label' …". */
export interface Violation {
	/** The code that AILabTools documents for it. */
	code: string;
	found: string;
	allowed: string;
	/** What the workflow's owner can do. */
	wayOut: string;
	/** What somebody can do who uploaded the picture in a form, or is talking to an agent. */
	visitorWayOut: string;
}

/** What AILabTools requires of both pictures. Source: "Image requirements" in the face-fusion documentation. */
export const imageRequirements = {
	formats: ['JPEG', 'PNG', 'BMP'],
	maxBytes: 4 * 1024 * 1024,
	/** Width and height must be larger than this: px, exclusive. */
	minSide: { target: 128, template: 200 },
	/** Width and height must be smaller than this: px, exclusive. */
	maxSide: 4096,
	/** Whether pictures stored in greyscale are accepted. */
	greyscale: { target: false, template: true },
} as const;

const { formats, maxBytes, minSide, maxSide, greyscale } = imageRequirements;

export const formatList = `${formats.slice(0, -1).join(', ')} or ${formats.at(-1)}`;

/** The settings of n8n's node that make almost any picture fit. */
export const editImageAdvice =
	"An Edit Image node before this one makes it so: Operation 'Resize', 'Width' and 'Height' 2048, 'Option' 'Only if Larger', and its options 'Format' jpeg and 'Quality' 90.";

/** The pictures in the words of somebody who sees the form, not the workflow. */
const visitorNames = {
	target: 'The portrait whose face is taken',
	template: 'The picture that receives the face',
} as const;

/** What is wrong with which picture, for somebody who uploaded both in a form. */
export function violationsForVisitor(violations: ReadonlyArray<Violation & { role: ImageRole }>): string {
	return violations
		.map(({ role, found, visitorWayOut }) => `${visitorNames[role]} ${found}. ${visitorWayOut}`)
		.join(' ');
}

/** The one requirement that holds even without validation: a request needs a file. */
export function checkNotEmpty(byteLength: number): Violation[] {
	if (byteLength > 0) return [];
	return [
		{
			code: 'PARAMETERS_CANNOT_EMPTY',
			found: 'is an empty file',
			allowed: `a ${formatList} picture`,
			wayOut: 'Check the node that provides the file.',
			visitorWayOut: 'Please upload it again.',
		},
	];
}

/** The requirements on file size alone, so that a stored picture can be refused before its bytes are loaded. */
export function checkFileSize(byteLength: number): Violation[] {
	return byteLength > maxBytes ? [tooLarge(byteLength)] : checkNotEmpty(byteLength);
}

/** @param byteLength undefined when all that is known is that it is more than allowed */
export function tooLarge(byteLength?: number): Violation {
	return {
		code: 'FILE_SIZE_EXCEEDS_LIMIT',
		found: `has ${byteLength === undefined ? `more than ${megabytes(maxBytes)}` : megabytes(byteLength)} MB`,
		allowed: `at most ${megabytes(maxBytes)} MB`,
		wayOut: editImageAdvice,
		visitorWayOut: `Save it with fewer pixels: at most ${megabytes(maxBytes)} MB are possible.`,
	};
}

/**
 * Checks a picture's bytes against the documented requirements of its role.
 * @returns every violation, none when the picture is fit to be sent
 */
export function checkImage(role: ImageRole, bytes: Buffer): Violation[] {
	const violations = checkFileSize(bytes.length);
	if (bytes.length === 0) return violations;
	const header = readImageHeader(bytes);
	if (header === undefined || !isTaken(header.format.name)) return [...violations, unfitFormat(formatName(bytes))];
	const { width, height } = header;
	const sides = [width, height];
	const tooSmall = sides.some((side) => side <= minSide[role]);
	if (tooSmall || sides.some((side) => side >= maxSide)) {
		violations.push({
			code: tooSmall ? 'ERROR_LOW_RESOLUTION' : 'ERROR_HIGH_RESOLUTION',
			found: `is ${width} × ${height} px`,
			allowed: `width and height larger than ${minSide[role]} px and smaller than ${maxSide} px`,
			wayOut: tooSmall ? 'Provide a larger picture: one that is enlarged gains no details.' : editImageAdvice,
			visitorWayOut: tooSmall
				? `Choose a larger one: more than ${minSide[role]} px in width and height.`
				: `Save it with fewer pixels: less than ${maxSide} px in width and height.`,
		});
	}
	if (header.greyscale && !greyscale[role]) {
		violations.push({
			code: 'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
			found: 'is black-and-white',
			allowed: 'a picture in colour',
			wayOut: 'Provide a portrait in colour: the service cannot take a face from a black-and-white one.',
			visitorWayOut: 'Choose one in colour.',
		});
	}
	return violations;
}

const isTaken = (format: string | undefined) => formats.some((taken) => taken === format);

/** @param format of a file whose format is not taken, or that cannot be read; undefined when unknown */
function unfitFormat(format: string | undefined): Violation {
	const named = format !== undefined && !isTaken(format);
	return {
		code: isTaken(format) ? 'FILE_DECODING_FAILURE' : 'UNSUPPORTED_FILE_TYPES',
		found: named ? `is ${format === 'AVIF' ? 'an' : 'a'} ${format} picture` : 'is not a picture that can be read',
		allowed: `${formatList}, complete`,
		wayOut: named ? editImageAdvice : 'Check the node that provides the file, and that the file is complete.',
		visitorWayOut: 'Save it as JPEG or PNG.',
	};
}

/** Megabytes of 1024 × 1024 bytes, rounded up so that one byte over a limit does not read as the limit itself. */
const megabytes = (bytes: number) => Math.ceil((bytes / 1024 / 1024) * 100) / 100;
