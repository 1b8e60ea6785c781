/** The node as the tool of n8n's own AI Agent, with a chat model of which each answer is written beforehand. */
import { join } from 'node:path';

import { startChatModel, toldOf, type ChatModel } from '../../lab/chatModel';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { AGENT, agent, CHAT_CREDENTIAL, MERGE, type NodeSettings, readFiles, start, to } from '../../lab/n8n/workflows';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { startSite, type Site } from '../../lab/site';
import { faceless, portrait } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';

const MB = 1024 * 1024;

describe(`AI Agent 3.1 in n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let model: ChatModel;
	let host: Site;

	beforeAll(async () => {
		model = await startChatModel();
		host = await startSite();
		lab = await openLab({ name: 'agent' });
		await lab.n8n.importCredentials({ ...CHAT_CREDENTIAL, data: model.credential });
		await lab.provide('ben.png', await portrait('ben'));
	}, 900_000);
	afterAll(async () => {
		await lab?.close();
		await host?.close();
		await model?.close();
	});
	beforeEach(async () => {
		lab.simulator.reset();
		host.reset();
		host.serve('/ben.png', { body: await portrait('ben') });
		host.serve('/anna.png', { body: await portrait('anna', { width: 320, height: 360 }) });
	});

	/** Has the agent call its tool once. Gives what the model is told, word for word. */
	async function ask(call: object, parameters: object = {}, settings: NodeSettings = {}) {
		model.script((request) => (toldOf(request).length === 0 ? { call } : { text: 'Done.' }));
		const { nodes, connections, ...rest } = agent(3.1, parameters, settings);
		const upload = readFiles('Upload', join(lab.files, 'ben.png'), 'photo');
		const execution = await lab.run({
			...rest,
			nodes: [start, upload, ...nodes],
			connections: { ...connections, Start: to('Upload'), Upload: to(AGENT) },
		});
		expect([execution.status, execution.data.resultData.error?.message]).toEqual(['success', undefined]);
		expect(execution.items(AGENT).map(({ json }) => json)).toEqual([{ output: 'Done.' }]);
		expect(model.requests).toHaveLength(2);
		expect(model.told()).toHaveLength(1);
		const told = String(model.told()[0]);
		return { told, execution };
	}

	/** An item of what the model was told. */
	const itemOf = (told: string): Record<string, unknown> => Object(JSON.parse(told))[0];

	const urls = (target: string) => ({ target_url: host.url + target, template_url: `${host.url}/anna.png` });
	const here = () => new URL(host.url).host;

	it('merges two pictures by URL, and anybody can open the link to the answer that the service gave', async () => {
		const { told } = await ask({ ...urls('/ben.png'), similarity: 0.8 });
		const { downloadUrl, ...rest } = itemOf(told);
		expect(rest).toEqual({
			fileName: 'ben-merged.jpg',
			mimeType: 'image/jpeg',
			width: 320,
			height: 360,
			similarity: 0.8,
		});
		const [request] = lab.simulator.requests;
		expect(request?.fields).toEqual({ source_similarity: '0.8' });
		const answer = await fetch(String(downloadUrl));
		expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
		expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(request?.resultSha256);
		const changed = await fetch(`${String(downloadUrl).slice(0, -4)}AAAA`);
		expect(changed.status).toBe(400);

		for (const { headers } of host.requests) {
			expect(Object.keys(headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host', 'user-agent']);
		}
	});

	it('is offered its parameters with what they mean', async () => {
		await ask(urls('/ben.png'));
		const [tool] = model.requests[0]?.tools ?? [];
		expect(tool?.function).toMatchObject({
			name: 'Merge_Portraits',
			description: expect.stringContaining('Put the face of a portrait into a template picture'),
			parameters: {
				properties: {
					target_url: { type: 'string', description: 'Link to the portrait whose face is taken' },
					similarity: { type: 'number' },
				},
			},
		});
	});

	it('takes a picture that a node before the agent has, by an expression', async () => {
		const { told } = await ask(
			{ ...urls(''), similarity: 0.6 },
			{ targetInputType: 'binary', targetBinaryPropertyName: '={{ $("Upload").first().binary.photo }}' },
		);
		expect(itemOf(told)).toHaveProperty('downloadUrl');
		const sent = lab.simulator.requests[0]?.files.image_target;
		expect(sent?.sha256).toBe(sha256(await portrait('ben')));
	});

	it('is told of a dead link', async () => {
		const { told } = await ask(urls('/gone.png'));
		expect(itemOf(told)).toEqual({
			error: `'Target URL' could not be downloaded: ${here()} answered with HTTP status 404. What to do: The portrait whose face is taken could not be opened by its link. Please check the link, or upload the picture instead.`,
		});
		expect(lab.simulator.requests).toHaveLength(0);
	});

	it('is told of a page of HTML', async () => {
		host.serve('/share', { headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Photo</title>' });
		const { told } = await ask(urls('/share'));
		expect(itemOf(told)).toEqual({
			error:
				"'Target URL' is a web page, not a picture: use the direct link to the file. What to do: The portrait whose face is taken is a link to a web page. Please check the link, or upload the picture instead.",
		});
	});

	it('is told of 200 MB, of which no more is read than is needed to know', async () => {
		let written = 0;
		host.serve('/huge.png', (response) => {
			const piece = Buffer.alloc(MB);
			const write = () => {
				if (written === 200 || response.destroyed) return response.end();
				written++;
				response.write(piece, write);
			};
			write();
		});
		const { told } = await ask(urls('/huge.png'));
		expect(itemOf(told)).toEqual({
			error: expect.stringMatching(/^'Target URL' has more than 4\.19 MB, allowed: at most 4\.19 MB\. What to do: /),
		});
		// What the line itself holds comes on top of what is read.
		expect(written).toBeLessThan(20);
		expect(lab.simulator.requests).toHaveLength(0);
	});

	it.each(['stopWorkflow', 'continueRegularOutput'] as const)(
		'is told of a picture without a face, with On Error %s',
		async (onError) => {
			host.serve('/wall.png', { body: await faceless() });
			const { told, execution } = await ask(urls('/wall.png'), {}, { onError });
			expect(itemOf(told)).toEqual({
				error: expect.stringMatching(
					/^No face was found in one of the two pictures\. What to do: .* code: ERROR_NO_FACE_IN_FILE, request_id: \S+, log_id: \S+$/,
				),
			});
			expect(execution.task(MERGE).hints?.map(({ message }) => message)).toEqual([
				'The item was not merged. It says why.',
			]);
		},
	);

	it('is told of an account that has not enough credits', async () => {
		lab.simulator.setFault(() => ({ kind: 'status', status: 429, code: 'ERROR_NOT_ENOUGH_CREDITS' }));
		const { told } = await ask({ ...urls('/ben.png'), similarity: 0.9 });
		expect(itemOf(told)).toEqual({
			error: expect.stringContaining('not have enough credits. What to do: Buy credits'),
		});
		expect(told).not.toContain(SIMULATOR_KEY);
	});
});
