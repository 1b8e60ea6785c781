import { Workflow } from 'n8n-workflow';
import sharp from 'sharp';

import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import { MergePortraits } from '../../index.js';
import { portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, startSimulator, type Fault } from '../../lab/simulator/simulator';
import { nodeOfProcess, type EngineOptions } from '../../lab/engine';
import { SkippingClock } from '../virtualClock';
import { files, run, simulator, target, template } from './withSimulator';

describe.each(['default', 'filesystem'] as const)('binary mode %s', (binaryMode) => {
	it.each([
		['png', 'image/png'],
		['jpeg', 'image/jpeg'],
		['bmp', 'image/bmp'],
	] as const)('sends a %s as it is, with its own type, and puts out what came back', async (format, mimeType) => {
		const bytes = await portrait('ben', { format });
		const { items, read } = await run({
			binaryMode,
			items: [
				{
					files: { target: { bytes, fileName: 'ben.dat', mimeType: 'text/plain' }, template: { bytes: template } },
					json: { name: 'Ben' },
				},
			],
			parameters: { similarity: 0.75 },
		});

		const request = first(simulator.requests, 'request');
		expect(simulator.requests).toHaveLength(1);
		expect(request.method).toBe('POST');
		expect(request.path).toBe('/api/portrait/effects/face-fusion');
		expect(request.headers['ailabapi-api-key']).toBe(SIMULATOR_KEY);
		expect(Number(request.headers['content-length'])).toBeGreaterThan(bytes.length + template.length);
		expect(Object.keys(request.files).sort()).toEqual(['image_target', 'image_template']);
		expect(request.files.image_target).toMatchObject({
			fileName: `target.${format === 'jpeg' ? 'jpg' : format}`,
			mimeType,
		});
		expect(request.files.image_target?.bytes?.equals(bytes)).toBe(true);
		expect(request.files.image_template).toMatchObject({ fileName: 'template.jpg', mimeType: 'image/jpeg' });
		expect(request.files.image_template?.bytes?.equals(template)).toBe(true);
		expect(request.fields).toEqual({ source_similarity: '0.75' });

		const item = first(items, 'item');
		expect(sha256(await read(item.binary?.data))).toBe(request.resultSha256);
		expect(item.binary?.data).toMatchObject({
			mimeType: 'image/jpeg',
			fileExtension: 'jpg',
			fileType: 'image',
			fileName: 'ben-merged.jpg',
		});
		expect(item.json).toEqual({
			name: 'Ben',
			mergePortraits: {
				requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
				logId: expect.stringMatching(/^[0-9a-f-]{36}$/),
				similarity: 0.75,
				attempts: 1,
				reused: false,
			},
		});
		expect(await read(item.binary?.target)).toEqual(bytes);
		expect(item.pairedItem).toEqual({ item: 0 });
	});
});

describe('the picture', () => {
	/** The mean difference of two pictures' middles, 0 to 255. */
	async function difference(one: Buffer, other: Buffer): Promise<number> {
		const middle = async (bytes: Buffer) =>
			await sharp(bytes).extract({ left: 96, top: 96, width: 48, height: 48 }).removeAlpha().raw().toBuffer();
		const [a, b] = [await middle(one), await middle(other)];
		return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? Number.NaN)), 0) / a.length;
	}

	it('goes from the template to the face of the target as the similarity rises', async () => {
		const similarities = [0, 0.25, 0.5, 0.75, 1];
		const { items, read } = await run({
			items: similarities.map((similarity) => ({ files, json: { similarity } })),
			parameters: { similarity: '={{ $json.similarity }}' },
		});
		const pictures = await Promise.all(items.map(async (item) => await read(item.binary?.data)));
		const toTemplate = await Promise.all(pictures.map(async (picture) => await difference(picture, template)));
		const toTarget = await Promise.all(pictures.map(async (picture) => await difference(picture, target)));
		expect(toTemplate[0]).toBeLessThan(3);
		expect(toTemplate).toEqual([...toTemplate].sort((a, b) => a - b));
		expect(toTarget).toEqual([...toTarget].sort((a, b) => b - a));
		expect(toTarget[4]).toBeLessThan(first(toTarget, 'difference') / 2);
	});

	it('merges as n8n loads it: built, with nothing brought by the tests', async () => {
		const { items } = await run({ nodeType: new MergePortraits() });
		expect(items).toMatchObject([{ json: { mergePortraits: { attempts: 1 } }, pairedItem: { item: 0 } }]);
	});

	it('keeps a PNG answer a PNG', async () => {
		const png = await startSimulator({ outputFormat: 'png' });
		const { items, read } = await run({ credentials: { apiKey: SIMULATOR_KEY, baseUrl: png.baseUrl } });
		await png.close();
		expect(items[0]?.binary?.data).toMatchObject({ mimeType: 'image/png', fileName: 'portrait-merged.png' });
		expect((await sharp(await read(items[0]?.binary?.data)).metadata()).format).toBe('png');
	});
});

describe('parameters', () => {
	it.each([[''], [null], ['  ']])('leaves the similarity out of the request when it is %j', async (similarity) => {
		const { items } = await run({ parameters: { similarity } });
		expect(simulator.requests[0]?.fields).toEqual({});
		expect(items[0]?.json).toMatchObject({ mergePortraits: { attempts: 1 } });
	});

	it.each([
		[0, '0'],
		[1, '1'],
		['0.25', '0.25'],
	])('sends the similarity %j as %s', async (similarity, sent) => {
		await run({ parameters: { similarity } });
		expect(simulator.requests[0]?.fields).toEqual({ source_similarity: sent });
	});

	it('takes expressions that give the binary itself, of any node', async () => {
		const { items } = await run({
			items: [
				{ files: { portrait: { bytes: target }, page: { bytes: template } } },
				{ files: { portrait: { bytes: target } }, json: { second: true } },
			],
			parameters: {
				targetBinaryPropertyName: '={{ $("Source").item.binary.portrait }}',
				templateBinaryPropertyName: '={{ $("Source").first().binary.page }}',
			},
		});
		expect(items).toHaveLength(2);
		expect(items.map((item) => Object.keys(item.binary ?? {}))).toEqual([
			['data', 'portrait', 'page'],
			['data', 'portrait'],
		]);
		expect(simulator.requests[0]?.files.image_target?.bytes?.equals(target)).toBe(true);
		expect(simulator.requests[0]?.files.image_template?.bytes?.equals(template)).toBe(true);
	});

	it('names the output field and the file as told, with the extension of the format that came', async () => {
		const names = ['group', 'group.jpg', 'group.png', 'v1.2'];
		const { items } = await run({
			items: names.map((name) => ({ files, json: { name } })),
			parameters: { outputBinaryPropertyName: 'merged', options: { fileName: '={{ $json.name }}' } },
		});
		expect(items.map((item) => item.binary?.merged?.fileName)).toEqual([
			'group.jpg',
			'group.jpg',
			'group.jpg',
			'v1.2.jpg',
		]);
	});

	it('takes the last part of a path given as the file name', async () => {
		const names = ['a/b', 'a\\b.png', 'a/'];
		const { items } = await run({
			items: names.map((name) => ({ files, json: { name } })),
			parameters: { options: { fileName: '={{ $json.name }}' } },
		});
		const named = items.map(({ binary }) => [binary?.data?.fileName, binary?.data?.directory]);
		expect(named).toEqual([
			['b.jpg', undefined],
			['b.jpg', undefined],
			['portrait-merged.jpg', undefined],
		]);
	});

	it('fails only the item for which an option cannot be resolved, even the first', async () => {
		const { items } = await run({
			items: [{ files }, { files }],
			parameters: {
				options: { maxConcurrency: '={{ 1 + 1 }}', fileName: '={{ $itemIndex ? "b" : $("Nobody").first() }}' },
			},
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		expect(items[0]?.json.error).toMatch(/$/);
		expect(items[1]?.binary?.data?.fileName).toBe('b.jpg');
		expect(simulator.requests).toHaveLength(1);
	});

	it('passes nothing on but the result when other input fields are not to be included', async () => {
		const { items } = await run({
			items: [{ files, json: { name: 'Ben' } }],
			parameters: { options: { includeOtherFields: false } },
		});
		expect(Object.keys(items[0]?.json ?? {})).toEqual(['mergePortraits']);
		expect(Object.keys(items[0]?.binary ?? {})).toEqual(['data']);
	});

	const both = { target: 0, template: 0 };
	it.each<[string, EngineOptions['parameters'], object, string, string]>([
		[
			'a field that the item does not have',
			{ targetBinaryPropertyName: 'portrait' },
			both,
			'\'Target Input Binary Field\' names the binary field "portrait", which the item does not have',
			'Binary fields of this item: target, template.',
		],
		[
			'an item without binary fields',
			{},
			{},
			'\'Target Input Binary Field\' names the binary field "target", which the item does not have; \'Template Input Binary Field\' names the binary field "template", which the item does not have',
			'The item has no binary fields.',
		],
		[
			'a template field that is empty',
			{ templateBinaryPropertyName: '={{ "" }}' },
			both,
			"'Template Input Binary Field' is empty",
			'Binary fields of this item: target, template. Enter one of them',
		],
		[
			'an expression that gives something else than a binary',
			{ templateBinaryPropertyName: '={{ { a: 1 } }}' },
			both,
			"'Template Input Binary Field' gives no binary, but an object with the field a",
			'Binary fields of this item: target, template. Enter one of them',
		],
		['1.5', { similarity: 1.5 }, both, "'Similarity' must be a number from 0 to 1, but is 1.5", 'such as 0.5'],
		['-0.01', { similarity: -0.01 }, both, "'Similarity' must be a number from 0 to 1, but is -0.01", '0.5'],
		[
			'80',
			{ similarity: 80 },
			both,
			"'Similarity' must be a number from 0 to 1, but is 80",
			'80 probably means 0.8: enter',
		],
		['7', { similarity: 7 }, both, "'Similarity' must be a number from 0 to 1, but is 7", 'Enter a number such as 0.5'],
		[
			'a percentage',
			{ similarity: '7 %' },
			both,
			'\'Similarity\' must be a number from 0 to 1, but is "7 %"',
			'"7 %" probably means 0.07: enter',
		],
		[
			'a comma',
			{ similarity: '0,7' },
			both,
			'\'Similarity\' must be a number from 0 to 1, but is "0,7"',
			'"0,7" probably means 0.7: enter',
		],
		[
			'"abc"',
			{ similarity: '={{ "abc" }}' },
			both,
			'\'Similarity\' must be a number from 0 to 1, but is "abc"',
			'such as 0.5',
		],
		['true', { similarity: '={{ true }}' }, both, "'Similarity' must be a number from 0 to 1, but is true", '0.5'],
		[
			'an output field that is empty',
			{ outputBinaryPropertyName: '={{ " " }}' },
			both,
			"'Put Output File in Field' is empty",
			'Enter a field name',
		],
		[
			'no request at a time',
			{ options: { maxConcurrency: 0 } },
			both,
			"'Max Concurrent Requests' must be a whole number of at least 1, but is 0",
			'such as 10',
		],
		[
			'half a retry',
			{ options: { maxRetries: 0.5 } },
			both,
			"'Max Retries' must be a whole number of at least 0, but is 0.5",
			'such as 4',
		],
		[
			'more time than a timer can wait',
			{ options: { timeout: 9_999_999_999 } },
			both,
			"'Timeout' must be at most 2147483647, but is 9999999999",
			'such as 60000',
		],
		[
			'no time',
			{ options: { timeout: '={{ "soon" }}' } },
			both,
			'\'Timeout\' must be a whole number of at least 1, but is "soon"',
			'such as 60000',
		],
	])('refuses %s before anything is sent', async (_what, parameters, fields, message, advice) => {
		const { task } = await run({ parameters, items: [{ files: 'target' in fields ? files : {} }] });
		expect(task.error?.message).toBe(message);
		expect(task.error?.description).toContain(advice);
		expect(simulator.requests).toHaveLength(0);
	});
});

describe('the subtitle', () => {
	it.each([
		[0, 'similarity: 0'],
		[0.75, 'similarity: 0.75'],
		['={{ $json.similarity }}', 'similarity: by expression'],
		['', 'similarity: as AILabTools chooses'],
		[null, 'similarity: as AILabTools chooses'],
	])('with the similarity %j is %j', (similarity, shown) => {
		const node = new MergePortraits();
		const workflow = new Workflow({
			active: false,
			connections: {},
			nodes: [{ id: '1', name: 'A', type: 'a', typeVersion: 1, position: [0, 0], parameters: { similarity } }],
			nodeTypes: { getByName: () => node, getByNameAndVersion: () => node, getKnownTypes: () => ({}) },
		});
		const { subtitle = '' } = node.description;
		const placed = first(Object.values(workflow.nodes), 'node');
		expect(workflow.expression.getSimpleParameterValue(placed, subtitle, 'internal', {})).toBe(shown);
	});
});

describe('the credential', () => {
	it('says that the key was not accepted and where keys are found, without telling the key', async () => {
		const apiKey = 'sk-a-key-that-nobody-may-see';
		const { task, run: execution } = await run({ credentials: { apiKey, baseUrl: simulator.baseUrl } });
		expect(task.error?.message).toBe('AILabTools did not accept the API key');
		expect(task.error?.description).toContain('https://www.ailabtools.com/developer ');
		expect(task.error?.description).toContain('code: ERROR_USER_NOT_EXISTS');
		expect(simulator.requests).toHaveLength(1);
		expect(JSON.stringify(execution)).not.toContain(apiKey);
	});

	it('takes a base URL with a slash at its end and a key with white space around it', async () => {
		const { items } = await run({ credentials: { apiKey: ` ${SIMULATOR_KEY}\n`, baseUrl: ` ${simulator.baseUrl}/ ` } });
		expect(items).toHaveLength(1);
		expect(simulator.requests[0]?.path).toBe('/api/portrait/effects/face-fusion');
	});

	it.each(['www.ailabapi.com', 'https://www.ailabapi.com:99999', 'https://[www.ailabapi.com]'])(
		'refuses a base URL that is none: %s',
		async (baseUrl) => {
			const { task } = await run({ credentials: { apiKey: SIMULATOR_KEY, baseUrl } });
			expect(task.error?.message).toBe("'Base URL' of the credential is not an address");
		},
	);

	it('refuses a key that is empty', async () => {
		const { task } = await run({ credentials: { apiKey: ' ', baseUrl: simulator.baseUrl } });
		expect(task.error?.message).toBe("'API Key' of the credential is empty");
		expect(simulator.requests).toHaveLength(0);
	});

	it('does not follow a redirect, which would take the key to another host', async () => {
		const other = await startSimulator();
		simulator.setFault(() => ({ kind: 'redirect', location: `${other.baseUrl}/api/portrait/effects/face-fusion` }));
		const { task } = await run();
		await other.close();
		expect(task.error?.message).toBe('No AILabTools API answers at this address');
		expect(simulator.requests).toHaveLength(1);
		expect(other.requests).toHaveLength(0);
	});
});

describe('the answer', () => {
	const success = (data: unknown) => JSON.stringify({ request_id: 'r-1', log_id: 'l-1', error_code: 0, data });
	it.each<[string, Fault, string, string]>([
		[
			'a page instead of JSON',
			{ kind: 'html', status: 200 },
			'No AILabTools API answers at this address',
			'AILabTools says: “',
		],
		[
			'JSON that is cut short',
			{ kind: 'body', status: 200, body: success({ image: 'abcd' }).slice(0, -4) },
			'AILabTools answered with something that is not JSON',
			'{"request_id":"r-1"',
		],
		[
			'no picture',
			{ kind: 'body', status: 200, body: success({}) },
			'The answer of AILabTools holds no picture',
			'request_id: r-1, log_id: l-1',
		],
		[
			'an empty picture',
			{ kind: 'body', status: 200, body: success({ image: '' }) },
			'The answer of AILabTools holds no picture',
			'request_id: r-1, log_id: l-1',
		],
		[
			'Base64 with a hole in it',
			{ kind: 'body', status: 200, body: success({ image: '/9j/4AAQ*kZJRgAB' }) },
			'The picture in the answer of AILabTools is damaged',
			'request_id: r-1, log_id: l-1',
		],
		[
			'Base64 with padding inside',
			{ kind: 'body', status: 200, body: success({ image: '/9j/4AAQSkZJRg=A' }) },
			'The picture in the answer of AILabTools is damaged',
			'request_id: r-1, log_id: l-1',
		],
		[
			'a text in place of Base64',
			{ kind: 'body', status: 200, body: success({ image: 'später noch einmal' }) },
			'The picture in the answer of AILabTools is damaged',
			'später noch einmal',
		],
		[
			'a picture of unknown format',
			{ kind: 'body', status: 200, body: success({ image: Buffer.from('not a picture').toString('base64') }) },
			'AILabTools answered with a picture of unknown format',
			'request_id: r-1, log_id: l-1',
		],
		[
			'HTTP 200 with an error code',
			{
				kind: 'body',
				status: 200,
				body: JSON.stringify({
					request_id: 'r-1',
					log_id: 'l-1',
					error_code: 422,
					error_code_str: 'ERROR_BLURRY_FACE',
				}),
			},
			'The face in one of the two pictures is too blurred',
			'code: ERROR_BLURRY_FACE, request_id: r-1, log_id: l-1',
		],
	])('is refused when it holds %s', async (_what, fault, message, description) => {
		simulator.setFault(() => fault);
		const { task } = await run();
		expect(task.error?.message).toBe(message);
		expect(task.error?.description).toContain(description);
		expect(simulator.requests).toHaveLength(1);
	});

	it.each<[string, (body: string) => string]>([
		['with escaped slashes, as PHP writes them', (body) => body.replaceAll('/', '\\/')],
		['with white space around everything', (body) => body.replaceAll(/([{}:,])/g, ' $1 \n')],
		['with another field of the name before it', (body) => `{"preview":{"image":"AAAA"},${body.slice(1)}`],
		['with an empty field of the name before it', (body) => `{"preview":{"image":""},${body.slice(1)}`],
		['with a number of the name before it', (body) => `{"preview":{"image":1},${body.slice(1)}`],
		['with a name of four bytes to the character before it', (body) => `{"名":"🙂",${body.slice(1)}`],
	])('is read to the byte when it is JSON %s', async (_what, write) => {
		// Long enough to be decoded in several pieces.
		const picture = await portrait('carl', { format: 'jpeg', minBytes: 150_001 });
		const body = write(success({ image: picture.toString('base64') }));
		simulator.setFault(() => ({ kind: 'body', status: 200, body }));
		const { items, read } = await run();
		expect(picture.equals(await read(items[0]?.binary?.data))).toBe(true);
	});

	it('never shows a part of the key either, where the text is cut', async () => {
		const body = `${'x'.repeat(112)} ${SIMULATOR_KEY}`;
		simulator.setFault(() => ({ kind: 'body', status: 200, body }));
		const { task } = await run();
		expect(task.error?.description).toContain('xx ***');
		expect(task.error?.description).not.toContain(SIMULATOR_KEY.slice(0, 5));
	});

	it('never shows the key that a proxy echoes', async () => {
		simulator.setFault(() => ({
			kind: 'body',
			status: 200,
			body: `<p>Bad header ailabapi-api-key: ${SIMULATOR_KEY}</p>`,
		}));
		const { task, run: execution } = await run();
		expect(task.error?.description).toContain('“Bad header ailabapi-api-key: ***”');
		expect(JSON.stringify(execution)).not.toContain(SIMULATOR_KEY);
	});
});

describe('n8n cannot read a picture', () => {
	const everyItemTheSame = {
		binaryMode: 'filesystem' as const,
		parameters: {
			targetBinaryPropertyName: '={{ $("Source").first().binary.target }}',
			templateBinaryPropertyName: '={{ $("Source").first().binary.template }}',
			options: { maxConcurrency: 1 },
		},
		nodeSettings: { onError: 'continueRegularOutput' as const },
	};

	async function failToRead(times: number, error = new Error('connect ECONNREFUSED 127.0.0.1:5432')) {
		const { BinaryDataService } = await import('n8n-core');
		const spy = jest.spyOn(BinaryDataService.prototype, 'getAsBuffer');
		for (let time = 0; time < times; time++) spy.mockRejectedValueOnce(error);
		return spy;
	}

	it('for a moment: it is read again, with backoff, and no item fails', async () => {
		const spy = await failToRead(6);
		const clock = new SkippingClock();
		const { items } = await run({
			...everyItemTheSame,
			items: [{ files }, { files }],
			nodeType: nodeOfProcess({ clock }),
		});
		spy.mockRestore();
		expect(items.map(({ json }) => json.error)).toEqual([undefined, undefined]);
		expect(clock.waits).toHaveLength(6);
	});

	it('for long: the item says so unsent, and a later item reads it again', async () => {
		const spy = await failToRead(10);
		const { items } = await run({
			...everyItemTheSame,
			items: [{ files }, { files }, { files }],
			nodeType: nodeOfProcess({ clock: new SkippingClock() }),
		});
		spy.mockRestore();
		expect(items[0]?.json.error).toMatch(/^'Target Input Binary Field' could not be read .* \[item 0\]$/);
		expect(items[0]?.json.description).toContain('n8n says: "connect ECONNREFUSED 127.0.0.1:5432".');
		expect(items[2]?.json.error).toBeUndefined();
		expect(simulator.requests).toHaveLength(1);
	});

	it('because it is gone: it is told in the words of n8n, and not read again', async () => {
		class FileNotFoundError extends Error {}
		const spy = await failToRead(1, new FileNotFoundError('File not found'));
		const { items } = await run({ ...everyItemTheSame, items: [{ files }] });
		const reads = spy.mock.calls.length;
		spy.mockRestore();
		expect(items[0]?.json.error).toMatch(/^'Target Input Binary Field' could not be read/);
		expect(items[0]?.json.description).toContain('n8n says: "File not found".');
		expect(reads).toBe(2);
		expect(simulator.requests).toHaveLength(0);
	});
});

test.each([
	['IMG_0001.JPG', 'IMG_0001-merged.jpg'],
	['.jpg', 'portrait-merged.jpg'],
	['', 'portrait-merged.jpg'],
	['/', 'portrait-merged.jpg'],
	['a"b\\c\r\nd.jpg', 'cd-merged.jpg'],
	['half of an emoji \ud83d.jpg', 'half of an emoji-merged.jpg'],
	[`${'x'.repeat(300)}.jpg`, `${'x'.repeat(81)}-merged.jpg`],
	[`${'肖'.repeat(90)}.jpg`, `${'肖'.repeat(66)}-merged.jpg`],
])('a target called %j is sent without its name, and merged to %j', async (fileName, merged) => {
	const photo = {
		data: target.toString('base64'),
		mimeType: 'image/jpeg',
		fileExtension: fileName.slice(-3),
		fileName,
	};
	const { items } = await run({
		items: [{ files, json: { photo } }],
		parameters: { targetBinaryPropertyName: '={{ $json.photo }}' },
	});
	expect(first(simulator.requests, 'request').files.image_target?.fileName).toBe('target.png');
	expect(items[0]?.binary?.data?.fileName).toBe(merged);
});

describe('no two different pictures of an execution have one file name', () => {
	const named = (names: string[]) =>
		names.map((fileName, index) => ({
			files: {
				...files,
				target: { bytes: Buffer.concat([target, Buffer.from([index])]), fileName, mimeType: 'image/png' },
			},
		}));

	it.each([
		['by extension', ['IMG_1.png', 'IMG_1.jpg'], ['IMG_1-merged.jpg', 'IMG_1-merged-2.jpg']],
		['by case', ['a.png', 'A.png', 'b.png'], ['a-merged.jpg', 'A-merged-2.jpg', 'b-merged.jpg']],
		['by folder', ['x/a.png', 'y/a.png', 'a.png'], ['a-merged.jpg', 'a-merged-2.jpg', 'a-merged-3.jpg']],
		['by accents in two ways of writing', ['é.png', 'e\u0301.png'], ['é-merged.jpg', 'e\u0301-merged-2.jpg']],
		['where another has the number', ['a-merged-2.png', 'a.png'], ['a-merged-2-merged.jpg', 'a-merged.jpg']],
	])('%s', async (_what, targets, names) => {
		const result = await run({ items: named(targets) });
		expect(result.items.map(({ binary }) => binary?.data?.fileName)).toEqual(names);
	});

	it('and the same pair has its own again', async () => {
		const [one = {}, two = {}] = named(['a.png', 'a.png']);
		const { items } = await run({ items: [one, two, one, two] });
		const names = ['a-merged.jpg', 'a-merged-2.jpg'];
		expect(items.map(({ binary }) => binary?.data?.fileName)).toEqual([...names, ...names]);
	});

	it('whatever File Name says', async () => {
		const { items } = await run({
			items: named(['a.png', 'b.png']),
			parameters: { options: { fileName: 'portrait.jpg' } },
		});
		expect(items.map(({ binary }) => binary?.data?.fileName)).toEqual(['portrait.jpg', 'portrait-2.jpg']);
	});
});
