import sharp from 'sharp';

import { HEAD_BYTES, readImageHeader } from '../../nodes/MergePortraits/pictures/imageHeader';
import {
	checkImage,
	imageRequirements,
	MAX_MENDABLE_PIXELS,
} from '../../nodes/MergePortraits/pictures/imageRequirements';
import { faceless, portrait, type PortraitOptions } from '../../lab/portraits';
import { MAX_FILE_BYTES, PIXELS } from '../../lab/simulator/rules';
import type { EngineOptions } from '../../lab/engine';
import { run as runNode, simulator, target, template } from './withSimulator';

const labels = { target: 'Target Input Binary Field', template: 'Template Input Binary Field' };

async function run(
	pictures: Partial<Record<'target' | 'template', Buffer>>,
	validateImages = true,
	options: Partial<EngineOptions> = {},
) {
	const { target: one = target, template: other = template } = pictures;
	return await runNode({
		items: [{ files: { target: { bytes: one }, template: { bytes: other } } }],
		parameters: { options: { validateImages, maxRetries: 0 } },
		...options,
	});
}

const sized =
	(width: number, height: number, options: PortraitOptions = {}) =>
	async () =>
		await portrait('ben', { width, height, ...options });
const ofBytes = (length: number) => async () => {
	const jpeg = await portrait('ben', { format: 'jpeg' });
	return Buffer.concat([jpeg, Buffer.alloc(length - jpeg.length)]);
};
const MB = 1024 * 1024;
/** The first bytes of a file in ISO's base media format, of which HEIC and AVIF are brands. */
const ftyp = (brand: string) => async () =>
	await Promise.resolve(Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from(`ftyp${brand}`), Buffer.alloc(600)]));

/** One row for each documented limit and side of it; a refused one has its message and the code that the service gives. */
const rows: Array<
	[role: 'target' | 'template', what: string, make: () => Promise<Buffer>, refused?: string, code?: string]
> = [
	['target', '129 × 640 px', sized(129, 640)],
	[
		'target',
		'128 × 640 px',
		sized(128, 640),
		'is 128 × 640 px, allowed: width and height larger than 128 px',
		'ERROR_LOW_RESOLUTION',
	],
	['target', '640 × 129 px', sized(640, 129)],
	[
		'target',
		'640 × 128 px',
		sized(640, 128),
		'is 640 × 128 px, allowed: width and height larger than 128 px',
		'ERROR_LOW_RESOLUTION',
	],
	['target', '4095 × 300 px', sized(4095, 300)],
	[
		'target',
		'4096 × 300 px',
		sized(4096, 300),
		'is 4096 × 300 px, allowed: width and height larger than 128 px and smaller than 4096 px',
		'ERROR_HIGH_RESOLUTION',
	],
	['target', '300 × 4095 px', sized(300, 4095, { format: 'jpeg' })],
	['target', '300 × 4096 px', sized(300, 4096, { format: 'jpeg' }), 'is 300 × 4096 px', 'ERROR_HIGH_RESOLUTION'],
	['template', '201 × 640 px', sized(201, 640)],
	[
		'template',
		'200 × 640 px',
		sized(200, 640),
		'is 200 × 640 px, allowed: width and height larger than 200 px',
		'ERROR_LOW_RESOLUTION',
	],
	['template', '640 × 201 px', sized(640, 201, { format: 'bmp' })],
	['template', '640 × 200 px', sized(640, 200, { format: 'bmp' }), 'is 640 × 200 px', 'ERROR_LOW_RESOLUTION'],
	['template', '4095 × 300 px', sized(4095, 300)],
	['template', '4096 × 300 px', sized(4096, 300), 'is 4096 × 300 px', 'ERROR_HIGH_RESOLUTION'],
	['target', 'exactly 4 MB', ofBytes(4 * MB)],
	[
		'target',
		'4 MB and one byte',
		ofBytes(4 * MB + 1),
		'has 4.2 MB, allowed: at most 4.19 MB',
		'FILE_SIZE_EXCEEDS_LIMIT',
	],
	['template', 'exactly 4 MB', ofBytes(4 * MB)],
	[
		'template',
		'4 MB and one byte',
		ofBytes(4 * MB + 1),
		'has 4.2 MB, allowed: at most 4.19 MB',
		'FILE_SIZE_EXCEEDS_LIMIT',
	],
	[
		'target',
		'a greyscale JPEG',
		sized(640, 640, { format: 'jpeg', greyscale: true }),
		'is black-and-white, allowed: a picture in colour',
		'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
	],
	[
		'target',
		'a greyscale PNG',
		sized(640, 640, { greyscale: true }),
		'is black-and-white',
		'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
	],
	['template', 'a greyscale JPEG', sized(640, 640, { format: 'jpeg', greyscale: true })],
	['template', 'a greyscale PNG', sized(640, 640, { greyscale: true })],
	[
		'target',
		'a WebP',
		async () => await sharp(target).webp().toBuffer(),
		'is a WebP picture, allowed: JPEG, PNG or BMP',
		'UNSUPPORTED_FILE_TYPES',
	],
	[
		'template',
		'a GIF',
		async () => await sharp(template).gif().toBuffer(),
		'is a GIF picture, allowed: JPEG, PNG or BMP',
		'UNSUPPORTED_FILE_TYPES',
	],
	['target', 'a HEIC', ftyp('heic'), 'is a HEIC picture, allowed: JPEG, PNG or BMP', 'UNSUPPORTED_FILE_TYPES'],
	['template', 'an AVIF', ftyp('avif'), 'is an AVIF picture', 'UNSUPPORTED_FILE_TYPES'],
	[
		'template',
		'a TIFF',
		async () => await sharp(template).tiff().toBuffer(),
		'is a TIFF picture',
		'UNSUPPORTED_FILE_TYPES',
	],
	[
		'target',
		'a JPEG that ends in its header',
		async () => (await portrait('ben', { format: 'jpeg' })).subarray(0, 20),
		'is not a picture that can be read',
		'FILE_DECODING_FAILURE',
	],
	[
		'target',
		'text',
		async () => await Promise.resolve(Buffer.from('Hello')),
		'is not a picture that can be read, allowed: JPEG, PNG or BMP that begins with a complete header',
		'UNSUPPORTED_FILE_TYPES',
	],
];

describe.each(rows)('%s: %s', (role, _what, make, refused, code) => {
	it(refused ? 'is refused before anything is sent' : 'is sent and merged', async () => {
		const { task, items } = await run({ [role]: await make() });
		if (refused) {
			expect(task.error?.message).toContain(`'${labels[role]}' ${refused}`);
			expect(task.error?.description).toBeTruthy();
			expect(simulator.requests).toHaveLength(0);
		} else {
			expect(task.error).toBeUndefined();
			expect(items[0]?.binary?.data?.mimeType).toBe('image/jpeg');
		}
	});

	it('is judged alike by its first bytes and its size', async () => {
		const picture = await make();
		const byHead = checkImage(role, readImageHeader(picture.subarray(0, HEAD_BYTES)), picture.length);
		expect(byHead).toEqual(checkImage(role, readImageHeader(picture), picture.length));
		expect(byHead.map((unfit) => unfit.code)).toEqual(code === undefined ? [] : [code]);
	});

	it('is judged likewise by the service, and has the same code', async () => {
		const picture = await make();
		await run({ [role]: picture }, false);
		expect(simulator.requests[0]).toMatchObject({ status: refused ? expect.any(Number) : 200 });
		expect(simulator.requests[0]?.code || undefined).toBe(code);
		const { items } = await run({ [role]: picture }, true, { nodeSettings: { onError: 'continueRegularOutput' } });
		expect(items[0]?.json.code).toBe(code);
	});
});

test('the node and the simulator have written down the same limits, each for itself', () => {
	const { maxBytes, minSide, maxSide } = imageRequirements;
	expect(maxBytes).toBe(MAX_FILE_BYTES);
	expect({ above: minSide.target, below: maxSide }).toEqual(PIXELS.image_target);
	expect({ above: minSide.template, below: maxSide }).toEqual(PIXELS.image_template);
});

test('all that is wrong with an item is told at once', async () => {
	const { task } = await run({
		target: await portrait('ben', { width: 100, height: 90, greyscale: true }),
		template: await portrait('anna', { width: 5000, height: 500, format: 'jpeg', minBytes: 5 * MB }),
	});
	expect(task.error?.message).toBe(
		"'Target Input Binary Field' is 100 × 90 px, allowed: width and height larger than 128 px and smaller than 4096 px; " +
			"'Target Input Binary Field' is black-and-white, allowed: a picture in colour; " +
			"'Template Input Binary Field' has 5.25 MB, allowed: at most 4.19 MB; " +
			"'Template Input Binary Field' is 5000 × 500 px, allowed: width and height larger than 200 px and smaller than 4096 px",
	);
	expect(task.error?.description).toContain(
		"Operation 'Resize', 'Property Name' template, 'Width' and 'Height' 2048, 'Option' 'Only if Larger'",
	);
	expect(task.error?.description).toContain('Provide a larger picture');
	expect(task.error?.description).toContain('Provide a portrait in colour');
	expect(simulator.requests).toHaveLength(0);
});

test('a visitor reads which picture it is, what is wrong and what to do, without labels and codes', async () => {
	const visitorMessage = async (pictures: Partial<Record<'target' | 'template', Buffer>>) => {
		const { items } = await run(pictures, true, { nodeSettings: { onError: 'continueRegularOutput' } });
		return items[0]?.json.visitorMessage;
	};
	expect(await visitorMessage({ target: await ftyp('heic')() })).toBe(
		'The portrait whose face is taken is a HEIC picture. Save it as JPEG or PNG.',
	);
	expect(await visitorMessage({ template: await ofBytes(7.1 * MB)() })).toBe(
		'The picture that receives the face has 7.45 MB. Save it with fewer pixels: at most 4 MB are possible.',
	);
	expect(await visitorMessage({ target: await sized(100, 400)(), template: await sized(5000, 300)() })).toBe(
		'The portrait whose face is taken is 100 × 400 px. Choose a larger one: more than 128 px in width and height. ' +
			'The picture that receives the face is 5000 × 300 px. Save it with fewer pixels: less than 4096 px in width and height.',
	);
	expect(await visitorMessage({ target: await sized(300, 300, { greyscale: true })() })).toBe(
		'The portrait whose face is taken is black-and-white. Choose one in colour.',
	);
	expect(await visitorMessage({ target: Buffer.alloc(0) })).toBe(
		'The portrait whose face is taken is an empty file. Please upload it again.',
	);
});

test('an empty file is refused with the validation off too', async () => {
	const { task } = await run({ target: Buffer.alloc(0) }, false);
	expect(task.error?.message).toContain("'Target Input Binary Field' is an empty file");
	expect(simulator.requests).toHaveLength(0);
});

/** The first bytes of a PNG in colour. */
function pngHead(width: number, height: number, colourType = 2): Buffer {
	const head = Buffer.alloc(33);
	head.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1');
	head.writeUInt32BE(width, 16);
	head.writeUInt32BE(height, 20);
	head[24] = 8;
	head[25] = colourType;
	return head;
}

describe('what an image tool can mend', () => {
	const tiff = async () => await sharp(target).tiff().toBuffer();
	it.each<[what: string, canBeMade: boolean, make: () => Buffer | Promise<Buffer>, byteLength?: number]>([
		['too many bytes', true, () => pngHead(2000, 2000), 9 * MB],
		['too many pixels', true, () => pngHead(8000, 6000), 40 * MB],
		['the most pixels', true, () => pngHead(10_000, MAX_MENDABLE_PIXELS / 10_000)],
		['more pixels than that', false, () => pngHead(10_000, MAX_MENDABLE_PIXELS / 10_000 + 1)],
		['48 kB that are 400 megapixels', false, () => pngHead(20_000, 20_000), 48_000],
		['a side that stays long enough', true, () => pngHead(8000, 508)],
		['a side that becomes too short', false, () => pngHead(8000, 500)],
		['too few pixels', false, () => pngHead(100, 100)],
		['too few pixels in too many bytes', false, () => pngHead(100, 100), 9 * MB],
		['black-and-white', false, () => pngHead(640, 640, 0)],
		['black-and-white in too many bytes', false, () => pngHead(640, 640, 0), 9 * MB],
		['a GIF', true, async () => await sharp(target).gif().toBuffer()],
		['a GIF with too few pixels', false, async () => await sharp(target).resize(100).gif().toBuffer()],
		['a WebP', true, async () => await sharp(target).webp().toBuffer()],
		['an AVIF', true, async () => await sharp(target).avif().toBuffer()],
		['a TIFF', true, tiff],
		['a TIFF whose pixels are not known', false, async () => (await tiff()).subarray(0, 100)],
		['a HEIC whose pixels are not known', false, ftyp('heic')],
		['a JPEG that ends in its header', false, () => Buffer.from('\xff\xd8\xff\xe0', 'latin1')],
		['an SVG', false, () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="640" height="640"/>')],
		['an empty file', false, () => Buffer.alloc(0)],
	])('%s: %s', async (...[, canBeMade, make, byteLength]) => {
		const bytes = await make();
		const unfit = checkImage('target', readImageHeader(bytes), byteLength ?? bytes.length, 'This is how.');
		expect(unfit.every(({ mendable }) => mendable)).toBe(canBeMade);
		expect(unfit.length).toBeGreaterThan(0);
		for (const { mendable, wayOut } of unfit) expect(wayOut === 'This is how.').toBe(mendable === true);
	});
});

test('sizes are told as n8n shows them beside a file', async () => {
	const { items } = await run({ template: await ofBytes(4 * MB)() });
	expect(items[0]?.binary?.template?.fileSize).toBe('4.19 MB');
	const { task } = await run({ template: await ofBytes(7.1 * MB)() });
	expect(task.error?.message).toContain('has 7.45 MB, allowed: at most 4.19 MB');
});

test('a picture without a face is for the service to refuse', async () => {
	const { task } = await run({ target: await faceless() });
	expect(task.error?.message).toBe('No face was found in one of the two pictures');
	expect(task.error?.description).toContain('AILabTools says: “No face detected in the file.”');
	expect(simulator.requests).toHaveLength(1);
});

test('a stored binary that is too large is refused by its recorded size, before its bytes are loaded', async () => {
	const { BinaryDataService } = await import('n8n-core');
	const load = jest.spyOn(BinaryDataService.prototype, 'getAsBuffer');
	const large = Buffer.concat([target, Buffer.alloc(5 * MB)]);
	const { task } = await run({ target: large }, true, { binaryMode: 'filesystem' });
	const loaded = await Promise.all(load.mock.results.map(async ({ value }) => (await value).length));
	load.mockRestore();
	expect(task.error?.message).toMatch(/'Target Input Binary Field' has 5\.26 MB, allowed: at most 4\.19 MB/);
	expect(loaded).toEqual([template.length]);
});

test('the same picture in two items is checked and named for each', async () => {
	const small = await portrait('ben', { width: 100, height: 100 });
	const twice = (bytes: Buffer) =>
		['a.png', 'b.png'].map((fileName) => ({ files: { target: { bytes, fileName }, template: { bytes: template } } }));
	const nodeSettings = { onError: 'continueRegularOutput' as const };
	const checked = await runNode({
		items: twice(small).map((item) => ({ files: { ...item.files, target: { bytes: small } } })),
		parameters: { options: { validateImages: '={{ $itemIndex === 1 }}', maxConcurrency: 1 } },
		nodeSettings,
	});
	expect(checked.items[1]?.json.error).toContain('is 100 × 100 px');
	const { items } = await runNode({ items: twice(target), parameters: { options: { maxConcurrency: 1 } } });
	expect(items.map(({ binary }) => binary?.data?.fileName)).toEqual(['a-merged.jpg', 'b-merged.jpg']);
});
