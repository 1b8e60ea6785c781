import { join } from 'node:path';

import sharp, { type OverlayOptions } from 'sharp';

export interface LabelledPicture {
	label: string;
	/** An encoded picture that sharp can read. */
	picture: Buffer;
}

const BACKGROUND = '#f4f4f6';

/** A font from npm, and no other: a bare machine has none, nor the configuration that is looked for. */
process.env.FONTCONFIG_FILE = join(__dirname, 'fonts.conf');
const font = {
	fontfile: require.resolve('@expo-google-fonts/inter/500Medium/Inter_500Medium.ttf'),
};

const fontOfSize = (size: number) => ({ ...font, font: `Inter Medium ${size}`, dpi: 96 });

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Puts the rows of pictures on one PNG, each a square of `side` px with its label above it, each row in the middle. */
export async function contactSheet(rows: LabelledPicture[][], side = 240): Promise<Buffer> {
	const gap = Math.round(side / 10);
	const fontSize = Math.max(9, Math.round(side / 16));
	const labelHeight = Math.round(fontSize * 2.4);
	const width = gap + Math.max(...rows.map((row) => row.length)) * (side + gap);
	const height = gap + rows.length * (labelHeight + side + gap);
	const overlays = rows.flatMap((row, rowIndex) =>
		row.map(async ({ label, picture }, index): Promise<OverlayOptions[]> => {
			const left = Math.round((width - row.length * (side + gap) + gap) / 2) + index * (side + gap);
			const top = gap + rowIndex * (labelHeight + side + gap);
			const text = { ...fontOfSize(fontSize), text: `<span foreground="#333">${escaped(label)}</span>`, rgba: true };
			return [
				{ input: await sharp({ text }).png().toBuffer(), left, top },
				{ input: await sharp(picture).autoOrient().resize(side, side).png().toBuffer(), left, top: top + labelHeight },
			];
		}),
	);
	return await sharp({ create: { width, height, channels: 3, background: BACKGROUND } })
		.composite((await Promise.all(overlays)).flat())
		.png()
		.toBuffer();
}

/** A white square with a few words on it. */
export async function textCard(words: string): Promise<Buffer> {
	const text = { ...fontOfSize(22), text: `<span foreground="#333">${escaped(words)}</span>`, rgba: true, width: 200 };
	return await sharp({ create: { width: 240, height: 240, channels: 3, background: '#fff' } })
		.composite([{ input: await sharp({ text }).png().toBuffer() }])
		.png()
		.toBuffer();
}
