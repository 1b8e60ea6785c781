/** Failed is failed: whatever stopped an item, it says so and has no picture in the output field; what is merged has no `error`. */
import type { INode } from 'n8n-workflow';

import { faceless } from '../../lab/portraits';
import { OutputItems } from '../../nodes/MergePortraits/output/item';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { files, run, simulator, target, template } from './withSimulator';

const paid = () => simulator.requests.filter(({ status }) => status === 200).length;

/** The portrait is in the field that the merged picture is put in. */
const item = (name: string) => ({
	json: { name, error: 'of an earlier node' },
	files: { data: { bytes: target, fileName: 'ben.png' }, template: { bytes: template } },
});
const parameters = { targetBinaryPropertyName: 'data' };
const NODE: INode = {
	id: '1',
	name: 'Merge Portraits',
	type: 'n8n-nodes-merge-portraits.mergePortraits',
	typeVersion: 1,
	position: [0, 0],
	parameters: {},
};
const CREDENTIAL = { apiKey: SIMULATOR_KEY, baseUrl: 'http://127.0.0.1:1' };

describe.each(['continueErrorOutput', 'continueRegularOutput'] as const)('On Error: %s', (onError) => {
	it.each<[string, Parameters<typeof run>[0], string]>([
		['no credential', { nodeSettings: { credentials: undefined } }, 'Node does not have any credentials set'],
		[
			'a credential of another type',
			{ nodeSettings: { credentials: { httpHeaderAuth: { id: '1', name: 'a' } } } },
			'Node does not have any credentials set for',
		],
		['an empty key', { credentials: { ...CREDENTIAL, apiKey: ' ' } }, "'API Key' of the credential is empty"],
		[
			'a base URL without https://',
			{ credentials: { ...CREDENTIAL, baseUrl: 'www.ailabapi.com' } },
			"'Base URL' of the credential is not an address",
		],
		[
			'no request at a time',
			{ parameters: { ...parameters, options: { maxConcurrency: 0 } } },
			"'Max Concurrent Requests' must be a whole number",
		],
		[
			'requests at a time that cannot be resolved',
			{ parameters: { ...parameters, options: { maxConcurrency: '={{ $("Nobody").item.json.x }}' } } },
			'node',
		],
	])('every item of a batch with an unusable set-up fails: %s', async (_what, options, message) => {
		const result = await run({
			items: [item('Ben'), item('Bea')],
			parameters,
			...options,
			nodeSettings: { onError, ...options?.nodeSettings },
		});
		const failed = onError === 'continueErrorOutput' ? result.errorItems : result.items;
		expect(failed).toHaveLength(2);
		expect(onError === 'continueErrorOutput' ? result.items : []).toEqual([]);
		for (const [index, { json, binary = {}, pairedItem }] of failed.entries()) {
			expect(json).toMatchObject({
				name: ['Ben', 'Bea'][index],
				error: expect.stringContaining(message),
				visitorMessage: expect.any(String),
			});
			expect(Object.keys(binary)).toEqual(['template']);
			expect(pairedItem).toEqual({ item: index });
		}
		expect(simulator.requests).toHaveLength(0);
	});

	it('an item that is refused keeps its other pictures, and nothing in the output field', async () => {
		const { items, errorItems } = await run({
			items: [{ ...item('Ben'), files: { ...item('Ben').files, template: { bytes: await faceless() } } }],
			parameters,
			nodeSettings: { onError },
		});
		const [failed] = onError === 'continueErrorOutput' ? errorItems : items;
		expect(failed?.json.error).toBe('No face was found in one of the two pictures');
		expect(Object.keys(failed?.binary ?? {})).toEqual(['template']);
	});

	it('an item whose output field cannot be known has no picture at all', async () => {
		const { items, errorItems } = await run({
			items: [item('Ben')],
			parameters: { ...parameters, outputBinaryPropertyName: '={{ $("Nobody").item.json.x }}' },
			nodeSettings: { onError },
		});
		const [failed] = onError === 'continueErrorOutput' ? errorItems : items;
		expect(failed?.json.error).not.toBe('of an earlier node');
		expect(failed?.binary).toEqual({});
		expect(simulator.requests).toHaveLength(0);
	});

	it('nothing is left in the output field in binary mode combined either, where n8n keeps binaries in the JSON', async () => {
		const { items, errorItems } = await run({
			binaryMode: 'filesystem',
			settings: { binaryMode: 'combined', executionOrder: 'v1' },
			items: [{ ...item('Ben'), files: { ...item('Ben').files, template: { bytes: await faceless() } } }],
			parameters,
			nodeSettings: { onError },
		});
		const [failed] = onError === 'continueErrorOutput' ? errorItems : items;
		expect(failed?.json.error).toBe('No face was found in one of the two pictures');
		expect(Object.keys(Object(failed?.json._files))).toEqual(['template']);
	});
});

test.each(['continueErrorOutput', 'continueRegularOutput'] as const)(
	'a failed item says nothing of an earlier success: %s',
	async (onError) => {
		const stale = {
			mergePortraits: { downloadUrl: 'x' },
			pictureCheck: { fits: true },
			code: 'OLD',
			httpStatus: 422,
			requestId: 'old',
			logId: 'old',
		};
		const options = { items: [{ files, json: { ...stale, name: 'Ben' } }], nodeSettings: { onError } };
		const merge = await run({ ...options, parameters: { targetBinaryPropertyName: 'nothing' } });
		const [failed] = onError === 'continueErrorOutput' ? merge.errorItems : merge.items;
		expect(failed?.json).toMatchObject({ name: 'Ben', pictureCheck: { fits: true }, code: 'PARAMETERS_CANNOT_EMPTY' });
		for (const field of ['mergePortraits', 'httpStatus', 'requestId', 'logId'])
			expect(failed?.json[field]).toBeUndefined();
		const check = await run({ ...options, parameters: { operation: 'check', options: { maxRetries: -1 } } });
		const [unchecked] = onError === 'continueErrorOutput' ? check.errorItems : check.items;
		expect(unchecked?.json.pictureCheck).toBeUndefined();
	},
);

test.each([['two'], [['two']], [7], [null]])(
	'in binary mode combined, `_files` that n8n cannot take is left out, so that no paid picture is lost: %j',
	(_files) => {
		const output = new OutputItems(NODE, false, true);
		const request = { outputField: 'data', similarity: 0.5, includeOtherFields: true };
		const result = { binary: { data: '', mimeType: 'image/jpeg' }, extension: 'jpg', attempts: 1 };
		const merged = output.merged(
			0,
			{ request, result, fileName: 'a.jpg', reused: false, downloadUrl: undefined },
			{ json: { _files } },
		);
		expect(merged.json._files).toEqual({});
	},
);

describe("an item that carries an earlier node's `error`", () => {
	const retries: Partial<INode> = { retryOnFail: true, maxTries: 5, waitBetweenTries: 1 };
	it.each([['x'], [''], [0], [false], [null], [{ message: 'x' }]])(
		'is merged, says nothing of it, and is paid for once: %j',
		async (error) => {
			const { items } = await run({ items: [{ files, json: { error, name: 'Ben' } }], nodeSettings: retries });
			expect(items[0]?.json).toMatchObject({ name: 'Ben', mergePortraits: { reused: false } });
			expect(items[0]?.json).not.toHaveProperty('error');
			expect(paid()).toBe(1);
		},
	);

	it('is checked, and says nothing of it', async () => {
		const { items } = await run({
			items: [{ files, json: { error: 'x' } }],
			parameters: { operation: 'check' },
			nodeSettings: retries,
		});
		expect(items[0]?.json).toMatchObject({ pictureCheck: { fits: true } });
		expect(items[0]?.json).not.toHaveProperty('error');
	});
});

it.each([['0'], ['null'], ['"false"'], ['""'], ['false'], ['" False "']])(
	'Include Other Input Fields by an expression that gives %s is off',
	async (text) => {
		const { items } = await run({
			items: [{ files, json: { name: 'Ben' } }],
			parameters: { options: { includeOtherFields: `={{ ${text} }}` } },
		});
		expect(Object.keys(items[0]?.json ?? {})).toEqual(['mergePortraits']);
		expect(Object.keys(items[0]?.binary ?? {})).toEqual(['data']);
	},
);

it.each([['null'], ['""'], ['undefined'], ['"none"']])(
	'Download Link by an expression that gives %s is none',
	async (text) => {
		const { items } = await run({ parameters: { options: { downloadLink: `={{ ${text} }}` } } });
		expect(Object(items[0]?.json.mergePortraits)).not.toHaveProperty('downloadUrl');
	},
);

describe('in binary mode combined, an output field that is given as its path', () => {
	const inCombinedMode = async (fault: boolean) => {
		if (fault) simulator.setFault(() => ({ kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' }));
		return await run({
			binaryMode: 'filesystem',
			settings: { binaryMode: 'combined' },
			items: [{ files: { data: files.target, template: files.template } }],
			parameters: {
				targetBinaryPropertyName: '_files.data',
				templateBinaryPropertyName: '_files.template',
				outputBinaryPropertyName: '_files.data',
			},
			nodeSettings: { onError: 'continueRegularOutput' },
		});
	};

	it('has the merged picture in place of the original', async () => {
		const { items, read } = await inCombinedMode(false);
		const { data } = Object(items[0]?.json._files);
		expect((await read(data)).equals(target)).toBe(false);
		expect(data).toMatchObject({ fileName: expect.stringContaining('-merged.jpg') });
	});

	it('has nothing there when the item failed', async () => {
		const { items } = await inCombinedMode(true);
		expect(items[0]?.json.error).toContain('No face');
		expect(Object.keys(Object(items[0]?.json._files))).toEqual(['template']);
	});
});

it.each(["_files['data']", '$json._files.data', '$binary.data'])(
	'in binary mode combined, an output field that is a path of another kind is refused: %s',
	async (outputBinaryPropertyName) => {
		const { task } = await run({
			binaryMode: 'filesystem',
			settings: { binaryMode: 'combined' },
			items: [{ files }],
			parameters: { outputBinaryPropertyName },
		});
		expect(task.error?.message).toMatch(/^'Put Output File in Field' must be a field name, but is /);
		expect(simulator.requests).toHaveLength(0);
	},
);
