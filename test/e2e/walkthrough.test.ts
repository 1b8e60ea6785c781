/**
 * A new user's way by mouse, from an empty canvas to a page that shows a visitor the merged picture, with its clicks
 * counted. Takes the pictures of it that README shows.
 */
import type { Locator, Page } from 'playwright-core';

import { DOCS_IMAGES, openEditor, type Editor } from '../../lab/n8n/editor';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { MERGE } from '../../lab/n8n/workflows';
import { portrait, SHOWN } from '../../lab/portraits';
import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';

describe(`n8n ${NEWEST_N8N} in a browser`, () => {
	let lab: Lab;
	let editor: Editor;
	let page: Page;
	let clicks = 0;

	beforeAll(async () => {
		lab = await openLab({ name: 'walkthrough' });
		editor = await openEditor(lab.server, lab.owner);
		page = editor.page;
		await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
		await editor.goto('/workflow/new');
	}, 900_000);
	afterAll(async () => {
		await editor?.close();
		await lab?.close();
	});

	const byId = (id: string, within: Page | Locator = page) => within.locator(`[data-test-id="${id}"]`);
	const shoot = async (name: string, shown?: Page) =>
		await editor.screenshot(`walkthrough-${name}`, DOCS_IMAGES, shown);

	async function click(what: Locator, times = 1): Promise<void> {
		await what.first().click({ clickCount: times });
		clicks++;
	}

	async function choose(list: Locator, option: string): Promise<void> {
		await click(list);
		await click(page.locator('.el-select-dropdown__item:visible').getByText(option, { exact: true }));
	}

	async function addNode(words: string, name: string, action: string): Promise<void> {
		await click(byId('canvas-handle-plus').last());
		await byId('node-creator-search-bar').fill(words);
		await click(byId('node-creator-item-name').getByText(name, { exact: true }));
		await click(page.getByText(action, { exact: true }));
		await byId('node-execute-button').waitFor();
	}

	/** Has n8n show the form, and a visitor fill it in. Gives the page that the visitor sees then. */
	async function visit(button: Locator, picture: string): Promise<Page> {
		const [form] = await Promise.all([page.context().waitForEvent('page'), click(button)]);
		for (const role of ['target', 'template'] as const) {
			const [chooser] = await Promise.all([form.waitForEvent('filechooser'), click(form.getByLabel(role))]);
			const buffer = await portrait(SHOWN[role], { format: 'jpeg' });
			await chooser.setFiles({ name: `${role}.jpg`, mimeType: 'image/jpeg', buffer });
		}
		await shoot(picture, form);
		await click(form.getByRole('button', { name: 'Submit' }));
		return form;
	}

	const shown = async (picture: Locator, within: Page): Promise<string> => {
		await picture.waitFor();
		const source = new URL((await picture.getAttribute('src')) ?? '', within.url()).href;
		return sha256(await (await within.request.get(source)).body());
	};

	it('leads to the first merged picture within 20 clicks, and no word typed but labels and what is searched', async () => {
		await click(byId('canvas-add-button').locator('button'));
		await click(page.getByText('On form submission'));
		await click(byId('parameter-input-formTitle').locator('input'));
		await page.keyboard.type('Portraits');
		for (const [index, label] of ['target', 'template'].entries()) {
			await click(page.getByText('Add Form Element'));
			await click(byId('parameter-input-fieldLabel').nth(index).locator('input'));
			await page.keyboard.type(label);
			await choose(byId('parameter-input-fieldType').nth(index), 'File');
		}
		await shoot('1-form');
		await click(byId('ndv-close-button'));

		await addNode('face swap', MERGE, 'Merge two portraits');
		const form = await visit(byId('node-execute-button'), '2-visitor');
		await form.close();
		const output = byId('output-panel');
		await click(byId('ndv-view-binary-data', output));
		const picture = output.locator('img').or(output.locator('embed')).first();
		expect(await shown(picture, page)).toBe(first(lab.simulator.requests, 'request').resultSha256);
		await shoot('3-merged');
		expect(clicks).toBeLessThanOrEqual(20);
	});

	it('leads to a page that shows it to the visitor within 35', async () => {
		await choose(
			page.getByRole('button', { name: 'Add option' }).or(page.getByPlaceholder('Add option')),
			'Download Link',
		);
		const line = page.locator('li').filter({ hasText: 'mergePortraits.downloadUrl' });
		await line.scrollIntoViewIfNeeded();
		await click(line, 3);
		await page.keyboard.press('Control+C');
		await shoot('4-link');
		await click(byId('ndv-close-button'));

		await addNode('form', 'n8n Form', 'Form Ending');
		await click(byId('parameter-input-completionTitle').locator('input'));
		await page.keyboard.type('Your picture');
		await click(byId('parameter-input-completionMessage').locator('textarea'));
		await page.keyboard.press('Control+V');
		await byId('parameter-input-completionMessage').getByText('downloadUrl').first().waitFor();
		await shoot('5-page');
		await click(byId('ndv-close-button'));

		const ending = await visit(byId('execute-workflow-button'), '2-visitor');
		await ending.getByText('Your picture').waitFor();
		expect(await shown(ending.locator('img[src*="signed"]'), ending)).toBe(
			first(lab.simulator.requests, 'request').resultSha256,
		);
		await shoot('6-visitor', ending);
		expect(clicks).toBeLessThanOrEqual(35);
	});
});
