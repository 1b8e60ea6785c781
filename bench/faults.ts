/** What breaks while pairs are merged, and n8n's settings for it. */
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Fault, RecordedRequest } from '../lab/simulator/simulator';
import { BENCH_FOLDER } from './pictures';
import { at, inServer, type Phase, type Situation } from './situations';

/** While it is there, n8n's binary store on disk is full. */
const FULL = join(BENCH_FOLDER, 'full');

export const FAULT_SETTINGS = {
	...{ EXTERNAL_HOOK_FILES: resolve(__dirname, 'fullDisk.cjs'), BENCH_FULL: FULL },
	// When it is stopped, n8n waits so long for running executions: less than these take.
	N8N_GRACEFUL_SHUTDOWN_TIMEOUT: '1',
};

const AWAY_MS = 30_000;

/** 120 pairs, 5 at a time, where nothing else is said. */
const broken = (name: string, phase: Phase, changes: Partial<Situation> = {}): Situation =>
	inServer(name, 500, at(5), [{ batches: [120], ...phase }], changes);

const failing = (name: string, fault: Fault): Situation =>
	broken(`service away for 30 s: ${name}`, {
		async meanwhile({ service }) {
			service.setFault(() => fault);
			await sleep(AWAY_MS);
			service.setFault(undefined);
		},
	});

function badLine({ index }: RecordedRequest): Fault | undefined {
	if (index % 7 === 6) return { kind: 'reset' };
	if (index % 9 === 8) return { kind: 'cut' };
	return index % 33 === 32 ? { kind: 'drip', bytesPerSecond: 10_000 } : undefined;
}

/** In one process. */
export const faults: Situation[] = [
	broken('service away for 30 s: refused connections', { meanwhile: ({ service }) => service.away(AWAY_MS) }),
	failing('502', { kind: 'status', status: 502 }),
	failing('no answer', { kind: 'hang' }),
	broken('every 7th connection reset after the upload, every 9th answer cut, 3 % slow drips', {}, { fault: badLine }),
	broken('binary store full for 10 s', {
		async meanwhile() {
			await writeFile(FULL, '');
			await sleep(10_000);
			await rm(FULL);
		},
	}),
	broken('one of three executions cancelled, and started again', {
		batches: [40, 40, 40],
		async meanwhile({ lab, ids: [, id], startAgain }) {
			await lab.call('POST', `/executions/${id}/stop`, {});
			await startAgain(1);
		},
	}),
	broken('n8n stopped, and the execution retried', {
		async meanwhile({ lab, ids: [id] }) {
			await lab.restart({});
			await lab.call('POST', `/executions/${id}/retry`, {});
		},
	}),
	inServer('300 visitors at once', 200, at(10), [{ visitors: { count: 300 } }]),
	inServer('3,000 pairs', 200, at(10), [{ batches: [3_000] }]),
];

/** In queue mode, with three workers. The last one leaves a single worker. */
export const queueFaults: Situation[] = [
	broken('Redis and PostgreSQL restarted, 4 s away', {
		meanwhile: ({ queue }) => Promise.all([queue?.redis.restart(4_000), queue?.postgres.restart(4_000)]),
	}),
	broken('one worker killed and one stopped, with visitors', {
		...{ batches: [], visitors: { count: 60, everyMs: 300 } },
		async meanwhile({ queue }) {
			const [one, other] = queue?.workers ?? [];
			one?.kill();
			await other?.stop();
		},
	}),
];
