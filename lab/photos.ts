/** The drawn people as photos that people have: of a camera, of a phone held upright, from the web, cut out, made for print. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import sharp from 'sharp';

import { portrait } from './portraits';

const SIZE = { width: 640, height: 480 };

/** By a name with the extension of its format. Each is a picture of `seed`, upright to whoever looks at it. */
export const PHOTOS: Record<string, (seed: string) => Promise<Buffer>> = {
	'12-megapixels.jpg': async (seed) =>
		await portrait(seed, { width: 4000, height: 3000, format: 'jpeg', minBytes: 6 * 1024 * 1024 }),
	'48-megapixels.jpg': async (seed) => await portrait(seed, { width: 8000, height: 6000, format: 'jpeg' }),
	// Stored as the sensor had it, with the turn that makes it upright told in EXIF.
	'sideways.jpg': async (seed) =>
		await sharp(await portrait(seed, SIZE))
			.rotate(270)
			.withMetadata({ orientation: 6 })
			.jpeg()
			.toBuffer(),
	'web.webp': async (seed) =>
		await sharp(await portrait(seed, SIZE))
			.webp()
			.toBuffer(),
	'web.gif': async (seed) =>
		await sharp(await portrait(seed, SIZE))
			.gif()
			.toBuffer(),
	'scan.bmp': async (seed) => await portrait(seed, { ...SIZE, format: 'bmp' }),
	// Of "Portrait 1" alone: made by libheif's heif-enc, because sharp writes no HEIC.
	'phone.heic': async () => await readFile(join(__dirname, 'phone.heic')),
	'cut-out.png': async (seed) => {
		const kept = Buffer.from(`<svg viewBox="0 0 4 3" ${sized}><circle cx="2" cy="1.5" r="1.3"/></svg>`);
		return await sharp(await portrait(seed, SIZE))
			.ensureAlpha()
			.composite([{ input: kept, blend: 'dest-in' }])
			.png()
			.toBuffer();
	},
	'print.jpg': async (seed) =>
		await sharp(await portrait(seed, SIZE))
			.toColourspace('cmyk')
			.jpeg()
			.toBuffer(),
};

const sized = `width="${SIZE.width}" height="${SIZE.height}"`;
