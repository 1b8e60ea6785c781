/** The examples that strangers use, in n8n with GraphicsMagick: what visitors see, and what a hostile one gets. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';

import { startChatModel, toldOf, type ChatModel } from '../../lab/chatModel';
import { BOMBS, readers } from '../../lab/hostile';
import { openEditor, SCREENSHOT_FOLDER, type Editor } from '../../lab/n8n/editor';
import { applyCredentials, readExample, withSettings } from '../../lab/n8n/examples';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Execution, type Lab } from '../../lab/n8n/lab';
import type { Credential } from '../../lab/n8n/n8n';
import { GRAPHICS_MAGICK_LOCK } from '../../lab/n8n/services';
import { CHAT_CREDENTIAL, CREDENTIAL } from '../../lab/n8n/workflows';
import { PHOTOS } from '../../lab/photos';
import { faceless, portrait } from '../../lab/portraits';
import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import type { RecordedRequest } from '../../lab/simulator/simulator';
import { startSite, type Site } from '../../lab/site';

const SIDE = { width: 240, height: 240 };
const HOUR_MS = 60 * 60 * 1000;

/** A colour that no drawn person has. */
const SECRET = { r: 1, g: 254, b: 3 };

/** What Edit Image calls to make a picture fit. */
const EDIT_IMAGE = '-background transparent -auto-orient -orient TopLeft - -resize 2048x2048> -quality 90 jpeg:-';

/** Stands before GraphicsMagick on the path: hands all on to it, and notes the most memory that it took, in MB. */
const WITNESS = `
const { spawn } = require('node:child_process');
const { appendFileSync, readFileSync } = require('node:fs');
const [log, gm, ...args] = process.argv.slice(2);
const child = spawn(gm, args, { stdio: 'inherit' });
let peak = 0;
const look = () => {
	try {
		peak = Math.max(peak, Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/' + child.pid + '/status', 'utf8'))?.[1] ?? 0));
	} catch {}
};
const timer = setInterval(look, 5);
look();
child.on('exit', (code) => {
	clearInterval(timer);
	appendFileSync(log, Math.round(peak / 1024) + '\\n');
	process.exit(code ?? 1);
});
`;

describe(`examples for strangers in n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let editor: Editor;
	let host: Site;
	let model: ChatModel;
	let gmLog: string;
	const credentials: Array<Omit<Credential, 'data'>> = [CREDENTIAL];

	beforeAll(async () => {
		const folder = join(SCREENSHOT_FOLDER, '../witness');
		await mkdir(folder, { recursive: true });
		await mkdir(SCREENSHOT_FOLDER, { recursive: true });
		gmLog = join(folder, 'gm.log');
		await writeFile(join(folder, 'witness.cjs'), WITNESS);
		const command = [process.execPath, join(folder, 'witness.cjs'), gmLog, '/usr/bin/gm'].map((word) => `'${word}'`);
		await writeFile(join(folder, 'gm'), `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`, { mode: 0o755 });
		process.env.PATH = `${folder}${delimiter}${process.env.PATH}`;

		lab = await openLab({ name: 'strangers' });
		host = await startSite();
		model = await startChatModel();
		const chatModel = { ...CHAT_CREDENTIAL, data: model.credential };
		credentials.push(await lab.call<Credential>('POST', '/credentials', chatModel));
		editor = await openEditor(lab.server, lab.owner);
	}, 900_000);
	afterAll(async () => {
		await editor?.close();
		await lab?.close();
		await host?.close();
		await model?.close();
	});
	beforeEach(async () => {
		lab.simulator.reset();
		host.reset();
		await writeFile(gmLog, '');
	});

	const merges = (): RecordedRequest[] => lab.simulator.requests.filter(({ status }) => status === 200);

	/** How many MB GraphicsMagick took, for each time that n8n called it. */
	const calls = async () => (await readFile(gmLog, 'utf8')).split('\n').filter(Boolean).map(Number);

	async function add(name: string, settings: Record<string, unknown> = {}, chosen = credentials): Promise<string> {
		return await lab.addWorkflow(applyCredentials(withSettings(await readExample(name), settings), chosen));
	}

	/** What a picture's link gives to anybody, and how wide it is drawn, in px of its own. */
	async function shown(image: Locator) {
		await image.evaluate((element: { decode(): Promise<void> }) => element.decode());
		const width = await image.evaluate((element: { naturalWidth: number }) => element.naturalWidth);
		const answer = await fetch(String(await image.getAttribute('src')));
		return { width, sha256: sha256(Buffer.from(await answer.arrayBuffer())) };
	}

	describe('form-to-picture', () => {
		const path = () => `${lab.server.url}/form/merge-portraits`;
		let id: string;

		beforeAll(async () => {
			id = await add('form-to-picture');
			await publish(id);
		}, 60_000);

		async function publish(workflowId: string): Promise<void> {
			await lab.activate(workflowId);
			// It takes a moment after the activation.
			while (!(await fetch(path())).ok) await sleep(100);
		}

		const named = (name: string, buffer: Buffer) => {
			const extension = name.split('.').pop() ?? '';
			return { name, mimeType: `image/${extension.replace('jpg', 'jpeg')}`, buffer };
		};

		/** Opens the form as a visitor who is not signed in, and fills it in. */
		async function fill(target: Buffer, name = 'me.png') {
			const browser = editor.page.context().browser();
			if (browser === null) throw new Error('There is no browser');
			const visitor = await browser.newContext();
			const page = await visitor.newPage();
			await page.goto(path());
			await page.getByLabel('Portrait whose face is taken').setInputFiles(named(name, target));
			const template = await portrait('Template', SIDE);
			await page.getByLabel('Picture that receives the face').setInputFiles(named('scene.png', template));
			await page.getByLabel('How much the face should look').selectOption('0.8');
			return { visitor, page, submit: async () => await page.getByRole('button', { name: 'Merge' }).click() };
		}

		/** Posts what a browser would, or would not. Gives the page that the visitor gets, and the execution behind it. */
		async function post(fields: Record<string, Buffer | string>, close = true): Promise<{ page: string; id: string }> {
			const body = new FormData();
			for (const [name, value] of Object.entries(fields)) {
				if (typeof value === 'string') body.append(name, value);
				else body.append(name, new File([new Uint8Array(value)], 'x.jpg', { type: 'image/jpeg' }));
			}
			const answer: { formWaitingUrl: string } = Object(await (await fetch(path(), { method: 'POST', body })).json());
			const url = new URL(answer.formWaitingUrl);
			const status = new URL(`${url.pathname}/n8n-execution-status${url.search}`, url);
			while ((await (await fetch(status)).text()) !== 'form-waiting') await sleep(50);
			const page = await (await fetch(url)).text();
			if (close) await fetch(url, { method: 'POST' });
			return { page, id: first(url.pathname.split('/').slice(2), 'execution') };
		}

		/** The fields' names in the order of the form. */
		const fields = (target: Buffer | string, template: Buffer | string, similarity = '0.8') => ({
			'field-0': target,
			'field-1': template,
			'field-2': similarity,
		});

		it.each(Object.entries(PHOTOS))(
			'merges %s as its visitor sees it, upright and no larger than it may be',
			async (name, take) => {
				const photo = await take('Portrait 1');
				const { visitor, page, submit } = await fill(photo, name);
				await submit();
				const picture = page.getByAltText('The merged portrait');
				await picture.waitFor();
				const { files, fields: sent, resultSha256 } = first(merges(), 'merge');
				expect(await shown(picture)).toEqual({ width: SIDE.width, sha256: resultSha256 });
				const link = page.getByRole('link', { name: 'Save the picture' });
				expect(await link.getAttribute('href')).toBe(await picture.getAttribute('src'));
				expect(sent.source_similarity).toBe('0.8');
				const bytes = files.image_target?.bytes ?? Buffer.alloc(0);
				if (['scan.bmp', 'cut-out.png', 'print.jpg'].includes(name)) {
					// AILabTools takes it as it is.
					expect([sha256(bytes), await calls()]).toEqual([sha256(photo), []]);
				} else {
					const { width, height, format, orientation = 1 } = await sharp(bytes).metadata();
					expect([Math.max(width, height) <= 2048, width > height, orientation, format]).toEqual([
						true,
						true,
						1,
						'jpeg',
					]);
					const original = name === 'phone.heic' ? await portrait('Portrait 1', { width: 640, height: 480 }) : photo;
					expect(await difference(original, bytes)).toBeLessThan(8);
					expect(await calls()).not.toEqual([]);
					await writeFile(join(SCREENSHOT_FOLDER, `photo-${name}-sent.jpg`), bytes);
				}
				await page.screenshot({ path: join(SCREENSHOT_FOLDER, `form-${name}.png`) });
				await visitor.close();
			},
		);

		describe('tells a visitor what to do, with a way back to the form, about', () => {
			const small = async () => await portrait('Portrait 1', { width: 100, height: 100 });
			const cases: Array<{ what: string; target: () => Promise<Buffer> | Buffer; told: string }> = [
				{
					what: 'a wall',
					target: async () => await faceless(SIDE),
					told: 'No face was found in one of the two pictures.',
				},
				{
					what: 'a file without bytes',
					target: () => Buffer.alloc(0),
					told: 'The portrait whose face is taken is missing. Please upload it.',
				},
				{
					what: 'a PDF',
					target: () => Buffer.from('%PDF-1.7\n'),
					told: 'The portrait whose face is taken is not a picture that can be read. Save it as JPEG or PNG.',
				},
				{
					what: 'a HEIC photo that breaks off',
					target: () => Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'),
					told: 'The portrait whose face is taken is a HEIC picture. Save it as JPEG or PNG.',
				},
				{
					what: 'too few pixels',
					target: small,
					told: 'The portrait whose face is taken is 100 × 100 px. Choose a larger one',
				},
			];

			it.each(cases)('$what', async ({ what, target, told }) => {
				const { visitor, page, submit } = await fill(await target());
				await submit();
				await page.getByText('These pictures could not be merged').waitFor();
				const text = await page.locator('body').innerText();
				expect(text).toContain(told);
				expect(text).not.toMatch(/Input Binary Field|\[item|gm|ERROR_/);
				await page.screenshot({ path: join(SCREENSHOT_FOLDER, `form-told-${what.replaceAll(' ', '-')}.png`) });
				await page.getByRole('link', { name: 'Try again' }).click();
				await page.getByLabel('Portrait whose face is taken').waitFor();
				expect(page.url()).toBe(path());
				await visitor.close();
			});

			it('60 MB', async () => {
				const huge = await portrait('Portrait 1', { width: 2000, height: 2000, format: 'jpeg', minBytes: 60_000_000 });
				const { page } = await post(fields(huge, await portrait('Template', SIDE)));
				expect(page).toMatch(/The portrait whose face is taken has 6\d\.\d+ MB\. Save it with fewer pixels/);
				expect(page).toMatch(/<a href="\.\.\/form\/merge-portraits">Try again<\/a>/);
			});
		});

		it.each([
			{
				what: 'no file at all',
				given: { 'field-2': '0.8' },
				told: /face is taken is missing\..*receives the face is missing\./,
			},
			{
				what: 'text in place of files',
				given: fields('{"id":"filesystem-v2:x","mimeType":"image/jpeg"}', 'target'),
				told: /face is taken is missing\./,
			},
		])('sends nothing for $what', async ({ given, told }) => {
			expect((await post(given)).page).toMatch(told);
			expect(lab.simulator.requests).toEqual([]);
		});

		it('offers five similarities, none of which pays for an unchanged template, and takes no other', async () => {
			const { visitor, page } = await fill(await portrait('Portrait 1', SIDE));
			const choices = await page
				.getByLabel('How much the face should look')
				.locator('option:not([disabled])')
				.allInnerTexts();
			expect(choices.map((text) => text.trim())).toEqual(['0.2', '0.4', '0.6', '0.8', '1']);
			await visitor.close();
			const pair = [await portrait('Portrait 1', SIDE), await portrait('Template', SIDE)] as const;
			expect((await post(fields(...pair, '7'))).page).toContain('The similarity must be a number from 0 to 1.');
			expect(lab.simulator.requests).toEqual([]);
		});

		describe('that something only its owner can mend', () => {
			const told = (page: string) => {
				expect(page).toContain('Please try again later.');
				expect(page).not.toMatch(/credit|credential|key|upload|entered/i);
			};

			it('is not told to visitors about missing credits', async () => {
				lab.simulator.setFault(() => ({ kind: 'status', status: 429, code: 'ERROR_NOT_ENOUGH_CREDITS' }));
				const { visitor, page, submit } = await fill(await portrait('Portrait 2', SIDE));
				await submit();
				await page.getByText('Please try again later.').waitFor();
				told(await page.locator('section').innerHTML());
				await visitor.close();
			});

			it('is told to the owner by the name of the node before the form is published without a credential', async () => {
				const withoutCredential = await add('form-to-picture', {}, []);
				await lab.call('POST', `/workflows/${id}/deactivate`, {});
				const published = await lab.activate(withoutCredential).catch(String);
				await publish(id);
				expect(published).toMatch(/Cannot publish workflow: 1 node .*"Merge Portraits.*Missing required credential/);
				await editor.goto(`/workflow/${withoutCredential}`);
				const marked = editor.page.locator('[data-test-id="canvas-node"]').filter({
					has: editor.page.locator('[data-test-id="node-issues"], [data-test-id="node-setup-required"]'),
				});
				await marked.first().waitFor();
				expect(await marked.allInnerTexts()).toEqual([expect.stringContaining('Merge Portraits')]);
				await editor.screenshot('form-without-credential');
			});

			it('is told to visitors in a sentence, and to the owner in full, when the credential has been deleted', async () => {
				const gone = await lab.call<Credential>('POST', '/credentials', {
					...CREDENTIAL,
					id: undefined,
					data: { apiKey: 'x', baseUrl: 'http://127.0.0.1:9' },
				});
				await lab.call('POST', `/workflows/${id}/deactivate`, {});
				const orphaned = await add('form-to-picture', {}, [gone]);
				await publish(orphaned);
				await lab.call('DELETE', `/credentials/${gone.id}`);
				const visit = await post(fields(await portrait('Portrait 1', SIDE), await portrait('Template', SIDE)));
				told(/<section>[^]*<\/section>/.exec(visit.page)?.[0] ?? '');
				const execution = await lab.finished(visit.id);
				expect(execution.items('Merge Portraits')).toEqual([]);
				expect(execution.items('Merge Portraits', 1)[0]?.json.error).toMatch(/Credential .* does not exist/);
				await lab.call('POST', `/workflows/${orphaned}/deactivate`, {});
				await publish(id);
			});
		});

		it('ends an hour later the execution of a visitor who has left', async () => {
			const visit = await post(fields(await faceless(SIDE), await portrait('Template', SIDE)), false);
			const { status, waitTill } = await lab.call<{ status: string; waitTill: string }>(
				'GET',
				`/executions/${visit.id}`,
			);
			expect(status).toBe('waiting');
			expect(Date.parse(waitTill) - Date.now()).toBeLessThanOrEqual(HOUR_MS);
		});

		describe('under attack', () => {
			/** Whether the secret's colour is in any picture of the execution, or in what was sent. */
			async function isSecretSeen(execution: Execution): Promise<boolean> {
				const items = Object.values(execution.data.resultData.runData)
					.flat()
					.flatMap(({ data }) => data?.main ?? [])
					.flatMap((output) => output ?? []);
				const binaries = items.flatMap(({ binary = {} }) => Object.values(binary));
				const stored = await Promise.all(binaries.map(async (binary) => await lab.read(binary)));
				const sent = lab.simulator.requests.flatMap(({ files }) =>
					Object.values(files).flatMap((file) => file?.bytes ?? []),
				);
				const seen = await Promise.all([...stored, ...sent].map(async (bytes) => await hasSecret(bytes)));
				return seen.includes(true);
			}

			const wanted = {
				'a picture on the server': async () => {
					await lab.provide('secret.png', await secret());
					return join(lab.files, 'secret.png');
				},
				'a picture at an address inside': async () => {
					host.serve('/secret.png', { body: await secret() });
					return `${host.url}/secret.png`;
				},
			};

			it.each(Object.entries(wanted))(
				'gives nobody %s',
				async (_what, prepare) => {
					const harmless = await portrait('Template', SIDE);
					for (const [what, file] of Object.entries(readers(await prepare()))) {
						for (const given of [fields(file, harmless), fields(harmless, file), fields(file, file)]) {
							const visit = await post(given);
							expect([what, visit.page.includes('These pictures could not be merged')]).toEqual([what, true]);
							expect([what, await isSecretSeen(await lab.finished(visit.id))]).toEqual([what, false]);
						}
					}
					expect(host.requests).toEqual([]);
					expect(await calls()).toEqual([]);
				},
				300_000,
			);

			it.each(Object.entries(BOMBS))('takes no memory for %s', async (_what, make) => {
				const visit = await post(fields(make(), await portrait('Template', SIDE)));
				expect(visit.page).toContain('The portrait whose face is taken is');
				expect(Math.max(0, ...(await calls()))).toBeLessThan(500);
				expect(lab.simulator.requests).toEqual([]);
			});
		});
	});

	describe('the second lock, in the environment of n8n', () => {
		/** Runs GraphicsMagick as Edit Image does. Gives what comes out, or what it says instead. */
		const edit = async (file: Buffer, env: NodeJS.ProcessEnv) =>
			await new Promise<Buffer | string>((resolve) => {
				const options = { encoding: 'buffer' as const, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
				const gm = execFile('gm', ['convert', ...EDIT_IMAGE.split(' ')], options, (error, stdout, stderr) =>
					resolve(error ? stderr.toString() : stdout),
				);
				// It may be done before it has read all.
				gm.stdin?.on('error', () => {}).end(file);
			});

		it('opens photos of every kind', async () => {
			for (const [name, take] of Object.entries(PHOTOS)) {
				const edited = await edit(await take('Portrait 1'), GRAPHICS_MAGICK_LOCK);
				expect([name, Buffer.isBuffer(edited)]).toEqual([name, true]);
			}
		});

		it('opens no file that a picture names, which GraphicsMagick does without it', async () => {
			const file = join(lab.files, 'secret.png');
			await lab.provide('secret.png', await secret());
			const { 'an SVG with a declaration': svg = Buffer.alloc(0) } = readers(file);
			const without = await edit(svg, {});
			expect(Buffer.isBuffer(without) && (await hasSecret(without))).toBe(true);
			for (const [what, hostile] of Object.entries(readers(file))) {
				const edited = await edit(hostile, GRAPHICS_MAGICK_LOCK);
				expect([what, Buffer.isBuffer(edited) && (await hasSecret(edited))]).toEqual([what, false]);
			}
		});

		it('refuses more than 100 megapixels at once', async () => {
			const bomb = BOMBS['a PNG of 20,000 × 20,000 px']?.() ?? Buffer.alloc(0);
			expect(await edit(bomb, GRAPHICS_MAGICK_LOCK)).toMatch(/exceeds resource limit/);
			expect(Math.max(...(await calls()))).toBeLessThan(500);
		});
	});

	describe('chat-agent', () => {
		const byId = (id: string) => editor.page.locator(`[data-test-id="${id}"]`);
		const target = async () => await portrait('Portrait 2', SIDE);

		beforeAll(async () => {
			const settings = { templateUrl: `${host.url}/template.png` };
			// High enough to show a picture in the chat.
			await editor.page.setViewportSize({ width: 1280, height: 1400 });
			await editor.goto(`/workflow/${await add('chat-agent', settings)}`);
			await byId('workflow-chat-button').click();
		}, 60_000);
		beforeEach(async () => {
			host.serve('/template.png', { body: await portrait('Template', SIDE) });
			host.serve('/ben.png', { body: await target() });
		});
		afterAll(async () => await editor.page.setViewportSize({ width: 1280, height: 800 }));

		/** The model as it should be: it calls a tool once for each message, and shows what it is told. */
		const script = (tool: 'Merge_upload' | 'Merge_link', call: object) =>
			model.script((request) => {
				if (request.messages.at(-1)?.role !== 'tool') return { tool, call };
				const [{ downloadUrl, error }] = JSON.parse(String(toldOf(request).at(-1)));
				return { text: error ?? `Here you are:\n\n![merged portrait](${downloadUrl})` };
			});

		async function say(
			text: string,
			...files: Array<{ name: string; mimeType: string; buffer: Buffer }>
		): Promise<Page> {
			const { page } = editor;
			if (files.length > 0) {
				const [chooser] = await Promise.all([
					page.waitForEvent('filechooser'),
					page.locator('.chat-input-file-button').click(),
				]);
				await chooser.setFiles(files);
			}
			await page.locator('.chat-inputs textarea').fill(text);
			await page.locator('.chat-input-send-button').click();
			return page;
		}

		/** The nth merged picture of the chat, once it is there, as it should be. */
		async function expectShown(index: number): Promise<RecordedRequest> {
			const picture = editor.page.getByAltText('merged portrait').nth(index);
			await picture.waitFor();
			const merge = first(merges(), 'merge');
			expect(await shown(picture)).toEqual({ width: SIDE.width, sha256: merge.resultSha256 });
			await picture.evaluate((element: { scrollIntoView(to: object): void }) =>
				element.scrollIntoView({ block: 'end' }),
			);
			return merge;
		}

		/** What the model was asked for in this message. */
		const asked = () =>
			String(
				model.requests
					.at(-1)
					?.messages.filter(({ role }) => role === 'user')
					.at(-1)?.content,
			);

		it('shows the merged picture of an upload, which the provider of the model never gets', async () => {
			script('Merge_upload', { similarity: 0.5 });
			const photo = await target();
			await say('Put my face into the template, please', { name: 'me.png', mimeType: 'image/png', buffer: photo });
			const { files, fields } = await expectShown(0);
			expect([files.image_target?.sha256, fields.source_similarity]).toEqual([sha256(photo), '0.5']);
			await editor.screenshot('chat-agent');
			expect(asked()).toContain('(Uploaded with this message: me.png)');
			const tools = model.requests.at(-1)?.tools?.map(({ function: { name, description } }) => [name, description]);
			expect(tools?.sort()).toEqual([
				['Merge_link', expect.stringContaining('Puts the face of a picture behind a link into the template.')],
				['Merge_upload', expect.stringContaining('Puts the face of the picture that the user uploaded last')],
			]);
			for (const { messages } of model.requests) {
				expect(JSON.stringify(messages)).not.toMatch(/image_url|base64|data:image/);
				expect(JSON.stringify(messages)).not.toContain(photo.toString('base64').slice(100, 160));
			}
			expect(await calls()).toEqual([]);
		});

		it('merges the same upload again when asked for more similarity, and the model knows what was said', async () => {
			script('Merge_upload', { similarity: 0.9 });
			await say('More similar, please');
			const { files, fields } = await expectShown(1);
			expect([files.image_target?.sha256, fields.source_similarity]).toEqual([sha256(await target()), '0.9']);
			expect(asked()).toContain('(Uploaded with this message: nothing)');
			expect(JSON.stringify(model.requests.at(0)?.messages)).toContain('Put my face into the template, please');
		});

		it('takes any photo, the first of two, and tells the model of both', async () => {
			script('Merge_upload', { similarity: 0.7 });
			const photo = await sharp(await portrait('Portrait 3', SIDE))
				.webp()
				.toBuffer();
			const files = [
				{ name: 'phone.webp', mimeType: 'image/webp', buffer: photo },
				{ name: 'second.png', mimeType: 'image/png', buffer: await target() },
			];
			await say('Now with these', ...files);
			const { files: sent } = await expectShown(2);
			expect(sent.image_target?.mimeType).toBe('image/jpeg');
			expect(await difference(photo, sent.image_target?.bytes ?? Buffer.alloc(0))).toBeLessThan(8);
			expect(asked()).toContain('(Uploaded with this message: phone.webp, second.png)');
			expect(await calls()).not.toEqual([]);
		});

		it('shows the merged picture of a link', async () => {
			script('Merge_link', { target_url: `${host.url}/ben.png`, similarity: 0.6 });
			await say(`And this one: ${host.url}/ben.png`);
			const { files } = await expectShown(3);
			expect(files.image_target?.sha256).toBe(sha256(await target()));
		});

		it('tells what to do about a dead link', async () => {
			script('Merge_link', { target_url: `${host.url}/gone.png` });
			const page = await say('Or this one');
			await page
				.getByText(/Check the link|check the link/)
				.last()
				.waitFor();
			await editor.screenshot('chat-agent-dead-link');
		});

		it('gives nobody a picture on the server', async () => {
			script('Merge_upload', { similarity: 0.8 });
			await lab.provide('secret.png', await secret());
			const { 'an SVG with a declaration': svg = Buffer.alloc(0) } = readers(join(lab.files, 'secret.png'));
			const page = await say('And this', { name: 'x.jpg', mimeType: 'image/jpeg', buffer: svg });
			await page.getByText('is not a picture that can be read').last().waitFor();
			expect(await calls()).toEqual([]);
			expect(lab.simulator.requests).toEqual([]);
		});

		it('ends an hour after the last message', async () => {
			const { results } = await lab.call<{ results: Array<{ id: string; status: string }> }>('GET', '/executions');
			const chats = results.filter(({ status }) => status === 'waiting');
			const last = first(chats, 'chat');
			const { waitTill } = await lab.call<{ waitTill: string }>('GET', `/executions/${last.id}`);
			expect(Date.parse(waitTill) - Date.now()).toBeLessThanOrEqual(HOUR_MS);
		});
	});
});

const secret = async () =>
	await sharp({ create: { ...SIDE, channels: 3, background: SECRET } })
		.png()
		.toBuffer();

/** Whether a picture has a pixel of the secret's colour. What is no picture has none. */
async function hasSecret(bytes: Buffer): Promise<boolean> {
	const pixels = await sharp(bytes, { limitInputPixels: 50_000_000 })
		.toColourspace('srgb')
		.removeAlpha()
		.resize(32, 32, { fit: 'fill', kernel: 'nearest' })
		.raw()
		.toBuffer()
		.catch(() => Buffer.alloc(0));
	for (let at = 0; at < pixels.length; at += 3) {
		const [r = 0, g = 0, b = 0] = pixels.subarray(at, at + 3);
		if (Math.max(Math.abs(r - SECRET.r), Math.abs(g - SECRET.g), Math.abs(b - SECRET.b)) < 40) return true;
	}
	return false;
}

/** How far two pictures are from each other, as somebody sees them, transparency on white: 0 to 255 for each channel. */
async function difference(one: Buffer, other: Buffer): Promise<number> {
	const seen = async (picture: Buffer) =>
		await sharp(picture)
			.autoOrient()
			.flatten({ background: 'white' })
			.toColourspace('srgb')
			.resize(64, 48, { fit: 'fill' })
			.raw()
			.toBuffer();
	const [a, b] = await Promise.all([seen(one), seen(other)]);
	return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? Number.NaN)), 0) / a.length;
}
