import { BMP } from 'image-size/types/bmp';
import { PNG } from 'image-size/types/png';
import { WEBP } from 'image-size/types/webp';

/** A picture format that a file's first bytes reveal. */
export interface ImageFormat {
	name: 'JPEG' | 'PNG' | 'BMP' | 'WebP' | 'GIF' | 'HEIC' | 'AVIF' | 'TIFF';
	mimeType: string;
	extension: string;
}

/** What a picture file says about itself before its pixels. */
export interface ImageHeader {
	format: ImageFormat;
	/** Of the pixels as they are stored, before `orientation`. Undefined when the first bytes do not say. */
	width?: number;
	height?: number;
	/** Whether the file stores brightness only: a JPEG with one component, a PNG of colour type 0 or 4. */
	greyscale: boolean;
	/** EXIF's: 1 to 8. Undefined when the file has none. */
	orientation?: number;
	/** Whether the pixels are stored the way up in which they are shown; a mirrored picture is. */
	upright: boolean;
}

/** How many of a file's first bytes are enough: before its size, a phone's photo has EXIF, a thumbnail and colour profiles. */
export const HEAD_BYTES = 256 * 1024;

const formats = [
	{ name: 'JPEG', mimeType: 'image/jpeg', extension: 'jpg', signature: [0xff, 0xd8, 0xff] },
	{ name: 'PNG', mimeType: 'image/png', extension: 'png', reader: PNG, signature: [0x89, 0x50, 0x4e, 0x47] },
	{ name: 'BMP', mimeType: 'image/bmp', extension: 'bmp', reader: BMP, signature: [0x42, 0x4d] },
	{ name: 'WebP', mimeType: 'image/webp', extension: 'webp', reader: WEBP, signature: [0x52, 0x49, 0x46, 0x46] },
] as const;

function recognise(bytes: Buffer) {
	return formats.find(({ signature }) => signature.every((byte, index) => bytes[index] === byte));
}

/** The format of a picture by its first bytes, whatever its name or declared type; undefined when unknown. */
export function imageFormat(bytes: Buffer): ImageFormat | undefined {
	return recognise(bytes);
}

/** Formats that are not taken, but named to the user. Files in ISO's base media format have their brand at byte 8. */
const namesOnly = [
	{ name: 'GIF', start: /^GIF8/ },
	{ name: 'TIFF', start: /^(II\*|MM)\0/ },
	{ name: 'AVIF', start: /^[^]{4}ftypavi[fs]/ },
	{ name: 'HEIC', start: /^[^]{4}ftyp(hei[cmsx]|hevc|mif1|msf1)/ },
];

/** The name of a picture's format, even one that the node cannot read; undefined when unknown. */
export function formatName(bytes: Buffer): string | undefined {
	const head = bytes.toString('latin1', 0, 12);
	return recognise(bytes)?.name ?? namesOnly.find(({ start }) => start.test(head))?.name;
}

/**
 * Reads a picture's header. Never throws, and takes at most one step per byte even of a hostile file.
 * @returns undefined when the format is unknown, or the header is cut short or contradicts itself
 */
export function readImageHeader(bytes: Buffer): ImageHeader | undefined {
	const format = recognise(bytes);
	if (format === undefined) return undefined;
	const size = format.name === 'JPEG' ? jpegFrame(bytes) : readSize(format.reader, bytes);
	if (size === undefined || !(size.width > 0 && size.height > 0)) return undefined;
	const greyscale =
		('components' in size && size.components === 1) ||
		(format.name === 'PNG' && [0, 4].includes(bytes[PNG_COLOUR_TYPE_OFFSET] ?? -1));
	return { format, width: size.width, height: size.height, greyscale, upright: true };
}

function readSize(reader: typeof PNG, bytes: Buffer) {
	try {
		return reader.validate(bytes) ? reader.calculate(bytes) : undefined;
	} catch {
		// The library throws on any header that it cannot follow to the end.
		return undefined;
	}
}

/** Signature (8), chunk length (4), "IHDR" (4), width (4), height (4), bit depth (1): PNG specification, 11.2.2. */
const PNG_COLOUR_TYPE_OFFSET = 25;

/** Start-of-frame markers of the JPEGs that are in use, baseline, extended and progressive: ITU-T T.81, table B.1. */
const isStartOfFrame = (marker: number) => marker >= 0xc0 && marker <= 0xc2;

/**
 * Reads a JPEG's frame header; undefined when its segments do not lead to one. The library takes fill bytes for segments,
 * and searches a JPEG without a frame header byte by byte.
 */
function jpegFrame(bytes: Buffer) {
	let offset = 2;
	while (offset + 10 <= bytes.length && bytes[offset] === 0xff) {
		const marker = bytes.readUInt8(offset + 1);
		if (isStartOfFrame(marker)) {
			const [height, width] = [bytes.readUInt16BE(offset + 5), bytes.readUInt16BE(offset + 7)];
			return { width, height, components: bytes.readUInt8(offset + 9) };
		}
		if (marker === 0xff) {
			// A fill byte: B.1.1.2.
			offset++;
			continue;
		}
		const segmentLength = bytes.readUInt16BE(offset + 2);
		if (segmentLength < 2) return undefined;
		offset += 2 + segmentLength;
	}
	return undefined;
}
