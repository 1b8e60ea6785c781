/** The canvas of n8n's editor with a workflow that was imported, as its user gets it. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import sharp from 'sharp';

import { first } from '../required';
import type { Editor } from './editor';
import type { Example } from './examples';

/**
 * Imports a file into a new workflow with the editor's "Import from file", and waits until the canvas shows it.
 * Gives the id under which the editor saves it.
 */
export async function importInEditor({ page, goto }: Editor, file: string): Promise<string> {
	const { nodes }: Example = JSON.parse(await readFile(file, 'utf8'));
	const notes = nodes.filter(({ type }) => type.endsWith('.stickyNote')).length;
	await goto('/workflow/new');
	await page.locator('[data-test-id="workflow-import-input"]').setInputFiles(file);
	await page
		.locator('[data-test-id="canvas-node"]')
		.nth(nodes.length - notes - 1)
		.waitFor();
	if (notes > 0)
		await page
			.locator('[data-test-id="sticky"]')
			.nth(notes - 1)
			.waitFor();
	await page.waitForURL(/\/workflow\/(?!new)\w+/);
	// n8n has chosen the credentials of all nodes but these, whose it chooses when they are opened.
	for (const { name } of nodes.filter(({ type }) => type === 'n8n-nodes-base.httpRequest')) {
		await page.locator('[data-test-id="canvas-node"]').filter({ hasText: name }).dblclick();
		await page.locator('[data-test-id="node-credentials-select"]').waitFor();
		await page.locator('[data-test-id="ndv-close-button"]').click();
	}
	return first(new URL(page.url()).pathname.split('/').slice(2), "workflow's id");
}

/** What a new user would wonder about: nodes with a mark, nodes that n8n does not know, messages over the canvas. */
export async function warnings({ page }: Editor): Promise<string[]> {
	const nodes = page.locator('[data-test-id="canvas-node"]');
	const any = (...ids: string[]) => page.locator(ids.map((id) => `[data-test-id="${id}"]`).join(', '));
	const marked = nodes.filter({ has: any('node-issues', 'node-setup-required', 'canvas-node-status-warning') });
	// Of a node without a description the editor does not know what could be connected to it.
	const unknown = nodes.filter({ hasNot: any('canvas-node-input-handle', 'canvas-node-output-handle') });
	// n8n tells which credentials it has chosen.
	const messages = page.locator('.el-notification, .el-message-box').filter({ hasNotText: 'Credentials auto-added' });
	return (await Promise.all([marked, unknown, messages].map(async (found) => await found.allInnerTexts()))).flat();
}

/** A picture of all that is on the canvas, as a PNG of about 1150 pixels' width for the documentation. */
export async function pictureCanvas({ page }: Editor): Promise<Buffer> {
	const before = page.viewportSize();
	await page.setViewportSize({ width: 1920, height: 1200 });
	// Its dots would be most of the file.
	const hidden = '[data-test-id="canvas-background"], .el-notification';
	await page.addStyleTag({ content: `${hidden} { display: none !important }` });
	// Imported nodes are selected, which shows.
	await page.locator('.vue-flow__pane').click({ position: { x: 40, y: 80 } });
	await page.keyboard.press('1');
	const all = page.locator('[data-test-id="sticky"], [data-test-id="canvas-node"]');
	const boxes = async () => await Promise.all((await all.all()).map(async (each) => await each.boundingBox()));
	let settled = await boxes();
	for (let last = ''; last !== JSON.stringify(settled); settled = await boxes()) {
		last = JSON.stringify(settled);
		await sleep(200);
	}
	const shown = settled.filter((box) => box !== null);
	const x = Math.min(...shown.map((box) => box.x)) - 24;
	const y = Math.min(...shown.map((box) => box.y)) - 24;
	const right = Math.max(...shown.map((box) => box.x + box.width)) + 64;
	const bottom = Math.max(...shown.map((box) => box.y + box.height)) + 24;
	const clip = { x, y, width: right - x, height: bottom - y };
	const shot = await page.screenshot({ animations: 'disabled', clip });
	if (before) await page.setViewportSize(before);
	return await sharp(shot).resize({ width: 1150 }).png({ palette: true, colours: 64, effort: 10 }).toBuffer();
}
