/** The examples that work through many portraits: run to their end, misled, out of credits, killed in the middle, run again. */
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { INode } from 'n8n-workflow';
import sharp from 'sharp';

import { BUCKET, startCounterparts, type Counterparts } from '../../lab/counterparts/counterparts';
import { applyCredentials, readExample, withSettings } from '../../lab/n8n/examples';
import { installShown, NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Execution, type Lab } from '../../lab/n8n/lab';
import type { Credential } from '../../lab/n8n/n8n';
import { CREDENTIAL } from '../../lab/n8n/workflows';
import { PHOTOS } from '../../lab/photos';
import { faceless, portrait } from '../../lab/portraits';
import { first, portOf } from '../../lab/required';
import { sha256 } from '../../lab/simulator/exchange';
import type { RecordedRequest } from '../../lab/simulator/simulator';

const SIDE = { width: 240, height: 240 };

/** A picture that makes GraphicsMagick fetch another one, whatever its name says. */
const SVG = Buffer.from(
	'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="240" height="240"><image xlink:href="/etc/hostname" width="240" height="240"/></svg>',
);

describe(`batch examples in n8n ${NEWEST_N8N}`, () => {
	let lab: Lab;
	let counterparts: Counterparts;
	let mailbox: Counterparts['mailbox'];
	let storage: Counterparts['storage'];
	let credentials: Array<Omit<Credential, 'data'>>;
	/** Where n8n finds Node.js, and a GraphicsMagick that writes down each call. */
	let path: { node: string; gm: string };

	beforeAll(async () => {
		const { node } = await installShown(NEWEST_N8N);
		const gm = join(__dirname, '../../test-output/gm-calls');
		await mkdir(gm, { recursive: true });
		await writeFile(join(gm, 'gm'), `#!/bin/sh\necho "$@" >> ${gm}/calls\nexec /usr/bin/gm "$@"\n`);
		await chmod(join(gm, 'gm'), 0o755);
		path = { node: dirname(node), gm };
		lab = await openLab({ name: 'examples-batches', env: { PATH: `${gm}:${path.node}:${process.env.PATH}` } });
		counterparts = await startCounterparts(join(lab.folder, 'storage'));
		({ mailbox, storage } = counterparts);
		credentials = [CREDENTIAL];
		for (const credential of counterparts.credentials)
			credentials.push(await lab.call<Credential>('POST', '/credentials', credential));
	}, 900_000);
	afterAll(async () => {
		await lab?.close();
		await counterparts?.close();
	});
	beforeEach(async () => {
		lab.simulator.reset();
		mailbox.messages.length = 0;
		await rm(join(path.gm, 'calls'), { force: true });
	});

	const merges = (): RecordedRequest[] => lab.simulator.requests.filter(({ status }) => status === 200);
	const targetOf = ({ files }: RecordedRequest) => lab.nameOf(files.image_target);
	/** The names of the portraits that were sent. */
	const sent = (requests = lab.simulator.requests) => requests.map(targetOf).sort();
	/** Of the targets that were sent, as they are stored, in px. */
	const measures = async () =>
		await Promise.all(
			lab.simulator.requests.map(async ({ files }) => {
				const { width, height } = await sharp(files.image_target?.bytes).metadata();
				return `${width} × ${height}`;
			}),
		);
	const gmCalls = async () =>
		(await readFile(join(path.gm, 'calls'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
	const account = () => {
		const [known] = lab.simulator.accounts.values();
		return first(
			[known].filter((one) => one !== undefined),
			'account',
		);
	};

	async function add(name: string, settings: object, change: (node: INode) => INode = (node) => node): Promise<string> {
		const workflow = applyCredentials(withSettings(await readExample(name), { ...settings }), credentials);
		return await lab.addWorkflow({ ...workflow, nodes: workflow.nodes.map(change) });
	}
	const withoutKey = (node: INode): INode =>
		node.type.endsWith('.mergePortraits') ? { ...node, credentials: undefined } : node;

	const ended = ({ status, data }: Execution) => [status, data.resultData.error?.message];
	const SUCCESS = ['success', undefined];

	/** Lets n8n pay for so many pictures, kills it, and starts it again with nothing in its memory. */
	async function killAfter(paid: number): Promise<void> {
		while (merges().length < paid) await sleep(5);
		lab.server.kill();
		await lab.server.ended;
		await lab.restart({});
	}

	/** Puts portraits, each with its name as seed, and a template in a folder that nodes may read. Gives the folder. */
	async function provide(folder: string, names: string[], others: Record<string, Buffer> = {}): Promise<string> {
		await lab.provide(join(folder, 'template.jpg'), await portrait('Template', { ...SIDE, format: 'jpeg' }));
		for (const name of names) {
			const format = name.endsWith('.jpg') ? ('jpeg' as const) : ('png' as const);
			await lab.provide(join(folder, name), await portrait(`${folder}/${name}`, { ...SIDE, format }));
		}
		for (const [name, bytes] of Object.entries(others)) await lab.provide(join(folder, name), bytes);
		return join(lab.files, folder);
	}

	/** The lines of a CSV report by portrait. */
	function linesOf(report: Buffer): Map<string, Record<'picture' | 'reason' | 'code' | 'requestId', string>> {
		const text = report.toString();
		expect(text.startsWith('\uFEFFportrait,picture,reason,code,requestId\n')).toBe(true);
		const rows = [
			...text.matchAll(/^"((?:[^"]|"")*)","((?:[^"]|"")*)","((?:[^"]|"")*)","((?:[^"]|"")*)","((?:[^"]|"")*)"$/gm),
		];
		expect(rows).toHaveLength(text.trim().split('\n').length - 1);
		const cells = rows.map((row) => row.slice(1).map((cell) => cell.replaceAll('""', '"')));
		return new Map(
			cells.map(([name = '', picture = '', reason = '', code = '', requestId = '']) => [
				name,
				{ picture, reason, code, requestId },
			]),
		);
	}

	const numbered = (count: number, prefix = '') =>
		Array.from({ length: count }, (_, index) => `${prefix}portrait-${String(index + 1).padStart(2, '0')}.png`);

	describe('nightly-batch', () => {
		const files = async (folder: string, pattern: RegExp) =>
			(await readdir(join(lab.files, folder, 'merged'))).filter((name) => pattern.test(name));
		const pictures = async (folder: string) => await files(folder, /-merged\.jpg$/);
		const reports = async (folder: string) => await files(folder, /-report\.csv$/);
		const report = async (folder: string, which: string | undefined) =>
			linesOf(await lab.written(`${folder}/merged/${which}`));

		async function folderWith(folder: string, names: string[], others: Record<string, Buffer> = {}) {
			const inFolder = Object.entries(others).map(([name, bytes]) => [`portraits/${name}`, bytes]);
			const all = names.map((name) => `portraits/${name}`);
			const made = await provide(folder, all, Object.fromEntries(inFolder));
			await mkdir(join(made, 'merged'), { recursive: true });
			return made;
		}
		const night = async (id: string) => {
			lab.simulator.requests.length = 0;
			return await lab.finished(await lab.startWorkflow(id, 'Every night'));
		};

		it('merges what is new each night, and reports on every portrait', async () => {
			const names = numbered(30);
			const bad = ['wall-1.png', 'wall-2.png'];
			const walls = { [bad[0] ?? '']: await faceless({ ...SIDE, width: 241 }), [bad[1] ?? '']: await faceless(SIDE) };
			const broken = { 'photo.heic': Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic') };
			const folder = await folderWith('nightly', names, { ...walls, ...broken });
			// The only change to the example: the schedule fires every five seconds instead of every night.
			const often = { rule: { interval: [{ field: 'seconds', secondsInterval: 5 }] } };
			const id = await add('nightly-batch', { folder }, (node) =>
				node.type === 'n8n-nodes-base.scheduleTrigger' ? { ...node, parameters: often } : node,
			);
			const executions = async () => {
				const filter = encodeURIComponent(JSON.stringify({ workflowId: id }));
				return (await lab.call<{ results: Array<{ id: string }> }>('GET', `/executions?filter=${filter}`)).results;
			};
			await lab.activate(id);
			while ((await executions()).length === 0) await sleep(50);
			await lab.call('POST', `/workflows/${id}/deactivate`, {});
			expect(ended(await lab.finished(first(await executions(), 'execution').id))).toEqual(SUCCESS);

			const results = new Map(merges().map((each) => [targetOf(each), each.resultSha256]));
			const [firstReport] = await reports('nightly');
			const lines = await report('nightly', firstReport);
			expect([...lines.keys()].sort()).toEqual([...names, ...bad, 'photo.heic'].sort());
			expect(await pictures('nightly')).toHaveLength(30);
			for (const name of names) {
				const { picture, reason, code, requestId } = lines.get(name) ?? {};
				expect([name, reason, code]).toEqual([name, '', '']);
				expect(requestId).toMatch(/^[\w-]{36}$/);
				expect(picture).toMatch(/^\d{4}-\d\d-\d\d-\d+-portrait-\d\d-merged\.jpg$/);
				expect([name, sha256(await lab.written(`nightly/merged/${picture}`))]).toEqual([name, results.get(name)]);
			}
			for (const name of bad) expect(lines.get(name)?.reason).toMatch(/^No face was found in /);
			expect(lines.get('photo.heic')).toMatchObject({
				picture: '',
				reason: expect.stringMatching(/^The portrait whose face is taken is (a HEIC|not a) picture/),
			});
			expect([...lines.values()].map(({ reason }) => reason).join()).not.toMatch(/Input Binary Field|\[item/);

			// The second night has nothing to send: what was refused for what it shows would be so again.
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(sent()).toEqual([]);
			const [, secondReport] = await reports('nightly');
			expect([...(await report('nightly', secondReport)).keys()]).toEqual(['photo.heic']);

			// Another picture under a known name is new, and replaces no picture that was paid for.
			await lab.provide(`nightly/portraits/${names[0]}`, await portrait('Somebody else', SIDE));
			await lab.provide(`nightly/portraits/${bad[0]}`, await portrait('A face', SIDE));
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(sent()).toEqual([names[0], bad[0]]);
			expect(await pictures('nightly')).toHaveLength(32);

			// So is another template.
			await lab.provide('nightly/template.jpg', await portrait('Another template', { ...SIDE, format: 'jpeg' }));
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(sent()).toHaveLength(32);
			expect(await pictures('nightly')).toHaveLength(32 + 31);
			expect(await reports('nightly')).toHaveLength(4);
		});

		it('loses at most one round of 25 when n8n is killed in the middle, and pays for the others once', async () => {
			const names = numbered(80);
			const id = await add('nightly-batch', { folder: await folderWith('nightly-killed', names) });
			await lab.startWorkflow(id, 'Every night');
			await killAfter(60);
			const paidBefore = merges().length;
			const savedBefore = (await pictures('nightly-killed')).length;
			const lines = await report('nightly-killed', first(await reports('nightly-killed'), 'report'));
			expect(savedBefore).toBeGreaterThanOrEqual(50);
			expect(paidBefore - lines.size).toBeLessThanOrEqual(25);
			for (const { picture } of lines.values())
				expect((await lab.written(`nightly-killed/merged/${picture}`)).length).toBeGreaterThan(1000);

			expect(ended(await night(id))).toEqual(SUCCESS);
			const paidAgain = merges().length - (names.length - lines.size);
			expect([merges().length <= 30, paidAgain]).toEqual([true, 0]);
			const saved = await pictures('nightly-killed');
			expect(new Set(saved.map((name) => name.replace(/^[\d-]{10}-\d+-/, ''))).size).toBe(80);
			expect(paidBefore + merges().length).toBeLessThanOrEqual(80 + 25);

			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(sent()).toEqual([]);
		});

		it('saves portraits whose names differ by their extension or by case alone, and long ones', async () => {
			const long = (letter: string) => `${'n'.repeat(230)}${letter}.png`;
			const names = [
				'IMG_1.png',
				'IMG_1.jpg',
				'img_1.png',
				long('a'),
				long('b'),
				'写真'.repeat(40) + '.png',
				"it's, (1) [2].png",
			];
			const id = await add('nightly-batch', { folder: await folderWith('nightly-names', names) });
			expect(ended(await night(id))).toEqual(SUCCESS);
			const lines = await report('nightly-names', first(await reports('nightly-names'), 'report'));
			const saved = names.map((name) => lines.get(name)?.picture ?? '');
			expect(new Set(saved.map((name) => name.toLowerCase())).size).toBe(names.length);
			const results = new Map(merges().map((each) => [each.files.image_target?.sha256, each.resultSha256]));
			for (const [index, name] of names.entries()) {
				const source = sha256(await lab.written(`nightly-names/portraits/${name}`));
				expect([name, sha256(await lab.written(`nightly-names/merged/${saved[index]}`))]).toEqual([
					name,
					results.get(source),
				]);
			}
		});

		it('pays for nothing when the folder for results is missing', async () => {
			const id = await add('nightly-batch', {
				folder: await folderWith('nightly-folder', numbered(3)),
				results: 'nowhere',
			});
			const execution = await night(id);
			expect([execution.status, execution.data.resultData.lastNodeExecuted]).toEqual(['error', 'Save heading']);
			expect(sent()).toEqual([]);
		});

		it('pays for nothing when nothing more can be remembered', async () => {
			const id = await add('nightly-batch', { folder: await folderWith('nightly-table', numbered(3)) });
			await lab.restart({ N8N_DATA_TABLES_MAX_SIZE_BYTES: '1' });
			const execution = await night(id);
			await lab.restart({});
			expect([execution.status, execution.data.resultData.lastNodeExecuted]).toEqual(['error', 'Try table']);
			expect(sent()).toEqual([]);
		});

		it('stops before it pays when the template is no picture, and makes one fit that is too large', async () => {
			const folder = await folderWith('nightly-template', numbered(2));
			const id = await add('nightly-batch', { folder });
			await lab.provide('nightly-template/template.jpg', SVG);
			const stopped = await night(id);
			expect(ended(stopped)).toEqual(['error', expect.stringContaining('is not a picture that can be read')]);
			expect([sent(), await gmCalls()]).toEqual([[], []]);

			const take = first(
				[PHOTOS['12-megapixels.jpg']].filter((one) => one !== undefined),
				'photo',
			);
			await lab.provide('nightly-template/template.jpg', await take('Template'));
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(merges()).toHaveLength(2);
			expect((await gmCalls()).length).toBeGreaterThan(0);
		});

		it('gives only what can be made fit to GraphicsMagick', async () => {
			const sideways = await first(
				[PHOTOS['sideways.jpg']].filter((one) => one !== undefined),
				'photo',
			)('Sideways');
			const folder = await folderWith('nightly-svg', numbered(2), {
				'x.jpg': SVG,
				'y.png': Buffer.from('%PDF-1.4'),
				'empty.jpg': Buffer.alloc(0),
			});
			const id = await add('nightly-batch', { folder });
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect([sent(), await gmCalls()]).toEqual([numbered(2), []]);
			const lines = await report('nightly-svg', first(await reports('nightly-svg'), 'report'));
			for (const name of ['x.jpg', 'y.png']) expect(lines.get(name)?.reason).toMatch(/not a picture that can be read/);
			expect(lines.get('empty.jpg')?.reason).toMatch(/is an empty file/);

			await lab.provide('nightly-svg/portraits/sideways.jpg', sideways);
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(await measures()).toEqual(['640 × 480']);
			expect((await gmCalls()).length).toBeGreaterThan(0);
		});

		it('does not send what could not be prepared, and tries it again when it can be', async () => {
			const sideways = await first(
				[PHOTOS['sideways.jpg']].filter((one) => one !== undefined),
				'photo',
			)('Turned');
			const id = await add('nightly-batch', {
				folder: await folderWith('nightly-gm', numbered(1), { 'turned.jpg': sideways }),
			});
			await lab.restart({ PATH: path.node });
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(sent()).toEqual(numbered(1));
			const lines = await report('nightly-gm', first(await reports('nightly-gm'), 'report'));
			expect(lines.get('turned.jpg')?.reason).toMatch(/GraphicsMagick|gm/);
			await lab.restart({});
			expect(ended(await night(id))).toEqual(SUCCESS);
			expect(await measures()).toEqual(['640 × 480']);
		});

		it.each([
			{
				what: 'a wrong key',
				told: 'AILabTools did not accept the API key',
				begin: () => lab.simulator.setFault(() => ({ kind: 'status', status: 401, code: 'ERROR_USER_NOT_EXISTS' })),
				mostSent: 3,
				merged: 0,
			},
			{
				what: 'credits for ten of thirty',
				told: 'not have enough credits',
				begin: () => (account().credits = 10 * 8),
				mostSent: 10 + 10,
				merged: 10,
			},
			{ what: 'no credential', told: 'redential', begin: () => undefined, change: withoutKey, mostSent: 0, merged: 0 },
		])(
			'ends red after the report with $what, and gives up no portrait',
			async ({ told, begin, change, mostSent, merged }) => {
				const name = `nightly-red-${mostSent}`;
				const folder = await folderWith(name, numbered(30));
				begin();
				const id = await add('nightly-batch', { folder }, change);
				const execution = await night(id);
				account().credits = Infinity;
				expect(ended(execution)).toEqual(['error', expect.stringContaining(told)]);
				expect(execution.data.resultData.lastNodeExecuted).toBe('Stop');
				expect(merges()).toHaveLength(merged);
				expect(sent().length).toBeLessThanOrEqual(mostSent);
				expect(await pictures(name)).toHaveLength(merged);
				const lines = await report(name, first(await reports(name), 'report'));
				expect([...lines.values()].filter(({ picture }) => picture !== '')).toHaveLength(merged);
				expect([...lines.values()].some(({ reason }) => reason.includes(told))).toBe(true);

				lab.simulator.reset();
				const again = await add('nightly-batch', { folder });
				expect(ended(await night(again))).toEqual(SUCCESS);
				expect(merges()).toHaveLength(30 - merged);
			},
		);
	});

	describe('to-storage', () => {
		const pictures = async (prefix: string) =>
			(await storage.keys()).filter((key) => key.startsWith(`${prefix}/`) && !key.endsWith('.csv'));
		const report = async (prefix: string) => {
			const keys = (await storage.keys()).filter((key) => key.startsWith(`${prefix}/`) && key.endsWith('-report.csv'));
			return linesOf((await storage.object(keys.at(-1) ?? '')).bytes);
		};
		const run = async (settings: object) =>
			await lab.finished(await lab.startWorkflow(await add('to-storage', { bucket: BUCKET, ...settings })));

		it('uploads what the service returned, tells what was not merged, and sends nothing again', async () => {
			const names = [
				'one.png',
				'two words.png',
				'IMG_1.png',
				'IMG_1.jpg',
				'img_1.png',
				'a%2Fb.png',
				`${'n'.repeat(240)}.png`,
			];
			const folder = await provide(
				'storage',
				names.map((name) => `portraits/${name}`),
				{ 'portraits/wall.png': await faceless(SIDE) },
			);
			expect(ended(await run({ folder, prefix: 'all' }))).toEqual(SUCCESS);
			const lines = await report('all');
			expect(lines.get('one.png')?.picture).toBe('all/one.png-merged.jpg');
			const uploaded = names.map((name) => lines.get(name)?.picture ?? '');
			expect([...(await pictures('all'))].sort()).toEqual([...uploaded].sort());
			const results = new Map(merges().map((each) => [targetOf(each), each.resultSha256]));
			for (const [index, name] of names.entries()) {
				const { bytes, contentType } = await storage.object(encodeURI(uploaded[index] ?? ''));
				expect([name, sha256(bytes), contentType]).toEqual([name, results.get(name), 'image/jpeg']);
			}
			expect(lines.get('wall.png')).toMatchObject({ picture: '', code: 'ERROR_NO_FACE_IN_FILE' });

			lab.simulator.reset();
			expect(ended(await run({ folder, prefix: 'all' }))).toEqual(SUCCESS);
			expect(sent()).toEqual(['wall.png']);
		});

		it('pays for nothing when it cannot upload', async () => {
			const folder = await provide('storage-none', ['portraits/one.png']);
			const execution = await run({ folder, bucket: 'nowhere' });
			expect(execution.status).toBe('error');
			expect(sent()).toEqual([]);
		});

		it('loses at most one round of 25 when n8n is killed in the middle', async () => {
			const folder = await provide('storage-killed', numbered(60, 'portraits/'));
			await lab.startWorkflow(await add('to-storage', { folder, bucket: BUCKET, prefix: 'killed' }));
			await killAfter(40);
			const paidBefore = merges().length;
			const before = (await pictures('killed')).length;
			expect(before).toBeGreaterThanOrEqual(25);
			lab.simulator.reset();
			expect(ended(await run({ folder, prefix: 'killed' }))).toEqual(SUCCESS);
			expect(merges()).toHaveLength(60 - before);
			expect(paidBefore + merges().length).toBeLessThanOrEqual(60 + 25);
			expect(await pictures('killed')).toHaveLength(60);
		});
	});

	describe('to-email', () => {
		const sender = 'sender@example.com';
		const mailsTo = (address: string) =>
			mailbox.messages.filter(({ recipients }) => recipients.length === 1 && recipients[0] === address);
		const notes = () => mailsTo(sender).map(({ mail }) => mail);
		const noteOn = (name: string) => notes().find(({ subject }) => subject === `No picture for ${name}`)?.text;
		const people = (rows: Array<[name: string, email: string, portrait: string]>, mark = ';') =>
			Buffer.from([['name', 'email', 'portrait'], ...rows].map((row) => row.join(mark)).join('\r\n'));
		const run = async (folder: string, change?: (node: INode) => INode) =>
			await lab.finished(await lab.startWorkflow(await add('to-email', { folder, sender }, change)));

		it('mails each person once, and the sender a note where there is no picture or no mailbox', async () => {
			mailbox.refused.add('gone@example.com');
			const photo = await first(
				[PHOTOS['sideways.jpg']].filter((one) => one !== undefined),
				'photo',
			)('Phone');
			const list = people([
				['One', 'one@example.com', 'one.png'],
				['Gone', 'gone@example.com', 'gone.png'],
				['Wall', 'wall@example.com', 'wall.png'],
				['Missing', 'missing@example.com', 'missing.png'],
				['Nowhere', 'no address', 'two.png'],
				['Two', 'two@example.com', 'two.png'],
				['Two again', 'Two@example.com', 'two.png'],
				['Phone', 'phone@example.com', 'phone.jpg'],
				['', '', ''],
			]);
			const others = { 'wall.png': await faceless(SIDE), 'phone.jpg': photo, 'people.csv': list };
			const folder = await provide('email', ['one.png', 'two.png', 'gone.png'], others);
			expect(ended(await run(folder))).toEqual(SUCCESS);

			const results = new Map(merges().map((each) => [targetOf(each), each.resultSha256]));
			expect(merges()).toHaveLength(4);
			for (const [name, portraitOf] of [
				['One', 'one'],
				['Two', 'two'],
				['Phone', 'phone'],
			] as const) {
				const [{ mail }, ...others] = [
					first(mailsTo(`${portraitOf}@example.com`), `mail to ${name}`),
					...mailsTo(`${portraitOf}@example.com`).slice(1),
				];
				expect([others, mail.text?.includes(`Hello ${name},`)]).toEqual([[], true]);
				const [attachment] = mail.attachments;
				expect(attachment?.contentType).toBe('image/jpeg');
				expect(sha256(attachment?.content ?? Buffer.alloc(0))).toBe(
					results.get(`${portraitOf}.png`) ?? results.get(undefined),
				);
			}
			expect(mailbox.messages).toHaveLength(3 + 4);
			expect(noteOn('Wall')).toMatch(/wall@example\.com[^]*wall\.png[^]*No face was found in /);
			expect(noteOn('Missing')).toMatch(/missing@example\.com[^]*missing\.png[^]*No file\(s\) found/);
			expect(noteOn('Nowhere')).toContain('The list has no e-mail address or no portrait');
			// What was paid for is not lost with the mail.
			expect(noteOn('Gone')).toContain('No such mailbox');
			const link = /http:\S+/.exec(noteOn('Gone') ?? '')?.[0] ?? '';
			const picture = Buffer.from(await (await fetch(link)).arrayBuffer());
			expect(sha256(picture)).toBe(results.get('gone.png'));

			// A corrected address is mailed, and nobody else again.
			mailbox.messages.length = 0;
			lab.simulator.reset();
			mailbox.refused.clear();
			expect(ended(await run(folder))).toEqual(SUCCESS);
			expect(mailbox.messages.map(({ recipients }) => recipients[0]).sort()).toEqual([
				'gone@example.com',
				sender,
				sender,
				sender,
			]);
		});

		it('mails everybody once though n8n is killed in the middle', async () => {
			const names = numbered(12);
			const list = people(names.map((name, index) => [`Person ${index}`, `person-${index}@example.com`, name]));
			const folder = await provide('email-killed', names, { 'people.csv': list });
			await lab.startWorkflow(await add('to-email', { folder, sender }));
			await killAfter(6);
			const [paidBefore, mailedBefore] = [merges().length, mailbox.messages.length];
			expect(mailedBefore).toBeGreaterThanOrEqual(5);
			expect(ended(await run(folder))).toEqual(SUCCESS);
			// Whoever was being mailed as n8n died may have two.
			const mailed = names.map((_name, index) => mailsTo(`person-${index}@example.com`).length);
			expect(mailed.filter((count) => count < 1 || count > 2)).toEqual([]);
			expect(mailed.filter((count) => count === 2).length).toBeLessThanOrEqual(1);
			expect(merges().length).toBeLessThanOrEqual(12 + 1);
			expect(paidBefore).toBeLessThanOrEqual(mailedBefore + 1);
		});

		it('ends red with a wrong key instead of a note to each, and goes on where it was', async () => {
			const names = numbered(4);
			const list = people(names.map((name, index) => [`Person ${index}`, `person-${index}@example.org`, name]));
			const folder = await provide('email-key', names, { 'people.csv': list });
			lab.simulator.setFault(({ index }) =>
				index === 2 ? { kind: 'status', status: 401, code: 'ERROR_USER_NOT_EXISTS' } : undefined,
			);
			expect(ended(await run(folder))).toEqual(['error', expect.stringContaining('did not accept the API key')]);
			expect(mailbox.messages.map(({ recipients }) => recipients[0])).toEqual([
				'person-0@example.org',
				'person-1@example.org',
			]);
			lab.simulator.reset();
			expect(ended(await run(folder))).toEqual(SUCCESS);
			expect(names.map((_name, index) => mailsTo(`person-${index}@example.org`).length)).toEqual([1, 1, 1, 1]);
			expect(sent()).toEqual(names.slice(2));
		});

		const row = 'Zoë Müller;zoe@example.com;zoë.png\r\n';
		it.each([
			['with a byte order mark', Buffer.from(`\uFEFFname;email;portrait\r\n${row}`)],
			['with capitals and a hyphen', Buffer.from(`Name;E-Mail;Portrait\r\n${row}`)],
			['in Latin-1', Buffer.from(`name;email;portrait\r\n${row}`, 'latin1')],
			['with commas', Buffer.from(`name,email,portrait\n${row}`.replaceAll(';', ','))],
			['with tabs, in UTF-16', Buffer.from(`\uFEFFname;email;portrait\r\n${row}`.replaceAll(';', '\t'), 'utf16le')],
		])('reads a list %s', async (what, list) => {
			const name = `email-list-${what.replace(/\W/g, '')}`;
			const folder = await provide(name, ['zoë.png'], { 'people.csv': list });
			expect(ended(await run(folder))).toEqual(SUCCESS);
			expect(mailbox.messages.map(({ recipients, mail }) => [recipients[0], mail.text?.split('\n')[0]])).toEqual([
				['zoe@example.com', 'Hello Zoë Müller,'],
			]);
		});

		it.each([
			[
				'of other columns',
				Buffer.from(`Name;Mail;Bild\r\n${row}`),
				'people.csv needs a first line with the columns name, email, portrait',
			],
			['without people', Buffer.from('name;email;portrait\r\n'), 'and a line for each person'],
			['that is an Excel file', Buffer.from('PK\u0003\u0004'), 'In Excel, save it as “CSV UTF-8”.'],
			['with a line that is cut off', Buffer.from(`name;email;portrait\r\n${row}Per`), 'on line 3'],
		])('stops before it pays for a list %s', async (what, list, told) => {
			const folder = await provide(`email-bad-${what.replace(/\W/g, '')}`, ['zoë.png'], { 'people.csv': list });
			expect(ended(await run(folder))).toEqual(['error', expect.stringContaining(told)]);
			expect([sent(), mailbox.messages]).toEqual([[], []]);
		});
	});

	describe('large-batches', () => {
		const report = async (folder: string) => {
			const all = (await readdir(join(lab.files, folder, 'merged'))).filter((name) => name.endsWith('-report.csv'));
			const times = await Promise.all(
				all.map(async (name) => (await stat(join(lab.files, folder, 'merged', name))).mtimeMs),
			);
			return linesOf(await lab.written(`${folder}/merged/${all[times.indexOf(Math.max(...times))]}`));
		};
		const pictures = async (folder: string) =>
			(await readdir(join(lab.files, folder, 'merged'))).filter((name) => name.endsWith('-merged.jpg'));
		const listOf = (names: string[]) => Buffer.from(['Portrait', ...names].join('\r\n'));
		let workflow: string | undefined;

		/** Adds the example, with its webhook listening; the one before it makes room. */
		async function publish(folder: string, settings: object = {}): Promise<string> {
			if (workflow !== undefined) await lab.call('POST', `/workflows/${workflow}/deactivate`, {});
			workflow = await add('large-batches', {
				folder,
				chunkSize: 3,
				chunksAtATime: 2,
				address: lab.server.url,
				...settings,
			});
			await lab.activate(workflow);
			const chunk = async () => await fetch(`${lab.server.url}/webhook/merge-chunk`, { method: 'POST' });
			while ((await chunk()).status === 404) await sleep(100);
			return workflow;
		}
		const run = async (id: string) => await lab.finished(await lab.startWorkflow(id));
		const modes = async (id: string) => {
			const filter = encodeURIComponent(JSON.stringify({ workflowId: id }));
			const path = `/executions?filter=${filter}`;
			const { results } = await lab.call<{ results: Array<{ mode: string; status: string }> }>('GET', path);
			return results.filter(({ mode }) => mode === 'webhook').map(({ status }) => status);
		};

		async function folderWith(folder: string, names: string[], others: Record<string, Buffer> = {}): Promise<string> {
			const made = await provide(folder, names, {
				'portraits.csv': listOf([...names, ...Object.keys(others)]),
				...others,
			});
			await mkdir(join(made, 'merged'), { recursive: true });
			return made;
		}

		it('merges each chunk in an execution of its own, gathers one report, and pays for nothing again', async () => {
			const names = ['anna/1.png', 'ben/1.png', ...numbered(6)];
			const others = { 'wall.png': await faceless(SIDE), 'x.jpg': SVG };
			const folder = await folderWith('large', names, others);
			await lab.provide(
				'large/portraits.csv',
				listOf([...names, ...Object.keys(others), 'missing.png', names[0] ?? '']),
			);
			const id = await publish(folder);
			const guess = { method: 'POST', headers: { 'x-chunk-key': 'guessed' } };
			expect((await fetch(`${lab.server.url}/webhook/merge-chunk`, guess)).status).toBe(403);

			expect(ended(await run(id))).toEqual(SUCCESS);
			expect(await modes(id)).toEqual(['success', 'success', 'success', 'success']);
			const results = new Map(merges().map((each) => [each.files.image_target?.sha256, each.resultSha256]));
			expect(results.size).toBe(8);
			const lines = await report('large');
			expect([...lines.keys()]).toEqual([...names, 'wall.png', 'x.jpg', 'missing.png']);
			for (const name of names) {
				const { picture, reason, requestId } = lines.get(name) ?? {};
				expect([name, reason, requestId?.length]).toEqual([name, '', 36]);
				const source = sha256(await lab.written(`large/${name}`));
				expect([name, sha256(await lab.written(`large/merged/${picture}`))]).toEqual([name, results.get(source)]);
			}
			expect(lines.get('anna/1.png')?.picture).toMatch(/-anna-1-merged\.jpg$/);
			expect(lines.get('wall.png')?.reason).toContain('No face was found in ');
			expect(lines.get('missing.png')?.reason).toContain('No file(s) found');
			expect(lines.get('x.jpg')?.reason).toContain('not a picture that can be read');
			expect(await gmCalls()).toEqual([]);
			expect([...lines.values()].join()).not.toMatch(/\[item/);

			lab.simulator.reset();
			expect(ended(await run(id))).toEqual(SUCCESS);
			expect(sent()).toEqual(['wall.png']);
			const again = await report('large');
			for (const name of names) expect(again.get(name)).toEqual(lines.get(name));

			// Another picture under a known name is new, and replaces none.
			await lab.provide(`large/${names[0]}`, await portrait('Somebody new', SIDE));
			expect(ended(await run(id))).toEqual(SUCCESS);
			expect(merges().map(targetOf)).toEqual(['1.png']);
			expect(await pictures('large')).toHaveLength(9);
		});

		it('tells what was paid for although the caller heard nothing of it', async () => {
			// As a proxy does, only sooner.
			const proxy = createServer((incoming, answer) => {
				const { method, url, headers } = incoming;
				const outgoing = request(`${lab.server.url}${url}`, { method, headers }, (heard) => heard.resume());
				incoming.pipe(outgoing.on('error', () => undefined));
				setTimeout(() => answer.writeHead(504).end(), 300);
			});
			await once(proxy.listen(0, '127.0.0.1'), 'listening');
			const names = numbered(9);
			const folder = await folderWith('large-proxy', names);
			const slowly = () => ({ kind: 'drip' as const, bytesPerSecond: 10_000 });
			try {
				const id = await publish(folder, { address: `http://127.0.0.1:${portOf(proxy)}` });
				lab.simulator.setFault(slowly);
				const execution = await run(id);
				expect(ended(execution)).toEqual(['error', expect.stringContaining('its chunk may still be at work')]);
				// Nobody answered, so the third chunk was not handed out.
				while ((await modes(id)).join() !== 'success,success') await sleep(100);
				expect(await pictures('large-proxy')).toHaveLength(6);
			} finally {
				proxy.closeAllConnections();
				proxy.close();
			}
			lab.simulator.setFault(undefined);
			expect(ended(await run(await publish(folder)))).toEqual(SUCCESS);
			expect(sent()).toEqual(names);
			const lines = await report('large-proxy');
			expect([...lines.values()].filter(({ picture }) => picture !== '')).toHaveLength(9);
		});

		it('pays for nothing where nobody answers', async () => {
			const id = await publish(await folderWith('large-nobody', numbered(12)), { address: 'http://127.0.0.1:9' });
			const execution = await run(id);
			expect(ended(execution)).toEqual([
				'error',
				expect.stringMatching(/Not handed out, or not reported yet[^]* no connection to 127\.0\.0\.1:9$/),
			]);
			expect([sent(), execution.items('Send chunk').length]).toEqual([[], 2]);
			expect((await report('large-nobody')).size).toBe(12);
		});

		it('loses at most the chunks at work when n8n is killed', async () => {
			const names = numbered(30);
			const folder = await folderWith('large-killed', names);
			await lab.startWorkflow(await publish(folder, { chunkSize: 5 }));
			await killAfter(16);
			const paidBefore = merges().length;
			lab.simulator.reset();
			expect(ended(await run(await publish(folder, { chunkSize: 5 })))).toEqual(SUCCESS);
			expect(paidBefore + merges().length).toBeLessThanOrEqual(30 + 10);
			const lines = await report('large-killed');
			expect([...lines.values()].filter(({ picture }) => picture !== '')).toHaveLength(30);
			for (const { picture } of lines.values())
				expect((await lab.written(`large-killed/merged/${picture}`)).length).toBeGreaterThan(1000);
		});

		it('ends red after the report with a wrong key, and hands out no more', async () => {
			const id = await publish(await folderWith('large-key', numbered(12)));
			lab.simulator.setFault(() => ({ kind: 'status', status: 401, code: 'ERROR_USER_NOT_EXISTS' }));
			expect(ended(await run(id))).toEqual(['error', expect.stringContaining('did not accept the API key')]);
			expect(await modes(id)).toHaveLength(2);
			const reasons = [...(await report('large-key')).values()].map(({ reason }) => reason);
			expect(reasons.filter((reason) => reason.includes('did not accept the API key'))).toHaveLength(6);
			expect(reasons.filter((reason) => reason.startsWith('Not handed out'))).toHaveLength(6);
		});

		it('stops before it pays for a list without portraits', async () => {
			const folder = await folderWith('large-list', numbered(2), { 'portraits.csv': Buffer.from('bild\r\na.png') });
			const told = 'portraits.csv needs a first line with the column portrait, and a line for each portrait';
			expect(ended(await run(await publish(folder)))).toEqual(['error', expect.stringContaining(told)]);
			expect(sent()).toEqual([]);
		});
	});
});
