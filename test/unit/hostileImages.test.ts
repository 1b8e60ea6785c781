import fc from 'fast-check';
import sharp from 'sharp';

import { readImageHeader } from '../../nodes/MergePortraits/pictures/imageHeader';
import { checkImage, imageRequirements } from '../../nodes/MergePortraits/pictures/imageRequirements';
import { portrait } from '../../lab/portraits';

/** How often the bytes of a file were looked at. */
let looks = 0;

const methods = ['getUint8', 'getUint16', 'getUint32', 'getInt32'] as const;
const { prototype } = DataView;
const originals = Object.fromEntries(methods.map((method) => [method, prototype[method]]));
beforeAll(() => {
	for (const method of methods) {
		const original = prototype[method];
		// Jest's own spies would remember each of the millions of calls.
		prototype[method] = function (this: DataView, byteOffset: number, littleEndian?: boolean) {
			looks++;
			return original.call(this, byteOffset, littleEndian);
		};
	}
});
afterAll(() => Object.assign(prototype, originals));

/** Reads a header and checks the file in both roles, which must not throw nor take more looks than two for each byte. */
function survive(bytes: Buffer): number {
	looks = 0;
	const header = readImageHeader(bytes);
	const taken = looks;
	expect(taken).toBeLessThanOrEqual(2 * bytes.length + 64);
	const { width = 1, height = 1, pixels = 1, orientation = 1 } = header ?? {};
	expect(width > 0 && height > 0 && pixels > 0 && orientation > 0 && orientation <= 8).toBe(true);
	for (const role of ['target', 'template'] as const) checkImage(role, header, bytes.length);
	return taken;
}

const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const u32le = (value: number) => [...Buffer.from(Int32Array.of(value).buffer)];
const text = (value: string) => [...Buffer.from(value, 'latin1')];
const frame = (width: number, height: number) => [0xff, 0xc0, ...u16(17), 8, ...u16(height), ...u16(width), 3];
const bmp = (width: number, height: number) =>
	Buffer.from([
		...text('BM'),
		...Array<number>(12).fill(0),
		...u32le(40),
		...u32le(width),
		...u32le(height),
		1,
		0,
		24,
		0,
	]);
const png = (type: string, width: number, height: number) => {
	const file = Buffer.alloc(33);
	Buffer.from([0x89, ...text('PNG\r\n\x1a\n'), 0, 0, 0, 13, ...text(type)]).copy(file);
	file.writeUInt32BE(width, 16);
	file.writeUInt32BE(height, 20);
	file[24] = 8;
	file[25] = 2;
	return file;
};
const largest = Buffer.alloc(imageRequirements.maxBytes);
/** The largest file that the check lets through, made of one piece again and again. */
const repeated = (start: Buffer | number[], piece: number[]) => {
	const file = Buffer.alloc(largest.length);
	file.set(start);
	return file.fill(Buffer.from(piece), start.length);
};
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value)];
const exif = (...tiff: number[]) => [0xff, 0xe1, ...u16(8 + tiff.length), ...text('Exif\0\0'), ...tiff];
const heif = [...u32(16), ...text('ftypheic'), ...u32(0)];
const gif = [...text('GIF89a'), ...u16(1), ...u16(1), 0, 0, 0];
const jpegOf = (fill: (file: Buffer) => void) => {
	const file = Buffer.from(largest);
	file.set([0xff, 0xd8, 0xff, 0xe0]);
	fill(file);
	return file;
};

/** Files made to hang, crash or exhaust a reader, the largest that the check lets through where size is the weapon. */
const evilFiles: Array<[name: string, bytes: Buffer]> = [
	['nothing but a JPEG start', Buffer.from([0xff, 0xd8, 0xff])],
	['a JPEG segment of length zero', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xe0, 0, 0, ...frame(300, 300)])],
	['a JPEG segment of length one', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, ...frame(300, 300)])],
	['a JPEG segment that ends after the file', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 1, 2, 3])],
	[
		'a chain of the shortest JPEG segments to the end of the file',
		jpegOf((file) => {
			for (let at = 2; at + 4 <= file.length; at += 4) file.set([0xff, 0xe0, 0, 2], at);
		}),
	],
	[
		'a chain of JPEG segments that each claim to be Exif with 65535 entries',
		jpegOf((file) => {
			const segment = exif(...text('MM\0*'), ...u32(8), 0xff, 0xff);
			for (let at = 2; at + segment.length <= file.length; at += segment.length) file.set(segment, at);
		}),
	],
	['JPEG fill bytes to the end of the file', jpegOf((file) => file.fill(0xff, 2))],
	['JPEG restarts to the end of the file', repeated([0xff, 0xd8], [0xff, 0xd0])],
	['JPEG segments of length zero to the end of the file', repeated([0xff, 0xd8], [0xff, 0xe1, 0, 0])],
	[
		'a JPEG whose EXIF points behind itself',
		Buffer.from([0xff, 0xd8, ...exif(...text('MM\0*'), ...u32(0xfffffff0), 0xff, 0xff), ...frame(300, 300)]),
	],
	[
		'a JPEG whose EXIF is its own directory',
		Buffer.from([0xff, 0xd8, ...exif(...text('MM\0*'), ...u32(2), 1, 18, 0, 3), ...frame(300, 300)]),
	],
	['a JPEG of zeros', jpegOf((file) => file.fill(0, 4))],
	[
		'a JPEG frame behind fill bytes',
		jpegOf((file) => {
			file.set([0xff, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xff, 0xff, ...frame(300, 300)], 2);
		}),
	],
	['a JPEG of 0 × 0 px', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, ...frame(0, 0)])],
	['a PNG signature alone', png('IHDR', 1, 1).subarray(0, 8)],
	['a PNG that lies about its IHDR', png('IDAT', 300, 300)],
	['a PNG of 0 × 0 px', png('IHDR', 0, 0)],
	['a PNG of 4294967295 × 4294967295 px', png('IHDR', 0xffffffff, 0xffffffff)],
	['a PNG in the wrapping of another system', png('CgBI', 300, 300)],
	['PNG chunks without data to the end of the file', repeated(png('IHDR', 300, 300), Array<number>(12).fill(0))],
	[
		'PNG chunks that each claim to be EXIF to the end of the file',
		repeated(png('IHDR', 300, 300), [...u32(14), ...text('eXIfMM\0*'), ...u32(8), 0xff, 0xff, ...u32(0), ...u32(0)]),
	],
	[
		'a PNG chunk of 4294967295 bytes',
		Buffer.concat([png('IHDR', 300, 300), Buffer.from([...u32(0xffffffff), ...text('tEXt')])]),
	],
	['a BMP signature alone', Buffer.from('BM')],
	['a BMP of negative height', bmp(300, -300)],
	['a BMP of the most negative height', bmp(300, -2147483648)],
	['a BMP of huge height', bmp(300, 2147483647)],
	['a BMP of negative width', bmp(-300, 300)],
	['a WebP that ends in its header', Buffer.from('RIFF\0\0\0\0WEBPVP8X')],
	['a WebP of an unknown kind', Buffer.from('RIFF\0\0\0\0WEBPVP9 and so on')],
	['HEIC boxes without content to the end of the file', repeated(heif, [...u32(8), ...text('free')])],
	['HEIC boxes within boxes to the end of the file', repeated(heif, [...u32(0xffffffff), ...text('iprp')])],
	['HEIC boxes of size 0', repeated(heif, [...u32(0), ...text('iprp')])],
	['HEIC boxes of size 1, which announces a longer number', repeated(heif, [...u32(1), ...text('free')])],
	[
		'HEIC pictures to the end of the file',
		repeated(heif, [...u32(20), ...text('ispe'), ...u32(0), ...u32(9), ...u32(9)]),
	],
	['GIF data in pieces of one byte to the end of the file', repeated([...gif, 0x21, 0xf9], [1])],
	['GIF extensions without data to the end of the file', repeated(gif, [0x21, 0xf9, 0])],
	['GIF frames to the end of the file', repeated(gif, [0x2c, ...u32(0), 9, 9, 9, 9, 0, 2, 0])],
	['stray bytes to the end of a GIF', repeated(gif, [0x20])],
	['a TIFF of 65535 entries', repeated([...text('MM\0*'), ...u32(8), 0xff, 0xff], [1, 0, 0, 3, 0, 0])],
	['a TIFF whose directory is its head', Buffer.from([...text('MM\0*'), ...u32(0), ...u32(0), ...u32(0)])],
	['a TIFF whose directory is behind its end', Buffer.from([...text('II*\0'), ...u32(0xffffffff)])],
	['a page that begins like a BMP', Buffer.from('BM<html><script>alert(1)</script></html>')],
	['an archive behind a JPEG start', Buffer.from([0xff, 0xd8, 0xff, ...text('PK\x03\x04 and so on')])],
	['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"/>')],
	['zeros', Buffer.alloc(1024)],
];

test.each(evilFiles)('%s is answered', (_name, bytes) => {
	survive(bytes);
});

test.each([
	'nothing but a JPEG start',
	'JPEG fill bytes to the end of the file',
	'a JPEG of 0 × 0 px',
	'a PNG that lies about its IHDR',
	'a PNG of 0 × 0 px',
	'a PNG in the wrapping of another system',
	'a BMP of negative width',
	'a page that begins like a BMP',
	'a WebP of an unknown kind',
	'HEIC boxes of size 0',
	'a TIFF whose directory is its head',
])('%s has no width and height', (name) => {
	const [, bytes] = evilFiles.find(([known]) => known === name) ?? [];
	expect(bytes && readImageHeader(bytes)).toEqual({
		format: expect.anything(),
		greyscale: false,
		orientation: 1,
		upright: true,
	});
});

test('a JPEG has the size and the components of its frame behind fill bytes', () => {
	const [, bytes] = evilFiles.find(([name]) => name.startsWith('a JPEG frame behind fill bytes')) ?? [];
	expect(bytes && readImageHeader(bytes)).toMatchObject({ width: 300, height: 300, greyscale: false });
});

test('50,000 mutated and random files are each answered, in no more than two looks at each byte', async () => {
	const portraits = (['jpeg', 'png', 'bmp'] as const).map(
		async (format) => await portrait('ben', { format, width: 201, height: 201 }),
	);
	const others = (['gif', 'webp', 'avif', 'tiff', 'jpeg', 'png'] as const).map(
		async (format) =>
			await sharp({ create: { width: 60, height: 60, channels: 3, background: 'red' } })
				.withMetadata({ orientation: 6 })
				.toFormat(format)
				.toBuffer(),
	);
	const real = await Promise.all([...portraits, ...others]);
	const seeds = [...real, ...evilFiles.map(([, bytes]) => bytes).filter(({ length }) => length < 4096)].map((bytes) =>
		bytes.subarray(0, 4096),
	);
	const mutation = fc.record({ at: fc.nat(4096), byte: fc.integer({ min: 0, max: 255 }) });
	const mutated = fc
		.tuple(fc.constantFrom(...seeds), fc.array(mutation, { maxLength: 12 }), fc.option(fc.nat(4096)))
		.map(([seed, mutations, cut]) => {
			const bytes = Buffer.from(seed);
			for (const { at, byte } of mutations) bytes[at % bytes.length] = byte;
			return cut === null ? bytes : bytes.subarray(0, cut);
		});
	const random = fc
		.tuple(
			fc.constantFrom([0xff, 0xd8, 0xff], [...png('IHDR', 9, 9)], text('BM'), text('RIFF....WEBPVP8'), gif, heif, [
				...text('II*\0'),
				...u32(0x08000000),
			]),
			fc.uint8Array({ maxLength: 512 }),
		)
		.map(([signature, bytes]) => Buffer.from([...signature, ...bytes]));

	let tried = 0;
	let longest = { looks: 0, bytes: 0 };
	fc.assert(
		fc.property(fc.oneof(mutated, random), (bytes) => {
			tried++;
			const taken = survive(bytes);
			if (taken > longest.looks) longest = { looks: taken, bytes: bytes.length };
		}),
		{ numRuns: 50_000 },
	);
	process.stdout.write(
		`hostile pictures: ${tried} tried, the longest answer took ${longest.looks} looks at ${longest.bytes} bytes\n`,
	);
	expect(tried).toBe(50_000);
}, 120_000);
