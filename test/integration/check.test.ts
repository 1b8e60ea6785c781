/** The operation Check: both pictures looked at as a merge would, nothing sent, no credential. */
import sharp from 'sharp';

import { startSite, type Site } from '../../lab/site';
import { portrait } from '../../lab/portraits';
import type { BinaryMode } from '../../lab/engine';
import { files, run as runNode, simulator, target, template } from './withSimulator';

let site: Site;
beforeAll(async () => {
	site = await startSite();
});
afterAll(async () => await site.close());

const run = async (options: Parameters<typeof runNode>[0] = {}) => {
	const result = await runNode({ ...options, parameters: { operation: 'check', ...options.parameters } });
	expect(simulator.requests).toHaveLength(0);
	return result;
};

async function check(bytes: Buffer, options: Parameters<typeof runNode>[0] = {}) {
	const { items, task } = await run({
		items: [{ files: { ...files, target: { bytes, fileName: 'ben.jpg' } } }],
		...options,
	});
	expect(task.error).toBeUndefined();
	const { target: seen, ...rest } = Object(items[0]?.json.pictureCheck);
	return { ...rest, seen };
}

/** The header of a PNG of so many pixels, and nothing behind it. */
function pngHeader(width: number, height: number): Buffer {
	const header = Buffer.alloc(48_000);
	header.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1');
	header.writeUInt32BE(width, 16);
	header.writeUInt32BE(height, 20);
	header.set([8, 6], 24);
	return header;
}

describe.each<BinaryMode>(['default', 'filesystem'])('binary mode %s', (binaryMode) => {
	it('tells of two pictures that fit, and passes the item on', async () => {
		const { items } = await run({
			binaryMode,
			items: [{ files, json: { name: 'Ben' } }],
			nodeSettings: { credentials: undefined },
		});
		expect(items[0]?.json).toEqual({
			name: 'Ben',
			pictureCheck: {
				fits: true,
				canBeMadeFit: true,
				target: expect.objectContaining({
					format: 'PNG',
					width: 240,
					height: 240,
					bytes: target.length,
					upright: true,
					fits: true,
					canBeMadeFit: true,
				}),
				template: expect.objectContaining({
					format: 'JPEG',
					width: 240,
					height: 240,
					bytes: template.length,
					fits: true,
				}),
			},
		});
		expect(Object.keys(items[0]?.binary ?? {})).toEqual(['target', 'template']);
	});

	it('tells of each picture what is wrong, and a visitor what to do', async () => {
		const { items } = await run({
			binaryMode,
			items: [
				{
					files: {
						target: { bytes: await portrait('ben', { width: 100, height: 100 }) },
						template: { bytes: Buffer.from('%PDF-1.7') },
					},
				},
			],
		});
		expect(items[0]?.json.pictureCheck).toMatchObject({
			fits: false,
			canBeMadeFit: false,
			visitorMessage:
				'The portrait whose face is taken is 100 × 100 px. Choose a larger one: more than 128 px in width and height. The picture that receives the face is not a picture that can be read. Save it as JPEG or PNG.',
			target: {
				code: 'ERROR_LOW_RESOLUTION',
				message: expect.stringContaining("'Target Input Binary Field' is 100 × 100 px"),
			},
			template: { fits: false, code: 'UNSUPPORTED_FILE_TYPES', bytes: 8 },
		});
	});
});

it.each<[string, () => Buffer | Promise<Buffer>, object]>([
	[
		'a large photo',
		async () => await sharp(target).resize(5000, 4000).jpeg().toBuffer(),
		{ canBeMadeFit: true, code: 'ERROR_HIGH_RESOLUTION', width: 5000, height: 4000 },
	],
	[
		'WebP',
		async () => await sharp(target).webp().toBuffer(),
		{ canBeMadeFit: true, code: 'UNSUPPORTED_FILE_TYPES', format: 'WebP' },
	],
	['GIF', async () => await sharp(target).gif().toBuffer(), { canBeMadeFit: true, format: 'GIF', width: 240 }],
	['AVIF', async () => await sharp(target).avif().toBuffer(), { canBeMadeFit: true, format: 'AVIF', width: 240 }],
	['TIFF', async () => await sharp(target).tiff().toBuffer(), { canBeMadeFit: true, format: 'TIFF', width: 240 }],
	[
		'a black-and-white one',
		async () => await sharp(target).toColourspace('b-w').jpeg().toBuffer(),
		{ canBeMadeFit: false, code: 'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE' },
	],
	[
		'an SVG',
		() => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
		{ canBeMadeFit: false, format: undefined },
	],
	[
		'an MVG',
		() => Buffer.from('push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 "x.png"'),
		{ canBeMadeFit: false },
	],
	['a bomb of 400 megapixels', () => pngHeader(20_000, 20_000), { canBeMadeFit: false, width: 20_000 }],
	['a hundred megapixels', () => pngHeader(10_000, 10_000), { canBeMadeFit: true, width: 10_000 }],
	[
		'a JPEG whose comment makes GraphicsMagick take it for a CALS raster of any size',
		async () => {
			const jpeg = await sharp(target).resize(5000, 4000).jpeg().toBuffer();
			const comment = Buffer.alloc(200, 0x20);
			comment.set([0xff, 0xfe, 0, 198], 0);
			comment.write('version: MIL-STD-1840', 19);
			return Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]);
		},
		{ canBeMadeFit: false },
	],
	[
		'a black-and-white TIFF',
		async () => await sharp(target).toColourspace('b-w').tiff().toBuffer(),
		{ canBeMadeFit: false },
	],
	[
		'a long, narrow one that would become too narrow',
		async () => await sharp(target).resize(8192, 513, { fit: 'fill' }).jpeg().toBuffer(),
		{ canBeMadeFit: false },
	],
	[
		'a sequence that GraphicsMagick does not know',
		() => Buffer.from('\0\0\0\x18ftypmsf1\0\0\0\0msf1heic', 'latin1'),
		{ canBeMadeFit: false },
	],
	['a file of 0 bytes', () => Buffer.alloc(0), { canBeMadeFit: false, code: 'PARAMETERS_CANNOT_EMPTY', bytes: 0 }],
])('%s does not fit, and may be mended or not', async (_what, bytes, expected) => {
	const { seen, fits } = await check(await bytes());
	expect(fits).toBe(false);
	expect(seen).toMatchObject({ fits: false, ...expected });
});

it('tells a picture that is stored turned, which fits as it is', async () => {
	const turned = await sharp(target).jpeg().withMetadata({ orientation: 6 }).toBuffer();
	expect(await check(turned)).toMatchObject({
		fits: true,
		canBeMadeFit: true,
		seen: { upright: false, fits: true, canBeMadeFit: true },
	});
});

it('takes a picture that is missing for a result', async () => {
	const { items } = await run({ items: [{ files: { template: { bytes: template } } }] });
	expect(items[0]?.json.pictureCheck).toMatchObject({
		fits: false,
		canBeMadeFit: false,
		visitorMessage: 'The portrait whose face is taken is missing. Please upload it.',
		target: {
			fits: false,
			message: '\'Target Input Binary Field\' names the binary field "target", which the item does not have',
		},
		template: { fits: true },
	});
});

it('looks at pictures behind links too, and downloads one template once for all items', async () => {
	site.serve('/template.jpg', { body: template });
	site.serve('/gone.jpg', (response) => void response.writeHead(404).end());
	const parameters = { templateInputType: 'url', templateUrl: `${site.url}/template.jpg` };
	const { items } = await run({ items: Array(8).fill({ files: { target: files.target } }), parameters });
	expect(items.map(({ json }) => Object(json.pictureCheck).fits)).toEqual(Array(8).fill(true));
	expect(site.requests.filter(({ path }) => path === '/template.jpg')).toHaveLength(1);
	const gone = await run({ parameters: { ...parameters, templateUrl: `${site.url}/gone.jpg` } });
	expect(gone.items[0]?.json.pictureCheck).toMatchObject({ template: { fits: false, canBeMadeFit: false } });
});

it('reads only the first bytes of a large file', async () => {
	const { BinaryDataService } = await import('n8n-core');
	const whole = jest.spyOn(BinaryDataService.prototype, 'getAsBuffer');
	const large = Buffer.concat([await sharp(target).resize(5000, 4000).jpeg().toBuffer(), Buffer.alloc(20_000_000)]);
	expect(await check(large, { binaryMode: 'filesystem' })).toMatchObject({
		seen: { width: 5000, bytes: large.length, code: 'FILE_SIZE_EXCEEDS_LIMIT' },
	});
	expect(whole).not.toHaveBeenCalled();
	whole.mockRestore();
});

it('is a tool of an AI agent too, without a link and without a credential', async () => {
	site.serve('/ben.png', { body: target });
	const url = `${site.url}/ben.png`;
	const { items } = await run({
		items: [{ json: {} }],
		parameters: { targetInputType: 'url', targetUrl: url, templateInputType: 'url', templateUrl: url },
		nodeSettings: { type: 'n8n-nodes-merge-portraits.mergePortraitsTool', credentials: undefined },
	});
	expect(items[0]?.json.pictureCheck).toMatchObject({ fits: true });
});

it('keeps the order of many items, and tells of a parameter that cannot be read', async () => {
	const items = Array.from({ length: 23 }, (_, index) => ({ files, json: { index } }));
	const result = await run({ items });
	expect(result.items.map(({ json, pairedItem }) => [json.index, pairedItem])).toEqual(
		items.map(({ json }) => [json.index, { item: json.index }]),
	);
	const unreadable = { parameters: { options: { maxRetries: '={{ $itemIndex ? -1 : 1 }}' } } };
	const { task } = await run({ ...unreadable, items: items.slice(0, 2) });
	expect(task.error?.message).toBe("'Max Retries' must be a whole number of at least 0, but is -1 [item 1]");
	const continued = await run({
		...unreadable,
		items: items.slice(0, 2),
		nodeSettings: { onError: 'continueRegularOutput' },
	});
	expect(continued.items.map(({ json }) => 'error' in json)).toEqual([false, true]);
});
