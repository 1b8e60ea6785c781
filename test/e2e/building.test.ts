/** Workflows as a model writes them by what n8n's own MCP server tells it of the node: validated, published and run. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { INode } from 'n8n-workflow';

import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { connectMcp, type McpClient } from '../../lab/n8n/mcpClient';
import { faceless, portrait } from '../../lab/portraits';
import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import { startSite, type Site } from '../../lab/site';

const NODE = 'n8n-nodes-merge-portraits.mergePortraits';

/** What people call it who do not know its name. */
const WORDS = [
	'deepfake',
	'face fusion',
	'celebrity',
	'photomontage',
	'morph',
	'combine two pictures',
	'merge photos',
	'replace face',
	'blend',
	'portrait',
];

const SDK = `import { workflow, node, trigger, newCredential, expr } from '@n8n/workflow-sdk';`;

/** The node with these parameters, in code. */
const merging = (parameters: string) => `const mergePortraits = node({
	type: '${NODE}',
	version: 1,
	config: {
		name: 'Merge Portraits',
		onError: 'continueErrorOutput',
		parameters: { operation: 'merge', ${parameters} },
		credentials: { aiLabToolsApi: newCredential('AILabTools API') }
	},
	output: [{ mergePortraits: { downloadUrl: 'https://example.com/merged' }, visitorMessage: 'No face was found.' }]
});`;

const formCode = `${SDK}
const form = trigger({
	type: 'n8n-nodes-base.formTrigger',
	version: 2.6,
	config: { name: 'Form', parameters: {
		formTitle: 'Merge your portrait',
		formFields: { values: [
			{ fieldLabel: 'Your photo', fieldType: 'file', multipleFiles: false, requiredField: true },
			{ fieldLabel: 'Celebrity photo', fieldType: 'file', multipleFiles: false, requiredField: true }
		] }
	} },
	output: [{ submittedAt: '2026-01-01' }]
});
${merging("targetBinaryPropertyName: 'Your_photo', templateBinaryPropertyName: 'Celebrity_photo', options: { downloadLink: '1h' }")}
const picturePage = node({
	type: 'n8n-nodes-base.form',
	version: 2.5,
	config: { name: 'Picture', parameters: {
		operation: 'completion',
		completionTitle: 'Your picture',
		completionMessage: expr('<img src="{{ $json.mergePortraits.downloadUrl }}" width="100%">')
	} },
	output: [{}]
});
const sorryPage = node({
	type: 'n8n-nodes-base.form',
	version: 2.5,
	config: { name: 'Sorry', parameters: {
		operation: 'completion',
		completionTitle: 'Not merged',
		completionMessage: expr('{{ $json.visitorMessage }}')
	} },
	output: [{}]
});
export default workflow('form', 'Form').add(form).to(mergePortraits.onError(sorryPage).to(picturePage));`;

const webhookCode = `${SDK}
const webhook = trigger({
	type: 'n8n-nodes-base.webhook',
	version: 2.1,
	config: { name: 'Webhook', parameters: { httpMethod: 'POST', path: 'merge', responseMode: 'responseNode' } },
	output: [{ body: { target: 'https://example.com/a.jpg', template: 'https://example.com/b.jpg' } }]
});
${merging(`targetInputType: 'url', targetUrl: expr('{{ $json.body.target }}'),
	templateInputType: 'url', templateUrl: expr('{{ $json.body.template }}'), options: { downloadLink: '1d' }`)}
const respond = node({
	type: 'n8n-nodes-base.respondToWebhook',
	version: 1.5,
	config: { name: 'Respond', parameters: {
		respondWith: 'json',
		responseBody: expr('{{ { "picture": $json.mergePortraits.downloadUrl } }}')
	} },
	output: [{}]
});
const refuse = node({
	type: 'n8n-nodes-base.respondToWebhook',
	version: 1.5,
	config: { name: 'Refuse', parameters: {
		respondWith: 'json',
		responseBody: expr('{{ { "message": $json.visitorMessage } }}'),
		options: { responseCode: 422 }
	} },
	output: [{}]
});
export default workflow('webhook', 'Webhook').add(webhook).to(mergePortraits.onError(refuse).to(respond));`;

const nightlyCode = (folder: string) => `${SDK}
const nightly = trigger({
	type: 'n8n-nodes-base.scheduleTrigger',
	version: 1.3,
	config: { name: 'Every night', parameters: { rule: { interval: [{ field: 'days', triggerAtHour: 2 }] } } },
	output: [{}]
});
const readTemplate = node({
	type: 'n8n-nodes-base.readWriteFile',
	version: 1.1,
	config: { name: 'Read Template', parameters: { operation: 'read', fileSelector: '${folder}/template.png' } },
	output: [{ fileName: 'template.png' }]
});
const readPortraits = node({
	type: 'n8n-nodes-base.readWriteFile',
	version: 1.1,
	config: { name: 'Read Portraits', parameters: { operation: 'read', fileSelector: '${folder}/portraits/*' } },
	output: [{ fileName: 'portrait.png' }]
});
${merging(`targetBinaryPropertyName: 'data',
	templateBinaryPropertyName: expr('{{ $("Read Template").first().binary.data }}')`)}
const save = node({
	type: 'n8n-nodes-base.readWriteFile',
	version: 1.1,
	config: { name: 'Save', parameters: {
		operation: 'write',
		fileName: expr('${folder}/merged-{{ $binary.data.fileName }}'),
		dataPropertyName: 'data'
	} },
	output: [{}]
});
export default workflow('nightly', 'Nightly')
	.add(nightly).to(readTemplate).to(readPortraits).to(mergePortraits.to(save));`;

describe(`n8n ${NEWEST_N8N}'s MCP server`, () => {
	let lab: Lab;
	let model: McpClient;
	let host: Site;

	beforeAll(async () => {
		host = await startSite();
		lab = await openLab({ name: 'building' });
		await lab.call('PATCH', '/mcp/settings', { mcpAccessEnabled: true });
		const { apiKey } = await lab.call<{ apiKey: string }>('GET', '/mcp/api-key');
		model = await connectMcp(`${lab.server.url}/mcp-server/http`, apiKey);
	}, 900_000);
	afterAll(async () => {
		await model?.close();
		await lab?.close();
		await host?.close();
	});
	beforeEach(() => lab.simulator.reset());

	const ask = async (tool: string, given: object): Promise<Record<string, unknown>> =>
		Object(JSON.parse(await model.call(tool, given)));

	/** Has the code validated, a workflow made of it and published. Gives its id. */
	async function build(code: string): Promise<string> {
		expect(await ask('validate_workflow', { code })).toEqual({ valid: true, nodeCount: expect.any(Number) });
		const { workflowId, autoAssignedCredentials } = await ask('create_workflow_from_code', { code });
		expect(autoAssignedCredentials).toMatchObject([{ credentialType: 'aiLabToolsApi' }]);
		expect(await ask('publish_workflow', { workflowId })).toMatchObject({ success: true });
		return String(workflowId);
	}

	/** Sends to what has just been published, which n8n may not know of for a moment more. */
	async function post(path: string, body: FormData | string): Promise<Response> {
		const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : undefined;
		for (;;) {
			const answer = await fetch(lab.server.url + path, { method: 'POST', headers, body });
			if (answer.status !== 404) return answer;
			await sleep(100);
		}
	}

	const merged = () => first(lab.simulator.requests, 'request').resultSha256;
	const download = async (url: unknown) => sha256(Buffer.from(await (await fetch(String(url))).arrayBuffer()));

	it.each(WORDS)('finds the node first or second by "%s"', async (query) => {
		const found = await model.call('search_nodes', { queries: [query] });
		const names = [...found.matchAll(/^- (\S+)/gm)].map(([, name]) => name);
		expect(names.slice(0, 2)).toContain(NODE);
	});

	it('is told at each search which picture is which, what comes out, and what goes with it', async () => {
		const found = await model.call('search_nodes', { queries: ['portrait'] });
		expect(found).toContain('the target gives the face, the template receives it');
		expect(found).toContain('visitorMessage');
		expect(found).toContain('Adds json.pictureCheck');
		for (const other of ['formTrigger', 'form', 'respondToWebhook', 'readWriteFile', 'editImage'])
			expect(found).toContain(`- n8n-nodes-base.${other}: "`);
	});

	it.each([NODE, `${NODE}Tool`])('is told of the parameters and the output of %s in plain text', async (nodeId) => {
		const told = await model.call('get_node_types', { nodeIds: [{ nodeId, operation: 'merge' }] });
		expect(told).not.toMatch(/&lt;|&gt;/);
		for (const words of [
			"operation?: 'merge' | 'check'",
			"targetInputType?: 'binary' | 'url';",
			'merged: json.mergePortraits = { requestId, logId, similarity, attempts, reused, downloadUrl',
			'json.error, description, visitorMessage, code',
			'only { downloadUrl, fileName, mimeType, width, height, similarity } or { error }',
			"onError: 'continueErrorOutput'",
			'<img src="{{ $json.mergePortraits.downloadUrl }}"',
			'Your photo: Your_photo',
			'Base64 text or a data URL',
		])
			expect(told).toContain(words);
	});

	it('builds a form whose last page shows the picture, or what is wrong', async () => {
		const { nodes } = await lab.call<{ nodes: INode[] }>('GET', `/workflows/${await build(formCode)}`);
		const path = nodes.find(({ name }) => name === 'Form')?.webhookId;
		async function submit(target: Buffer): Promise<string> {
			const body = new FormData();
			const pictures = [target, await portrait('anna')];
			for (const [index, bytes] of pictures.entries())
				body.set(`field-${index}`, new Blob([new Uint8Array(bytes)], { type: 'image/png' }), 'image.png');
			const answer = await post(`/form/${path}`, body);
			const { formWaitingUrl }: { formWaitingUrl: string } = Object(await answer.json());
			const page = async (suffix = '') => await (await fetch(formWaitingUrl + suffix)).text();
			while ((await page('/n8n-execution-status')) === 'running') await sleep(50);
			return await page();
		}
		const [, link] = /<img src=(?:"|&quot;)(http[^"&]+)/.exec(await submit(await portrait('ben'))) ?? [];
		expect(await download(link)).toBe(merged());
		expect(await submit(await faceless())).toContain('No face was found');
	});

	it('builds a webhook that takes two links and answers with one', async () => {
		// Others than before: what this n8n has merged is not sent again.
		host.serve('/finn.png', { body: await portrait('finn') });
		host.serve('/anna.png', { body: await portrait('anna') });
		await build(webhookCode);
		const send = async (target: string) => {
			const answer = await post(
				'/webhook/merge',
				JSON.stringify({ target: host.url + target, template: `${host.url}/anna.png` }),
			);
			return { status: answer.status, ...Object(await answer.json()) };
		};
		const { status, picture } = await send('/finn.png');
		expect([status, await download(picture)]).toEqual([200, merged()]);
		expect(await send('/gone.png')).toEqual({ status: 422, message: expect.stringMatching(/\S/) });
	});

	it('builds a nightly folder with one template', async () => {
		await lab.provide('template.png', await portrait('anna'));
		for (const name of ['cleo', 'dora', 'ella']) await lab.provide(`portraits/${name}.png`, await portrait(name));
		await lab.provide('portraits/wall.png', await faceless());
		const workflowId = await build(nightlyCode(lab.files));
		const { executionId } = await ask('execute_workflow', { workflowId, executionMode: 'manual' });
		const execution = await lab.finished(String(executionId));
		expect([execution.status, execution.items('Merge Portraits', 1).map(({ json }) => json.code)]).toEqual([
			'success',
			['ERROR_NO_FACE_IN_FILE'],
		]);
		const results = lab.simulator.requests.map(({ resultSha256 }) => resultSha256);
		for (const name of ['cleo', 'dora', 'ella'])
			expect(results).toContain(sha256(await lab.written(`merged-${name}-merged.jpg`)));
	});
});
