/** The simulator's work on pictures: reading a file, finding a face in it, and putting one face in place of another. */
import { decode as decodeBmp } from 'bmp-ts';
import sharp from 'sharp';

export type PictureFormat = 'jpeg' | 'png' | 'bmp';

/** What a file says about itself, read without decoding its pixels. */
export interface PictureHeader {
	width: number;
	height: number;
	/** Whether the file stores grey only: a JPEG with one component, a PNG of colour type 0 or 4. A BMP counts as coloured. */
	greyscale: boolean;
}

/** Pixels of three bytes, red, green and blue, row by row from the top left. */
export interface Picture {
	width: number;
	height: number;
	data: Buffer;
}

/**
 * Where a face is assumed to be: around the picture's middle, with half-axes as parts of the picture's shorter side.
 * A real service looks for the face; the drawn portraits have it here.
 */
export const FACE = { halfWidth: 0.25, halfHeight: 0.26 };

/** The part of the face's radius up to which it is not feathered. */
const FEATHER_FROM = 0.85;

/** At which similarity the features switch to the target's: in the face's upper half, and in its lower half. */
const TURNS = { upper: 0.6, lower: 0.2 };

/** Over how much similarity a feature switches. */
const TURN_WIDTH = 0.1;

/** How far from the skin's a pixel's colour may be and still count fully as skin; twice as far, it does not count. */
const SKIN_RANGE = 18;

/** The least standard deviation, of 255, of a face's pixels in at least one channel. A plain wall has none. */
const FACE_VARIATION = 4;

/** The format by the file's first bytes; undefined for any but these three. */
export function formatOf(file: Buffer): PictureFormat | undefined {
	if (file.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'jpeg';
	if (file.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))) return 'png';
	return file.subarray(0, 2).toString('latin1') === 'BM' ? 'bmp' : undefined;
}

/** Reads the header; throws if that is broken. */
export async function readHeader(file: Buffer, format: PictureFormat): Promise<PictureHeader> {
	if (format === 'bmp') {
		// A negative height means rows from the top down.
		return { width: file.readInt32LE(18), height: Math.abs(file.readInt32LE(22)), greyscale: false };
	}
	const { width, height, channels } = await sharp(file).metadata();
	return { width, height, greyscale: channels < 3 };
}

/** Decodes a file's pixels, transparent ones on white; throws on a file that is broken or ends early. */
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
 * The template with the target's face: at similarity 0 exactly the template's pixels, at 1 the target's face with its edge
 * feathered into the template. In between, all of the template's skin has a tone between the two, and each feature is one
 * or the other's, because mixed they would show two faces at once: mouth and nose switch first, then eyes and brows.
 */
export async function blend(target: Picture, template: Picture, similarity: number): Promise<Picture> {
	const box = faceBox(template);
	const face = await pixels(open(target).extract(faceBox(target)).resize(box.width, box.height, { fit: 'fill' }));
	const ofTemplate = await pixels(open(template).extract(box));
	const skins = { target: skinOf(face), template: skinOf(ofTemplate) };
	const tone = skins.template.map((value, channel) => value + ((skins.target[channel] ?? value) - value) * similarity);
	const data = Buffer.from(template.data);
	if (similarity === 0) return { ...template, data };
	const wall = [...template.data.subarray(0, 3)];
	for (let at = 0; at < data.length; at += 3) {
		// The background may have the colour of skin.
		const isWall = wall.every((value, channel) => Math.abs(value - data.readUInt8(at + channel)) < 8);
		if (!isWall) tint(data, at, skins.template, tone);
	}
	for (let at = 0; at < face.data.length; at += 3) tint(face.data, at, skins.target, tone);
	for (let y = 0; y < box.height; y++) {
		const turn = y < box.height / 2 ? TURNS.upper : TURNS.lower;
		const turned = Math.min(1, Math.max(0, (similarity - turn) / TURN_WIDTH + 0.5));
		for (let x = 0; x < box.width; x++) {
			const radius = faceRadius((2 * x + 1) / box.width - 1, (2 * y + 1) / box.height - 1);
			const opacity = turned * Math.min(1, Math.max(0, (1 - radius) / (1 - FEATHER_FROM)));
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

/** From 0 in the face's middle to 1 at its edge: the forehead is nearly a rectangle, the rest an ellipse. */
function faceRadius(x: number, y: number): number {
	return y < 0 ? (x ** 4 + y ** 4) ** 0.25 : Math.hypot(x, y);
}

/** The most frequent colour of a face. */
function skinOf({ data }: Picture): number[] {
	const counts = new Map<number, number>();
	for (let at = 0; at < data.length; at += 3) {
		const [red = 0, green = 0, blue = 0] = data.subarray(at, at + 3);
		const colour = ((red >> 3) << 10) | ((green >> 3) << 5) | (blue >> 3);
		counts.set(colour, (counts.get(colour) ?? 0) + 1);
	}
	const [[most] = [0]] = [...counts].sort(([, a], [, b]) => b - a);
	return [most >> 10, (most >> 5) & 31, most & 31].map((value) => value * 8 + 4);
}

/** Shifts a pixel to the new tone, as far as it has the skin's colour, lit or shaded. */
function tint(data: Buffer, at: number, skin: number[], tone: number[]): void {
	const [red = 0, green = 0, blue = 0] = skin;
	const [ownRed, ownGreen, ownBlue] = [data.readUInt8(at), data.readUInt8(at + 1), data.readUInt8(at + 2)];
	const light = Math.min(1.1, Math.max(0.75, (ownRed + ownGreen + ownBlue) / (red + green + blue)));
	const apart = Math.hypot(ownRed - red * light, ownGreen - green * light, ownBlue - blue * light);
	if (apart >= 2 * SKIN_RANGE) return;
	const share = Math.min(1, 2 - apart / SKIN_RANGE);
	for (const [channel, value] of tone.entries()) {
		const shift = (value - (skin[channel] ?? value)) * light * share;
		data[at + channel] = Math.min(255, Math.max(0, data.readUInt8(at + channel) + shift));
	}
}

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
