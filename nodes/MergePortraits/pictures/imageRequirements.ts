import { readImageHeader } from './imageHeader';

export type ImageRole = 'target' | 'template';

/** One requirement that a picture does not meet, in words that complete "'Label' …". */
export interface Violation {
	found: string;
	allowed: string;
	wayOut: string;
}

/** What AILabTools demands of both pictures. Source: "Image requirements" of the face-fusion documentation. */
export const imageRequirements = {
	formats: ['JPEG', 'PNG', 'BMP'],
	maxBytes: 4 * 1024 * 1024,
	/** Width and height must be larger than this: px, exclusive. */
	minSide: { target: 128, template: 200 },
	/** Width and height must be smaller than this: px, exclusive. */
	maxSide: 4096,
	/** Whether pictures stored in greyscale are taken. */
	greyscale: { target: false, template: true },
} as const;

const { formats, maxBytes, minSide, maxSide, greyscale } = imageRequirements;

/** The formats in words. */
export const formatList = `${formats.slice(0, -1).join(', ')} or ${formats.at(-1)}`;

/** The one requirement that holds without validation too: a request cannot do without a file. */
export function checkNotEmpty(byteLength: number): Violation[] {
	if (byteLength > 0) return [];
	const wayOut = 'Check the node that provides the file.';
	return [{ found: 'is an empty file', allowed: `a ${formatList} picture`, wayOut }];
}

/** The requirements on file size alone, so that a stored picture can be refused before its bytes are loaded. */
export function checkFileSize(byteLength: number): Violation[] {
	if (byteLength <= maxBytes) return checkNotEmpty(byteLength);
	return [
		{
			found: `has ${megabytes(byteLength)} MB`,
			allowed: `at most ${megabytes(maxBytes)} MB`,
			wayOut: "Put an Edit Image node before this one: operation 'Resize', or option 'Quality' with format JPEG.",
		},
	];
}

/**
 * Checks a picture's bytes against the documented requirements of its role.
 * @returns every violation, none when the picture is fit to be sent
 */
export function checkImage(role: ImageRole, bytes: Buffer): Violation[] {
	const violations = checkFileSize(bytes.length);
	if (bytes.length === 0) return violations;
	const header = readImageHeader(bytes);
	if (header === undefined || !formats.some((format) => format === header.format.name)) {
		violations.push({
			found: header ? `is a ${header.format.name} picture` : 'is no picture that can be read',
			allowed: `${formatList}, complete`,
			wayOut: "An Edit Image node with option 'Format' makes a JPEG of many other picture formats.",
		});
		return violations;
	}
	const { width, height } = header;
	const fits = (side: number) => side > minSide[role] && side < maxSide;
	if (!fits(width) || !fits(height)) {
		violations.push({
			found: `is ${width} × ${height} px`,
			allowed: `width and height larger than ${minSide[role]} px and smaller than ${maxSide} px`,
			wayOut: "Put an Edit Image node before this one: operation 'Resize'.",
		});
	}
	if (header.greyscale && !greyscale[role]) {
		violations.push({
			found: 'is black-and-white',
			allowed: 'a picture in colour',
			wayOut: 'Provide a portrait in colour: the service cannot take a face from a black-and-white one.',
		});
	}
	return violations;
}

/** Megabytes of 1024 × 1024 bytes, rounded up so that one byte over a limit does not read as the limit itself. */
const megabytes = (bytes: number) => Math.ceil((bytes / 1024 / 1024) * 100) / 100;
