import { join } from 'node:path';

import sharp, { type OverlayOptions } from 'sharp';

export interface LabelledPicture {
	label: string;
	/** An encoded picture that sharp can read. */
	picture: Buffer;
}

const SIDE = 240;
const GAP = 24;
const LABEL_HEIGHT = 36;
const BACKGROUND = '#f4f4f6';

/** A font from npm, and no other: a bare machine has none, nor the configuration that is looked for. */
process.env.FONTCONFIG_FILE = join(__dirname, 'fonts.conf');
const font = {
	font: 'Inter Medium 15',
	fontfile: require.resolve('@expo-google-fonts/inter/500Medium/Inter_500Medium.ttf'),
};

/** Puts the rows of pictures on one PNG, each picture with its label above it, each row in the middle. */
export async function contactSheet(rows: LabelledPicture[][]): Promise<Buffer> {
	const width = GAP + Math.max(...rows.map((row) => row.length)) * (SIDE + GAP);
	const height = GAP + rows.length * (LABEL_HEIGHT + SIDE + GAP);
	const overlays = rows.flatMap((row, rowIndex) =>
		row.map(async ({ label, picture }, index): Promise<OverlayOptions[]> => {
			const left = Math.round((width - row.length * (SIDE + GAP) + GAP) / 2) + index * (SIDE + GAP);
			const top = GAP + rowIndex * (LABEL_HEIGHT + SIDE + GAP);
			const text = { ...font, text: `<span foreground="#333">${label}</span>`, dpi: 96, rgba: true };
			return [
				{ input: await sharp({ text }).png().toBuffer(), left, top },
				{ input: await sharp(picture).autoOrient().resize(SIDE, SIDE).png().toBuffer(), left, top: top + LABEL_HEIGHT },
			];
		}),
	);
	return await sharp({ create: { width, height, channels: 3, background: BACKGROUND } })
		.composite((await Promise.all(overlays)).flat())
		.png()
		.toBuffer();
}
