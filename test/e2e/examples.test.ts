/** Every workflow in `examples`: imported as a user imports it, and run in n8n with real counterparts. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { INode, INodeTypeDescription } from 'n8n-workflow';

import { first } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import { importInEditor, pictureCanvas, warnings } from '../../lab/n8n/canvas';
import { applyCredentials, EXAMPLES_FOLDER, readExample, withSettings, type Example } from '../../lab/n8n/examples';
import { DOCS_IMAGES, openEditor, type Editor } from '../../lab/n8n/editor';
import { startChatModel, type ChatModel } from '../../lab/chatModel';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Execution, type Lab } from '../../lab/n8n/lab';
import type { Credential } from '../../lab/n8n/n8n';
import { CHAT_CREDENTIAL, CREDENTIAL } from '../../lab/n8n/workflows';
import { startSite } from '../../lab/site';
import { faceless, portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, type RecordedRequest } from '../../lab/simulator/simulator';
import { BUCKET, startCounterparts, type Counterparts } from '../../lab/counterparts/counterparts';

const EXAMPLES = [
	'first-merge',
	'form-to-picture',
	'chat-agent',
	'mcp-server',
	'nightly-batch',
	'to-storage',
	'to-email',
	'large-batches',
	'compare-similarities',
	'credits-alert',
];
const SIDE = { width: 240, height: 240 };

describe(`examples in n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let editor: Editor;
	let model: ChatModel;
	let counterparts: Counterparts;
	let mailbox: Counterparts['mailbox'];
	let storage: Counterparts['storage'];
	const credentials: Array<Omit<Credential, 'data'>> = [CREDENTIAL];

	beforeAll(async () => {
		lab = await openLab({ name: 'examples' });
		model = await startChatModel();
		counterparts = await startCounterparts(join(lab.folder, 'storage'));
		({ mailbox, storage } = counterparts);
		const chatModel = { ...CHAT_CREDENTIAL, data: model.credential };
		const bearer = { id: 'token', name: 'Token', type: 'httpBearerAuth', data: { token: 'token' } };
		for (const credential of [...counterparts.credentials, chatModel, bearer])
			credentials.push(await lab.call<Credential>('POST', '/credentials', credential));
		editor = await openEditor(lab.server, lab.owner);
	}, 900_000);
	afterAll(async () => {
		await editor?.close();
		await lab?.close();
		await model?.close();
		await counterparts?.close();
	});
	beforeEach(() => lab.simulator.reset());

	const merges = (): RecordedRequest[] => lab.simulator.requests.filter(({ status }) => status === 200);
	/** By the name of the target's file, what the service made of it. */
	const results = () =>
		new Map(merges().map(({ files, resultSha256 }) => [lab.nameOf(files.image_target), resultSha256]));
	const sent = () => lab.simulator.requests.map(({ files }) => lab.nameOf(files.image_target)).sort();

	/** An example as it is in n8n after the import. */
	const importedExamples = new Map<string, Promise<Example>>();
	function imported(name: string): Promise<Example> {
		const known = importedExamples.get(name) ?? importExample(name);
		importedExamples.set(name, known);
		return known;
	}
	async function importExample(name: string): Promise<Example> {
		const original = await readExample(name);
		const id = await importInEditor(editor, join(EXAMPLES_FOLDER, `${name}.json`));
		for (;;) {
			// The editor saves by itself, a moment later.
			const { nodes, connections, settings } = await lab.call<Example>('GET', `/workflows/${id}`).catch(() => original);
			const saved = nodes !== original.nodes && nodes.length === original.nodes.length;
			if (saved) return { name: original.name, nodes, connections, settings };
			await sleep(100);
		}
	}

	/** Adds an example with these settings, and others in its nodes, to n8n. Gives its id. */
	async function add(name: string, settings: object, change: (node: INode) => INode = (node) => node): Promise<string> {
		const workflow = applyCredentials(withSettings(await imported(name), { ...settings }), credentials);
		return await lab.addWorkflow({ ...workflow, nodes: workflow.nodes.map(change) });
	}

	async function run(name: string, settings: object, trigger?: string): Promise<Execution> {
		return await lab.finished(await lab.startWorkflow(await add(name, settings), trigger));
	}

	const succeeded = (execution: Execution) => {
		expect([execution.status, execution.data.resultData.error?.message]).toEqual(['success', undefined]);
	};

	describe('the import of the editor', () => {
		it('marks what is missing, when something is', async () => {
			const broken = join(lab.folder, 'broken.json');
			const { nodes, ...rest } = await readExample('first-merge');
			const changes: Record<string, object> = {
				'Read target': { parameters: { fileSelector: '' } },
				'Save picture': { type: 'n8n-nodes-base.neverHeardOf' },
			};
			const changed = nodes.map((node) => ({ ...node, ...changes[node.name] }));
			await writeFile(broken, JSON.stringify({ ...rest, nodes: changed }));
			await importInEditor(editor, broken);
			await editor.page.locator('[data-test-id="node-issues"]').first().waitFor();
			expect(await warnings(editor)).toEqual([
				expect.stringContaining('Read target'),
				expect.stringContaining('Save picture'),
			]);
		});

		it.each(EXAMPLES)('shows %s without a warning', async (name) => {
			await imported(name);
			expect(await warnings(editor)).toEqual([]);
			const picture = await pictureCanvas(editor);
			expect(picture.length).toBeLessThan(80 * 1024);
			await mkdir(DOCS_IMAGES, { recursive: true });
			await writeFile(join(DOCS_IMAGES, `example-${name}.png`), picture);
		});

		it('knows all that is in the folder', async () => {
			const files = await readdir(EXAMPLES_FOLDER);
			expect(files.sort()).toEqual(EXAMPLES.map((name) => `${name}.json`).sort());
		});

		it.each(EXAMPLES)('finds no outdated node, and no credential, in %s', async (name) => {
			const types: INodeTypeDescription[] = JSON.parse(await (await lab.get('/types/nodes.json')).text());
			const { nodes } = await readExample(name);
			for (const { name: nodeName, type, typeVersion, credentials } of nodes) {
				const versions = types.filter((known) => known.name === type).flatMap(({ version }) => version);
				expect([nodeName, typeVersion]).toEqual([nodeName, Math.max(...versions)]);
				expect(credentials).toBeUndefined();
			}
		});
	});

	it('first-merge writes the merged picture', async () => {
		const folder = await provide('first-merge', { 'target.jpg': 'Portrait 1', 'template.jpg': 'Template' });
		succeeded(await run('first-merge', { folder }));
		expect(sha256(await lab.written('first-merge/target-merged.jpg'))).toBe(results().get('target.jpg'));
	});

	it('compare-similarities writes the pair at five similarities', async () => {
		const folder = await provide('compare', { 'target.jpg': 'Portrait 2', 'template.jpg': 'Template' });
		succeeded(await run('compare-similarities', { folder }));
		expect(merges()).toHaveLength(5);
		for (const { fields, resultSha256 } of merges()) {
			const written = await lab.written(`compare/similarity-${fields.source_similarity}.jpg`);
			expect(sha256(written)).toBe(resultSha256);
		}
	});

	it('nightly-batch merges what is new each night, and reports what was not merged', async () => {
		const names = Array.from({ length: 50 }, (_, index) => `portrait-${String(index + 1).padStart(2, '0')}.png`);
		const bad = names.filter((_name, index) => [6, 22, 40].includes(index));
		const sizeOf = (name = '') => ({ ...SIDE, width: SIDE.width + 2 + names.indexOf(name) });
		const folder = await provide('nightly', { 'template.jpg': 'Template' });
		for (const name of names) {
			// Each of another size, which tells it after Edit Image, too.
			const side = sizeOf(name);
			const picture = bad.includes(name) ? await faceless(side) : await portrait(name, side);
			await lab.provide(`nightly/portraits/${name}`, picture);
		}
		const broken = 'portrait-51.heic';
		await lab.provide(`nightly/portraits/${broken}`, Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic'));
		await mkdir(join(lab.files, 'nightly/merged'));
		// The only change to the example: the schedule fires every five seconds instead of every night.
		const often = { rule: { interval: [{ field: 'seconds', secondsInterval: 5 }] } };
		const id = await add('nightly-batch', { folder }, (node) =>
			node.type === 'n8n-nodes-base.scheduleTrigger' ? { ...node, parameters: often } : node,
		);
		const executions = async () => {
			const filter = encodeURIComponent(JSON.stringify({ workflowId: id }));
			return (await lab.call<{ results: Array<{ id: string }> }>('GET', `/executions?filter=${filter}`)).results;
		};
		const night = async (fault?: Parameters<typeof lab.simulator.setFault>[0]) => {
			lab.simulator.reset();
			lab.simulator.setFault(fault);
			const before = (await executions()).length;
			await lab.activate(id);
			while ((await executions()).length === before) await sleep(50);
			await lab.call('POST', `/workflows/${id}/deactivate`, {});
			const all = await executions();
			expect(all).toHaveLength(before + 1);
			succeeded(await lab.finished(first(all, 'execution').id));
		};
		const files = async (pattern: RegExp) =>
			(await readdir(join(lab.files, 'nightly/merged'))).filter((name) => pattern.test(name));

		await night();
		const good = names.filter((name) => !bad.includes(name));
		const pictures = await files(/^\d{4}-\d\d-\d\d-portrait-\d\d-merged\.jpg$/);
		expect(pictures).toHaveLength(47);
		for (const name of pictures) {
			const target = `${name.slice(11, -'-merged.jpg'.length)}.png`;
			expect([name, sha256(await lab.written(`nightly/merged/${name}`))]).toEqual([name, results().get(target)]);
		}
		const reports = await files(/^\d{4}-\d\d-\d\d-not-merged\.csv$/);
		expect(reports).toHaveLength(1);
		expect(await files(/./)).toHaveLength(48);
		const lines = (await lab.written(`nightly/merged/${reports[0]}`)).toString().trim().split('\n');
		expect(lines.shift()?.replace('\uFEFF', '')).toBe('portrait,reason,code,requestId');
		expect(lines.map((line) => line.split(',')[0]).sort()).toEqual([...bad, broken]);
		const about = (name: string) => lines.find((line) => line.startsWith(name));
		for (const name of bad)
			expect(about(name)).toMatch(/,"?No face was found in one of the two pictures\. Use pictures/);
		expect(about(broken)).toMatch(/,The portrait whose face is taken is a HEIC picture\. Save it as JPEG or PNG\.,/);
		expect(lines.join()).not.toMatch(/Input Binary Field|\[item/);

		// The second night has nothing to send: what was refused for what it shows would be so again.
		await night();
		expect(sent()).toEqual([]);
		expect(await files(/-merged\.jpg$/)).toHaveLength(47);

		// A night of another trouble is no reason to give up a portrait.
		await lab.provide(`nightly/portraits/${bad[0]}`, await portrait(first(bad, 'bad portrait'), sizeOf(bad[0])));
		await night(() => ({ kind: 'status', status: 401, code: 'ERROR_USER_NOT_EXISTS' }));
		expect(sent()).toEqual([bad[0]]);
		expect(await files(/-merged\.jpg$/)).toHaveLength(47);

		for (const name of bad) await lab.provide(`nightly/portraits/${name}`, await portrait(name, sizeOf(name)));
		await night();
		expect(sent()).toEqual(bad);
		expect(await files(/-merged\.jpg$/)).toHaveLength(50);

		await night();
		expect(sent()).toEqual([]);

		// Another picture under a known name is new.
		await lab.provide(`nightly/portraits/${good[0]}`, await portrait('Portrait 51', sizeOf(good[0])));
		await night();
		expect(sent()).toEqual([good[0]]);

		// So is another template.
		await lab.provide('nightly/template.jpg', await portrait('Another template', { ...SIDE, format: 'jpeg' }));
		await night();
		expect(sent()).toHaveLength(50);
	}, 240_000);

	it('to-storage uploads what the service returned', async () => {
		const targets = { 'portraits/one.png': 'Portrait 1', 'portraits/two words.png': 'Portrait 2' };
		const folder = await provide('storage', { ...targets, 'template.jpg': 'Template' });
		succeeded(await run('to-storage', { folder, bucket: BUCKET }));
		expect(await storage.keys()).toEqual(['merged/one-merged.jpg', 'merged/two words-merged.jpg']);
		for (const name of ['one', 'two words']) {
			const { bytes, contentType } = await storage.object(`merged/${name}-merged.jpg`);
			expect([sha256(bytes), contentType]).toEqual([results().get(`${name}.png`), 'image/jpeg']);
		}
	});

	it('to-email sends each person their picture, and the sender a note where there is none', async () => {
		const portraits = { 'one.png': 'Portrait 1', 'two.png': 'Portrait 2' };
		const folder = await provide('email', { ...portraits, 'template.jpg': 'Template' });
		await lab.provide('email/wall.png', await faceless(SIDE));
		const people = ['one', 'wall', 'two', 'missing'].map((name) => `Person ${name},${name}@example.com,${name}.png`);
		await lab.provide('email/people.csv', Buffer.from(['name,email,portrait', ...people].join('\n')));
		succeeded(await run('to-email', { folder, sender: 'sender@example.com' }));

		const messagesTo = (address: string) =>
			mailbox.messages.filter(({ recipients }) => recipients.length === 1 && recipients[0] === address);
		expect(mailbox.messages).toHaveLength(4);
		for (const name of ['one', 'two']) {
			const { mail } = first(messagesTo(`${name}@example.com`), `mail to ${name}`);
			expect(mail.text).toContain(`Person ${name}`);
			expect(mail.attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
				[`${name}-merged.jpg`, 'image/jpeg'],
			]);
			expect(sha256(first(mail.attachments, 'attachment').content)).toBe(results().get(`${name}.png`));
		}
		const notes = messagesTo('sender@example.com').map(({ mail }) => mail);
		const noteOn = (name: string) => notes.find(({ subject }) => subject === `No picture for Person ${name}`)?.text;
		expect(notes).toHaveLength(2);
		expect(noteOn('wall')).toMatch(/wall@example\.com[^]*wall\.png[^]*No face was found in one of the two pictures/);
		expect(noteOn('missing')).toMatch(/missing@example\.com[^]*missing\.png[^]*No file\(s\) found/);
	});

	describe('credits-alert', () => {
		const to = { recipient: 'owner@example.com', sender: 'n8n@example.com' };
		beforeEach(() => mailbox.messages.splice(0));

		it('adds up both kinds of credits, asked for with this credential, and writes when they are too few', async () => {
			const kinds = { common: 500, portrait_face_fusion: 299, another: 9999 };
			const data = Object.entries(kinds).map(([unique_sign, balance]) => ({ unique_sign, balance }));
			const headers = { 'content-type': 'application/json' };
			const site = await startSite({ status: 200, headers, body: JSON.stringify({ data }) });
			try {
				succeeded(await run('credits-alert', { ...to, pairs: 100, baseUrl: site.url }, 'Every morning'));
				expect(site.requests.map(({ headers: sent }) => sent['ailabapi-api-key'])).toEqual([SIMULATOR_KEY]);
			} finally {
				await site.close();
			}
			expect(mailbox.messages.map(({ recipients }) => recipients)).toEqual([['owner@example.com']]);
			expect(mailbox.messages[0]?.mail.subject).toBe('AILabTools credits: 799 left, 800 needed');
		});

		it('keeps quiet when they are enough', async () => {
			const account = lab.simulator.accounts.get(SIMULATOR_KEY);
			if (account) account.credits = 800;
			succeeded(await run('credits-alert', { ...to, pairs: 100, baseUrl: lab.simulator.baseUrl }, 'Every morning'));
			if (account) account.credits = Infinity;
			expect(lab.simulator.creditRequests.map(({ status }) => status)).toEqual([200]);
			expect(mailbox.messages).toEqual([]);
			expect(lab.simulator.requests).toEqual([]);
		});
	});

	it('large-batches merges each chunk in an execution of its own, and gathers one report', async () => {
		const names = Array.from({ length: 8 }, (_, index) => `portrait-${index + 1}.png`);
		const folder = await provide('large', { 'template.jpg': 'Template' });
		for (const name of names) await lab.provide(`large/${name}`, await portrait(name, SIDE));
		await lab.provide('large/wall.png', await faceless(SIDE));
		const list = ['portrait', ...names, 'wall.png', 'missing.png'];
		await lab.provide('large/portraits.csv', Buffer.from(list.join('\n')));
		const id = await add('large-batches', { folder, chunkSize: 3 });
		await lab.activate(id);
		const chunk = async (headers: Record<string, string>) =>
			await fetch(`${lab.server.url}/webhook/merge-chunk`, { method: 'POST', headers });
		while ((await chunk({})).status === 404) await sleep(100);
		expect((await chunk({ 'x-chunk-key': 'guessed' })).status).toBe(403);

		succeeded(await lab.finished(await lab.startWorkflow(id)));
		expect(results().size).toBe(8);
		for (const name of names) {
			const written = await lab.written(`large/${name.replace('.png', '-merged.jpg')}`);
			expect([name, sha256(written)]).toEqual([name, results().get(name)]);
		}
		const filter = encodeURIComponent(JSON.stringify({ workflowId: id }));
		const { results: executions } = await lab.call<{ results: Array<{ mode: string; status: string }> }>(
			'GET',
			`/executions?filter=${filter}`,
		);
		const byWebhook = executions.filter(({ mode }) => mode === 'webhook');
		expect(byWebhook.map(({ status }) => status)).toEqual(['success', 'success', 'success', 'success']);
		const [report] = (await readdir(folder)).filter((name) => name.endsWith('-report.csv'));
		const [head, ...lines] = (await lab.written(`large/${report}`)).toString().replace('\uFEFF', '').trim().split('\n');
		expect(head).toBe('portrait,picture,reason,requestId');
		const line = (name: string) => lines.filter((text) => text.startsWith(`${name},`));
		expect(lines).toHaveLength(10);
		for (const name of names) {
			const picture = join(folder, name.replace('.png', '-merged.jpg'));
			expect(line(name)).toEqual([expect.stringContaining(`${name},${picture},,`)]);
		}
		expect(line('wall.png')).toEqual([expect.stringContaining('No face was found in one of the two pictures')]);
		expect(line('missing.png')).toEqual([expect.stringContaining('No file(s) found')]);
		expect(lines.join()).not.toMatch(/\[item/);
	});

	/** Puts portraits, each with its seed and of another width, in a folder that nodes may read. Gives the folder. */
	async function provide(folder: string, portraits: Record<string, string>): Promise<string> {
		for (const [index, [path, seed]] of Object.entries(portraits).entries()) {
			const format = path.endsWith('.jpg') ? ('jpeg' as const) : ('png' as const);
			const width = SIDE.width + 1 + index;
			await lab.provide(join(folder, path), await portrait(seed, { ...SIDE, width, format }));
		}
		return join(lab.files, folder);
	}
});
