/** The packed package in each n8n version that is supported, from the credential to the merged picture. */
import { join } from 'node:path';

import type { INodeExecutionData, INodeProperties, INodeTypeDescription } from 'n8n-workflow';
import sharp from 'sharp';

import { startChatModel, toldOf, type ChatModel } from '../../lab/chatModel';
import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import { N8N_VERSIONS, NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { freePort } from '../../lab/n8n/processes';
import { startSite, type Site, type SiteAnswer } from '../../lab/site';
import { faceless, portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, type RecordedRequest } from '../../lab/simulator/simulator';
import {
	AGENT,
	agent,
	batch,
	chain,
	CHAT_CREDENTIAL,
	CREDENTIAL,
	MERGE,
	mergePortraits,
	node,
	OWN_SIMILARITY,
	readFiles,
	start,
	to,
	writeFile,
} from '../../lab/n8n/workflows';

const SIDE = { width: 240, height: 240 };

const LOCKED_KEY = 'locked-key';
const EMPTY_KEY = 'empty-key';
const OTHER_SITE =
	'No AILabTools API answers at this address. Check the Base URL: its default is https://www.ailabapi.com.';
const NOT_FOUND: SiteAnswer = { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not found</h1>' };

/** Ten pairs of which the fourth has no face to take, and six of which all have. */
const TEN = ['anna', 'ben', 'clara', 'deniz', 'emil', 'fatma', 'goran', 'hana', 'ivo', 'jana'];
const BAD = 3;

async function providePictures(lab: Lab): Promise<void> {
	await lab.provide('template.jpg', await portrait('template', { ...SIDE, format: 'jpeg' }));
	for (const [index, name] of TEN.entries()) {
		const picture = await portrait(name, SIDE);
		await lab.provide(`one-bad/${name}.png`, index === BAD ? await faceless(SIDE) : picture);
		if (index < 6) await lab.provide(`six/${name}.png`, picture);
		if (index < 1) await lab.provide(`one/${name}.png`, picture);
	}
}

describe.each(N8N_VERSIONS)('n8n %s', (version) => {
	let lab: Lab;
	let model: ChatModel;

	beforeAll(async () => {
		const accounts = [{ key: SIMULATOR_KEY }, { key: LOCKED_KEY, locked: true }, { key: EMPTY_KEY, credits: 0 }];
		lab = await openLab({ version, name: 'installation', simulator: { accounts } });
		await providePictures(lab);
		model = await startChatModel();
		await lab.n8n.importCredentials({ ...CHAT_CREDENTIAL, data: model.credential });
	}, 900_000);
	afterAll(async () => {
		await lab?.close();
		await model?.close();
	});
	beforeEach(() => lab.simulator.reset());

	const isMerged = ({ binary }: INodeExecutionData) => binary?.data !== undefined;
	const requestOf = (target: string): RecordedRequest | undefined =>
		lab.simulator.requests.find(({ files, status }) => status === 200 && lab.nameOf(files.image_target) === target);
	/** The names of the items whose picture is not the one that the simulator made of their own target. */
	const mismatched = async (items: INodeExecutionData[]): Promise<unknown[]> => {
		const pictures = await Promise.all(items.map(async ({ binary }) => sha256(await lab.read(binary?.data))));
		const wrong = items.filter((item, at) => requestOf(String(item.json.pair))?.resultSha256 !== pictures[at]);
		return wrong.map(({ json }) => json.pair);
	};

	describe('what n8n loads of the package', () => {
		const describedNodes = async (): Promise<INodeTypeDescription[]> => {
			const answer = await lab.get('/types/nodes.json');
			return JSON.parse(await answer.text());
		};

		it('is the node with every parameter that saved workflows name', async () => {
			const described = (await describedNodes()).find(
				({ name }) => name === 'n8n-nodes-merge-portraits.mergePortraits',
			);
			expect(described).toMatchObject({
				displayName: 'Merge Portraits',
				codex: { alias: expect.arrayContaining(['portrait']) },
				credentials: [{ name: 'aiLabToolsApi', required: true }],
			});
			const names = (properties: INodeProperties[] = []) => properties.map(({ name }) => name);
			expect(names(described?.properties)).toEqual(
				expect.arrayContaining([
					'targetInputType',
					'targetBinaryPropertyName',
					'targetUrl',
					'templateInputType',
					'templateBinaryPropertyName',
					'templateUrl',
					'similarity',
					'outputBinaryPropertyName',
					'options',
				]),
			);
			const options = described?.properties.find(({ name }) => name === 'options')?.options;
			expect(options?.map(({ name }) => name).sort()).toEqual([
				'downloadLink',
				'fileName',
				'includeOtherFields',
				'maxConcurrency',
				'maxRetries',
				'reuseResults',
				'timeout',
				'validateImages',
			]);
		});

		it('is an icon for each theme, of the node and of the credential, that can be drawn', async () => {
			const described = (await describedNodes()).find(
				({ name }) => name === 'n8n-nodes-merge-portraits.mergePortraits',
			);
			const answer = await lab.get('/types/credentials.json');
			const credentials: Array<{ name: string; iconUrl?: unknown }> = JSON.parse(await answer.text());
			const credential = credentials.find(({ name }) => name === 'aiLabToolsApi');
			for (const iconUrl of [described?.iconUrl, credential?.iconUrl]) {
				expect(iconUrl).toEqual({ light: expect.any(String), dark: expect.any(String) });
				for (const path of Object.values(Object(iconUrl))) {
					const icon = await lab.get(`/${String(path)}`);
					expect([path, icon.status]).toEqual([path, 200]);
					const { width } = await sharp(Buffer.from(await icon.arrayBuffer())).metadata();
					expect(width).toBeGreaterThan(0);
				}
			}
		});
	});

	describe('the credential test', () => {
		const test = async (data: { apiKey: string; baseUrl: string }) =>
			await lab.call<{ status: string; message: string }>('POST', '/credentials/test', {
				credentials: { ...CREDENTIAL, data },
			});

		it('accepts the right key and spends nothing', async () => {
			expect(await test({ apiKey: SIMULATOR_KEY, baseUrl: lab.simulator.baseUrl })).toMatchObject({ status: 'OK' });
			expect(lab.simulator.creditRequests.map(({ headers }) => headers['ailabapi-api-key'])).toEqual([SIMULATOR_KEY]);
			expect(lab.simulator.requests).toHaveLength(0);
		});

		it('accepts a key whose credits are used up: a merge will say so', async () => {
			expect(await test({ apiKey: EMPTY_KEY, baseUrl: lab.simulator.baseUrl })).toMatchObject({ status: 'OK' });
		});

		it.each([
			[
				'a wrong key',
				'wrong',
				'AILabTools did not accept the API key. Copy it again from the developer console: https://www.ailabtools.com/developer.',
			],
			[
				'a locked account',
				LOCKED_KEY,
				'This AILabTools account is locked. Contact AILabTools support, then test the credential again.',
			],
		])('says of %s what to do', async (_what, apiKey, message) => {
			expect(await test({ apiKey, baseUrl: lab.simulator.baseUrl })).toEqual({ status: 'Error', message });
		});

		it('refuses n8n itself as Base URL, and an address where nobody answers', async () => {
			expect(await test({ apiKey: SIMULATOR_KEY, baseUrl: lab.server.url })).toEqual({
				status: 'Error',
				message: OTHER_SITE,
			});
			const nobody = await test({ apiKey: SIMULATOR_KEY, baseUrl: `http://127.0.0.1:${await freePort()}` });
			expect(nobody).toEqual({ status: 'Error', message: expect.stringMatching(/ECONNREFUSED|refused/i) });
		});

		const json = (body: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
		it.each<[string, SiteAnswer, string?]>([
			['a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' }],
			['nothing', { status: 200 }],
			['JSON', { status: 200, ...json({ data: [{ id: 1 }] }) }],
			['a list', { status: 200, ...json([{ balance: 5 }]) }],
			['balances without the envelope', { status: 200, ...json({ data: [{ balance: 5 }] }) }],
			['a refusal of its own', { status: 401, ...json({ message: 'Unauthorized' }) }],
			['that there is no such page', NOT_FOUND],
			[
				'the envelope without balances',
				{ status: 429, ...json({ request_id: 'r', log_id: 'l', error_detail: { code: 'EXCEEDING_LIMITS' } }) },
				'AILabTools did not report the balance of this key. Test the credential again later. If it stays like this, contact AILabTools support.',
			],
			[
				'the envelope with an empty list',
				{ status: 200, ...json({ request_id: 'r', log_id: 'l', data: [] }) },
				'AILabTools lists no credits for this key. Buy some, then test the credential again.',
			],
		])('refuses a site that answers with %s', async (_what, answer, message = OTHER_SITE) => {
			const site = await startSite(answer);
			try {
				expect(await test({ apiKey: SIMULATOR_KEY, baseUrl: site.url })).toEqual({ status: 'Error', message });
			} finally {
				await site.close();
			}
		});

		it('does not take the key to where it is sent on', async () => {
			const location = `${lab.simulator.baseUrl}/api/common/query-credits`;
			const site = await startSite({ status: 302, headers: { location } });
			try {
				expect(await test({ apiKey: SIMULATOR_KEY, baseUrl: site.url })).toEqual({
					status: 'Error',
					message: OTHER_SITE,
				});
				expect([site.requests.length, lab.simulator.creditRequests.length]).toEqual([1, 0]);
			} finally {
				await site.close();
			}
		});
	});

	it('merges one pair whose pictures are both fields of the item', async () => {
		const file = (name: string) => join(lab.files, name);
		const workflow = chain('Single', [
			start,
			readFiles('Target', file('one/anna.png'), 'target'),
			node('Both', 'n8n-nodes-base.merge', {
				typeVersion: 3.2,
				parameters: { mode: 'combine', combineBy: 'combineByPosition', options: {} },
			}),
			mergePortraits({ parameters: { templateBinaryPropertyName: 'template', similarity: 0.8 } }),
			writeFile('Save', `=${file('{{ $binary.data.fileName }}')}`),
		]);
		workflow.nodes.push(readFiles('Template', file('template.jpg'), 'template'));
		Object.assign(workflow.connections, {
			Start: { main: [[...['Target', 'Template'].map((name) => ({ node: name, type: 'main', index: 0 }))]] },
			Template: { main: [[{ node: 'Both', type: 'main', index: 1 }]] },
		});
		const execution = await lab.run(workflow);
		expect(execution).toMatchObject({ status: 'success' });
		const { json, binary } = first(execution.items(MERGE), 'item');
		expect(json.mergePortraits).toMatchObject({ similarity: 0.8, attempts: 1, reused: false });
		expect(binary).toMatchObject({ data: { mimeType: 'image/jpeg', fileName: 'anna-merged.jpg' }, target: {} });
		const request = first(lab.simulator.requests, 'request');
		expect(sha256(await lab.written('anna-merged.jpg'))).toBe(request.resultSha256);
		expect(request.files).toMatchObject({
			image_target: { fileName: 'target.png', sha256: sha256(await lab.written('one/anna.png')) },
			image_template: { fileName: 'template.jpg', sha256: sha256(await lab.written('template.jpg')) },
		});
	});

	describe('a batch with one bad pair, its template given by an expression', () => {
		it('stops, and the canvas tells which item and what to do', async () => {
			const parameters = { options: { maxConcurrency: 2 } };
			const execution = await lab.run(batch(lab.files, 'one-bad', { parameters }));
			expect(execution.status).toBe('error');
			const { error } = execution.task(MERGE);
			const at = TEN.indexOf('deniz');
			expect(error?.message).toBe(`No face was found in one of the two pictures [item ${at}]`);
			expect(error?.description).toMatch(/ERROR_NO_FACE_IN_FILE.* of 10 pairs were merged\./);
			expect(lab.simulator.requests.length).toBeLessThan(10);
		});

		it('continues, each picture with its own pair, which a later expression finds', async () => {
			const execution = await lab.run(batch(lab.files, 'one-bad', { onError: 'continueRegularOutput' }));
			expect(execution.status).toBe('success');
			const items = execution.items('After');
			expect(items.map(({ json }) => json.pair).sort()).toEqual(TEN.map((name) => `${name}.png`).sort());
			expect(items.filter((item) => !isMerged(item)).map(({ json }) => json)).toEqual([
				expect.objectContaining({ pair: 'deniz.png', code: 'ERROR_NO_FACE_IN_FILE', httpStatus: 422 }),
			]);
			expect(items.map(({ json }) => json.lookedBack)).toEqual(items.map(({ json }) => json.pair));
			const merged = items.filter(isMerged);
			const ids = merged.map(({ json }) => [json.requestId, Object(json.mergePortraits).requestId]);
			expect(new Set(ids.flat()).size).toBe(9);
			for (const [byExpression, own] of ids) expect(byExpression).toBe(own);
			expect(await mismatched(merged)).toEqual([]);
			expect(lab.simulator.requests).toHaveLength(10);
		});

		it('continues with the bad pair at the error output', async () => {
			const execution = await lab.run(batch(lab.files, 'one-bad', { onError: 'continueErrorOutput' }));
			expect(execution.status).toBe('success');
			expect(execution.items(MERGE, 1).map(({ json }) => json)).toEqual([
				expect.objectContaining({
					pair: 'deniz.png',
					error: expect.stringContaining('No face was found in one of the two pictures'),
					description: expect.any(String),
					code: 'ERROR_NO_FACE_IN_FILE',
				}),
			]);
			const items = execution.items('After');
			expect(items).toHaveLength(9);
			expect(items.map(({ json }) => json.lookedBack)).toEqual(items.map(({ json }) => json.pair));
			expect(await mismatched(items)).toEqual([]);
		});
	});

	describe('a 404', () => {
		it("of AILabTools about a pair's face is that pair's: the other five are merged", async () => {
			lab.simulator.setFault(({ files }) =>
				lab.nameOf(files.image_target) === 'deniz.png'
					? { kind: 'status', status: 404, code: 'ERROR_FACE_NOT_FOUND' }
					: undefined,
			);
			const execution = await lab.run(batch(lab.files, 'six', { onError: 'continueRegularOutput' }));
			expect(execution.status).toBe('success');
			const items = execution.items('After');
			expect(items.filter((item) => !isMerged(item)).map(({ json }) => json)).toEqual([
				expect.objectContaining({ pair: 'deniz.png', code: 'ERROR_FACE_NOT_FOUND', httpStatus: 404 }),
			]);
			expect(items.filter(isMerged)).toHaveLength(5);
			expect(await mismatched(items.filter(isMerged))).toEqual([]);
			expect(lab.simulator.requests).toHaveLength(6);
		});

		it('of another site stops the batch after one request', async () => {
			const site = await startSite(NOT_FOUND);
			try {
				const data = { apiKey: SIMULATOR_KEY, baseUrl: site.url };
				const credential = { name: 'Another address', type: 'aiLabToolsApi', data };
				const aiLabToolsApi = await lab.call<{ id: string; name: string }>('POST', '/credentials', credential);
				const execution = await lab.run(
					batch(lab.files, 'six', {
						credentials: { aiLabToolsApi },
						parameters: { options: { maxConcurrency: 1 } },
						onError: 'continueRegularOutput',
					}),
				);
				const items = execution.items('After');
				expect(items.filter(isMerged)).toHaveLength(0);
				expect(items[0]?.json.description).toContain("'Base URL'");
				expect(site.requests).toHaveLength(1);
			} finally {
				await site.close();
			}
		});
	});

	describe('each pair is paid for once', () => {
		const refuseOnce = () => {
			let left = 1;
			lab.simulator.setFault(({ files }) =>
				lab.nameOf(files.image_target) === 'deniz.png' && left-- > 0
					? { kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' }
					: undefined,
			);
		};
		const paid = () => lab.simulator.requests.filter(({ status }) => status === 200).length;

		it('over executions: the same six a second time are no request', async () => {
			const reusing = { parameters: { similarity: 0.99, options: { reuseResults: true } } };
			await lab.run(batch(lab.files, 'six', reusing));
			lab.simulator.reset();
			const execution = await lab.run(batch(lab.files, 'six', reusing));
			expect(execution.status).toBe('success');
			expect(execution.items('After').filter(isMerged)).toHaveLength(6);
			expect(lab.simulator.requests).toHaveLength(0);
		});

		it('with Retry On Fail: six pairs, one refused once, are seven requests', async () => {
			refuseOnce();
			const settings = { retryOnFail: true, maxTries: 3, waitBetweenTries: 100 };
			const execution = await lab.run(batch(lab.files, 'six', settings));
			expect(execution.status).toBe('success');
			expect(execution.items('After').filter(isMerged)).toHaveLength(6);
			expect(await mismatched(execution.items('After'))).toEqual([]);
			expect([lab.simulator.requests.length, paid()]).toEqual([7, 6]);
		});

		it('with the Retry of the executions list: seven requests in all', async () => {
			refuseOnce();
			const failed = await lab.run(batch(lab.files, 'six'));
			expect(failed.status).toBe('error');
			await lab.call('POST', `/executions/${failed.id}/retry`, { loadWorkflow: false });
			const { results } = await lab.call<{ results: Array<{ id: string; retryOf?: string | null }> }>(
				'GET',
				'/executions?limit=5',
			);
			const retry = results.find(({ retryOf }) => String(retryOf) === String(failed.id));
			const execution = await lab.finished(String(retry?.id));
			expect(execution.status).toBe('success');
			expect(await mismatched(execution.items('After'))).toEqual([]);
			expect([lab.simulator.requests.length, paid()]).toEqual([7, 6]);
		});
	});

	it('ends the requests in flight of an execution that is stopped, and sends nothing more', async () => {
		lab.simulator.setFault(() => ({ kind: 'hang' }));
		const three = { parameters: { options: { maxConcurrency: 3 } } };
		const id = await lab.startWorkflow(await lab.addWorkflow(batch(lab.files, 'one-bad', three)));
		await until(() => lab.simulator.requests.length === 3);
		const stopped = performance.now();
		await lab.call('POST', `/executions/${id}/stop`);
		await until(() => lab.simulator.requests.every(({ aborted }) => aborted));
		expect(performance.now() - stopped).toBeLessThan(2_000);
		expect((await lab.finished(id)).status).toBe('canceled');
		// The execution is over, and no more requests came than before.
		expect(lab.simulator.requests).toHaveLength(3);
	});

	describe('a target by URL', () => {
		let host: Site;
		let picture: Buffer;
		beforeAll(async () => {
			host = await startSite();
			picture = await portrait('by URL', SIDE);
		});
		beforeEach(() => host.reset());
		afterAll(async () => await host.close());

		const run = async (path: string) =>
			await lab.run(
				chain('By URL', [
					start,
					readFiles('Template', join(lab.files, 'template.jpg'), 'template'),
					mergePortraits({ parameters: { targetInputType: 'url', targetUrl: host.url + path } }),
				]),
			);

		it('is downloaded over a redirect, and its host is not told the key', async () => {
			host.serve('/old', { status: 302, headers: { location: '/new/ada.png?token=abc' } });
			host.serve('/new/ada.png', { body: picture });
			const [item] = (await run('/old')).items(MERGE);
			expect(item?.binary?.data?.fileName).toBe('ada-merged.jpg');
			const [request] = lab.simulator.requests;
			expect(sha256(await lab.read(item?.binary?.data))).toBe(request?.resultSha256);
			expect(request?.files.image_target?.sha256).toBe(sha256(picture));
			expect(host.requests.map(({ path }) => path)).toEqual(['/old', '/new/ada.png?token=abc']);
			expect(JSON.stringify(host.requests)).not.toContain(SIMULATOR_KEY);
			expect(host.requests.every(({ headers }) => headers.cookie === undefined)).toBe(true);
		});

		it('that does not end is left, whatever the host says of it', async () => {
			host.serve('/endless.png', (response) => {
				const piece = Buffer.alloc(64 * 1024);
				const send = () => void (!response.destroyed && response.write(piece, send));
				response.writeHead(200, { 'content-type': 'image/png' });
				send();
			});
			const { message } = Object((await run('/endless.png')).data.resultData.error);
			expect(message).toBe("'Target URL' has more than 4.19 MB, allowed: at most 4.19 MB");
			expect(lab.simulator.requests).toHaveLength(0);
		});

		if (version === NEWEST_N8N) {
			it("is not asked for where n8n's own protection forbids it", async () => {
				await lab.restart({ N8N_SSRF_PROTECTION_ENABLED: 'true' });
				host.serve('/ada.png', { body: picture });
				const { message } = Object((await run('/ada.png?token=abc')).data.resultData.error);
				await lab.restart({});
				expect(message).toBe(
					`'Target URL' could not be downloaded: this n8n allows no requests to ${new URL(host.url).host}`,
				);
				expect(host.requests).toHaveLength(0);
			});
		}
	});

	if (version === NEWEST_N8N) {
		describe('binaryMode combined', () => {
			it('names a field by its path, and takes a template by an expression', async () => {
				const workflow = chain(
					'Combined',
					[
						start,
						readFiles('Template', join(lab.files, 'template.jpg'), 'template'),
						readFiles('Targets', join(lab.files, 'six/*.png'), 'target'),
						mergePortraits({
							parameters: {
								targetBinaryPropertyName: '_files.target',
								templateBinaryPropertyName: '={{ $("Template").first()._files.template }}',
								similarity: OWN_SIMILARITY,
							},
						}),
						writeFile('Save', `=${join(lab.files, 'combined-{{ $json._files.data.fileName }}')}`, '_files.data'),
					],
					{ binaryMode: 'combined' },
				);
				const execution = await lab.run(workflow);
				expect(execution.data.resultData.error).toBeUndefined();
				expect(execution.items(MERGE)).toHaveLength(6);
				for (const name of TEN.slice(0, 6)) {
					const written = await lab.written(`combined-${name}-merged.jpg`);
					expect([name, sha256(written)]).toEqual([name, requestOf(`${name}.png`)?.resultSha256]);
				}
			});
		});

		describe('as a tool of an AI agent', () => {
			it('is offered with a description', async () => {
				const answer = await lab.get('/types/nodes.json');
				const types: INodeTypeDescription[] = JSON.parse(await answer.text());
				const tool = types.find(({ name }) => name === 'n8n-nodes-merge-portraits.mergePortraitsTool');
				expect(tool).toMatchObject({
					displayName: 'Merge Portraits Tool',
					outputs: ['ai_tool'],
					inputs: [],
					properties: expect.arrayContaining([
						expect.objectContaining({
							name: 'toolDescription',
							default: 'Put the face of a portrait into a template picture with AILabTools',
						}),
					]),
				});
			});
		});
	}

	describe.each(['default', 'filesystem', 'database'] as const)('binaries kept in mode %s', (mode) => {
		const idOf = { default: undefined, filesystem: /^filesystem-v2:/, database: /^database:/ }[mode];

		beforeAll(async () => {
			const settings = { N8N_AVAILABLE_BINARY_DATA_MODES: 'filesystem,database', N8N_DEFAULT_BINARY_DATA_MODE: mode };
			await lab.restart(settings);
		}, 120_000);

		it('merges, and later nodes and the editor read the picture', async () => {
			const workflow = batch(lab.files, 'six');
			workflow.nodes.push({
				...writeFile('Save', `=${join(lab.files, `${mode}-{{ $binary.data.fileName }}`)}`),
				position: [1400, 0],
			});
			Object.assign(workflow.connections, { After: to('Save') });
			const execution = await lab.run(workflow);
			expect(execution.status).toBe('success');
			const items = execution.items('After');
			expect(items).toHaveLength(6);
			for (const { binary } of items) {
				expect(binary?.data).toBeDefined();
				if (idOf) expect(binary?.data?.id).toMatch(idOf);
				else expect(binary?.data?.id).toBeUndefined();
			}
			expect(await mismatched(items)).toEqual([]);
			for (const name of TEN.slice(0, 6)) {
				const written = await lab.written(`${mode}-${name}-merged.jpg`);
				expect([name, sha256(written)]).toEqual([name, requestOf(`${name}.png`)?.resultSha256]);
			}
		});

		const KEPT_IN_MEMORY =
			"'Download Link' is not possible: this n8n keeps binary data in memory, which no link can reach";
		const opened = async (link: unknown) => {
			const answer = await fetch(String(link));
			expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
			return sha256(Buffer.from(await answer.arrayBuffer()));
		};

		it('gives a link that opens without signing in, or refuses before anything is sent', async () => {
			const execution = await lab.run(batch(lab.files, 'one', { parameters: { options: { downloadLink: '1h' } } }));
			if (mode === 'default') {
				expect(execution.task(MERGE).error?.message).toBe(KEPT_IN_MEMORY);
				expect(lab.simulator.requests).toHaveLength(0);
				return;
			}
			expect(execution.status).toBe('success');
			const [item] = execution.items(MERGE);
			const { downloadUrl } = Object(item?.json.mergePortraits);
			expect(await opened(downloadUrl)).toBe(sha256(await lab.read(item?.binary?.data)));
		});

		it('tells an agent the link, or that there can be none', async () => {
			const upload = readFiles('Upload', join(lab.files, 'one/anna.png'), 'target');
			const template = readFiles('Template', join(lab.files, 'template.jpg'), 'template');
			const parameters = {
				targetInputType: 'binary',
				targetBinaryPropertyName: '={{ $("Upload").first().binary.target }}',
				templateInputType: 'binary',
			};
			const { nodes, connections, ...rest } = agent(version === NEWEST_N8N ? 3.1 : 3, parameters);
			const call = { target_url: '', template_url: '', similarity: 0.9 };
			model.script((request) => (toldOf(request).length === 0 ? { call } : { text: 'Done.' }));
			const execution = await lab.run({
				...rest,
				nodes: [start, upload, template, ...nodes],
				connections: { ...connections, Start: to('Upload'), Upload: to('Template'), Template: to(AGENT) },
			});
			expect(execution.items(AGENT).map(({ json }) => json)).toEqual([{ output: 'Done.' }]);
			const [told] = JSON.parse(String(model.told()[0]));
			if (mode === 'default') {
				expect(told).toEqual({ error: expect.stringContaining(`${KEPT_IN_MEMORY}. What to do: `) });
				expect(lab.simulator.requests).toHaveLength(0);
			} else {
				expect(await opened(told.downloadUrl)).toBe(lab.simulator.requests[0]?.resultSha256);
			}
		});
	});
});

async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
