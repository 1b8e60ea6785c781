/** Nothing but the picture that was meant, in a real n8n: what strangers send to a webhook or a form, loops, and a missing credential. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { IDataObject } from 'n8n-workflow';

import { openLab, type Execution, type Lab } from '../../lab/n8n/lab';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { addFields, chain, MERGE, mergePortraits, node, readFiles, start, to } from '../../lab/n8n/workflows';
import { portrait } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';

const SMALL = { width: 240, height: 240 };

describe(`n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let ben: Buffer;
	let anna: Buffer;

	beforeAll(async () => {
		lab = await openLab({ name: 'meant' });
		ben = await portrait('ben', SMALL);
		anna = await portrait('anna', { ...SMALL, format: 'jpeg' });
	}, 900_000);
	beforeEach(() => lab.simulator.reset());
	afterAll(async () => await lab?.close());

	const webhook = (path: string, responseMode = 'lastNode') =>
		node('Start', 'n8n-nodes-base.webhook', {
			typeVersion: 2,
			webhookId: path,
			parameters: { httpMethod: 'POST', path, responseMode, options: {} },
		});
	const bothFields = { targetBinaryPropertyName: 'target', templateBinaryPropertyName: 'template' };

	/** Publishes a webhook with the node behind it. */
	async function publish(path: string, parameters: IDataObject, behind: Array<ReturnType<typeof node>> = []) {
		const merge = mergePortraits({ parameters: { ...bothFields, ...parameters }, onError: 'continueRegularOutput' });
		await lab.activate(await lab.addWorkflow(chain(path, [webhook(path), merge, ...behind])));
	}

	const json = (body: object) => ({
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body),
	});
	const sent = () =>
		lab.simulator.requests.map(({ files }) => [files.image_target?.sha256, files.image_template?.sha256]);

	it('reads no file of another execution for whoever sends its ID to a webhook', async () => {
		await publish('victim', { options: { downloadLink: '1h' } });
		const form = new FormData();
		form.append('target', new Blob([new Uint8Array(ben)], { type: 'image/png' }), 'ben.png');
		form.append('template', new Blob([new Uint8Array(anna)], { type: 'image/jpeg' }), 'anna.jpg');
		const answer: { mergePortraits: { downloadUrl: string } } = JSON.parse(
			await (await lab.callWebhook('victim', { body: form })).text(),
		);
		expect(sent()).toEqual([[sha256(ben), sha256(anna)]]);
		const token = new URL(answer.mergePortraits.downloadUrl).searchParams.get('token') ?? '';
		const { id }: { id: string } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
		expect(id).toMatch(/^filesystem/);

		const forged = { mimeType: 'image/jpeg', id, fileName: 'target', bytes: 1_000 };
		await publish('by-default', {});
		await publish('by-path', { targetBinaryPropertyName: 'body.photo' });
		await publish('by-expression', { targetBinaryPropertyName: '={{ $json.body.photo }}' });
		await publish('by-both', { targetBinaryPropertyName: '={{ $json.body.photo ?? $binary.target }}' });
		lab.simulator.reset();
		for (const path of ['by-default', 'by-path', 'by-expression', 'by-both']) {
			const body = { photo: forged, target: forged, x: forged, template: forged };
			const told = await (await lab.callWebhook(path, json(body))).text();
			expect([path, told]).toEqual([path, expect.stringContaining("'Target Input Binary Field'")]);
		}
		expect(sent()).toEqual([]);
	}, 120_000);

	it('merges a picture that comes as Base64 text, and as a data URL', async () => {
		await publish('base64', {
			targetBinaryPropertyName: '={{ $json.body.photo }}',
			templateBinaryPropertyName: '={{ $json.body.template }}',
		});
		const body = { photo: ben.toString('base64'), template: `data:image/jpeg;base64,${anna.toString('base64')}` };
		const answer = await lab.callWebhook('base64', json(body));
		expect(JSON.parse(await answer.text())).toHaveProperty('mergePortraits.requestId');
		expect(sent()).toEqual([[sha256(ben), sha256(anna)]]);
	});

	it('sends nothing for a form in Greek whose uploads n8n keeps in one field, and says why', async () => {
		const labels = ['Πορτρέτο', 'Πρότυπος'];
		const form = node('On form submission', 'n8n-nodes-base.formTrigger', {
			typeVersion: 2.2,
			webhookId: 'greek',
			parameters: {
				path: 'greek',
				formTitle: 'Πορτρέτα',
				formFields: { values: labels.map((fieldLabel) => ({ fieldLabel, fieldType: 'file', multipleFiles: false })) },
				options: {},
			},
		});
		const parameters = { targetBinaryPropertyName: labels[0], templateBinaryPropertyName: labels[1] };
		const id = await lab.addWorkflow(
			chain('Greek', [form, mergePortraits({ parameters, onError: 'continueRegularOutput' })]),
		);
		await lab.activate(id);
		const body = new FormData();
		body.append('field-0', new Blob([new Uint8Array(ben)], { type: 'image/png' }), 'ben.png');
		body.append('field-1', new Blob([new Uint8Array(anna)], { type: 'image/jpeg' }), 'anna.jpg');
		while (!(await fetch(`${lab.server.url}/form/greek`)).ok) await sleep(100);
		await fetch(`${lab.server.url}/form/greek`, { method: 'POST', body });
		const [item] = (await lastExecution(id)).items(MERGE);
		expect(item?.json).toMatchObject({
			error: expect.stringContaining('n8n keeps the files of "Πορτρέτο" and "Πρότυπος" in one field, "________"'),
			description: expect.stringContaining('Latin letters'),
		});
		expect(sent()).toEqual([]);
	}, 60_000);

	/** The end of a workflow's last execution, once there is one. */
	async function lastExecution(workflowId: string): Promise<Execution> {
		for (;;) {
			const filter = encodeURIComponent(JSON.stringify({ workflowId }));
			const { results } = await lab.call<{ results: Array<{ id: string }> }>('GET', `/executions?filter=${filter}`);
			if (results[0]) return await lab.finished(results[0].id);
			await sleep(100);
		}
	}

	it('pays once for a pair that comes round by round', async () => {
		await lab.provide('loop/ben.png', ben);
		await lab.provide('loop/anna.jpg', anna);
		const rounds = node('Rounds', 'n8n-nodes-base.code', {
			typeVersion: 2,
			parameters: { jsCode: 'return [1, 2, 3].map((round) => ({ json: { round } }));' },
		});
		const loop = node('Loop', 'n8n-nodes-base.splitInBatches', { typeVersion: 3, parameters: { options: {} } });
		const merge = mergePortraits({
			parameters: {
				targetBinaryPropertyName: '={{ $("Ben").first().binary.target }}',
				templateBinaryPropertyName: '={{ $("Anna").first().binary.template }}',
			},
		});
		const chained = chain('Loop', [
			start,
			readFiles('Ben', join(lab.files, 'loop/ben.png'), 'target'),
			readFiles('Anna', join(lab.files, 'loop/anna.jpg'), 'template'),
			rounds,
			loop,
			merge,
		]);
		const connections = {
			...chained.connections,
			Loop: { main: [[], [{ node: MERGE, type: 'main', index: 0 }]] },
			[MERGE]: to('Loop'),
		};
		const execution = await lab.run({ ...chained, connections });
		expect(execution.status).toBe('success');
		expect(execution.data.resultData.runData[MERGE]).toHaveLength(3);
		expect(sent()).toEqual([[sha256(ben), sha256(anna)]]);
	}, 60_000);

	it('lets no original through as merged when the credential has been deleted', async () => {
		await lab.provide('deleted/ben.png', ben);
		await lab.provide('deleted/anna.jpg', anna);
		const merge = mergePortraits({
			onError: 'continueErrorOutput',
			credentials: { aiLabToolsApi: { id: 'deleted', name: 'Deleted' } },
			// The portrait is in the field for the merged picture.
			parameters: {
				targetBinaryPropertyName: 'data',
				templateBinaryPropertyName: '={{ $("Anna").first().binary.template }}',
			},
		});
		const chained = chain('Deleted', [
			start,
			readFiles('Anna', join(lab.files, 'deleted/anna.jpg'), 'template'),
			readFiles('Ben', join(lab.files, 'deleted/ben.png'), 'data'),
			merge,
		]);
		const behind = [addFields('Delivered', { as: 'merged' }), addFields('Told', { as: 'failed' })];
		const execution = await lab.run({
			...chained,
			nodes: [...chained.nodes, ...behind],
			connections: {
				...chained.connections,
				[MERGE]: { main: ['Delivered', 'Told'].map((name) => [{ node: name, type: 'main', index: 0 }]) },
			},
		});
		expect(execution.data.resultData.runData).not.toHaveProperty('Delivered');
		const [told] = execution.items('Told');
		expect(told?.json).toMatchObject({ as: 'failed', error: expect.any(String), visitorMessage: expect.any(String) });
		expect(told?.binary ?? {}).toEqual({});
		expect(sent()).toEqual([]);
	}, 60_000);
});
