/** n8n's editor in Debian's Chromium, logged in, to look at and to work with as a user does. */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { chromium } from 'playwright-core';
import sharp from 'sharp';

import { onFailure } from './evidence';
import type { N8nServer, Owner } from './n8n';

/** Git-ignored. */
export const SCREENSHOT_FOLDER = resolve(__dirname, '../../test-output/screenshots');

/**
 * Where the pictures go that the docs show: into the docs with `npm run screenshots`, else, so that a run of the tests
 * leaves the tree clean, among the other screenshots.
 */
export const DOCS_IMAGES = process.env.UPDATE_IMAGES
	? resolve(__dirname, '../../docs/images')
	: join(SCREENSHOT_FOLDER, 'docs');

const SIZE = { width: 1280, height: 800 };

export interface EditorOptions {
	/** Default `light`. */
	theme?: 'light' | 'dark';
}

export type Editor = Awaited<ReturnType<typeof openEditor>>;

/** Opens a browser of its own for the editor of a server whose owner has been set up. */
export async function openEditor(
	server: Pick<N8nServer, 'url'>,
	owner: Owner,
	{ theme = 'light' }: EditorOptions = {},
) {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
		args: [
			...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
			'--disable-gpu',
			'--disable-quic',
			'--no-first-run',
			'--disable-background-networking',
			'--disable-component-update',
			'--disable-sync',
		],
	});
	try {
		const context = await browser.newContext({ viewport: SIZE, colorScheme: theme, reducedMotion: 'reduce' });
		context.setDefaultTimeout(30_000);
		// n8n ties a session to an id that the browser keeps.
		const browserId = randomUUID();
		const kept = JSON.stringify({ 'n8n-browserId': browserId, N8N_THEME: theme });
		await context.addInitScript({ content: `Object.assign(localStorage, ${kept});` });
		const login = await context.request.post(`${server.url}/rest/login`, {
			headers: { 'browser-id': browserId },
			data: { emailOrLdapLoginId: owner.email, password: owner.password },
		});
		if (!login.ok()) throw new Error(`The editor's login did not work: ${login.status()} ${await login.text()}`);
		const page = await context.newPage();

		const forget = onFailure(async (folder) => {
			await page.screenshot({ path: join(folder, 'screen.png') });
		});

		return {
			page,

			/** Opens a page of the editor, such as `/workflow/new`. */
			async goto(path: string): Promise<void> {
				await page.goto(server.url + path);
			},

			/**
			 * Keeps what is to be seen, in the editor or in a page that it has opened, as a small PNG in the folder of
			 * screenshots, or elsewhere. Gives its path.
			 */
			async screenshot(name: string, folder = SCREENSHOT_FOLDER, shown = page): Promise<string> {
				const file = join(folder, `${name}.png`);
				// Neither messages in the corner, which come and go, nor the empty tooltip of the expression editor.
				const style = '.el-notification, [class*="ͼ"]:empty { display: none !important; }';
				const shot = await shown.screenshot({ animations: 'disabled', style });
				await mkdir(dirname(file), { recursive: true });
				await writeFile(file, await sharp(shot).png({ palette: true, effort: 10 }).toBuffer());
				return file;
			},

			async close(): Promise<void> {
				forget();
				await browser.close();
			},
		};
	} catch (error) {
		await browser.close();
		throw error;
	}
}
