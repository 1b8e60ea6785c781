/** Every workflow in `examples`: imported as a user imports it, and run in n8n with real counterparts. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { INode, INodeTypeDescription } from 'n8n-workflow';

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
import { portrait } from '../../lab/portraits';
import { SIMULATOR_KEY, type RecordedRequest } from '../../lab/simulator/simulator';
import { startCounterparts, type Counterparts } from '../../lab/counterparts/counterparts';

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
	const credentials: Array<Omit<Credential, 'data'>> = [CREDENTIAL];

	beforeAll(async () => {
		lab = await openLab({ name: 'examples' });
		model = await startChatModel();
		counterparts = await startCounterparts(join(lab.folder, 'storage'));
		({ mailbox } = counterparts);
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
			expect(picture.length).toBeLessThan(112 * 1024);
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
