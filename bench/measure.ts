/** Measures situations in an n8n that runs as a server, in one process or in queue mode. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { hasEnded, type Lab, type Listed } from '../lab/n8n/lab';
import { cpuSeconds, forgetPeak, peakMemory } from '../lab/n8n/processes';
import { sha256 } from '../lab/simulator/exchange';
import { SIMULATOR_KEY, startSimulator, type RecordedRequest, type Simulator } from '../lab/simulator/simulator';
import { prepareCallers, type Callers } from './callers';
import { contestants, type Contestant } from './contestants';
import { makePictures, pairOf, type Pictures } from './pictures';
import type { ContestantId, Result, Run } from './results';
import { idealSeconds, pairsOf, phaseName, type Phase, type Queue, type Scene, type Situation } from './situations';

/** Where situations are measured. */
export interface Stage extends Pick<Scene, 'lab' | 'queue'> {
	show(line: string): void;
	/** What the node is called here, if not by its name. */
	as?: { id: ContestantId; name: string };
}

/** How often to see whether the executions have ended. */
const LOOK_MS = 1_000;

/** By then a process has given back what its start took. */
const SETTLE_MS = 15_000;

/** After it, what was to happen happens though not enough was merged. */
const PATIENCE_MS = 120_000;

/** A result for each phase, of which nothing is measured yet. */
export const resultsOf = (situation: Situation): Result[] =>
	situation.phases.map((phase) => {
		const pairs = pairsOf(phase) - (situation.badTargets ?? 0);
		const ideal = idealSeconds(situation, pairs);
		return { name: phaseName(situation, phase), pairs, idealSeconds: ideal, contestants: [] };
	});

/** Those who take part, in the order of their turns, with how many rounds they take. */
export const takingPart = ({ by, rounds }: Situation): Contestant[] =>
	contestants
		.filter(({ id }) => by.includes(id))
		.map((contestant) => ({ ...contestant, rounds: Math.min(contestant.rounds, rounds) }));

/** Adds what it measures to the results, one for each phase. @throws Error when n8n does not work */
export async function measure(stage: Stage, situation: Situation, results: Result[]): Promise<void> {
	const { phases, pictureBytes, badTargets } = situation;
	const pairs = phases.reduce((sum, phase) => sum + (phase.samePictures ? 0 : pairsOf(phase)), 0);
	const pictures = await makePictures(pairs, pictureBytes, badTargets);
	const taking = takingPart(situation);
	// Round by round, so that what the machine does besides meets everybody.
	for (let round = 1; taking.some(({ rounds }) => round <= rounds); round++) {
		for (const contestant of taking.filter(({ rounds }) => round <= rounds)) {
			if (situation.isAlone) {
				await stage.lab.restart({});
				await sleep(SETTLE_MS);
			}
			stage.show(`${situation.name}, ${contestant.name}, round ${round}`);
			const runs = await measureRound(stage, situation, contestant, pictures);
			const { id, name } = stage.as ?? contestant;
			for (const [index, { contestants: all }] of results.entries()) {
				const run = runs[index] ?? {};
				const known = all.find((each) => each.id === id);
				if (known) known.runs.push(run);
				else all.push({ id, name, runs: [run] });
			}
		}
	}
}

/** Gives a run for each phase. */
async function measureRound(stage: Stage, situation: Situation, contestant: Contestant, pictures: Pictures) {
	const service = await startSimulator({
		...{ latencyMs: situation.serviceMs, delayMs: situation.delayMs, escapeSlashes: situation.escapeSlashes },
		...{ answerPicture: pictures.merged, accounts: [{ key: SIMULATOR_KEY, ...situation.account }] },
		fault: (request) => {
			const why = pictures.bad.get(pairOf(request));
			return why ? { kind: 'status', ...why } : situation.fault?.(request);
		},
	});
	const callers = await prepareCallers(stage.lab, contestant, situation, service.baseUrl);
	const runs: Array<Partial<Run>> = [];
	let first = 0;
	for (const phase of situation.phases) {
		if (phase.samePictures) first -= pairsOf(phase);
		const { cpu, memory, ...run } = await runPhase({ ...stage, service, callers, phase, first });
		// What a process has used that had other work before says nothing.
		runs.push(situation.isAlone ? { ...run, cpu, memory } : run);
		first += pairsOf(phase);
	}
	await callers.close();
	await service.close();
	return runs;
}

type RunningPhase = Stage & { service: Simulator; callers: Callers; phase: Phase; first: number };

/** @param first the number of its first pair */
async function runPhase({ lab, queue, service, callers, phase, first }: RunningPhase): Promise<Partial<Run>> {
	const { visitors = { count: 0 }, batches = [] } = phase;
	const { pid } = lab.server;
	const earlier = service.requests.length;
	const requests = () => service.requests.slice(earlier);
	const known = (await callers.executions()).map(({ id }) => id);
	await forgetPeak(pid);
	const cpuBefore = await cpuSeconds(pid);
	const firsts = batches.map((_, index) => first + pairsOf({ batches: batches.slice(0, index) }));
	const start = async (index: number) => await callers.start(firsts[index] ?? 0, batches[index] ?? 0);
	const ids = await Promise.all(batches.map(async (_, index) => await start(index)));
	const visit = async (index: number) => {
		await sleep((index + 0.5) * (visitors.everyMs ?? 0));
		const begun = performance.now();
		// A visitor whose connection breaks has no picture.
		const hash = await callers.visit(first + pairsOf({ batches }) + index).catch(() => undefined);
		return { hash, wait: (performance.now() - begun) / 1_000 };
	};
	const meanwhile = async () => {
		const giveUp = performance.now() + PATIENCE_MS;
		while (requests().filter(isPaid).length < pairsOf(phase) / 3 && performance.now() < giveUp) await sleep(20);
		await phase.meanwhile?.({ lab, queue, service, ids, startAgain: start });
	};
	const [visits] = await Promise.all([
		Promise.all(Array.from({ length: visitors.count }, async (_, index) => await visit(index))),
		phase.meanwhile && meanwhile(),
	]);
	let executions: Listed[] | undefined;
	do {
		await sleep(LOOK_MS);
		// While its database is away, n8n cannot say.
		executions = (await callers.executions().catch(() => undefined))?.filter(({ id }) => !known.includes(id));
	} while (!executions?.every(hasEnded));
	const used = { cpu: (await cpuSeconds(pid)) - cpuBefore, memory: await peakMemory(pid) };

	const out = new Set(visits.map(({ hash }) => hash));
	let stored = 0;
	for (const { id } of executions) {
		const data = await lab.stored(id);
		stored += Buffer.byteLength(data) / 1024;
		for (const hash of await picturesIn(lab, data)) out.add(hash);
	}
	const ofBatches = requests().filter((request) => isPaid(request) && pairOf(request) < first + pairsOf({ batches }));
	return {
		...{ ...used, ...countPairs(requests(), out), span: spanOf(requests(), requests()) },
		// What is not merged again was merged in an earlier phase.
		delivered: countPairs(service.requests, out).delivered,
		...(visits.length > 0 && { waits: visits.map(({ wait }) => wait) }),
		...(batches.length > 0 && { stored, batchSpan: spanOf(requests(), ofBatches) }),
		...(queue && { shares: sharesOf(queue, firsts, ids, ofBatches) }),
	};
}

/** Whether the service merged it, even if nobody got the answer. */
const isPaid = ({ resultSha256 }: RecordedRequest) => resultSha256 !== undefined;

/** What became of the pairs. @param out the hashes of all pictures that came out */
export function countPairs(requests: RecordedRequest[], out: ReadonlySet<string | undefined>) {
	const merges = new Map<number, string[]>();
	for (const request of requests.filter((each) => !Number.isNaN(pairOf(each)))) {
		const own = merges.get(pairOf(request)) ?? [];
		merges.set(pairOf(request), request.resultSha256 ? [...own, request.resultSha256] : own);
	}
	const pairs = [...merges.values()];
	return {
		requests: requests.length,
		refused: requests.filter(({ status }) => status === 429).length,
		paid: pairs.flat().length,
		sent: pairs.length,
		merged: pairs.filter((own) => own.length > 0).length,
		paidTwice: pairs.filter((own) => own.length > 1).length,
		delivered: pairs.filter((own) => own.some((hash) => out.has(hash))).length,
	};
}

const endOf = ({ startedAt, finishedAt = startedAt }: RecordedRequest) => finishedAt;

/** Seconds from the start of the first of all requests to the end of the last of some. */
function spanOf([first]: RecordedRequest[], some: RecordedRequest[]): number {
	return first && some.length > 0 ? (Math.max(...some.map(endOf)) - first.startedAt) / 1_000 : 0;
}

/** The hashes of all pictures of an execution: stored ones by their ids, and those left in items as Base64. */
async function picturesIn(lab: Lab, data: string): Promise<string[]> {
	const parts: unknown[] = JSON.parse(data);
	const hashes: string[] = [];
	for (const part of parts) {
		if (typeof part !== 'string') continue;
		const [, store, path = ''] = /^(filesystem-v2|database):(.*)/.exec(part) ?? [];
		if (store === 'database') hashes.push(sha256(await lab.read({ id: part, data: '', mimeType: 'image/jpeg' })));
		else if (store) hashes.push(sha256(await readFile(join(lab.folder, 'user/.n8n/storage', path))));
		else if (part.length > 10_000) hashes.push(sha256(Buffer.from(part, 'base64')));
	}
	return hashes;
}

/** Once a worker is done, the others have the account to themselves, so that counts only until then. */
function sharesOf({ workers }: Queue, firsts: number[], ids: string[], merges: RecordedRequest[]): number[] {
	const own = workers.map(({ output }) => {
		const started = new Set([...output().matchAll(/Worker started execution (\d+)/g)].map(([, id]) => id));
		return merges.filter((request) => started.has(ids[firsts.findLastIndex((first) => first <= pairOf(request))]));
	});
	const firstDone = Math.min(...own.map((requests) => Math.max(...requests.map(endOf))));
	return own.map((requests) => requests.filter((request) => endOf(request) <= firstDone).length);
}
