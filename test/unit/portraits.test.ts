import { decode as decodeBmp } from 'bmp-ts';
import sharp from 'sharp';
import { portrait } from '../../lab/portraits';

it('draws the same person for the same seed, and another for another', async () => {
	const [anna, again, ben] = await Promise.all([portrait('anna'), portrait('anna'), portrait('ben')]);
	expect(anna.equals(again)).toBe(true);
	expect(anna.equals(ben)).toBe(false);
});

it.each(['png', 'jpeg', 'bmp'] as const)(
	'fills a %s up to a size and leaves its pixels as they are',
	async (format) => {
		const minBytes = 3_900_000;
		const [plain, filled] = await Promise.all([portrait('anna', { format }), portrait('anna', { format, minBytes })]);
		expect(filled.length).toBeGreaterThanOrEqual(minBytes);
		expect(filled.length).toBeLessThan(minBytes + 1000);
		const pixels = async (file: Buffer) =>
			format === 'bmp' ? decodeBmp(file).data : await sharp(file).raw().toBuffer();
		expect((await pixels(filled)).equals(await pixels(plain))).toBe(true);
		expect(plain.length).toBe((await portrait('anna', { format, minBytes: 1 })).length);
	},
);
