/** `npm run gallery`: the small pictures in README's table of examples, of what goes in and what comes out. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import sharp from 'sharp';

import { portrait, SHOWN } from '../lab/portraits';
import { blend, decode, encode } from '../lab/simulator/blend';
import { contactSheet, textCard, type LabelledPicture } from './contactSheet';

const IMAGES_FOLDER = resolve(__dirname, '../docs/images');
const SIDE = 112;
const PEOPLE = ['ella', 'carl', 'joy'];

/** A pair as the simulator merges it. */
async function merged(label: string, target: string, similarity = 0.5): Promise<LabelledPicture> {
	const [face, scene] = await Promise.all([portrait(target), portrait(SHOWN.template)]);
	const result = await blend(await decode(face, 'png'), await decode(scene, 'png'), similarity);
	return { label, picture: await encode(result, 'png') };
}

const drawn = async (label: string, seed: string): Promise<LabelledPicture> => ({
	label,
	picture: await portrait(seed),
});

const card = async (label: string, text: string): Promise<LabelledPicture> => ({
	label,
	picture: await textCard(text),
});

/** What goes into each example and what comes out, in rows. */
async function strips(): Promise<Record<string, LabelledPicture[][]>> {
	const template = await drawn('template', SHOWN.template);
	const pair = [await drawn('target', SHOWN.target), template];
	const people = await Promise.all(PEOPLE.map(async (seed, index) => await drawn(`portrait ${index + 1}`, seed)));
	const all = await Promise.all(PEOPLE.map(async (seed, index) => await merged(`merged ${index + 1}`, seed)));
	const one = await merged('merged', SHOWN.target);
	const similar = await merged('merged', SHOWN.target, 0.8);
	const mails = all.map(({ picture }, index) => ({ label: `to person ${index + 1}`, picture }));
	const similarities = [0, 0.25, 0.5, 0.75, 1];
	return {
		'first-merge-in': [pair],
		'first-merge-out': [[one]],
		'form-to-picture-in': [[...pair, await card('similarity', '0.8')]],
		'form-to-picture-out': [[similar, await card('or', 'No face was found in one of the two pictures.')]],
		'nightly-batch-in': [[...people, template]],
		'nightly-batch-out': [[...all, await card('report', 'Not merged:\nwall.png,\nno face')]],
		'to-storage-in': [[...people, template]],
		'to-storage-out': [all],
		'to-email-in': [[...people, template]],
		'to-email-out': [mails],
		'large-batches-in': [[await card('list', 'portraits.csv\n2,000 lines'), template]],
		'large-batches-out': [[...all, await card('report', '1,998 merged,\n2 not: why')]],
		'compare-similarities-in': [pair],
		'compare-similarities-out': [
			await Promise.all(similarities.map(async (value) => await merged(String(value), SHOWN.target, value))),
		],
		'chat-agent-in': [[...pair, await card('chat', 'Put my face into your picture.')]],
		'chat-agent-out': [[one]],
		'mcp-server-in': [[...pair, await card('model', 'Merge these two, please.')]],
		'mcp-server-out': [[one]],
		'credits-alert-in': [[await card('balance', '799 credits')]],
		'credits-alert-out': [[await card('e-mail', '799 left,\n800 needed')]],
	};
}

async function main(): Promise<void> {
	for (const [name, rows] of Object.entries(await strips())) {
		const sheet = await contactSheet(rows, SIDE);
		const file = join(IMAGES_FOLDER, `${name}.png`);
		await writeFile(file, await sharp(sheet).png({ palette: true, colours: 64, effort: 10 }).toBuffer());
		console.log(file);
	}
}

main().catch((error: unknown) => {
	console.error(error);
	process.exitCode = 1;
});
