/** The simulator's picture work: what a file holds, whether there is a face in it, and one face put in another's place. */
import { decode as decodeBmp } from 'bmp-ts';
import sharp from 'sharp';

export type PictureFormat = 'jpeg' | 'png' | 'bmp';

/** What a file says about itself, read without decoding its pixels. */
export interface PictureHeader {
	width: number;
	height: number;
	/** Whether the file has grey only: JPEG of one component, PNG of colour type 0 or 4. A BMP always counts as coloured. */
	greyscale: boolean;
}

/** Pixels: three bytes each, red, green and blue, row by row from the top left. */
export interface Picture {
	width: number;
	height: number;
	data: Buffer;
}

/**
 * Where a face is taken to be: an ellipse in the picture's middle, its half-axes as parts of the picture's shorter side.
 * A real service looks for the face; the drawn portraits of the tests have it here.
 */
export const FACE = { halfWidth: 0.25, halfHeight: 0.26 };

/** The part of the ellipse's radius within which the face is not feathered. */
const FEATHER_FROM = 0.75;

/** The least standard deviation, of 255, that a face's pixels have in some channel. A plain wall has none. */
const FACE_VARIATION = 4;

/** The format by the file's first bytes, or undefined for any other than the three. */
export function formatOf(file: Buffer): PictureFormat | undefined {
	if (file.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'jpeg';
	if (file.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))) return 'png';
	return file.subarray(0, 2).toString('latin1') === 'BM' ? 'bmp' : undefined;
}

/** Reads the header; throws on a file that is broken there. */
export async function readHeader(file: Buffer, format: PictureFormat): Promise<PictureHeader> {
	if (format === 'bmp') {
		// A height below zero means rows from the top down.
		return { width: file.readInt32LE(18), height: Math.abs(file.readInt32LE(22)), greyscale: false };
	}
	const { width, height, channels } = await sharp(file).metadata();
	return { width, height, greyscale: channels < 3 };
}

/** Decodes a file's pixels, transparency upon white; throws on one that is broken or ends too early. */
export async function decode(file: Buffer, format: PictureFormat): Promise<Picture> {
	if (format === 'bmp') {
		const { data, width, height } = decodeBmp(file, { toRGBA: true });
		return await pixels(sharp(data, { raw: { width, height, channels: 4 } }).removeAlpha());
	}
	return await pixels(sharp(file, { failOn: 'error' }).flatten({ background: 'white' }));
}

/** Whether the face's place holds more than one colour. */
export async function hasFace(picture: Picture): Promise<boolean> {
	const { channels } = await open(picture).extract(faceBox(picture)).toColourspace('srgb').stats();
	return channels.some(({ stdev }) => stdev >= FACE_VARIATION);
}

/**
 * The template with the target's face: at similarity 0 exactly the template's pixels, at 1 the target's face with its
 * edge feathered into the template, in between a mixture in that proportion.
 */
export async function blend(target: Picture, template: Picture, similarity: number): Promise<Picture> {
	const box = faceBox(template);
	const face = await pixels(open(target).extract(faceBox(target)).resize(box.width, box.height, { fit: 'fill' }));
	const data = Buffer.from(template.data);
	for (let y = 0; y < box.height; y++) {
		for (let x = 0; x < box.width; x++) {
			const radius = Math.hypot((2 * x + 1) / box.width - 1, (2 * y + 1) / box.height - 1);
			const opacity = similarity * Math.min(1, Math.max(0, (1 - radius) / (1 - FEATHER_FROM)));
			const from = (y * box.width + x) * 3;
			const to = ((box.top + y) * template.width + box.left + x) * 3;
			for (let channel = 0; channel < 3; channel++) {
				const own = data.readUInt8(to + channel);
				data[to + channel] = own + Math.round((face.data.readUInt8(from + channel) - own) * opacity);
			}
		}
	}
	return { ...template, data };
}

/** The picture as a file. */
export async function encode(picture: Picture, format: 'jpeg' | 'png'): Promise<Buffer> {
	return await (format === 'jpeg' ? open(picture).jpeg({ quality: 90 }) : open(picture).png()).toBuffer();
}

function open({ data, width, height }: Picture): sharp.Sharp {
	return sharp(data, { raw: { width, height, channels: 3 } });
}

async function pixels(image: sharp.Sharp): Promise<Picture> {
	const { data, info } = await image.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
	return { width: info.width, height: info.height, data };
}

function faceBox({ width, height }: Picture): { left: number; top: number; width: number; height: number } {
	const side = Math.min(width, height);
	const box = { width: Math.round(2 * FACE.halfWidth * side), height: Math.round(2 * FACE.halfHeight * side) };
	return { left: Math.round((width - box.width) / 2), top: Math.round((height - box.height) / 2), ...box };
}
