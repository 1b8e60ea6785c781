/** What a header tells, held against what libvips and libjpeg read of the same files. */
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';

import { HEAD_BYTES, readImageHeader } from '../../nodes/MergePortraits/pictures/imageHeader';
import { portrait } from '../../lab/portraits';

const SIDES = { width: 301, height: 207 };

const plain = () => sharp({ create: { ...SIDES, channels: 3, background: { r: 200, g: 30, b: 10 } } });
const animated = async () => {
	const frames = [await plain().png().toBuffer(), await plain().negate().png().toBuffer()];
	return sharp(frames, { join: { animated: true } });
};
const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value)];
const text = (value: string) => [...Buffer.from(value, 'latin1')];
const reversed = (bytes: number[]) => [...bytes].reverse();

describe('format, width and height', () => {
	it.each<[name: string, mimeType: string, extension: string, make: (picture: Sharp) => Sharp]>([
		['JPEG', 'image/jpeg', 'jpg', (picture) => picture.jpeg()],
		['JPEG', 'image/jpeg', 'jpg', (picture) => picture.jpeg({ progressive: true })],
		['PNG', 'image/png', 'png', (picture) => picture.png()],
		['WebP', 'image/webp', 'webp', (picture) => picture.webp()],
		['WebP', 'image/webp', 'webp', (picture) => picture.webp({ lossless: true })],
		['WebP', 'image/webp', 'webp', (picture) => picture.withMetadata().webp()],
		['GIF', 'image/gif', 'gif', (picture) => picture.gif()],
		['AVIF', 'image/avif', 'avif', (picture) => picture.avif()],
		['TIFF', 'image/tiff', 'tif', (picture) => picture.tiff()],
	])('of a %s by libvips', async (name, mimeType, extension, make) => {
		const header = readImageHeader(await make(plain()).toBuffer());
		expect(header).toMatchObject({ ...SIDES, pixels: 301 * 207, greyscale: false, upright: true });
		expect(header?.format).toMatchObject({ name, mimeType, extension });
	});

	it.each(['heic', 'mif1'])('of a HEIC of brand %s are those of its largest picture', (brand) => {
		const box = (type: string, ...parts: number[][]) => [
			...u32(8 + parts.flat().length),
			...text(type),
			...parts.flat(),
		];
		const size = (width: number, height: number) => box('ispe', u32(0), u32(width), u32(height));
		const properties = box('ipco', box('hvcC', [1, 2, 3]), size(160, 120), size(4032, 3024), size(512, 512));
		const file = [
			...box('ftyp', text(brand), u32(0), text('mif1heic')),
			...box('meta', u32(0), box('hdlr', u32(0)), box('iprp', properties, box('ipma', u32(0)))),
			...box('mdat', text('pixels')),
		];
		const header = readImageHeader(Buffer.from(file));
		expect(header).toMatchObject({ width: 4032, height: 3024, pixels: 4032 * 3024 });
		expect(header?.format.name).toBe('HEIC');
	});

	it('of a bitmap by Windows, from the bottom up and from the top down', async () => {
		const file = await portrait('ben', { ...SIDES, format: 'bmp' });
		expect(readImageHeader(file)).toMatchObject({ ...SIDES, pixels: 301 * 207 });
		file.writeInt32LE(-SIDES.height, 22);
		expect(readImageHeader(file)).toMatchObject(SIDES);
	});

	it('of a bitmap by OS/2', () => {
		const header = [...text('BM'), ...u32(0), ...u32(0), ...reversed(u32(26)), ...reversed(u32(12))];
		const file = [...header, ...reversed(u16(260)), ...reversed(u16(400)), 1, 0, 24, 0];
		expect(readImageHeader(Buffer.from(file))).toMatchObject({ width: 260, height: 400 });
	});

	it.each<[what: string, make: () => Promise<Buffer>]>([
		['a JPEG', async () => await plain().jpeg().toBuffer()],
		['a PNG', async () => await plain().png().toBuffer()],
		['a WebP', async () => await plain().webp().toBuffer()],
		['an AVIF', async () => await plain().avif().toBuffer()],
		['a TIFF, which has its directory at the end', async () => await plain().tiff().toBuffer()],
		['a BigTIFF', async () => await plain().tiff({ bigtiff: true }).toBuffer()],
		['a bitmap', async () => await portrait('ben', { ...SIDES, format: 'bmp' })],
	])('are unknown, but the format is not, of %s cut short', async (_what, make) => {
		const header = readImageHeader((await make()).subarray(0, 20));
		expect(header).toEqual({ format: expect.anything(), greyscale: false, orientation: 1, upright: true });
	});

	it('are within the first bytes of a phone’s JPEG with EXIF, a thumbnail and a colour profile', async () => {
		const comment = Buffer.alloc(65_533, 7);
		const segments = Array.from({ length: 3 }, () => [Buffer.from([0xff, 0xed, ...u16(65_535)]), comment]).flat();
		const file = await sharp(await portrait('ben', { width: 2000, height: 1500 }))
			.withMetadata({ orientation: 6 })
			.withIccProfile('p3')
			.jpeg({ quality: 100 })
			.toBuffer();
		const whole = Buffer.concat([file.subarray(0, 2), ...segments, file.subarray(2)]);
		expect(whole.length).toBeGreaterThan(HEAD_BYTES);
		const header = readImageHeader(whole.subarray(0, HEAD_BYTES));
		expect(header).toMatchObject({ width: 2000, height: 1500, orientation: 6 });
	});

	it('are unknown of what is no picture', () => {
		for (const content of ['', 'B', 'GIF', '<svg width="300" height="300"/>', '%PDF-1.7', 'RIFF\0\0\0\0WAVEfmt ']) {
			expect(readImageHeader(Buffer.from(content))).toBeUndefined();
		}
	});
});

describe('the pixels that a decoder may have to hold', () => {
	it('are those of all frames of a GIF', async () => {
		const file = await (await animated()).gif().toBuffer();
		expect(readImageHeader(file)).toMatchObject({ ...SIDES, pixels: 2 * 301 * 207 });
	});

	it('are unknown of a GIF whose first frame is not as large as it claims to be, of which an image tool makes a picture', async () => {
		const file = await plain().gif().toBuffer();
		file.writeUInt16LE(10, 6);
		file.writeUInt16LE(20, 8);
		expect(readImageHeader(file)).toMatchObject({ width: 10, height: 20, pixels: undefined });
	});

	it('are unknown of a GIF that goes on', async () => {
		const file = await plain().gif().toBuffer();
		expect(readImageHeader(file.subarray(0, -1))).toMatchObject({ ...SIDES, pixels: undefined });
	});

	it('are unknown of an animated WebP', async () => {
		const file = await (await animated()).webp().toBuffer();
		expect(readImageHeader(file)).toMatchObject({ ...SIDES, pixels: undefined });
	});

	it('are unknown of a TIFF with a second page', async () => {
		const file = await plain().tiff().toBuffer();
		const directory = file.readUInt32LE(4);
		file.writeUInt32LE(8, directory + 2 + 12 * file.readUInt16LE(directory));
		expect(readImageHeader(file)).toMatchObject({ ...SIDES, pixels: undefined });
	});
});

describe('colour', () => {
	it.each([
		['jpeg', true],
		['jpeg', false],
		['png', true],
		['png', false],
	] as const)('of a %s stored in grey: %s', async (format, greyscale) => {
		expect(readImageHeader(await portrait('ben', { ...SIDES, format, greyscale }))?.greyscale).toBe(greyscale);
	});

	it('is stored grey in a PNG with transparency too', async () => {
		const file = await plain().greyscale().ensureAlpha().toColourspace('b-w').png().toBuffer();
		expect(file[25]).toBe(4);
		expect(readImageHeader(file)?.greyscale).toBe(true);
	});
});

/** EXIF of one entry or several, each as `[tag, type, count, value]`. */
function tiff(order: 'II' | 'MM', entries: number[][], { start = 8, count = entries.length } = {}): number[] {
	const number = (bytes: number[]) => (order === 'II' ? reversed(bytes) : bytes);
	const content = entries.flatMap(([tag = 0, type = 3, amount = 1, value = 0]) => [
		...[tag, type].flatMap((each) => number(u16(each))),
		...number(u32(amount)),
		...(type === 3 ? [...number(u16(value)), 0, 0] : number(u32(value))),
	]);
	return [...text(order), ...number(u16(42)), ...number(u32(start)), ...number(u16(count)), ...content];
}

/** A JPEG with these segments between its start and its frame. */
const jpeg = (...segments: number[][]) =>
	Buffer.from([0xff, 0xd8, ...segments.flat(), 0xff, 0xc0, ...u16(17), 8, ...u16(207), ...u16(301), 3, 1, 2, 3]);
const segment = (marker: number, content: number[], length = content.length + 2) => [
	0xff,
	marker,
	...u16(length),
	...content,
];
const exif = (content: number[]) => segment(0xe1, [...text('Exif\0\0'), ...content]);
const ORIENTATION = 274;

describe('the way up', () => {
	it.each([1, 2, 3, 4, 5, 6, 7, 8])('with orientation %d, by libvips', async (orientation) => {
		const turned = plain().withMetadata({ orientation });
		const upright = orientation <= 2;
		for (const make of ['jpeg', 'png', 'tiff'] as const) {
			const file = await turned.clone()[make]().toBuffer();
			expect(readImageHeader(file)).toMatchObject({ ...SIDES, orientation, upright });
		}
	});

	it.each(['II', 'MM'] as const)('is read in byte order %s, behind other entries', (order) => {
		const content = tiff(order, [
			[271, 2, 900, 8],
			[ORIENTATION, 3, 1, 6],
			[305, 2, 4, 0],
		]);
		expect(readImageHeader(jpeg(exif(content)))).toMatchObject({ ...SIDES, orientation: 6, upright: false });
	});

	it('is read from a directory that stands further back', () => {
		const gap = Array<number>(100).fill(0xff);
		const [head, directory] = [tiff('MM', []).slice(0, 4), tiff('MM', [[ORIENTATION, 3, 1, 8]]).slice(8)];
		expect(readImageHeader(jpeg(exif([...head, ...u32(108), ...gap, ...directory])))?.orientation).toBe(8);
	});

	it('is the one of the first EXIF', () => {
		const [first, second] = [3, 6].map((value) => exif(tiff('II', [[ORIENTATION, 3, 1, value]])));
		expect(readImageHeader(jpeg(first ?? [], second ?? []))?.orientation).toBe(3);
	});

	const turned = [ORIENTATION, 3, 1, 6];

	it('is the first of two', () => {
		const content = tiff('II', [turned, [ORIENTATION, 3, 1, 1]]);
		expect(readImageHeader(jpeg(exif(content)))?.orientation).toBe(6);
	});

	it.each<[what: string, content: number[]]>([
		['nothing', []],
		['no byte order', text('XX\0*\0\0\0\x08\0\0')],
		['a byte order alone', text('MM')],
		['no entries', tiff('II', [])],
		['a directory behind its end', tiff('MM', [turned], { start: 0xffffffff })],
		['a directory within its own head', tiff('MM', [turned], { start: 0 })],
		['a directory that ends in its first entry', tiff('MM', [turned]).slice(0, -6)],
		['an orientation of 0', tiff('MM', [[ORIENTATION, 3, 1, 0]])],
		['an orientation of 9', tiff('MM', [[ORIENTATION, 3, 1, 9]])],
		['an orientation of 65535', tiff('II', [[ORIENTATION, 3, 1, 0xffff]])],
		['several orientations', tiff('MM', [[ORIENTATION, 3, 2, 6]])],
		['an orientation in letters', tiff('II', [[ORIENTATION, 2, 1, 6]])],
		['an orientation among entries that it does not count', tiff('MM', [turned], { count: 0 })],
	])('is that of the pixels where EXIF holds %s, and the size is read all the same', (_what, content) => {
		expect(readImageHeader(jpeg(exif(content)))).toMatchObject({ ...SIDES, orientation: 1, upright: true });
	});

	it('is found among more entries than there are', () => {
		const content = tiff('MM', [turned], { count: 0xffff });
		expect(readImageHeader(jpeg(exif(content)))?.orientation).toBe(6);
	});
});

/** What libvips, with libjpeg, says of a JPEG. */
async function byLibvips(file: Buffer) {
	const said = await sharp(file, { failOn: 'none' })
		.metadata()
		.catch(() => undefined);
	return said && { width: said.width, height: said.height, orientation: said.orientation ?? 1 };
}
const measured = (file: Buffer) => {
	const { width, height, orientation } = readImageHeader(file) ?? {};
	return width === undefined ? undefined : { width, height, orientation };
};

describe('a JPEG whose segments are not in order, as libjpeg reads it', () => {
	/** Where the segments of a JPEG begin, up to the frame's own. */
	function segmentStarts(file: Buffer): number[] {
		const starts = [2];
		for (let at = 2; (file[at + 1] ?? 0xc0) !== 0xc0; starts.push(at)) at += 2 + file.readUInt16BE(at + 2);
		return starts;
	}
	let file: Buffer;
	let starts: number[];
	beforeAll(async () => {
		file = await plain().withMetadata({ orientation: 6 }).withIccProfile('srgb').jpeg().toBuffer();
		starts = segmentStarts(file);
		expect(starts.length).toBeGreaterThanOrEqual(4);
	});

	it.each<[what: string, stray: number[]]>([
		['a zero', [0]],
		['four zeros', [0, 0, 0, 0]],
		['text', text('some camera was here')],
		['fill bytes', [0xff, 0xff, 0xff]],
		['a stuffed zero', [0x12, 0xff, 0x00, 0x34]],
		['a restart', [0xff, 0xd3]],
		['a temporary marker', [0xff, 0x01]],
		['a segment of length two', [0xff, 0xec, 0, 2]],
		['a segment of length one', [0xff, 0xec, 0, 1]],
		['a segment of length zero', [0xff, 0xec, 0, 0]],
		['a comment that is longer than it says', segment(0xfe, text('a comment of more bytes'), 9)],
		['a comment that holds a frame', segment(0xfe, [0xff, 0xc0, ...u16(17), 8, ...u16(9), ...u16(9), 3])],
		['64 kB of zeros', Array<number>(65_536).fill(0)],
	])('%s before any of its segments', async (_what, stray) => {
		// The third byte is a marker's, or the file is no JPEG to most readers.
		for (const start of starts.slice(1)) {
			const strayed = Buffer.concat([file.subarray(0, start), Buffer.from(stray), file.subarray(start)]);
			expect(measured(strayed)).toEqual({ ...SIDES, orientation: 6 });
			expect(await byLibvips(strayed)).toEqual(measured(strayed));
		}
	});

	it.each<[what: string, before: number[]]>([
		['its pixels', [...segment(0xda, [3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]), 1, 2, 3]],
		['its end', [0xff, 0xd9]],
		['another start', [0xff, 0xd8]],
		['a frame of another kind', segment(0xc3, [8, ...u16(207), ...u16(301), 1, 1, 0x11, 0])],
		['a frame that contradicts itself', segment(0xc0, [8, ...u16(207), ...u16(301), 3, 1, 0x11, 0])],
		['a frame without pixels', segment(0xc0, [8, ...u16(0), ...u16(301), 1, 1, 0x11, 0])],
		['a marker that means nothing', [0xff, 0x02]],
		['a segment that ends behind the file', segment(0xe0, [], 0xffff)],
	])('is not searched for a frame behind %s', async (_what, before) => {
		const start = starts[1] ?? 0;
		const ended = Buffer.concat([file.subarray(0, start), Buffer.from(before), file.subarray(start)]);
		expect(measured(ended)).toBeUndefined();
		expect(await byLibvips(ended)).toBeUndefined();
	});

	it('has the size and the way up that libvips reads, whatever was changed in it', async () => {
		const change = fc.record({
			at: fc.integer({ min: 3, max: 900 }),
			removed: fc.nat(3),
			inserted: fc.uint8Array({ maxLength: 4 }),
		});
		let read = 0;
		await fc.assert(
			fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
				const changed = changes.reduce(
					(bytes, { at, removed, inserted }) =>
						Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]),
					file,
				);
				const theirs = await byLibvips(changed);
				// Tables and pixels are for others to find fault with.
				if (theirs === undefined || changed[2] !== 0xff) return;
				read++;
				expect(measured(changed)).toEqual(theirs);
			}),
			{ numRuns: 2_000, seed: 1 },
		);
		expect(read).toBeGreaterThan(300);
	}, 60_000);
});
