/** Links to merged pictures, and what an AI agent is told, in n8n-core's engine. */
import { nodeOfProcess, type EngineOptions, type InputFile } from '../../lab/engine';
import { faceless, portrait } from '../../lab/portraits';
import { run as runNode, simulator, target } from './withSimulator';

const WAY_OUT = 'Set N8N_DEFAULT_BINARY_DATA_MODE to filesystem, database or s3 where n8n is started.';

let files: Record<'target' | 'template', InputFile>;
beforeAll(async () => {
	files = {
		target: { bytes: target, fileName: 'ben.png' },
		template: { bytes: await portrait('anna', { width: 300, height: 360 }), fileName: 'anna.png' },
	};
});

const run = async (options: Partial<EngineOptions> = {}) =>
	await runNode({ binaryMode: 'filesystem', items: [{ files, json: { name: 'Ben' } }], ...options });

/** What n8n signs: the binary's id, and from when to when the link works, in seconds. */
function readLink(url: unknown): { id: string; iat: number; exp: number } {
	const [, payload = ''] = new URL(String(url)).searchParams.get('token')?.split('.') ?? [];
	return JSON.parse(Buffer.from(payload, 'base64url').toString());
}

const linkOf = (json: object | undefined) => readLink(Object(Object(json).mergePortraits).downloadUrl);

describe("the option 'Download Link'", () => {
	it.each([
		['1h', 3_600],
		['1d', 86_400],
		['7d', 604_800],
	])('%s gives each item a link to its own picture for as long', async (downloadLink, seconds) => {
		const { items } = await run({
			items: [{ files }, { files }],
			parameters: { similarity: '={{ $itemIndex / 10 }}', options: { downloadLink } },
		});
		expect(items).toHaveLength(2);
		for (const { json, binary } of items) {
			const { id, iat, exp } = linkOf(json);
			expect([id, exp - iat]).toEqual([binary?.data?.id, seconds]);
		}
		expect(items[0]?.binary?.data?.id).not.toBe(items[1]?.binary?.data?.id);
	});

	it.each([{}, { downloadLink: 'none' }])('gives none with %j', async (options) => {
		const { items } = await run({ parameters: { options } });
		expect(items[0]?.json.mergePortraits).not.toHaveProperty('downloadUrl');
	});

	it('gives a picture of an earlier execution a link of its own', async () => {
		const nodeType = nodeOfProcess();
		const parameters = { options: { downloadLink: '1h' } };
		const first = await run({ nodeType, parameters });
		const second = await run({ nodeType, parameters });
		expect(simulator.requests).toHaveLength(1);
		expect(second.items[0]?.json.mergePortraits).toMatchObject({ reused: true });
		expect(linkOf(second.items[0]?.json).id).toBe(second.items[0]?.binary?.data?.id);
		expect(linkOf(second.items[0]?.json).id).not.toBe(linkOf(first.items[0]?.json).id);
	});

	it('is refused before anything is sent where n8n keeps binaries in memory', async () => {
		const { task } = await run({ binaryMode: 'default', parameters: { options: { downloadLink: '1h' } } });
		expect(task.error?.message).toBe(
			"'Download Link' is not possible: this n8n keeps binary data in memory, which no link can reach",
		);
		expect(task.error?.description).toBe(`${WAY_OUT} Or choose None in 'Download Link'.`);
		expect(simulator.requests).toHaveLength(0);
	});

	it('is refused only for the items that ask for a link', async () => {
		const { items } = await run({
			binaryMode: 'default',
			items: [{ files }, { files }],
			parameters: { options: { downloadLink: '={{ $itemIndex ? "1h" : "none" }}' } },
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		expect(items[0]?.json).toHaveProperty('mergePortraits');
		expect(items[1]?.json.error).toContain("'Download Link' is not possible");
		expect(simulator.requests).toHaveLength(1);
	});

	it('takes no other word from an expression', async () => {
		const { task } = await run({ parameters: { options: { downloadLink: '={{ "2 weeks" }}' } } });
		expect(task.error?.message).toBe('\'Download Link\' must be none, 1h, 1d or 7d, but is "2 weeks"');
		expect(simulator.requests).toHaveLength(0);
	});
});

describe('as the tool of an AI agent', () => {
	const asTool = async (options: Partial<EngineOptions> = {}) =>
		await run({
			...options,
			nodeSettings: { type: 'n8n-nodes-merge-portraits.mergePortraitsTool', ...options.nodeSettings },
		});

	it('tells the picture in a few words, with a link for a day', async () => {
		const { items, read } = await asTool({ parameters: { similarity: 0.7 } });
		expect(items).toHaveLength(1);
		const { downloadUrl, ...rest } = items[0]?.json ?? {};
		expect(rest).toEqual({
			fileName: 'ben-merged.jpg',
			mimeType: 'image/jpeg',
			width: 300,
			height: 360,
			similarity: 0.7,
		});
		const { id, iat, exp } = readLink(downloadUrl);
		expect([id, exp - iat]).toEqual([items[0]?.binary?.data?.id, 86_400]);
		expect((await read(items[0]?.binary?.data)).length).toBeGreaterThan(1_000);
		expect(Object.keys(items[0]?.binary ?? {})).toEqual(['data']);
	});

	it('gives the link for as long as the option says', async () => {
		const { items } = await asTool({ parameters: { options: { downloadLink: '7d' } } });
		const { iat, exp } = readLink(items[0]?.json.downloadUrl);
		expect(exp - iat).toBe(604_800);
	});

	it('tells a reused picture alike', async () => {
		const nodeType = nodeOfProcess();
		await run({ nodeType });
		const { items } = await asTool({ nodeType });
		expect(simulator.requests).toHaveLength(1);
		expect(items[0]?.json).toMatchObject({ width: 300, height: 360, fileName: 'ben-merged.jpg' });
	});

	it.each(['stopWorkflow', 'continueRegularOutput'] as const)(
		'tells what happened and what to do, with On Error %s',
		async (onError) => {
			const items = [{ files: { ...files, target: { bytes: await faceless(), fileName: 'wall.png' } } }];
			const { items: told, task } = await asTool({ items, nodeSettings: { onError } });
			expect(task.error).toBeUndefined();
			expect(told.map(({ json }) => json)).toEqual([
				{
					error: expect.stringMatching(
						/^No face was found in one of the two pictures\. What to do: Use .* code: ERROR_NO_FACE_IN_FILE, request_id: \S+, log_id: \S+$/,
					),
				},
			]);
			expect(task.hints?.map(({ message }) => message)).toEqual(['The item was not merged. It says why.']);
		},
	);

	it('tells what is wrong with a parameter', async () => {
		const { items } = await asTool({ parameters: { targetInputType: 'url', targetUrl: 'ben.png' } });
		expect(items[0]?.json).toEqual({
			error:
				"'Target URL' is not a URL. What to do: The portrait whose face is taken is not given by a web address. Please give its whole address, beginning with https://.",
		});
	});

	it.each([
		[
			'the credential',
			{ credentials: { apiKey: ' ', baseUrl: 'http://127.0.0.1:1' } },
			"'API Key' of the credential is empty. What to do: Open the credential and enter the key that the developer console of your AILabTools account shows.",
		],
		[
			'an option of the whole node',
			{ parameters: { options: { maxConcurrency: 0 } } },
			"'Max Concurrent Requests' must be a whole number of at least 1, but is 0. What to do: Enter a number, such as 10, or remove the option.",
		],
	])('tells what is wrong with %s', async (_what, options, error) => {
		const { items, task } = await asTool(options);
		expect(task.error).toBeUndefined();
		expect(items.map(({ json }) => json)).toEqual([{ error }]);
	});

	it('sends nothing where n8n keeps binaries in memory: the picture would be out of reach', async () => {
		const { items } = await asTool({ binaryMode: 'default' });
		expect(items.map(({ json }) => json)).toEqual([
			{
				error: `'Download Link' is not possible: this n8n keeps binary data in memory, which no link can reach. What to do: ${WAY_OUT} An AI agent can be given a picture only as a link.`,
			},
		]);
		expect(simulator.requests).toHaveLength(0);
	});
});
