import { decode as decodeBmp } from 'bmp-ts';
import sharp from 'sharp';
import { faceless, portrait } from '../../lab/portraits';

async function pixels(file: Buffer) {
	const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
	return { ...info, data };
}

describe('portrait', () => {
	it('draws the same person for the same seed, and another for another', async () => {
		const [anna, again, ben] = await Promise.all([portrait('anna'), portrait('anna'), portrait('ben')]);
		expect(anna.equals(again)).toBe(true);
		expect(anna.equals(ben)).toBe(false);
		expect(await sharp(anna).metadata()).toMatchObject({ format: 'png', width: 640, height: 640, channels: 3 });
	});

	it.each([
		[640, 640],
		[900, 400],
		[301, 517],
	])('has the face in the middle of %i x %i pixels and the background around it', async (width, height) => {
		for (const seed of ['anna', 'ben', 'carl', 'dora', 'eve', 'finn']) {
			const { data } = await pixels(await portrait(seed, { width, height }));
			const at = (x: number, y: number) => {
				const from = (Math.round(y) * width + Math.round(x)) * 3;
				return data.subarray(from, from + 3).toString('hex');
			};
			const background = at(0, 0);
			expect(at(width - 1, 0)).toBe(background);
			const side = Math.min(width, height);
			for (let turn = 0; turn < 2 * Math.PI; turn += 0.1) {
				const [x, y] = [width / 2 + 0.2 * side * Math.cos(turn), height / 2 + 0.22 * side * Math.sin(turn)];
				expect(at(x, y)).not.toBe(background);
			}
		}
	});

	it('stores the same pixels as 24 bit BMP as it does as PNG', async () => {
		const size = { width: 301, height: 203 };
		const bmp = await portrait('anna', { ...size, format: 'bmp' });
		const { data: rgba, bitPP } = decodeBmp(bmp, { toRGBA: true });
		expect(bitPP).toBe(24);
		expect(bmp.readUInt32LE(2)).toBe(bmp.length);
		const rgb = await sharp(rgba, { raw: { ...size, channels: 4 } })
			.removeAlpha()
			.raw()
			.toBuffer();
		expect(rgb.equals((await pixels(await portrait('anna', size))).data)).toBe(true);
	});

	it('stores grey as one channel', async () => {
		const jpeg = await portrait('anna', { format: 'jpeg', greyscale: true });
		const png = await portrait('anna', { greyscale: true });
		expect((await sharp(jpeg).metadata()).channels).toBe(1);
		expect(png[25]).toBe(0);
	});

	it('is smaller at a lower quality', async () => {
		const size = async (quality: number) => (await portrait('anna', { format: 'jpeg', quality })).length;
		expect(await size(20)).toBeLessThan(await size(90));
	});

	it.each(['png', 'jpeg', 'bmp'] as const)(
		'fills a %s up to a size and leaves its pixels as they are',
		async (format) => {
			const minBytes = 3_900_000;
			const [plain, filled] = await Promise.all([portrait('anna', { format }), portrait('anna', { format, minBytes })]);
			expect(filled.length).toBeGreaterThanOrEqual(minBytes);
			expect(filled.length).toBeLessThan(minBytes + 1000);
			const decoded = async (file: Buffer) => (format === 'bmp' ? decodeBmp(file) : await pixels(file)).data;
			expect((await decoded(filled)).equals(await decoded(plain))).toBe(true);
			expect(plain.length).toBe((await portrait('anna', { format, minBytes: 1 })).length);
		},
	);
});

describe('faceless', () => {
	it('is of one colour', async () => {
		const { data, width, height } = await pixels(await faceless({ width: 300, height: 210 }));
		expect([width, height]).toEqual([300, 210]);
		expect(data.equals(Buffer.alloc(data.length, data.subarray(0, 3)))).toBe(true);
	});
});
