/** What the parameters for a binary field may hold, against items as n8n's own forms, webhooks and chats make them. */
import type { IDataObject, NodeParameterValueType } from 'n8n-workflow';

import { sha256 } from '../../lab/simulator/exchange';
import { portrait } from '../../lab/portraits';
import type { BinaryMode, EngineOptions } from '../../lab/engine';
import { MergePortraits } from '../../index.js';
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
		['webhook: the first of several', webhook, 'pages[0]', 'one'],
		['webhook: the second of several', webhook, 'pages[1]', 'other'],
		["webhook: the file's name", webhook, 'b.png', 'other'],
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
		['an expression for the binary', form, '={{ $("Source").first().binary.Your_photo }}', 'one'],
	])('%s', async (_what, item, given, expected) => {
		const { task } = await run(item(), given, { binaryMode });
		expect(task.error?.message).toBeUndefined();
		const [request] = simulator.requests;
		expect(request?.files.image_target?.sha256).toBe(sha256({ one, other, third }[expected]));
	});

	it('finds the file of a name by an expression with $binary, from which n8n leaves the content out', async () => {
		const item = { files: { first: file(one, 'a.png'), second: file(other, 'b.png') } };
		await run(item, '={{ $binary.second }}', { binaryMode });
		expect(simulator.requests[0]?.files.image_target?.sha256).toBe(sha256(other));
	});

	it.each<[string, () => Item, string, string]>([
		['another label', form, 'My photo', 'names the binary field "My photo", which the item does not have'],
		['one file more than was uploaded', formOfLists, 'Your photo[1]', 'names the binary field "Your photo[1]", which'],
		['one of two more', formOfLists, "['Others'][2].size", 'names the binary field "[\'Others\'][2].size", which'],
		['several at once', formOfLists, 'Others', 'matches several files of the item'],
		['several by an expression', formOfLists, '={{ $json.Others }}', 'matches several files of the item'],
		['a name that every object has', form, 'constructor', 'names the binary field "constructor"'],
		['a field of the JSON', form, 'formMode', 'names the binary field "formMode", which the item does not have'],
		[
			'a file of another service',
			form,
			"={{ { id: '1a', mimeType: 'image/png' } }}",
			'gives a binary without its content',
		],
		['a number by an expression', form, '={{ 7 }}', 'gives no binary, but the number 7'],
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

it('does not guess between two files that nothing tells apart', async () => {
	const item = { json: { photo: described(one) }, files: { a: file(one), b: file(one) } };
	const { task } = await run(item, '={{ $json.photo }}');
	expect(task.error?.message).toBe("'Target Input Binary Field' matches several files of the item [item 0]");
});

it.each<[string, IDataObject, string]>([
	['the label', { 'Your photo': null }, 'Your photo'],
	['the list', { 'Your photo': [] }, 'Your photo'],
	['the field', { 'Your photo': null }, 'Your_photo'],
	['the list and its first', { 'Your photo': [null] }, "['Your photo'][0].filename"],
])('says that nothing was uploaded: %s', async (_what, json, given) => {
	const { task } = await run({ json }, given);
	expect(task.error?.message).toBe(
		'\'Target Input Binary Field\' names "Your photo": no file was uploaded there [item 0]',
	);
	expect(task.error?.description).toMatch(
		/^Make the upload a required field .* Binary fields of this item: template\./,
	);
});

it('says that nothing was uploaded: an expression for the list', async () => {
	const { task } = await run({ json: { 'Your photo': [null] } }, "={{ $json['Your photo'] }}");
	expect(task.error?.message).toBe("'Target Input Binary Field' gives no file: none was uploaded [item 0]");
});

test('what is dragged onto a binary field replaces what was there, and the default stays', () => {
	const fields = new MergePortraits().description.properties.filter(({ name }) => name.endsWith('BinaryPropertyName'));
	expect(fields.map(({ name, requiresDataPath, default: given }) => [name, requiresDataPath, given])).toEqual([
		['targetBinaryPropertyName', 'single', 'target'],
		['templateBinaryPropertyName', 'single', 'template'],
		['outputBinaryPropertyName', undefined, 'data'],
	]);
});
