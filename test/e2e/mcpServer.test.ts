/** The example mcp-server, called as Claude or Cursor call it: by a client of the protocol's own SDK. */
import { setTimeout as sleep } from 'node:timers/promises';

import { applyCredentials, readExample } from '../../lab/n8n/examples';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { connectMcp, type McpClient } from '../../lab/n8n/mcpClient';
import type { Credential } from '../../lab/n8n/n8n';
import { CREDENTIAL } from '../../lab/n8n/workflows';
import { faceless, portrait } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { startSite, type Site } from '../../lab/site';

const TOKEN = 'a-long-random-token';
const TOOL = 'Merge_Portraits';

describe(`MCP Server Trigger in n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let host: Site;
	let url: string;
	let client: McpClient;

	beforeAll(async () => {
		host = await startSite();
		lab = await openLab({ name: 'mcp-server' });
		const bearer = { name: 'Token of the MCP server', type: 'httpBearerAuth', data: { token: TOKEN } };
		const token = await lab.call<Credential>('POST', '/credentials', bearer);
		const id = await lab.addWorkflow(applyCredentials(await readExample('mcp-server'), [CREDENTIAL, token]));
		await lab.activate(id);
		url = `${lab.server.url}/mcp/merge-portraits`;
		// n8n may not know of what has just been published for a moment more.
		while ((await fetch(url, { method: 'POST' })).status === 404) await sleep(100);
		client = await connectMcp(url, TOKEN);
	}, 900_000);
	afterAll(async () => {
		await client?.close();
		await lab?.close();
		await host?.close();
	});
	beforeEach(async () => {
		lab.simulator.reset();
		host.reset();
		host.serve('/ben.png', { body: await portrait('ben') });
		host.serve('/anna.png', { body: await portrait('anna', { width: 320, height: 360 }) });
	});

	const urls = (target: string) => ({ target_url: host.url + target, template_url: `${host.url}/anna.png` });

	/** What the model is told of one pair. */
	async function merge(given: object): Promise<Record<string, unknown>> {
		const told: unknown = JSON.parse(await client.call(TOOL, given));
		return Object(Array.isArray(told) ? told[0] : told);
	}

	it('tells the model of one tool, of its parameters, and what to do with the link', async () => {
		const tools = await client.tools();
		expect(tools.map(({ name }) => name)).toEqual([TOOL]);
		const [{ description, inputSchema } = { description: '', inputSchema: {} }] = tools;
		expect(description).toContain('Puts the face of the target portrait into the template picture');
		expect(inputSchema.properties).toMatchObject({
			target_url: { type: 'string', description: expect.stringContaining('whose face is taken') },
			template_url: { type: 'string', description: expect.stringContaining('receives the face') },
			similarity: { type: 'number' },
		});
		expect(inputSchema.required?.sort()).toEqual(['target_url', 'template_url']);
		expect(client.instructions()).toContain('Show its downloadUrl to the user');
	});

	it('takes two links and gives one, which anybody can open', async () => {
		const { downloadUrl, ...rest } = await merge({ ...urls('/ben.png'), similarity: 0.8 });
		expect(rest).toEqual({
			fileName: 'ben-merged.jpg',
			mimeType: 'image/jpeg',
			width: 320,
			height: 360,
			similarity: 0.8,
		});
		const [request] = lab.simulator.requests;
		expect(request?.files.image_target?.sha256).toBe(sha256(await portrait('ben')));
		const answer = await fetch(String(downloadUrl));
		expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
		expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(request?.resultSha256);
	});

	it('takes a picture as a data URL, and chooses a similarity where none is given', async () => {
		const picture = await portrait('cleo');
		const target = `data:image/png;base64,${picture.toString('base64')}`;
		expect(await merge({ ...urls(''), target_url: target })).toHaveProperty('downloadUrl');
		const [request] = lab.simulator.requests;
		expect(request?.files.image_target?.sha256).toBe(sha256(picture));
		expect(request?.fields).toEqual({ source_similarity: '0.5' });
	});

	it('tells of a picture without a face', async () => {
		host.serve('/wall.png', { body: await faceless() });
		const told = await merge(urls('/wall.png'));
		expect(told).toEqual({ error: expect.stringMatching(/^No face was found.* What to do: /) });
	});

	it('tells of a dead link, before anything is sent', async () => {
		const told = await merge(urls('/gone.png'));
		expect(told).toEqual({
			error: expect.stringContaining(
				'HTTP status 404. What to do: The portrait whose face is taken could not be opened',
			),
		});
		expect(lab.simulator.requests).toHaveLength(0);
	});

	it('tells of an account without credits, and not of its key', async () => {
		lab.simulator.setFault(() => ({ kind: 'status', status: 429, code: 'ERROR_NOT_ENOUGH_CREDITS' }));
		const told = await merge({ ...urls('/ben.png'), similarity: 0.9 });
		expect(told).toEqual({ error: expect.stringContaining('not have enough credits. What to do: Buy credits') });
		expect(JSON.stringify(told)).not.toContain(SIMULATOR_KEY);
	});

	it.each(['wrong', ''])('lets nobody in with the token "%s"', async (token) => {
		await expect(connectMcp(url, token)).rejects.toMatchObject({ code: expect.any(Number) });
		const answer = await fetch(url, {
			method: 'POST',
			headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
		});
		expect([answer.status, await answer.text()]).toEqual([403, expect.not.stringContaining(TOOL)]);
		expect(lab.simulator.requests).toHaveLength(0);
	});
});
