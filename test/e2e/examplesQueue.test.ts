/** The example for large batches in queue mode: n8n's main process and two workers. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { openLab, type Lab } from '../n8n/lab';
import { freePort } from '../n8n/processes';
import { installServices, startPostgres, startRedis, type Service } from '../n8n/services';
import { portrait } from '../portraits';
import { CHUNK_KEY, readExample, withSettings } from './services/examples';

const PORTRAITS = 24;
const SIDE = { width: 240, height: 240 };

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('large-batches in queue mode', () => {
	const services: Service[] = [];
	const workers: Array<{ stop(): Promise<void>; output(): string }> = [];
	let lab: Lab;

	beforeAll(async () => {
		await installServices();
		services.push(await startRedis(), await startPostgres());
		lab = await openLab({
			version: '2.41.1',
			name: 'examples-queue',
			simulator: { latencyMs: 300 },
			env: {
				...Object.assign({}, ...services.map(({ env }) => env)),
				EXECUTIONS_MODE: 'queue',
				OFFLOAD_MANUAL_EXECUTIONS_TO_WORKERS: 'true',
				N8N_ENCRYPTION_KEY: randomBytes(16).toString('hex'),
				N8N_DEFAULT_BINARY_DATA_MODE: 'database',
				N8N_WORKER_SERVER_ADDRESS: '127.0.0.1',
			},
		});
		for (const name of ['one', 'two']) {
			// A worker has no webhooks of its own and is told where they are.
			const n8n = await lab.prepare(`worker-${name}`, { WEBHOOK_URL: lab.server.url });
			workers.push(await n8n.startWorker({ port: await freePort(), onOutput: lab.onOutput }));
		}
		await lab.call('POST', '/credentials', CHUNK_KEY);
	}, 900_000);
	afterAll(async () => {
		await Promise.all(workers.map(async (worker) => await worker.stop()));
		await lab?.close();
		await Promise.all(services.map(async (service) => await service.stop()));
	});

	it('has both workers merge chunks, each pair once, and gathers their results', async () => {
		const names = Array.from({ length: PORTRAITS }, (_, index) => `portrait-${index + 1}.png`);
		await lab.provide('template.jpg', await portrait('Template', { ...SIDE, format: 'jpeg' }));
		for (const name of names) await lab.provide(name, await portrait(name, SIDE));
		await lab.provide('portraits.csv', Buffer.from(['portrait', ...names].join('\n')));
		const settings = { folder: lab.files, chunkSize: 3 };
		const id = await lab.addWorkflow(withSettings(await readExample('large-batches'), settings));
		const { versionId } = await lab.call<{ versionId: string }>('GET', `/workflows/${id}`);
		await lab.call('POST', `/workflows/${id}/activate`, { versionId });
		const webhook = `${lab.server.url}/webhook/merge-chunk`;
		while ((await fetch(webhook, { method: 'POST' })).status === 404) await sleep(100);

		const whole = await lab.finished(await lab.startWorkflow(id));
		expect([whole.status, whole.data.resultData.error?.message]).toEqual(['success', undefined]);
		// Eight chunks and the execution that hands them out.
		const started = workers.map(({ output }) => [...output().matchAll(/Worker started execution (\d+)/g)].length);
		expect(started[0] + started[1]).toBe(9);
		expect(Math.min(...started)).toBeGreaterThanOrEqual(2);

		expect(lab.simulator.requests).toHaveLength(PORTRAITS);
		for (const { files, resultSha256 } of lab.simulator.requests) {
			const written = await lab.written(String(files.image_target.fileName).replace('.png', '-merged.jpg'));
			expect(sha256(written)).toBe(resultSha256);
		}
		const [report] = (await readdir(lab.files)).filter((name) => name.endsWith('-report.csv'));
		const [, ...lines] = (await lab.written(report)).toString().trim().split('\n');
		expect(lines.map((line) => line.split(',')[0]).sort()).toEqual([...names].sort());
	}, 120_000);
});
