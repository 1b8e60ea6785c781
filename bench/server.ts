/** Situations in an n8n that runs as a server, measured: one process that is new for each of them, or queue mode. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { openLab, type Lab } from '../lab/n8n/lab';
import { openQueueLab } from '../lab/n8n/queueLab';
import { sha256 } from '../lab/simulator/exchange';
import { SIMULATOR_KEY, startSimulator, type RecordedRequest, type Simulator } from '../lab/simulator/simulator';
import { makePictures, pairOf, PICTURES_FOLDER } from './pictures';
import type { ServerResult } from './results';
import {
	idealOf,
	ONE_PROCESS,
	pairsOf,
	phaseName,
	pictureBytesOf,
	THREE_WORKERS,
	serverSituations,
	WORKERS,
	workerSituations,
	type Phase,
	type ServerSituation,
} from './serverSituations';
import { LAST, serverContestants, type ServerContestant } from './serverWorkflows';

/** Pairs and requests are counted, times are in seconds. */
export interface ServerFigures {
	/** Visitors who got a picture that the service made, and nobody else got. */
	served: number;
	/** How long each of the visitors waited for his answer, in order of their coming. */
	waits: number[];
	/** Items of each of the batches that came out with a picture. */
	merged: number[];
	requests: number;
	/** Requests refused with 429. */
	refused: number;
	/** From the first request's start to the last one's end. */
	span: number;
	/** From the first request's start to the end of the last merge for a batch. */
	batchSpan: number;
	/** The most resident memory of the process, MB of 1024 × 1024 bytes; 0 where it was not measured. */
	memory: number;
	/** Pairs merged by each worker by the time the first of them was done with all of its. */
	shares?: number[];
}

interface Worker {
	output(): string;
}

/** How often to see whether an execution has ended. */
const LOOK_MS = 2_000;

/** By then a process has given back what its start took. */
const SETTLE_MS = 15_000;

type Show = (line: string) => void;

/**
 * Hands results on as they come.
 * @param chosen whether a situation of this name is to be measured
 * @throws Error when n8n does not work
 */
export async function measureServer(
	show: Show,
	chosen: (name: string) => boolean,
	onResult: (result: ServerResult) => void,
): Promise<void> {
	const ofOne = serverSituations.filter(({ name }) => chosen(name));
	const ofBoth = workerSituations.filter(({ name }) => chosen(name));
	if (ofOne.length + ofBoth.length === 0) return;
	show('preparing n8n as a server');
	const lab = await openLab({ name: 'bench', files: PICTURES_FOLDER });
	try {
		for (const situation of ofOne) await measure(lab, situation, { show, onResult });
		for (const situation of ofBoth) await measure(lab, situation, { show, onResult, suffix: ONE_PROCESS });
	} finally {
		await lab.close();
	}
	if (ofBoth.length === 0) return;
	show('preparing queue mode');
	const { workers, ...queue } = await openQueueLab({ name: 'bench-queue', files: PICTURES_FOLDER, workers: WORKERS });
	try {
		for (const situation of ofBoth) {
			await measure(queue.lab, situation, { show, onResult, workers, suffix: THREE_WORKERS });
		}
	} finally {
		await queue.close();
	}
}

interface Measuring {
	show: Show;
	onResult(result: ServerResult): void;
	/** Those of queue mode. */
	workers?: Worker[];
	/** Behind the situation's name. */
	suffix?: string;
}

async function measure(lab: Lab, situation: ServerSituation, measuring: Measuring): Promise<void> {
	const { show, onResult, workers, suffix = '' } = measuring;
	const { phases, serviceMs, delayMs, account } = situation;
	const pairs = phases.reduce((sum, phase) => sum + (phase.samePictures ? 0 : pairsOf(phase)), 0);
	const { merged: answerPicture } = await makePictures({ pairs, pictureBytes: pictureBytesOf(situation) });
	const results = phases.map(
		(phase): ServerResult => ({
			name: phaseName(situation, phase) + suffix,
			visitors: phase.visitors?.count ?? 0,
			batches: phase.batches ?? [],
			stopped: phase.stopped,
			serviceMs,
			pictureBytes: pictureBytesOf(situation),
			idealSeconds: idealOf(situation, phase),
			contestants: [],
		}),
	);
	const isForVisitors = phases.every(({ batches }) => batches === undefined);
	for (const contestant of serverContestants.filter(({ batches }) => isForVisitors || batches)) {
		if (situation.measuresMemory) {
			await lab.restart({});
			await sleep(SETTLE_MS);
		}
		// At an address of its own: nothing is known yet of this account.
		const service = await startSimulator({
			...{ latencyMs: serviceMs, delayMs, answerPicture },
			accounts: [{ key: SIMULATOR_KEY, ...account }],
		});
		try {
			const callers = await prepareCallers(lab, contestant, service.baseUrl, situation.maxConcurrency);
			let first = 0;
			for (const [index, phase] of phases.entries()) {
				show(`${phaseName(situation, phase)}${suffix}, ${contestant.name}`);
				if (phase.samePictures) first -= pairsOf(phase);
				const run = await runPhase({ lab, service, callers, phase, first, workers });
				if (!situation.measuresMemory) run.memory = 0;
				first += pairsOf(phase);
				results[index]?.contestants.push({ id: contestant.id, name: contestant.name, runs: [run] });
			}
		} finally {
			await service.close();
		}
	}
	results.forEach(onResult);
}

/** Two workflows that listen, each at an address of its own, and what calls them. */
async function prepareCallers(lab: Lab, contestant: ServerContestant, baseUrl: string, maxConcurrency?: number) {
	const { port } = new URL(baseUrl);
	const name = `account at ${port}`;
	const { type, data } = contestant.credential(SIMULATOR_KEY, baseUrl);
	const { id } = await lab.call<{ id: string }>('POST', '/credentials', { name, type, data });
	const [visitors, batches] = [`visitors-${port}`, `batches-${port}`];
	for (const workflow of [
		contestant.visitors(visitors, { id, name }, baseUrl),
		contestant.batches?.(batches, { id, name }, maxConcurrency),
	]) {
		if (workflow) await lab.activate(await lab.addWorkflow(workflow));
	}

	async function post(path: string, init: () => RequestInit): Promise<Response> {
		for (;;) {
			const answer = await fetch(`${lab.server.url}/webhook/${path}`, { method: 'POST', ...init() });
			if (answer.status !== 404) return answer;
			await sleep(100);
		}
	}

	const template = new Blob([await readFile(join(PICTURES_FOLDER, 'template.jpg'))], { type: 'image/jpeg' });
	return {
		/** Sends a visitor's pair. Gives the hash of what came back, if that was a picture. */
		async visit(pair: number): Promise<string | undefined> {
			const file = targetName(pair);
			const target = new Blob([await readFile(join(PICTURES_FOLDER, 'targets', file))], { type: 'image/jpeg' });
			const answer = await post(visitors, () => {
				const body = new FormData();
				body.append('target', target, file);
				body.append('template', template, 'template.jpg');
				return { body };
			});
			const bytes = Buffer.from(await answer.arrayBuffer());
			return answer.ok ? sha256(bytes) : undefined;
		},

		/** Starts an execution with the pairs from `first` on. Gives its id. */
		async start(first: number, count: number): Promise<string> {
			const names = Array.from({ length: count }, (_, index) => targetName(first + index));
			const isAll = count === (await readdir(join(PICTURES_FOLDER, 'targets'))).length;
			// A list of thousands is too long a pattern.
			const pattern = isAll ? '*.jpg' : `{${names.join(',')}}`;
			const body = JSON.stringify({ selector: `${PICTURES_FOLDER}/targets/${pattern}` });
			const answer = await post(batches, () => ({ headers: { 'content-type': 'application/json' }, body }));
			if (!answer.ok) throw new Error(`The batch was not started: ${answer.status} ${await answer.text()}`);
			const { id }: { id: string } = JSON.parse(await answer.text());
			return id;
		},
	};
}

const targetName = (pair: number) => `${String(pair).padStart(5, '0')}.jpg`;

interface Run {
	lab: Lab;
	service: Simulator;
	callers: Awaited<ReturnType<typeof prepareCallers>>;
	phase: Phase;
	/** The number of its first pair. */
	first: number;
	workers?: Worker[];
}

async function runPhase({ lab, service, callers, phase, first, workers }: Run): Promise<ServerFigures> {
	const { visitors = { count: 0 }, batches = [], stopped } = phase;
	service.reset();
	await forgetPeak(lab.server.pid);
	const ranges = batches.map((count, index) => ({
		from: first + batches.slice(0, index).reduce((sum, other) => sum + other, 0),
		count,
	}));
	const ids = await Promise.all(ranges.map(async ({ from, count }) => await callers.start(from, count)));
	let haveEnded = false;
	const end = async () => {
		const executions = await Promise.all(ids.map(async (id) => await lab.finished(id, LOOK_MS)));
		haveEnded = true;
		return executions;
	};
	const stop = async (id: string) => {
		const third = pairsOf(phase) / 3;
		while (!haveEnded && service.requests.filter(isPaid).length < third) await sleep(20);
		// Refused where nothing is left to be stopped.
		await lab.call('POST', `/executions/${id}/stop`, {});
	};
	const visit = async (index: number) => {
		if (visitors.everyMs) await sleep((index + 0.5) * visitors.everyMs);
		const begun = performance.now();
		const hash = await callers.visit(first + pairsOf({ batches }) + index);
		return { hash, wait: (performance.now() - begun) / 1_000 };
	};
	const [visits, executions] = await Promise.all([
		Promise.all(Array.from({ length: visitors.count }, async (_, index) => await visit(index))),
		end(),
		...ids.filter((_, index) => index === stopped).map(stop),
	]);

	const { requests } = service;
	const paid = requests.filter(isPaid);
	const batchOf = (request: RecordedRequest) => {
		const pair = pairOf(request);
		return ranges.findIndex(({ from, count }) => pair >= from && pair < from + count);
	};
	const ofBatches = paid.filter((request) => batchOf(request) >= 0);
	const pictures = new Set(paid.map(({ resultSha256 }) => resultSha256));
	return {
		served: new Set(visits.flatMap(({ hash }) => (hash && pictures.has(hash) ? [hash] : []))).size,
		waits: visits.map(({ wait }) => wait),
		merged: executions.map(({ status, items }) =>
			status === 'success' ? items(LAST).filter(({ binary }) => binary?.data).length : 0,
		),
		requests: requests.length,
		refused: requests.filter(({ status }) => status === 429).length,
		span: spanOf(requests, requests),
		batchSpan: spanOf(requests, ofBatches),
		memory: await peakMemory(lab.server.pid),
		...(workers && { shares: sharesOf(workers, ids, ofBatches, batchOf) }),
	};
}

const isPaid = ({ status }: RecordedRequest) => status === 200;

/** Seconds from the start of the first of all requests to the end of the last of some. */
function spanOf(all: RecordedRequest[], some: RecordedRequest[]): number {
	const [first] = all;
	if (first === undefined || some.length === 0) return 0;
	const end = Math.max(...some.map(({ startedAt, finishedAt = startedAt }) => finishedAt));
	return (end - first.startedAt) / 1_000;
}

/** Linux' way to begin a process's peak of memory anew. */
async function forgetPeak(pid: number | undefined): Promise<void> {
	await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}

/** MB of 1024 × 1024 bytes. Only Linux tells it of another process. */
async function peakMemory(pid: number | undefined): Promise<number> {
	const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
	return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** Once a worker is done, the others have the account to themselves, so that counts only until then. */
function sharesOf(
	workers: Worker[],
	ids: string[],
	merges: RecordedRequest[],
	batchOf: (request: RecordedRequest) => number,
): number[] {
	const own = workers.map(({ output }) => {
		const started = new Set([...output().matchAll(/Worker started execution (\d+)/g)].map(([, id]) => id));
		return merges.filter((request) => started.has(ids[batchOf(request)]));
	});
	const endOf = ({ startedAt, finishedAt = startedAt }: RecordedRequest) => finishedAt;
	const firstDone = Math.min(...own.map((requests) => Math.max(...requests.map(endOf))));
	return own.map((requests) => requests.filter((request) => endOf(request) <= firstDone).length);
}
