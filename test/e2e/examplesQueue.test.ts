/** The example for large batches in queue mode: n8n's main process and two workers. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { sha256 } from '../../lab/simulator/exchange';
import { applyCredentials, readExample, withSettings } from '../../lab/n8n/examples';
import type { Lab } from '../../lab/n8n/lab';
import type { Credential } from '../../lab/n8n/n8n';
import { CREDENTIAL } from '../../lab/n8n/workflows';
import { openQueueLab } from '../../lab/n8n/queueLab';
import { portrait } from '../../lab/portraits';
import { CHUNK_KEY } from '../../lab/counterparts/counterparts';

const PORTRAITS = 24;
const SIDE = { width: 240, height: 240 };

describe('large-batches in queue mode', () => {
	let queue: Awaited<ReturnType<typeof openQueueLab>>;
	let lab: Lab;
	let key: Credential;

	beforeAll(async () => {
		queue = await openQueueLab({ name: 'examples-queue', simulator: { latencyMs: 300 } });
		({ lab } = queue);
		key = await lab.call<Credential>('POST', '/credentials', CHUNK_KEY);
	}, 900_000);
	afterAll(async () => await queue?.close());

	it('has both workers merge chunks, each pair once, and gathers their results', async () => {
		const names = Array.from({ length: PORTRAITS }, (_, index) => `portrait-${index + 1}.png`);
		await lab.provide('template.jpg', await portrait('Template', { ...SIDE, format: 'jpeg' }));
		for (const name of names) await lab.provide(name, await portrait(name, SIDE));
		await lab.provide('portraits.csv', Buffer.from(['portrait', ...names].join('\n')));
		await mkdir(join(lab.files, 'merged'));
		const settings = { folder: lab.files, chunkSize: 3, address: lab.server.url };
		const credentials = [CREDENTIAL, key];
		const example = applyCredentials(await readExample('large-batches'), credentials);
		const id = await lab.addWorkflow(withSettings(example, settings));
		await lab.activate(id);
		const webhook = `${lab.server.url}/webhook/merge-chunk`;
		while ((await fetch(webhook, { method: 'POST' })).status === 404) await sleep(100);

		const whole = await lab.finished(await lab.startWorkflow(id));
		expect([whole.status, whole.data.resultData.error?.message]).toEqual(['success', undefined]);
		// Eight chunks and the execution that hands them out.
		const started = queue.workers.map(({ output }) => [...output().matchAll(/Worker started execution (\d+)/g)].length);
		expect(started.reduce((sum, count) => sum + count, 0)).toBe(9);
		expect(Math.min(...started)).toBeGreaterThanOrEqual(2);

		expect(lab.simulator.requests).toHaveLength(PORTRAITS);
		const [report] = (await readdir(join(lab.files, 'merged'))).filter((name) => name.endsWith('-report.csv'));
		const [, ...lines] = (await lab.written(`merged/${report}`)).toString().trim().split('\n');
		const pictures = new Map(lines.map((line) => JSON.parse(`[${line}]`)));
		expect([...pictures.keys()]).toEqual(names);
		for (const { files, resultSha256 } of lab.simulator.requests) {
			const picture = pictures.get(lab.nameOf(files.image_target));
			expect(sha256(await lab.written(`merged/${picture}`))).toBe(resultSha256);
		}
	}, 120_000);
});
