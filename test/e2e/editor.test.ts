/** The node as its users meet it, in n8n's editor, in a browser. Takes the picture of it that README shows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import type { IDataObject } from 'n8n-workflow';
import type { Locator, Page } from 'playwright-core';

import { DOCS_IMAGES, openEditor, type Editor } from '../../lab/n8n/editor';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { faceless, portrait, SHOWN } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { chain, MERGE, mergePortraits, readFiles, start } from '../../lab/n8n/workflows';

/** What people call it who do not know its name. */
const SEARCHED = [
	'deepfake',
	'face fusion',
	'face swap',
	'celebrity',
	'photomontage',
	'morph',
	'combine two pictures',
	'merge photos',
	'replace face',
	'blend',
];
const FIRST_OR_SECOND: unknown = expect.arrayContaining([MERGE]);

describe(`n8n ${NEWEST_N8N} in a browser`, () => {
	let files: string;
	let lab: Lab;
	let editor: Editor;
	let page: Page;

	beforeAll(async () => {
		// n8n shows where a file comes from, and the docs shall not show this machine's folders.
		files = await mkdtemp(join(tmpdir(), 'portraits-'));
		lab = await openLab({ name: 'editor', files });
		await lab.provide('target.jpg', await portrait(SHOWN.target, { format: 'jpeg' }));
		await lab.provide('template.jpg', await portrait(SHOWN.template, { format: 'jpeg' }));
		await lab.provide('small.png', await portrait(SHOWN.target, { width: 100, height: 100 }));
		await lab.provide('wall.png', await faceless());
		// The first page takes the server longest.
		await open('light');
	}, 900_000);
	afterAll(async () => {
		await editor?.close();
		await lab?.close();
		await rm(files, { recursive: true, force: true });
	});
	beforeEach(() => lab.simulator.reset());

	async function open(theme: 'light' | 'dark'): Promise<void> {
		await editor?.close();
		editor = await openEditor(lab.server, lab.owner, { theme });
		page = editor.page;
		await editor.goto('/workflow/new');
		await byId('canvas-wrapper').waitFor();
	}

	const byId = (id: string, within: Page | Locator = page) => within.locator(`[data-test-id="${id}"]`);

	async function addWorkflow(parameters: IDataObject = {}, settings: { target?: string; key?: string } = {}) {
		const { target = 'target.jpg', key } = settings;
		const data = { apiKey: key, baseUrl: lab.simulator.baseUrl };
		const credential =
			key === undefined
				? {}
				: {
						credentials: {
							aiLabToolsApi: await lab.call<{ id: string; name: string }>('POST', '/credentials', {
								name: 'Another key',
								type: 'aiLabToolsApi',
								data,
							}),
						},
					};
		const before = [
			start,
			readFiles('Template', join(lab.files, 'template.jpg'), 'template'),
			readFiles('Target', join(lab.files, target), 'target'),
		];
		return await lab.addWorkflow(chain('Portraits', [...before, mergePortraits({ parameters, ...credential })]));
	}

	async function openNode(workflowId: string): Promise<void> {
		await editor.goto(`/workflow/${workflowId}`);
		await byId('canvas-node').filter({ hasText: MERGE }).dblclick();
		await byId('node-execute-button').waitFor();
	}

	/** Opens the node panel behind the last node of a workflow. */
	async function openPanel(): Promise<void> {
		const before = [start, readFiles('Template', join(lab.files, 'template.jpg'), 'template')];
		await editor.goto(`/workflow/${await lab.addWorkflow(chain('Search', before))}`);
		await byId('canvas-handle-plus').last().click();
	}

	/** Searches the node panel. Gives the names of what is found. */
	async function search(words: string): Promise<string[]> {
		const bar = byId('node-creator-search-bar');
		// What is found may be what was found before.
		await bar.fill('');
		await page.getByText('Action in an app').waitFor();
		await bar.fill(words);
		const found = byId('node-creator-node-item').or(byId('node-creator-action-item'));
		await found.or(byId('node-creator-no-results')).first().waitFor();
		return (await byId('node-creator-item-name', found).allInnerTexts()).map((name) => name.trim());
	}

	/** How an icon is drawn: from which file, how large, and whether the browser could read it. */
	const drawn = async (icon: Locator) => {
		await icon.waitFor();
		return {
			file: basename(String(await icon.getAttribute('src'))),
			width: await icon.evaluate((image: { naturalWidth: number }) => image.naturalWidth),
		};
	};

	describe.each(['light', 'dark'] as const)('in the %s theme', (theme) => {
		const file = theme === 'dark' ? 'mergePortraits.dark.svg' : 'mergePortraits.svg';

		it('is found in the node panel by "portrait", with its icon, and added to the canvas', async () => {
			await open(theme);
			await openPanel();
			expect(await search('portrait')).toEqual([MERGE]);
			const found = byId('node-creator-action-item').filter({ hasText: MERGE });
			expect(await found.innerText()).toContain('Put the face of a portrait into a template picture with AILabTools');
			const { file: shown, width } = await drawn(found.locator('img').first());
			expect(shown).toBe(file);
			expect(width).toBeGreaterThan(0);
			await editor.screenshot(`node-panel-${theme}`);

			await found.click();
			await page.getByText('Check two pictures').waitFor();
			await page.getByText('Merge two portraits').click();
			await byId('node-execute-button').waitFor();
			await editor.screenshot(`parameters-${theme}`);
			await byId('ndv-close-button').click();
			const node = byId('canvas-node').filter({ hasText: MERGE });
			expect((await drawn(node.locator('img').first())).file).toBe(file);
			expect(await node.innerText()).toContain('similarity: 0.5');
			await editor.screenshot(`canvas-${theme}`);
		});
	});

	it('is found in the node panel by what people call it', async () => {
		await open('light');
		await openPanel();
		for (const words of SEARCHED) expect([words, (await search(words)).slice(0, 2)]).toEqual([words, FIRST_OR_SECOND]);
	});

	it('has its credential created and tried out in the dialog, with a bad key and a good one', async () => {
		await open('light');
		await openNode(await addWorkflow());
		await byId('node-credentials-select').click();
		await byId('node-credentials-select-item-new').click();
		const dialog = byId('credential-edit-dialog');
		const type = async (name: string, text: string) =>
			await byId(`parameter-input-${name}`, dialog).locator('input').fill(text);
		await type('apiKey', 'wrong');
		await type('baseUrl', lab.simulator.baseUrl);
		await byId('credential-save-button').click();
		await dialog.getByText('More details').click();
		await dialog.getByText('AILabTools did not accept the API key.').first().waitFor();
		await editor.screenshot('message-credential');
		const links = dialog.locator('a[href^="https://www.ailabtools.com/developer"]');
		expect(await links.count()).toBeGreaterThan(0);

		await type('apiKey', SIMULATOR_KEY);
		await type('baseUrl', lab.server.url);
		await byId('credential-save-button').click();
		await dialog.getByText('No AILabTools API answers at this address.').first().waitFor();
		await editor.screenshot('message-other-site');
		await type('baseUrl', lab.simulator.baseUrl);

		await byId('credential-save-button').click();
		// n8n closes the dialog when all is well, and says so when it is opened again.
		await dialog.waitFor({ state: 'hidden' });
		const answers = lab.simulator.creditRequests.map(({ status }) => status);
		expect([answers[0], answers.at(-1)]).toEqual([401, 200]);
		await byId('credential-edit-button').click();
		await dialog.getByText('Connection tested successfully').waitFor();
		await editor.screenshot('credential');
	});

	it('has its fields set, is executed, and shows the merged picture', async () => {
		// Without any option, as a new node is: README shows it.
		const options = { reuseResults: undefined };
		await openNode(await addWorkflow({ templateBinaryPropertyName: 'template', options }));
		const template = byId('templateBinaryPropertyName-parameter-input-options-container');
		await template.hover();
		await byId('radio-button-expression', template).click();
		const expression = byId('parameter-input-templateBinaryPropertyName').locator('.cm-content');
		await expression.fill('{{ $("Template").first().binary.template }}');
		await byId('parameter-input-similarity').locator('input').fill('0.8');
		await byId('execute-previous-node').click();
		await byId('ndv-input-panel').getByText('target').first().waitFor();
		await page.getByText('Best results come from').click();
		await editor.screenshot('parameters');

		await byId('node-execute-button').click();
		const output = byId('output-panel');
		await byId('radio-button-binary', output).click();
		await byId('ndv-view-binary-data', output).first().click();
		const merged = output.locator('img').or(output.locator('embed')).first();
		await merged.waitFor();
		// Beside it what it was made of, with room for the headings.
		const input = byId('ndv-input-panel');
		await byId('ndv-view-binary-data', input).first().click();
		await input.locator('img').or(input.locator('embed')).first().waitFor();
		const size = page.viewportSize();
		await page.setViewportSize({ width: 1600, height: 900 });
		await editor.screenshot('merged', DOCS_IMAGES);
		if (size) await page.setViewportSize(size);
		// n8n takes a type with "tool" in its name for an agent's tool, and warns of parameters that no agent fills in.
		expect(await output.innerText()).not.toContain('filled by AI');
		const readme = 'https://github.com/n8n-nodes-merge-portraits/n8n-nodes-merge-portraits';
		expect(await page.getByRole('link', { name: 'Docs' }).getAttribute('href')).toMatch(new RegExp(`^${readme}\\?`));
		const [request] = lab.simulator.requests;
		expect(request).toMatchObject({ status: 200, fields: { source_similarity: '0.8' } });
		const source = new URL((await merged.getAttribute('src')) ?? '', page.url()).href;
		const shown = await (await page.request.get(source)).body();
		expect(sha256(shown)).toBe(request?.resultSha256);
	});

	it('says what a similarity of 80 probably means, where somebody enters it', async () => {
		await openNode(await addWorkflow({ templateBinaryPropertyName: '={{ $("Template").first().binary.template }}' }));
		await byId('parameter-input-similarity').locator('input').fill('80');
		await byId('node-execute-button').click();
		const output = byId('output-panel');
		await output.getByText("'Similarity' must be a number from 0 to 1, but is 80").first().waitFor();
		expect(await output.innerText()).toContain('80 probably means 0.8');
		await editor.screenshot('message-similarity-80');
	});

	describe('says what is wrong, and what to do', () => {
		const fields = { template: '={{ $("Template").first().binary.template }}' };
		it.each([
			{
				name: 'message-similarity',
				parameters: { similarity: '={{ "abc" }}' },
				message: '\'Similarity\' must be a number from 0 to 1, but is "abc"',
				advice: 'Enter a number such as 0.5.',
			},
			{
				name: 'message-missing-field',
				parameters: { targetBinaryPropertyName: 'portrait' },
				message: '\'Target Input Binary Field\' names the binary field "portrait", which the item does not have',
				advice: 'Binary fields of this item: target.',
			},
			{
				name: 'message-too-small',
				target: 'small.png',
				message: "'Target Input Binary Field' is 100 × 100 px, allowed: width and height larger than 128 px",
				advice: 'Provide a larger picture',
			},
			{
				name: 'message-wrong-key',
				key: 'wrong',
				message: 'AILabTools did not accept the API key',
				advice: 'Open the credential and copy the API key again',
			},
			{
				name: 'message-no-face',
				target: 'wall.png',
				message: 'No face was found in one of the two pictures',
				advice: 'ERROR_NO_FACE_IN_FILE',
			},
		])('$name', async ({ name, parameters = {}, target, key, message, advice }) => {
			const all = { templateBinaryPropertyName: fields.template, ...parameters };
			await openNode(await addWorkflow(all, { target, key }));
			await byId('node-execute-button').click();
			const output = byId('output-panel');
			await output.getByText(message).first().waitFor();
			expect(await output.innerText()).toContain(advice);
			await byId('node-execute-button').getByText('Execute step').waitFor();
			await editor.screenshot(name);
		});
	});
});
