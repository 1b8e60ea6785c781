/** Queue mode: n8n's main process and two workers, with Redis, PostgreSQL, and the binaries in the database. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { INodeExecutionData } from 'n8n-workflow';

import { first } from '../../lab/required';
import { NEWEST_N8N } from '../../lab/n8n/installation';
import { hasEnded, type Lab, type Listed } from '../../lab/n8n/lab';
import { openQueueLab } from '../../lab/n8n/queueLab';
import { portrait } from '../../lab/portraits';
import type { RecordedRequest } from '../../lab/simulator/simulator';
import { addFields, chain, MERGE, mergePortraits, readFiles, start, webhook } from '../../lab/n8n/workflows';

const PAIRS = 10;

/** How long a worker may be silent before its jobs count as lost: n8n's own minute is long to wait for. */
const IMPATIENCE = {
	QUEUE_WORKER_LOCK_DURATION: '5000',
	QUEUE_WORKER_LOCK_RENEW_TIME: '1000',
	QUEUE_WORKER_STALLED_INTERVAL: '2000',
};

describe(`n8n ${NEWEST_N8N} in queue mode`, () => {
	let queue: Awaited<ReturnType<typeof openQueueLab>>;
	let lab: Lab;
	let workflowId: string;

	beforeAll(async () => {
		queue = await openQueueLab({ name: 'queue', simulator: { latencyMs: 400 }, env: IMPATIENCE });
		({ lab } = queue);
		const small = { width: 240, height: 240 };
		await lab.provide('template.jpg', await portrait('template', { ...small, format: 'jpeg' }));
		for (let pair = 0; pair < PAIRS; pair++) {
			await lab.provide(`targets/${pair}.png`, await portrait(`target ${pair}`, small));
		}
		workflowId = await lab.addWorkflow(
			chain('Queued', [
				webhook('pairs', { responseMode: 'onReceived', options: {} }, 'Start'),
				readFiles('Template', join(lab.files, 'template.jpg'), 'template'),
				readFiles('Targets', join(lab.files, 'targets/*.png'), 'target'),
				addFields('Source', { pair: '={{ $json.fileName }}' }),
				mergePortraits({
					parameters: { similarity: `={{ ($("Start").first().json.body.run * ${PAIRS} + $itemIndex) / 1000 }}` },
				}),
				addFields('After', { lookedBack: '={{ $("Source").item.json.pair }}' }),
			]),
		);
		await lab.activate(workflowId);
	}, 900_000);

	afterAll(async () => await queue?.close());

	/** Starts an execution over the webhook. */
	async function call(run: number): Promise<void> {
		const headers = { 'content-type': 'application/json' };
		const answer = await lab.callWebhook('pairs', { headers, body: JSON.stringify({ run }) });
		if (!answer.ok) throw new Error(`The webhook answered ${answer.status}`);
	}

	const executions = async () => await lab.executions(workflowId);

	async function ended(count: number): Promise<Listed[]> {
		for (;;) {
			const all = await executions();
			if (all.length >= count && all.every(hasEnded)) return all;
			await sleep(200);
		}
	}

	const worker = (place: number) => first(queue.workers.slice(place), `worker ${place}`);
	const startedBy = (place: number) => {
		const output = worker(place).output();
		return [...output.matchAll(/Worker started execution (\d+)/g)].map(([, id]) => id);
	};
	const paid = (): RecordedRequest[] => lab.simulator.requests.filter(({ status }) => status === 200);
	const similarities = () => paid().map(({ fields }) => Number(fields.source_similarity));
	const isMerged = ({ binary }: INodeExecutionData) => binary?.data?.id?.startsWith('database:') === true;

	it('spreads twenty executions of ten pairs over both workers, and merges each pair once', async () => {
		const runs = Array.from({ length: 20 }, (_, run) => run);
		await Promise.all(runs.map(call));
		const all = await ended(runs.length);
		expect(all.map(({ status }) => status)).toEqual(runs.map(() => 'success'));

		const [one, two] = [startedBy(0), startedBy(1)];
		expect([...one, ...two].sort()).toEqual(all.map(({ id }) => id).sort());
		// Four at a time can run: none of them sits idle while the other does all the work.
		expect(Math.min(one.length, two.length)).toBeGreaterThanOrEqual(4);

		expect(lab.simulator.requests).toHaveLength(runs.length * PAIRS);
		expect(similarities().sort((a, b) => a - b)).toEqual(
			Array.from({ length: runs.length * PAIRS }, (_, pair) => pair / 1000),
		);
		for (const { id } of all) {
			const items = (await lab.finished(id)).items('After');
			expect(items.filter(isMerged)).toHaveLength(PAIRS);
			expect(items.map(({ json }) => json.lookedBack)).toEqual(items.map(({ json }) => json.pair));
		}
		const [picture] = (await lab.finished(first(all, 'execution').id)).items(MERGE);
		expect((await lab.read(picture?.binary?.data)).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
	}, 120_000);

	it('stores a picture in PostgreSQL whose portrait has a name of 250 characters', async () => {
		const name = 'x'.repeat(246);
		await lab.provide(`long/${name}.png`, await portrait('long', { width: 240, height: 240 }));
		lab.simulator.reset();
		const execution = await lab.run(
			chain('Long', [
				start,
				readFiles('Template', join(lab.files, 'template.jpg'), 'template'),
				readFiles('Targets', join(lab.files, 'long/*.png'), 'target'),
				mergePortraits({}),
			]),
		);
		const [item] = execution.items(MERGE);
		expect(item?.binary?.data).toMatchObject({
			id: expect.stringMatching(/^database:/),
			fileName: `${'x'.repeat(81)}-merged.jpg`,
		});
		expect(lab.simulator.requests).toHaveLength(1);
	}, 60_000);

	it('gives up the executions of a killed worker, re-runs none of them, and merges nothing twice', async () => {
		const before = new Set((await executions()).map(({ id }) => id));
		const startedBefore = startedBy(0).length;
		lab.simulator.reset();
		const runs = Array.from({ length: 8 }, (_, run) => 20 + run);
		await Promise.all(runs.map(call));
		// In the middle: the worker is at executions of which some pairs are paid for and others not.
		while (startedBy(0).length === startedBefore || paid().length < 6) await sleep(20);
		worker(0).kill();
		await worker(0).ended;

		const all = (await ended(before.size + runs.length)).filter(({ id }) => !before.has(id));
		const taken = startedBy(0).slice(startedBefore);
		const succeeded = all.filter(({ status }) => status === 'success').map(({ id }) => id);
		const lost = all.filter(({ status }) => status !== 'success');
		expect(lost.length).toBeGreaterThan(0);
		const sent = lab.simulator.requests.length;
		for (const { id } of lost) {
			expect(taken).toContain(id);
			expect(startedBy(1)).not.toContain(id);
			const { status, data } = await lab.finished(id);
			expect([status, data.resultData.error?.message]).toEqual([
				'error',
				expect.stringMatching(/^This execution failed to be processed too many times/),
			]);
			// n8n has kept nothing of it, so its Retry has nothing to go on with, and pays for nothing.
			expect(await lab.call('POST', `/executions/${id}/retry`, {})).toMatchObject({ status: 'error' });
		}
		expect(lab.simulator.requests).toHaveLength(sent);
		expect(new Set(similarities()).size).toBe(similarities().length);
		for (const id of succeeded) {
			expect((await lab.finished(id)).items('After').filter(isMerged)).toHaveLength(PAIRS);
		}
		// What was lost cannot have been finished, and whatever was finished is all there.
		expect(paid().length).toBeGreaterThanOrEqual(succeeded.length * PAIRS);
		expect(paid().length).toBeLessThan(runs.length * PAIRS);
	}, 120_000);
});
