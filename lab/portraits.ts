/**
 * Drawn people to test and demonstrate with: nobody's likeness, made when they are needed, the same for the same seed.
 *
 * The drawings are DiceBear's "Avataaars" style, after avataaars.com by Pablo Stanley, whose licence reads "Free for
 * personal and commercial use" (node_modules/@dicebear/avataaars/LICENSE); the code that draws them is MIT.
 */
import { createHash } from 'node:crypto';
import type { Options } from '@dicebear/avataaars' with { 'resolution-mode': 'import' };
import { encode as encodeBmp } from 'bmp-ts';
import sharp, { type Sharp } from 'sharp';

/** How a picture is stored. */
export interface PortraitOptions {
	/** In pixels; default 640. The drawing fills the centred square of the shorter side. */
	width?: number;
	/** In pixels; default 640. */
	height?: number;
	/** Default `png`. BMP has 24 bits per pixel. */
	format?: 'png' | 'jpeg' | 'bmp';
	/** Whether JPEG and PNG hold one channel of grey, and BMP three equal ones; default false. */
	greyscale?: boolean;
	/** The least size of a JPEG's file, in bytes. What the picture does not need is filled with noise no decoder looks at. */
	minBytes?: number;
}

/** Seeds of two who differ at a glance, in skin, hair, eyes and mouth: for what is shown. */
export const SHOWN = { target: 'ella', template: 'gina' };

/** Heads large enough to fill the picture, and everyday faces only: no sunglasses, no hearts for eyes. */
const LOOKS: Options & { scale: number; translateY: number } = {
	scale: 130,
	translateY: 5,
	skinColor: ['614335', 'd08b5b', 'ae5d29', 'edb98a', 'ffdbb4'],
	eyes: ['default', 'happy', 'side', 'squint', 'surprised'],
	eyebrows: ['default', 'defaultNatural', 'flatNatural', 'raisedExcited', 'raisedExcitedNatural', 'upDown'],
	mouth: ['default', 'serious', 'smile', 'twinkle'],
	accessories: ['prescription01', 'prescription02', 'round'],
	accessoriesProbability: 20,
	facialHairProbability: 25,
};

/**
 * A person's head in front of a plain background, both depending on the seed, with the face in the picture's middle.
 * The same seed and options give the same bytes.
 */
export async function portrait(seed: string, options: PortraitOptions = {}): Promise<Buffer> {
	const { width = 640, height = 640 } = options;
	const [{ createAvatar }, style] = await Promise.all([import('@dicebear/core'), import('@dicebear/avataaars')]);
	const svg = createAvatar(style, { seed, size: Math.min(width, height), ...LOOKS }).toString();
	const [red = 0, green = 0, blue = 0] = createHash('sha256').update(seed).digest();
	const background = { r: 128 + red / 2, g: 128 + green / 2, b: 128 + blue / 2 };
	const drawing = sharp(Buffer.from(svg)).flatten({ background }).resize(width, height, { fit: 'contain', background });
	return await store(drawing, seed, options);
}

/** A picture of one colour: nothing in it that could be a face. */
export async function faceless(options: PortraitOptions = {}): Promise<Buffer> {
	const { width = 640, height = 640 } = options;
	const wall = sharp({ create: { width, height, channels: 3, background: { r: 96, g: 144, b: 192 } } });
	return await store(wall, 'faceless', options);
}

async function store(picture: Sharp, seed: string, options: PortraitOptions): Promise<Buffer> {
	const { format = 'png', greyscale = false, minBytes = 0 } = options;
	if (format === 'bmp') return await bmp(greyscale ? picture.greyscale() : picture);
	const stored = greyscale ? picture.greyscale().toColourspace('b-w') : picture;
	if (format === 'jpeg') return padJpeg(await stored.jpeg({ quality: 85 }).toBuffer(), minBytes, seed);
	return await stored.png().toBuffer();
}

/** sharp writes no BMP; bmp-ts does, from pixels in the order alpha, blue, green, red. */
async function bmp(picture: Sharp): Promise<Buffer> {
	const { data, info } = await picture.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
	const abgr = Buffer.alloc(info.width * info.height * 4);
	for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
		abgr.writeUIntLE(data.readUIntBE(from, 3), to + 1, 3);
	}
	return encodeBmp({ data: abgr, width: info.width, height: info.height, bitPP: 24 }).data;
}

/** Noise, so that nothing on the way can make the file small again. */
function noise(seed: string, length: number): Buffer {
	return createHash('shake256', { outputLength: length }).update(seed).digest();
}

/** Fills comment segments, 65533 bytes of text each, behind the first segment, which JFIF wants at the start. */
function padJpeg(file: Buffer, minBytes: number, seed: string): Buffer {
	const head = 4 + file.readUInt16BE(4);
	const missing = Math.max(0, minBytes - file.length);
	const filler = noise(seed, missing);
	const comments: Buffer[] = [];
	for (let at = 0; at < missing; at += 65533) {
		const text = filler.subarray(at, at + 65533);
		const marker = Buffer.from([0xff, 0xfe, 0, 0]);
		marker.writeUInt16BE(text.length + 2, 2);
		comments.push(marker, text);
	}
	return Buffer.concat([file.subarray(0, head), ...comments, file.subarray(head)]);
}
