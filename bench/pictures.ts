/** The pictures of a batch, in a folder: one template and the targets. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import sharp from 'sharp';

import { faceless, portrait } from '../lab/portraits';
import { blend, decode, encode } from '../lab/simulator/blend';
import type { RecordedRequest } from '../lab/simulator/exchange';

/** Git-ignored. */
export const BENCH_FOLDER = resolve(__dirname, '../test-output/bench');
/** Every batch's in turn, so that workflows need naming it once. */
export const PICTURES_FOLDER = join(BENCH_FOLDER, 'pictures');
export const TARGETS_FOLDER = join(PICTURES_FOLDER, 'targets');

export interface Pictures {
	/** What the service answers with. */
	merged: Buffer;
	/** Why the service refuses a target, by its pair. */
	bad: Map<number, { status: number; code: string }>;
}

/** What a JPEG of quality 90 with this grain takes. */
const BYTES_PER_PIXEL = 0.269;

export const targetName = (pair: number) => `${String(pair).padStart(5, '0')}.jpg`;

/** Puts `template.jpg` and the folder `targets` into the folder of pictures, in place of what was there. */
export async function makePictures(pairs: number, pictureBytes: number, badTargets = 0): Promise<Pictures> {
	await rm(PICTURES_FOLDER, { recursive: true, force: true });
	await mkdir(TARGETS_FOLDER, { recursive: true });
	const side = Math.round(Math.sqrt(pictureBytes / BYTES_PER_PIXEL));
	const template = await photograph('template', side);
	const target = await photograph('target', side);
	const unfit = (await badPictures(side)).slice(0, badTargets);
	const bad: Pictures['bad'] = new Map();
	await writeFile(join(PICTURES_FOLDER, 'template.jpg'), template);
	for (let pair = 0; pair < pairs; pair++) {
		// Spread over the batch, none of them at its start or end.
		const found = unfit.find((_, index) => pair === Math.round((pairs * (index + 1)) / (badTargets + 1)));
		if (found) bad.set(pair, found);
		// They differ in what stands behind the picture only: to draw each would take longer than the benchmark.
		const bytes = Buffer.concat([found?.bytes ?? target, Buffer.from(` ${pair}`)]);
		await writeFile(join(TARGETS_FOLDER, targetName(pair)), bytes);
	}
	const merged = await blend(await decode(target, 'jpeg'), await decode(template, 'jpeg'), 0.5);
	return { merged: await encode(merged, 'jpeg'), bad };
}

/** The pair that a request is for, by what stands behind its target: the node sends no names. NaN where it came to no file. */
export const pairOf = ({ files }: RecordedRequest) =>
	Number(/ (\d+)$/.exec(files.image_target?.end.toString('latin1') ?? '')?.[1]);

/** A portrait with a photograph's grain, without which it would be far smaller, and its merge too. */
async function photograph(seed: string, side: number): Promise<Buffer> {
	const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 };
	const grain = sharp({ create: { width: side, height: side, channels: 3, background: 'grey', noise } });
	const overlay = { input: await grain.png().toBuffer(), blend: 'soft-light' as const };
	const drawing = sharp(await portrait(seed, { width: side, height: side }));
	return await drawing.composite([overlay]).jpeg({ quality: 90 }).toBuffer();
}

/** One that nobody could use, one that is too small, and one that only the service can see through. */
async function badPictures(side: number) {
	const wall = await faceless({ width: side, height: side, format: 'jpeg' });
	const small = await portrait('small', { width: 100, height: 100, format: 'jpeg' });
	return [
		{ bytes: Buffer.from('no picture'), status: 415, code: 'UNSUPPORTED_FILE_TYPES' },
		{ bytes: small, status: 422, code: 'ERROR_LOW_RESOLUTION' },
		{ bytes: wall, status: 422, code: 'ERROR_NO_FACE_IN_FILE' },
	];
}
