import fc from 'fast-check';

import { readImageHeader } from '../../nodes/MergePortraits/pictures/imageHeader';
import { checkImage, imageRequirements } from '../../nodes/MergePortraits/pictures/imageRequirements';
import { portrait } from '../../lab/portraits';

/** How often the bytes of a file were looked at, by whichever reader. */
let steps = 0;

beforeAll(() => {
	for (const method of ['getUint16', 'getUint32', 'getInt16', 'getInt32'] as const) {
		const original = DataView.prototype[method];
		jest.spyOn(DataView.prototype, method).mockImplementation(function (this: DataView, ...place) {
			steps++;
			return original.apply(this, place);
		});
	}
	const readUInt16BE = Buffer.prototype.readUInt16BE;
	jest.spyOn(Buffer.prototype, 'readUInt16BE').mockImplementation(function (this: Buffer, offset) {
		steps++;
		return readUInt16BE.call(this, offset);
	});
});
afterAll(() => jest.restoreAllMocks());

/** Reads and checks a file in both roles; fails when that throws or takes more steps than the file has bytes. */
function survive(bytes: Buffer): number {
	steps = 0;
	const header = readImageHeader(bytes);
	checkImage('target', bytes);
	const taken = steps;
	expect(taken).toBeLessThanOrEqual(4 * bytes.length + 64);
	if (header) expect([header.width, header.height].every((side) => side === undefined || side > 0)).toBe(true);
	return taken;
}

const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const u32le = (value: number) => [...Buffer.from(Int32Array.of(value).buffer)];
const text = (value: string) => [...Buffer.from(value, 'latin1')];
const frame = (width: number, height: number) => [0xff, 0xc0, ...u16(17), 8, ...u16(height), ...u16(width), 3];
const bmp = (width: number, height: number) =>
	Buffer.from([...text('BM'), ...Array<number>(16).fill(0), ...u32le(width), ...u32le(height), 1, 0, 24, 0]);
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
			const exif = [0xff, 0xe1, ...u16(20), ...text('Exif\0\0MM\0*'), 0, 0, 0, 8, 0xff, 0xff];
			for (let at = 2; at + exif.length <= file.length; at += 22) file.set(exif, at);
		}),
	],
	['JPEG fill bytes to the end of the file', jpegOf((file) => file.fill(0xff, 2))],
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
	['a BMP signature alone', Buffer.from('BM')],
	['a BMP of negative height', bmp(300, -300)],
	['a BMP of the most negative height', bmp(300, -2147483648)],
	['a BMP of huge height', bmp(300, 2147483647)],
	['a BMP of negative width', bmp(-300, 300)],
	['a WebP that ends in its header', Buffer.from('RIFF\0\0\0\0WEBPVP8X')],
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
	'a JPEG segment of length zero',
	'JPEG fill bytes to the end of the file',
	'a JPEG of 0 × 0 px',
	'a PNG that lies about its IHDR',
	'a PNG of 0 × 0 px',
	'an SVG',
])('%s is no picture that can be read', (name) => {
	const [, bytes] = evilFiles.find(([known]) => known === name) ?? [];
	expect(bytes && readImageHeader(bytes)).toBeUndefined();
});

test('a JPEG has the size and the components of its frame behind fill bytes', () => {
	const [, bytes] = evilFiles.find(([name]) => name.startsWith('a JPEG frame behind fill bytes')) ?? [];
	expect(bytes && readImageHeader(bytes)).toMatchObject({ width: 300, height: 300, greyscale: false });
});

test('a BMP stored from the top down is as high as one from the bottom up', () => {
	expect(readImageHeader(bmp(300, -400))).toMatchObject({ width: 300, height: 400 });
});

test('50,000 mutated and random files are each answered, in no more steps than they have bytes', async () => {
	const real = await Promise.all(
		(['jpeg', 'png', 'bmp'] as const).map(async (format) => await portrait('ben', { format, width: 201, height: 201 })),
	);
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
			fc.constantFrom([0xff, 0xd8, 0xff], [0x89, 0x50, 0x4e, 0x47], [0x42, 0x4d], [0x52, 0x49, 0x46, 0x46], []),
			fc.uint8Array({ maxLength: 512 }),
		)
		.map(([signature, bytes]) => Buffer.from([...signature, ...bytes]));

	let tried = 0;
	let longest = { steps: 0, bytes: 0 };
	fc.assert(
		fc.property(fc.oneof(mutated, random), (bytes) => {
			tried++;
			const taken = survive(bytes);
			if (taken > longest.steps) longest = { steps: taken, bytes: bytes.length };
		}),
		{ numRuns: 50_000 },
	);
	process.stdout.write(
		`hostile pictures: ${tried} tried, the longest answer took ${longest.steps} steps for ${longest.bytes} bytes\n`,
	);
	expect(tried).toBe(50_000);
}, 120_000);
