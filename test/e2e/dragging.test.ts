/** Uploads of a form, dragged onto the node's parameters with the mouse, in n8n's editor. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { IWorkflowSettings } from 'n8n-workflow';
import type { Locator, Page } from 'playwright-core';

import { DOCS_IMAGES, openEditor, type Editor } from '../../lab/n8n/editor';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { chain, MERGE, mergePortraits, node, readFiles, start } from '../../lab/n8n/workflows';
import { portrait } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';

const FORM = 'On form submission';
const UPLOADS = { target: 'Your photo', template: 'Celebrity photo' };

describe(`n8n ${NEWEST_N8N} in a browser`, () => {
	let lab: Lab;
	let editor: Editor;
	let page: Page;

	beforeAll(async () => {
		lab = await openLab({ name: 'dragging' });
		editor = await openEditor(lab.server, lab.owner);
		page = editor.page;
	}, 900_000);
	afterAll(async () => {
		await editor?.close();
		await lab?.close();
	});

	let pictures: Record<keyof typeof UPLOADS, Buffer>;
	let sent: string[];
	beforeAll(async () => {
		pictures = { target: await portrait('ben'), template: await portrait('anna') };
		sent = [sha256(pictures.target), sha256(pictures.template)];
	});

	const byId = (id: string, within: Page | Locator = page) => within.locator(`[data-test-id="${id}"]`);

	/** A form with two uploads before the node as it is when it is added. Gives the workflow's id. */
	async function addWorkflow(multipleFiles: boolean, settings: IWorkflowSettings = {}): Promise<string> {
		const values = Object.values(UPLOADS).map((fieldLabel) => ({
			fieldLabel,
			fieldType: 'file',
			multipleFiles,
			acceptFileTypes: '.jpg,.png',
		}));
		const form = node(FORM, 'n8n-nodes-base.formTrigger', {
			typeVersion: 2.2,
			parameters: { formTitle: 'Portraits', formFields: { values }, options: {} },
		});
		const parameters = { targetBinaryPropertyName: 'target', templateBinaryPropertyName: 'template' };
		return await lab.addWorkflow(chain('Dragging', [form, mergePortraits({ parameters })], settings));
	}

	async function openNode(name: string): Promise<void> {
		await byId('canvas-node').filter({ hasText: name }).dblclick();
		await byId('node-execute-button').waitFor();
	}

	/** Has the form filled in, in the window that n8n opens for it. */
	async function submitForm(pictures: Partial<Record<keyof typeof UPLOADS, Buffer>>): Promise<void> {
		await openNode(FORM);
		const [form] = await Promise.all([page.context().waitForEvent('page'), byId('node-execute-button').click()]);
		for (const role of ['target', 'template'] as const) {
			// Phones call every photo alike.
			const file = { name: 'image.png', mimeType: 'image/png', buffer: pictures[role] ?? Buffer.alloc(0) };
			if (pictures[role]) await form.getByLabel(UPLOADS[role]).setInputFiles(file);
		}
		await form.getByRole('button', { name: 'Submit' }).click();
		await form.getByText('Your response has been recorded').waitFor();
		await form.close();
		await byId('ndv-close-button').click();
	}

	const input = () => byId('ndv-input-panel');
	const output = () => byId('output-panel');
	const field = (role: keyof typeof UPLOADS) => byId(`parameter-input-${role}BinaryPropertyName`);

	/** Drags something of the input's schema with the mouse. Gives the field's value after it. */
	async function drag(expression: string, onto: Locator, beforeDrop = async () => {}): Promise<string> {
		const value = onto.locator('input');
		const before = await value.inputValue();
		await input().locator(`[data-target="mappable"][data-value="${expression}"]`).hover();
		await page.mouse.down();
		const { x, y, width, height } = (await onto.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
		await page.mouse.move(x + width / 2, y + height / 2, { steps: 20 });
		await beforeDrop();
		await page.mouse.up();
		while ((await value.inputValue()) === before) await sleep(20);
		return await value.inputValue();
	}

	/** Executes the node. Gives the pictures that were sent, as SHA-256. */
	async function executeStep(): Promise<Array<string | undefined>> {
		lab.simulator.reset();
		const [answer] = await Promise.all([
			page.waitForResponse((response) => /\/rest\/workflows\/.*\/run/.test(response.url())),
			byId('node-execute-button').click(),
		]);
		const { data }: { data: { executionId: string } } = Object(await answer.json());
		await lab.finished(data.executionId);
		await byId('node-execute-button').getByText('Execute step').waitFor();
		return lab.simulator.requests.flatMap(({ files }) => [files.image_target?.sha256, files.image_template?.sha256]);
	}

	async function openWithUploads(multipleFiles: boolean, pictures: Parameters<typeof submitForm>[0]): Promise<void> {
		await editor.goto(`/workflow/${await addWorkflow(multipleFiles)}`);
		await submitForm(pictures);
		await openNode(MERGE);
		await byId('radio-button-schema', input()).click();
	}

	/** The parameter, where n8n would drop on it what is being dragged. */
	const inviting = (name: string) => page.locator(`.droppable[data-test-id="parameter-input-${name}"]`);

	it('takes what is dragged onto its fields from the uploads of a form', async () => {
		await openWithUploads(false, pictures);
		await editor.screenshot('drag-1-before');
		const beforeDrop = async () => {
			await inviting('templateBinaryPropertyName').waitFor();
			for (const choice of ['operation', 'targetInputType', 'templateInputType'])
				expect(await inviting(choice).count()).toBe(0);
			await editor.screenshot('dragging', DOCS_IMAGES);
		};
		expect(await drag("{{ $json['Your photo'] }}", field('target'), beforeDrop)).toBe('Your photo');
		expect(await drag("{{ $json['Celebrity photo'] }}", field('template'))).toBe('Celebrity photo');
		await editor.screenshot('drag-3-after');

		expect(await executeStep()).toEqual(sent);
		await byId('radio-button-binary', output()).click();
		await byId('ndv-view-binary-data', output()).first().click();
		const merged = output().locator('img').or(output().locator('embed')).first();
		await merged.waitFor();
		await editor.screenshot('drag-4-result');
		const source = new URL((await merged.getAttribute('src')) ?? '', page.url()).href;
		const shown = await (await page.request.get(source)).body();
		expect(sha256(shown)).toBe(lab.simulator.requests[0]?.resultSha256);

		// What n8n makes of these paths is not whole.
		expect(await drag("{{ $json['Your photo'].filename }}", field('template'))).toBe("'Your photo'].filenam");
		expect(await drag("{{ $json['Celebrity photo'].size }}", field('target'))).toBe("'Celebrity photo'].siz");
		expect(await executeStep()).toEqual([...sent].reverse());
	});

	it('takes one file of an upload that may have several', async () => {
		const others = { target: await portrait('cleo'), template: await portrait('dora') };
		const pair = [sha256(others.target), sha256(others.template)];
		await openWithUploads(true, others);
		expect(await drag("{{ $json['Your photo'] }}", field('target'))).toBe('Your photo');
		expect(await drag("{{ $json['Celebrity photo'][0] }}", field('template'))).toBe("['Celebrity photo'][0]");
		expect(await executeStep()).toEqual(pair);
		expect(await drag("{{ $json['Your photo'][0].filename }}", field('template'))).toBe("['Your photo'][0].filename");
		expect(await drag("{{ $json['Celebrity photo'] }}", field('target'))).toBe('Celebrity photo');
		expect(await executeStep()).toEqual(pair.reverse());
	});

	it('says so when nothing was uploaded', async () => {
		await openWithUploads(false, { target: pictures.target });
		await drag("{{ $json['Your photo'] }}", field('target'));
		await drag("{{ $json['Celebrity photo'] }}", field('template'));
		expect(await executeStep()).toEqual([]);
		await editor.screenshot('drag-5-nothing-uploaded');
		expect(await output().innerText()).toContain(
			'\'Template Input Binary Field\' names "Celebrity photo": no file was uploaded there',
		);
	});

	it('takes what is dragged where a workflow keeps binaries in the JSON', async () => {
		await lab.provide('target.png', pictures.target);
		const merge = mergePortraits({
			parameters: { templateBinaryPropertyName: '={{ $("Read").first()._files.target }}' },
		});
		const nodes = [start, readFiles('Read', join(lab.files, 'target.png'), 'target'), merge];
		await editor.goto(`/workflow/${await lab.addWorkflow(chain('Combined', nodes, { binaryMode: 'combined' }))}`);
		await openNode(MERGE);
		await byId('execute-previous-node').click();
		await byId('radio-button-schema', input()).click();
		expect(await drag('{{ $item._files.target }}', field('target'))).toBe('$item._files.target');
		expect(await executeStep()).toEqual([sha256(pictures.target), sha256(pictures.target)]);
	});
});
