/** A lab in queue mode: n8n's main process and its workers, with Redis, PostgreSQL, and the binaries in the database. */
import { randomBytes } from 'node:crypto';

import { openLab, type Lab, type LabOptions } from './lab';
import type { N8n } from './n8n';
import { freePort } from './processes';
import { startPostgres, startRedis, type Service } from './services';

type Worker = Awaited<ReturnType<N8n['startWorker']>>;

export interface QueueLabOptions extends Omit<LabOptions, 'version'> {
	/** How many; default 2. Each takes two executions at a time. */
	workers?: number;
}

/** Installs and starts everything, minutes the first time; `close` ends all, as does a start that goes wrong. */
export async function openQueueLab({ env, workers: count = 2, ...options }: QueueLabOptions) {
	const services: Service[] = [];
	const workers: Worker[] = [];
	let lab: Lab | undefined;

	async function close(): Promise<void> {
		await Promise.all(workers.map(async (worker) => await worker.stop()));
		await lab?.close();
		await Promise.all(services.map(async (service) => await service.stop()));
	}

	try {
		const redis = await startRedis();
		services.push(redis);
		const postgres = await startPostgres();
		services.push(postgres);
		lab = await openLab({
			...options,
			env: {
				...Object.assign({}, ...services.map((service) => service.env)),
				...env,
				EXECUTIONS_MODE: 'queue',
				OFFLOAD_MANUAL_EXECUTIONS_TO_WORKERS: 'true',
				N8N_ENCRYPTION_KEY: randomBytes(16).toString('hex'),
				N8N_DEFAULT_BINARY_DATA_MODE: 'database',
				N8N_WORKER_SERVER_ADDRESS: '127.0.0.1',
			},
		});
		for (let number = 1; number <= count; number++) {
			// A worker has no webhooks of its own and is told where they are.
			const n8n = await lab.prepare(`worker-${number}`, { WEBHOOK_URL: lab.server.url });
			workers.push(await n8n.startWorker({ port: await freePort(), onOutput: lab.onOutput }));
		}
		return { lab, workers, redis, postgres, close };
	} catch (error) {
		await close();
		throw error;
	}
}
