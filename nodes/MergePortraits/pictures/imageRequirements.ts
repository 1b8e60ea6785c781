import { clean } from '../base/text';
import type { ImageHeader } from './imageHeader';

export type ImageRole = 'target' | 'template';

/** Why a picture cannot be sent, or was perhaps not merged: one requirement that its file does not meet, or what became of the link to it. */
export interface Unfit {
	/** The code that AILabTools documents for it. */
	code: string;
	/** Completes "'Label' …". Of a link it shows the host alone: before it may come a password, after it a token. */
	found: string;
	allowed?: string;
	/** What the workflow's owner can do. */
	wayOut: string;
	/** Completes "The portrait …" for a visitor, where `found` is not for visitors. */
	visitorFound?: string;
	/** What somebody can do who uploaded the picture in a form, or is talking to an agent. */
	visitorWayOut: string;
	/** Whether the same may work a moment later. */
	passing?: boolean;
	/** Whether an image tool can mend it; what is not known to be mendable is not. */
	mendable?: boolean;
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

/** Megabytes as n8n shows them beside a file, of 1,000,000 bytes, so that 4 × 1024 × 1024 bytes are 4.19 MB. */
const megabytes = (bytes: number, round = Math.ceil) => `${round(bytes / 10_000) / 100} MB`;

/** The largest file, rounded down, while others are rounded up: what is one byte larger does not read as the limit. */
export const maxFileSize = megabytes(maxBytes, Math.floor);

/** The most that an image tool should be given: a few kilobytes can claim pixels that take gigabytes to decode. */
export const MAX_MENDABLE_PIXELS = 100_000_000;

/** Of the longer side, px, as `editImageAdvice` sets it. */
const MENDED_SIDE = 2048;

/**
 * The settings of n8n's node that make almost any picture fit.
 * @param field the picture's binary field, where it is known
 */
export const editImageAdvice = (field = "the picture's field") =>
	`An Edit Image node before this one makes it so: Operation 'Resize', 'Property Name' ${clean(field)}, 'Width' and 'Height' ${MENDED_SIDE}, 'Option' 'Only if Larger', and its options 'Format' jpeg and 'Quality' 90.`;

/** The same for a picture behind a link, which only this node has opened. */
export const editLinkedImageAdvice = `Download it with an HTTP Request node, and choose 'Binary File' here with the field data. ${editImageAdvice('data')}`;

/** The pictures in the words of somebody who sees the form, not the workflow. */
const visitorNames = {
	target: 'The portrait whose face is taken',
	template: 'The picture that receives the face',
} as const;

/** What is wrong with which picture, for somebody who uploaded both in a form. */
export function unfitForVisitor(unfit: ReadonlyArray<Unfit & { role: ImageRole }>): string {
	return unfit
		.map(({ role, found, visitorFound = found, visitorWayOut }) => {
			return `${visitorNames[role]} ${visitorFound}. ${visitorWayOut}`;
		})
		.join(' ');
}

/** The one requirement that holds even without validation: a request needs a file. */
export function checkNotEmpty(byteLength: number): Unfit[] {
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

type Mending = Pick<Unfit, 'wayOut' | 'mendable'>;

/** @param byteLength undefined when all that is known is that it is more than allowed */
export function tooLarge(byteLength: number | undefined, mending: Mending): Unfit {
	return {
		code: 'FILE_SIZE_EXCEEDS_LIMIT',
		found: `has ${byteLength === undefined ? `more than ${maxFileSize}` : megabytes(byteLength)}`,
		allowed: `at most ${maxFileSize}`,
		visitorWayOut: `Save it with fewer pixels: at most ${maxBytes / 1024 / 1024} MB are possible.`,
		...mending,
	};
}

/**
 * Checks a picture against the documented requirements of its role, as far as its first bytes tell: whether its pixels can
 * be decoded is for the service to say.
 * @param header what its first bytes tell; undefined when they are of no known format
 * @param byteLength of the whole file
 * @param howToMend what to advise where an image tool can mend it
 * @returns all that is wrong: nothing when it is fit to be sent, and only what is `mendable` when it can be made fit
 */
export function checkImage(
	role: ImageRole,
	header: ImageHeader | undefined,
	byteLength: number,
	howToMend = editImageAdvice(),
): Unfit[] {
	if (byteLength === 0) return checkNotEmpty(byteLength);
	const mendable = isMendable(role, header);
	const mending = {
		mendable,
		wayOut: mendable ? howToMend : 'Provide another picture, or save this one anew as JPEG or PNG.',
	};
	const unfit = [
		byteLength > maxBytes ? tooLarge(byteLength, mending) : undefined,
		unfitFormat(header, mending),
		unfitSides(role, header, mending),
		header?.greyscale && !greyscale[role] ? blackAndWhite : undefined,
	];
	return unfit.filter((one) => one !== undefined);
}

/** Whether what `editImageAdvice` makes of it has enough pixels: a long and narrow one becomes too narrow. */
export function isMendable(role: ImageRole, header: ImageHeader | undefined): boolean {
	const { width, height, pixels } = header ?? {};
	if (width === undefined || height === undefined || pixels === undefined) return false;
	const scale = Math.min(1, MENDED_SIDE / Math.max(width, height));
	return pixels <= MAX_MENDABLE_PIXELS && Math.floor(scale * Math.min(width, height)) > minSide[role];
}

function unfitFormat(header: ImageHeader | undefined, mending: Mending): Unfit | undefined {
	const name = header?.format.name;
	const isTaken = formats.some((taken) => taken === name);
	if (isTaken && header?.width !== undefined) return undefined;
	const isOther = name !== undefined && !isTaken;
	return {
		code: isTaken ? 'FILE_DECODING_FAILURE' : 'UNSUPPORTED_FILE_TYPES',
		found: isOther ? `is ${name === 'AVIF' ? 'an' : 'a'} ${name} picture` : 'is not a picture that can be read',
		allowed: isOther ? formatList : `${formatList} that begins with a complete header`,
		visitorWayOut: 'Save it as JPEG or PNG.',
		...(isOther
			? mending
			: { wayOut: 'Check the node that provides the file, and that the file is complete and a picture.' }),
	};
}

function unfitSides(role: ImageRole, header: ImageHeader | undefined, mending: Mending): Unfit | undefined {
	const { width, height } = header ?? {};
	if (width === undefined || height === undefined) return undefined;
	const isTooSmall = Math.min(width, height) <= minSide[role];
	if (!isTooSmall && Math.max(width, height) < maxSide) return undefined;
	return {
		code: isTooSmall ? 'ERROR_LOW_RESOLUTION' : 'ERROR_HIGH_RESOLUTION',
		found: `is ${width} × ${height} px`,
		allowed: `width and height larger than ${minSide[role]} px and smaller than ${maxSide} px`,
		visitorWayOut: isTooSmall
			? `Choose a larger one: more than ${minSide[role]} px in width and height.`
			: `Save it with fewer pixels: less than ${maxSide} px in width and height.`,
		...(isTooSmall ? { wayOut: 'Provide a larger picture: one that is enlarged gains no details.' } : mending),
	};
}

const blackAndWhite: Unfit = {
	code: 'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
	found: 'is black-and-white',
	allowed: 'a picture in colour',
	wayOut: 'Provide a portrait in colour: the service cannot take a face from a black-and-white one.',
	visitorWayOut: 'Choose one in colour.',
};

/** What may be why the service found no face in a picture: its pixels are stored turned, as phones do. */
export const turnedPicture = (field?: string): Unfit => ({
	code: 'ERROR_NO_FACE_IN_FILE',
	found: 'is stored turned, and AILabTools may not turn it',
	wayOut: editImageAdvice(field),
	visitorFound: 'is stored lying on its side or upside down',
	visitorWayOut: 'Turn it upright, save it and upload it again.',
	mendable: true,
});
