/** What the parameters for a binary field may hold, against items as n8n's own forms, webhooks and chats make them. */
import { type IDataObject, type INodeExecutionData, type INodeType, type NodeParameterValueType } from 'n8n-workflow';

import { sha256 } from '../../lab/simulator/exchange';
import { portrait } from '../../lab/portraits';
import {
	engineNode,
	to,
	nodeOfProcess,
	runWorkflow,
	useBinaryMode,
	type BinaryMode,
	type EngineOptions,
} from '../../lab/engine';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { MergePortraits } from '../../index.js';
import { findBinary } from '../../nodes/MergePortraits/pictures/binaryField';
import { run as runNode, simulator, target as one, template as other } from './withSimulator';

type Item = EngineOptions['items'][number];

let third: Buffer;
beforeAll(async () => {
	third = await portrait('cleo');
});

const file = (bytes: Buffer, fileName = 'image.png') => ({ bytes, fileName, mimeType: 'image/png' });
const described = (bytes: Buffer, filename = 'image.png') => ({ filename, mimetype: 'image/png', size: bytes.length });

/** As `prepareFormReturnItem` of n8n's Form nodes makes them: both visitors' photos are called alike. */
const form = (): Item => ({
	json: { 'Your photo': described(one), "Celebrity's photo (max. 4 MB)": described(other), formMode: 'test' },
	files: { Your_photo: file(one), Celebrity_s_photo__max__4_MB_: file(other) },
});
/** With "Multiple Files", one uploaded for the first and two for the second. */
const formOfLists = (): Item => ({
	json: { 'Your photo': [described(one)], Others: [described(third), described(other)] },
	files: { Your_photo: file(one), Others_0: file(third), Others_1: file(other) },
});
const webhook = (): Item => ({
	json: { body: {}, headers: {} },
	files: { photo: file(one), pages0: file(one, 'a.png'), pages1: file(other, 'b.png') },
});
const chat = (): Item => {
	const chatFile = (binaryKey: string) => ({
		fileName: 'image.png',
		fileSize: '27 kB',
		mimeType: 'image/png',
		binaryKey,
	});
	return {
		json: { chatInput: 'Merge', files: [chatFile('data0'), chatFile('data1')] },
		files: { data0: file(one), data1: file(other) },
	};
};
/** As n8n's binary mode `combined` has them: within the JSON. */
const combined = (): Item => {
	const binary = (bytes: Buffer) => ({ data: bytes.toString('base64'), mimeType: 'image/png', fileName: 'photo.png' });
	return { json: { whole: binary(third), _files: { photo: binary(one) }, list: [binary(one), binary(other)] } };
};

async function run(item: Item, given: NodeParameterValueType, options: Partial<EngineOptions> = {}) {
	const template = '={{ $("Source").first().binary.template }}';
	return await runNode({
		items: [{ ...item, files: { ...item.files, template: { bytes: other, fileName: 'template.bin' } } }],
		parameters: { templateBinaryPropertyName: template, targetBinaryPropertyName: given },
		...options,
	});
}

describe.each<BinaryMode>(['default', 'filesystem'])('binary mode %s', (binaryMode) => {
	it.each<[string, () => Item, string, 'one' | 'other' | 'third']>([
		['form: the label', form, 'Your photo', 'one'],
		['form: the field', form, 'Your_photo', 'one'],
		['form: a label with dots, brackets and an apostrophe', form, "Celebrity's photo (max. 4 MB)", 'other'],
		['form: a part of what it says of the file', form, "'Your photo'].filenam", 'one'],
		['form: the same, by hand', form, 'Your photo.filename', 'one'],
		['form: the same, whole', form, "['Your photo'].size", 'one'],
		['form: a label with an apostrophe, quoted', form, "['Celebrity\\'s photo (max. 4 MB)'][0]", 'other'],
		['form: in double quotes', form, '["Your photo"]', 'one'],
		["form: with n8n's variable before it", form, "$json['Your photo']", 'one'],
		['form: the list', formOfLists, 'Your photo', 'one'],
		['form: the first of one', formOfLists, 'Your photo[0]', 'one'],
		['form: the first of one, quoted', formOfLists, "['Your photo'][0].filename", 'one'],
		['form: the first of two', formOfLists, 'Others[0]', 'third'],
		['form: the second of two', formOfLists, 'Others[1].size', 'other'],
		['webhook: the field', webhook, 'photo', 'one'],
		['webhook: one of several', webhook, 'pages1', 'other'],
		['chat: the first file', chat, 'files[0]', 'one'],
		['chat: the second', chat, 'files[1].fileName', 'other'],
		['chat: its field', chat, 'data1', 'other'],
		['combined: the path', combined, '_files.photo', 'one'],
		['combined: the name', combined, 'photo', 'one'],
		['combined: a field of the JSON', combined, 'whole', 'third'],
		['combined: the second of a list', combined, 'list[1]', 'other'],
		['form: an expression for what it says of the file', form, "={{ $json['Your photo'] }}", 'one'],
		['form: an expression for the list', formOfLists, "={{ $json['Your photo'] }}", 'one'],
		['chat: an expression for a file', chat, '={{ $json.files[1] }}', 'other'],
		['an expression with $binary', form, '={{ $binary.Your_photo }}', 'one'],
		['an expression for the binary of this item', form, '={{ $input.item.binary.Your_photo }}', 'one'],
		[
			'a condition between binaries',
			form,
			'={{ $json.formMode === "test" ? $("Source").item.binary.Your_photo : $binary.template }}',
			'one',
		],
		['an expression for the binary', form, '={{ $("Source").first().binary.Your_photo }}', 'one'],
	])('%s', async (_what, item, given, expected) => {
		const { task } = await run(item(), given, { binaryMode });
		expect(task.error?.message).toBeUndefined();
		const [request] = simulator.requests;
		expect(request?.files.image_target?.sha256).toBe(sha256({ one, other, third }[expected]));
	});

	it.each<[string, () => Item, string, string]>([
		['another label', form, 'My photo', 'names the binary field "My photo", which the item does not have'],
		['one file more than was uploaded', formOfLists, 'Your photo[1]', 'names the binary field "Your photo[1]", which'],
		['one of two more', formOfLists, "['Others'][2].size", 'names the binary field "[\'Others\'][2].size", which'],
		['a name that every object has', form, 'constructor', 'names the binary field "constructor"'],
		['a field of the JSON', form, 'formMode', 'names the binary field "formMode", which the item does not have'],
		[
			'a file of another service',
			form,
			"={{ { id: '1a', mimeType: 'image/png' } }}",
			'gives the ID of a stored file, which is not a binary of a node that the expression reads',
		],
		['a number by an expression', form, '={{ 7 }}', 'gives no binary, but 7'],
	])('lists the fields that there are for %s', async (_what, item, given, message) => {
		const { task } = await run(item(), given, { binaryMode });
		expect(task.error?.message).toContain(`'Target Input Binary Field' ${message}`);
		const fields = Object.keys(item().files ?? {}).join(', ');
		expect(task.error?.description).toContain(`Binary fields of this item: ${fields}, template. Enter one of them`);
		expect(task.error?.description).not.toContain('such as target');
		expect(simulator.requests).toHaveLength(0);
	});
});

it('goes by the label where two visitors uploaded the same file', async () => {
	const json = { 'Your photo': described(one), 'My photo': described(one) };
	const { task } = await run({ json, files: { Your_photo: file(one), My_photo: file(one) } }, 'Your photo');
	expect(task.error?.message).toBeUndefined();
	expect(simulator.requests[0]?.files.image_target?.sha256).toBe(sha256(one));
});

/** An upload described under a label, with other labels and files around it. */
const labelled = (make: () => [IDataObject, Item['files']]) => (): Item => {
	const [json, files] = make();
	return { json, files };
};
const SEVERAL = 'matches several files of the item';
const SHARED = /is not certain: n8n keeps the files of .* in one field, "_+", and so only the last one/;
const NOT_THERE = 'but the item has not got the file that its JSON describes there';
const MISSING = 'which the item does not have';
const NOT_UPLOADED = 'no file was uploaded there';

/** Labels of forms, in scripts of which n8n makes nothing but underscores. */
const scripts = [
	['Chinese', '目标照片', '模板照片'],
	['Japanese', 'あなたの写真', '有名人の写真'],
	['Cyrillic', 'Ваше фото', 'Наше фото'],
	['Greek', 'Πορτρέτο', 'Πρότυπος'],
	['Arabic', 'الصورة', 'القالب'],
	['Hebrew', 'תמונה', 'תבנית'],
] as const;

describe('nothing is sent where it is not certain which picture was meant', () => {
	const attempts: Array<[string, () => Item, string, string | RegExp]> = [
		...scripts.flatMap(([script, first, second]): typeof attempts => {
			const field = first.replace(/\W/g, '_');
			const both = labelled(() => [{ [first]: described(one), [second]: described(third) }, { [field]: file(third) }]);
			const alike = labelled(() => [{ [first]: described(one), [second]: described(one) }, { [field]: file(one) }]);
			const empty = labelled(() => [{ [first]: null, [second]: described(third) }, { [field]: file(third) }]);
			return [
				[`${script}: the first of two labels that are one field`, both, first, SHARED],
				[`${script}: the second`, both, second, SHARED],
				[`${script}: the field itself`, both, field, SHARED],
				[`${script}: two files that are alike in all that is said of them`, alike, first, SHARED],
				[`${script}: the label without an upload`, empty, first, NOT_UPLOADED],
			];
		}),
		['several of a list', formOfLists, 'Others', SEVERAL],
		['several of a list, by an expression', formOfLists, '={{ $json.Others }}', SEVERAL],
		['one more than there are in a list', formOfLists, 'Others[2]', MISSING],
		['a negative one of a list', formOfLists, 'Others[-1]', SEVERAL],
		[
			'the second of a list of one, beside a label of that number',
			labelled(() => [
				{ Photo: [described(one)], 'Photo 1': described(third) },
				{ Photo: file(one), Photo_1: file(third) },
			]),
			'Photo[1]',
			MISSING,
		],
		[
			'the second of a list, whose field another label has too',
			labelled(() => [
				{ Photo: [described(one), described(third)], 'Photo 1': described(third) },
				{ Photo_0: file(one), Photo_1: file(third) },
			]),
			'Photo[1]',
			/is not certain/,
		],
		['a field and something behind a dot', labelled(() => [{}, { photo: file(third) }]), 'photo.back', MISSING],
		[
			'a label with a dot whose upload is missing, beside its beginning',
			labelled(() => [{ 'Portrait. The face': null, Portrait: described(third) }, { Portrait: file(third) }]),
			'Portrait. The face',
			NOT_UPLOADED,
		],
		[
			'a label with a dot that the form does not have',
			labelled(() => [{ Portrait: described(third) }, { Portrait: file(third) }]),
			'Portrait. The face',
			MISSING,
		],
		['a label in other letters', form, 'your photo', MISSING],
		['a label with one more space', form, 'Your  photo', MISSING],
		['a label of look-alikes from another script', form, 'Yоur photo', MISSING],
		["a file's own name", labelled(() => [{}, { photo: file(third, 'portrait.png') }]), 'portrait.png', MISSING],
		[
			"the beginning of a file's own name that is a field",
			labelled(() => [{}, { ben: file(third, 'other.png') }]),
			'ben.png',
			MISSING,
		],
		[
			'a file whose own name is that of another field',
			labelled(() => [{}, { other: file(third, 'target') }]),
			'target',
			MISSING,
		],
		[
			'an upload that is not the one that is described: its name',
			labelled(() => [{ Photo: described(third, 'a.png') }, { Photo: file(third, 'b.png') }]),
			"['Photo'].size",
			NOT_THERE,
		],
		[
			'an upload that is not the one that is described: its size',
			labelled(() => [{ 'My photo': described(one) }, { My_photo: file(third) }]),
			'My photo',
			NOT_THERE,
		],
		[
			'an upload that is not the one that is described: its type',
			labelled(() => [{ 'My photo': { ...described(third), mimetype: 'image/jpeg' } }, { My_photo: file(third) }]),
			'My photo',
			NOT_THERE,
		],
		[
			'an upload that is described deeper',
			labelled(() => [{ body: { 'My photo': described(third) } }, { My_photo: file(third) }]),
			'body.My photo',
			MISSING,
		],
		[
			'an upload that is described with the name of another field',
			labelled(() => [
				{ x: { fileName: 'image.png', mimeType: 'image/jpeg', binaryKey: 'secret' } },
				{ secret: file(third) },
			]),
			'x',
			NOT_THERE,
		],
		[
			'a description by an expression that is more than a path',
			form,
			"={{ $json['Your photo'] ?? $json.other }}",
			'gives no binary, but an object with the fields filename, mimetype, size',
		],
		[
			'a description made by an expression',
			form,
			"={{ Object.assign({}, $json['Your photo']) }}",
			'gives no binary, but',
		],
		['the prototype of every object', form, '__proto__', MISSING],
		['a function of every object', form, 'toString', MISSING],
		['the length of a list', formOfLists, 'Others.length', SEVERAL],
		['a text of the JSON', labelled(() => [{ photo: 'portrait of Ben' }, {}]), 'photo', MISSING],
		[
			'a Base64 picture of the JSON by its name alone',
			labelled(() => [{ photo: 'iVBORw0KGgo' }, {}]),
			'photo',
			MISSING,
		],
		[
			'a text that is longer than any name',
			form,
			'photo '.repeat(60),
			'which is neither a field of the item nor a picture',
		],
		[
			'text by an expression that is no picture',
			labelled(() => [{ text: 'A'.repeat(4_000) }, {}]),
			'={{ $json.text }}',
			/is Base64 text of 4,000 characters, which is neither/,
		],
		[
			'a data URL of something else',
			labelled(() => [{ text: 'data:text/html;base64,PGh0bWw+' }, {}]),
			'={{ $json.text }}',
			'which is neither a field of the item nor a picture',
		],
		[
			'a data URL without Base64',
			labelled(() => [{ text: 'data:image/svg+xml,<svg/>' }, {}]),
			'={{ $json.text }}',
			'which is neither',
		],
	];
	it.each(attempts)('%s', async (_what, item, given, message) => {
		const { task } = await run(item(), given);
		expect(task.error?.message).toMatch(
			typeof message === 'string' ? RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : message,
		);
		expect(simulator.requests).toHaveLength(0);
	});
	it('in more than forty attempts', () => expect(attempts.length).toBeGreaterThan(40));
});

describe('the ID of a stored file in JSON is no binary', () => {
	/** The file of another execution. Its ID stands readable in every download link. */
	async function stored(): Promise<IDataObject> {
		const { items } = await runNode({ binaryMode: 'filesystem' });
		simulator.reset();
		return { mimeType: 'image/jpeg', id: items[0]?.binary?.data?.id, fileName: 'target', bytes: 1_000 };
	}
	const places: Array<[string, (forged: IDataObject) => IDataObject, string]> = [
		['in a field of that name', (forged) => ({ target: forged }), 'target'],
		['in a field, by its file name', (forged) => ({ x: forged }), 'target'],
		["in a webhook's body", (forged) => ({ body: forged }), 'target'],
		["in a webhook's body, by its path", (forged) => ({ body: { photo: forged } }), 'body.photo'],
		["in a webhook's body, by an expression", (forged) => ({ body: { photo: forged } }), '={{ $json.body.photo }}'],
		['in a list', (forged) => ({ photos: [forged] }), 'photos[0]'],
		['in a list, by an expression', (forged) => ({ photos: [forged] }), '={{ $json.photos }}'],
		['in `_files`, which is JSON like any other here', (forged) => ({ _files: { target: forged } }), 'target'],
		['in `_files`, by its path', (forged) => ({ _files: { target: forged } }), '_files.target'],
		['in `binary`, by an expression', (forged) => ({ binary: { target: forged } }), '={{ $json.binary.target }}'],
		[
			'where another node has a binary',
			(forged) => ({ photo: forged }),
			'={{ $json.photo ?? $("Source").item.binary.template }}',
		],
		['where this item has a binary', (forged) => ({ photo: forged }), '={{ $json.photo || $binary.template }}'],
		[
			'as a description of an upload',
			(forged) => ({ template: { ...forged, filename: 'template.bin' } }),
			"={{ $json['template'] }}",
		],
		['with content beside it', (forged) => ({ photo: { ...forged, data: 'AAAA' } }), '={{ $json.photo }}'],
		['as an object that is none', (forged) => ({ photo: { ...forged, id: [forged.id] } }), '={{ $json.photo }}'],
		['of the node that made the JSON', (forged) => ({ photo: forged }), '={{ $("Source").item.json.photo }}'],
	];
	it.each(places)('%s', async (_what, place, given) => {
		const json = place(await stored());
		const { task } = await run({ json }, given, { binaryMode: 'filesystem' });
		expect(task.error?.message).toMatch(/^'Target Input Binary Field' (gives|names)/);
		expect(simulator.requests).toHaveLength(0);
	});

	it.each<[string, (ids: string[]) => IDataObject, string]>([
		['of another item, by an expression', ([, id]) => ({ photo: { mimeType: 'image/png', id } }), '={{ $json.photo }}'],
		['of another item, by its path', ([, id]) => ({ photos: [{ mimeType: 'image/png', id }] }), 'photos[0]'],
		['of another field of the item', ([id]) => ({ photo: { mimeType: 'image/png', id } }), '={{ $json.photo }}'],
	])('not even of this execution: %s', async (_what, json, given) => {
		const binary = (item: INodeExecutionData, field: string) => item.binary?.[field]?.id ?? '';
		const forge: INodeType = {
			...new MergePortraits(),
			async execute() {
				const items = this.getInputData();
				const ids = items.map((item) => binary(item, 'secret'));
				return [items.map((item) => ({ ...item, json: json(ids) }))];
			},
		};
		const { task, ...result } = await runForged(forge, given);
		expect(result.sent).toBe(0);
		expect(task?.error?.message).toContain('gives the ID of a stored file');
	});

	/** A node that writes JSON with IDs of its input's files stands before Merge Portraits. */
	async function runForged(forge: INodeType, given: string) {
		await useBinaryMode('filesystem');
		const read: INodeType = {
			...new MergePortraits(),
			async execute() {
				const item = async () => ({
					json: {},
					binary: {
						secret: await this.helpers.prepareBinaryData(third, 's.png'),
						template: await this.helpers.prepareBinaryData(other, 't.png'),
					},
				});
				return [[await item(), await item()]];
			},
		};
		const run = await runWorkflow({
			credentials: { apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl },
			start: 'Read',
			settings: { executionOrder: 'v1' },
			types: { read, forge, mergePortraits: nodeOfProcess() },
			nodes: [
				engineNode('Read', 'test.read'),
				engineNode('Forge', 'test.forge'),
				{
					...engineNode('Merge Portraits', 'n8n-nodes-merge-portraits.mergePortraits', {
						targetBinaryPropertyName: given,
					}),
					credentials: { aiLabToolsApi: { id: '1', name: 'a' } },
				},
			],
			connections: { Read: to('Forge'), Forge: to('Merge Portraits') },
		});
		return { task: run.data.resultData.runData['Merge Portraits']?.[0], sent: simulator.requests.length };
	}

	it('but in binary mode combined `_files` is where n8n keeps the binaries of an item', async () => {
		const item = { files: { photo: file(third) } };
		const settings = { binaryMode: 'combined' as const, executionOrder: 'v1' as const };
		for (const given of [
			'_files.photo',
			// As it is dragged there from the input panel.
			'$item._files.photo',
			'photo',
			'={{ $json._files.photo }}',
			'={{ $("Source").item._files.photo }}',
		]) {
			simulator.reset();
			const { task } = await runNode({
				binaryMode: 'filesystem',
				settings,
				items: [{ files: { ...item.files, template: { bytes: other } } }],
				parameters: { targetBinaryPropertyName: given },
			});
			expect([given, task.error?.message]).toEqual([given, undefined]);
			expect(simulator.requests[0]?.files.image_target?.sha256).toBe(sha256(third));
		}
	});

	it('nor there, if it stands elsewhere in the JSON', async () => {
		const json = { photo: await stored() };
		const settings = { binaryMode: 'combined' as const, executionOrder: 'v1' as const };
		for (const given of ['photo', '={{ $json.photo }}']) {
			const { task } = await run({ json }, given, { binaryMode: 'filesystem', settings });
			expect(task.error?.message).toContain('gives the ID of a stored file');
		}
		expect(simulator.requests).toHaveLength(0);
	});
});

describe('a binary made by hand', () => {
	const made = (bytes: Buffer, more: object) => ({ data: bytes.toString('base64'), mimeType: 'image/png', ...more });
	it.each([
		['without an id', {}],
		['with an empty id', { id: '' }],
		['with the id null', { id: null }],
		['with its size', { id: '', bytes: 1_000 }],
		['with a file name', { fileName: 'photo.png' }],
		['with a file name that is none', { fileName: 7, fileExtension: {} }],
	])('is itself for each item: %s', async (_what, more) => {
		const { task } = await runNode({
			items: [one, third].map((bytes) => ({
				json: JSON.parse(JSON.stringify({ photo: made(bytes, more) })) as IDataObject,
				files: { template: { bytes: other } },
			})),
			parameters: { targetBinaryPropertyName: '={{ $json.photo }}', options: { maxConcurrency: 1 } },
		});
		expect(task.error?.message).toBeUndefined();
		expect(simulator.requests.map(({ files }) => files.image_target?.sha256)).toEqual([sha256(one), sha256(third)]);
	});
});

describe('a picture as text', () => {
	const base64 = () => third.toString('base64');
	it.each<[string, () => string, IDataObject]>([
		['Base64', base64, {}],
		['Base64 in lines', () => base64().replace(/.{76}/g, '$&\r\n'), {}],
		['Base64 for URLs', () => third.toString('base64url'), {}],
		['a data URL', () => `data:image/png;base64,${base64()}`, {}],
		['a data URL that says nothing of the type', () => `data:;base64,${base64()}`, {}],
		[
			'a data URL as URL',
			() => `data:image/png;base64,${base64()}`,
			{ targetInputType: 'url', targetUrl: '={{ $json.body.photo }}' },
		],
	])('is taken by an expression: %s', async (_what, text, parameters) => {
		const { task } = await runNode({
			items: [{ json: { body: { photo: text() } }, files: { template: { bytes: other } } }],
			parameters: { targetBinaryPropertyName: '={{ $json.body.photo }}', ...parameters },
		});
		expect(task.error?.message).toBeUndefined();
		expect(simulator.requests[0]?.files.image_target).toMatchObject({ sha256: sha256(third), mimeType: 'image/png' });
	});

	it('is checked by its bytes like any other', async () => {
		const large = Buffer.concat([third, Buffer.alloc(4 * 1024 * 1024)]).toString('base64');
		const { task } = await run({ json: { photo: large } }, '={{ $json.photo }}');
		expect(task.error?.message).toMatch(/^'Target Input Binary Field' has 4\.\d+ MB, allowed: at most 4\.19 MB$/);
		expect(simulator.requests).toHaveLength(0);
	});
});

test.each([
	['a path in quotes', `"${'C:\\a'.repeat(70)}`],
	['a quote that is never closed', `['${"\\'".repeat(140)}`],
	['brackets', '['.repeat(299)],
	['a thousand quotes', `'"`.repeat(149)],
	['JSON with Base64 in lines', JSON.stringify({ photos: ['iVBORw0KGgo\n'.repeat(22), 'iVBORw0KGgo'] })],
	['ten megabytes', 'a.'.repeat(5_000_000)],
	['ten megabytes of white space', `a${' '.repeat(10_000_000)}b`],
])('a text as field name costs next to nothing: %s', (_what, text) => {
	const known = { isCombined: true, findStored: () => undefined };
	const started = process.cpuUsage();
	for (const written of [text, `={{ ${text} }}`]) findBinary({ json: { a: null } }, text, written, known);
	findBinary({ json: {} }, null, `={{ $${text} }}`, known);
	// An exponential search would take hours.
	expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
});

test.each([
	['one key of 12 MB', { ['-'.repeat(12_000_000)]: null }],
	[
		'40,000 keys that are no uploads',
		Object.fromEntries(Array.from({ length: 40_000 }, (_, key) => ['-'.repeat(290) + key, 1])),
	],
])('keys of the JSON cost next to nothing: %s', (_what, json) => {
	const binary = { target: { data: '', mimeType: 'image/png' } };
	const started = process.cpuUsage();
	for (const text of ['target', 'missing'])
		findBinary({ json, binary }, text, text, { isCombined: false, findStored: () => undefined });
	expect(process.cpuUsage(started).user).toBeLessThan(500_000);
});

it.each(["={{ $('Source').first().json['Your photo'] }}", "={{ $json['Your photo'].filter((file) => file) }}"])(
	'does not call one upload several: %s',
	async (given) => {
		const { task } = await run({ ...form(), json: { 'Your photo': [described(one)] } }, given);
		expect(task.error?.message).toBe("'Target Input Binary Field' gives no binary, but a list of 1");
	},
);

it.each(['preexisting', 'deepermit', 'enoent'])(
	'names a field as it is called, whatever n8n knows such letters for: %s',
	async (given) => {
		const { task } = await run(form(), given);
		expect(task.error?.message).toBe(
			`'Target Input Binary Field' names the binary field "${given}", which the item does not have`,
		);
	},
);

test('a long key over a long list in the JSON costs no more than its length', () => {
	const json = { ['k'.repeat(100_000)]: Array(100_000).fill({ filename: 'a' }) };
	const binary = { target: { data: '', mimeType: 'image/png' } };
	const started = process.cpuUsage();
	findBinary({ json, binary }, 'target', 'target', { isCombined: false, findStored: () => undefined });
	// The product of both lengths would take gigabytes.
	expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
});

it.each<[string, IDataObject, string]>([
	['the label', { 'Your photo': null }, 'Your photo'],
	['the list', { 'Your photo': [] }, 'Your photo'],
	['the field', { 'Your photo': null }, 'Your_photo'],
	['the list and its first', { 'Your photo': [null] }, "['Your photo'][0].filename"],
	['an expression for the list', { 'Your photo': [null] }, "={{ $json['Your photo'] }}"],
])('says that nothing was uploaded: %s', async (_what, json, given) => {
	const { task } = await run({ json }, given);
	expect(task.error?.message).toBe('\'Target Input Binary Field\' names "Your photo": no file was uploaded there');
	expect(task.error?.description).toBe('Make the upload a required field of its form.');
});

test('what is dragged onto a binary field replaces what was there, and the default stays', () => {
	const fields = new MergePortraits().description.properties.filter(({ name }) => name.endsWith('BinaryPropertyName'));
	expect(fields.map(({ name, requiresDataPath, default: given }) => [name, requiresDataPath, given])).toEqual([
		['targetBinaryPropertyName', 'single', 'target'],
		['templateBinaryPropertyName', 'single', 'template'],
		['outputBinaryPropertyName', undefined, 'data'],
	]);
});
