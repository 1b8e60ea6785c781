import {
	NodeOperationError,
	type IBinaryData,
	type IExecuteFunctions,
	type INode,
	type INodeExecutionData,
} from 'n8n-workflow';

import { Accounts } from './account/accounts';
import type { Lane, Turn } from './account/gate';
import { fingerprint, PaidResults, type PaidResult, type PictureStore } from './paid/results';
import { send } from './account/send';
import { isAgentTool } from './output/agentTool';
import type { MergedPicture } from './api/answer';
import { readCredential, type Credential } from './input/credential';
import { faceFusion, type FaceFusionRequest } from './api/faceFusion';
import { retryDelay } from './base/backoff';
import { systemClock, type Clock } from './base/clock';
import { DownloadLinks } from './pictures/downloadLink';
import {
	endsBatch,
	failureItem,
	failureOf,
	meetsEveryPair,
	mergedItem,
	outputBaseName,
	thrownFailure,
	type Failure,
	type HeldBackFor,
	type Outcome,
} from './output/outcome';
import { readMaxConcurrency, readMergeRequest, type MergeRequest } from './input/request';
import { readImageHeader } from './pictures/imageHeader';
import type { ImageRole } from './pictures/imageRequirements';
import { InputPictures } from './pictures/inputPictures';

/** How many times n8n's binary store is tried again. */
const STORE_RETRIES = 4;

/** The log shows the counts whenever this many more items have finished. */
const LOG_EVERY = 50;

/** What a batch runs with; tests bring their own. */
export interface Surroundings {
	clock: Clock;
	accounts: Accounts;
	random: () => number;
}

const ofThisProcess: Surroundings = {
	clock: systemClock,
	accounts: new Accounts(systemClock),
	random: Math.random,
};

/**
 * Merges every input item's pair, as many at a time as the account takes, paying for each pair once.
 * @returns one output item for each input item, in the same order
 * @throws NodeApiError or NodeOperationError for the first item that failed, unless On Error says to continue or an agent
 * runs the node; for an unusable credential or `maxConcurrency`, unless an agent does; and for a cancelled execution
 */
export async function mergeBatch(
	context: IExecuteFunctions,
	surroundings: Surroundings = ofThisProcess,
): Promise<INodeExecutionData[]> {
	let batch: Batch;
	try {
		batch = new Batch(context, surroundings, await readCredential(context), readMaxConcurrency(context));
	} catch (error) {
		const node = context.getNode();
		const failure = thrownFailure(node, 0, error);
		if (!isAgentTool(node)) throw failure.error;
		return context.getInputData().map((input, itemIndex) => failureItem(node, itemIndex, failure, input));
	}
	return await batch.run();
}

type WithoutPicture = Extract<Outcome, { kind: 'refused' | 'heldBack' | 'notStored' }>;

/** What became of a pair, before it has a link. */
type Ended = Outcome | { result: PaidResult; fileName: string; reused: boolean };

const endedAs =
	(fileName: string) =>
	({ outcome, reused }: { outcome: PaidResult | WithoutPicture; reused: boolean }): Ended =>
		'kind' in outcome ? outcome : { result: outcome, fileName, reused };

class Batch {
	/** Fetched once, because n8n copies it each time. */
	private readonly node: INode;
	private readonly items: INodeExecutionData[];
	private readonly output: INodeExecutionData[] = [];
	private readonly failures = new Map<number, Failure>();
	private readonly accountId: string;
	private readonly lane: Lane;
	private readonly pictures: InputPictures;
	private readonly results: PaidResults<WithoutPicture>;
	private readonly links: DownloadLinks;
	private readonly signal: AbortSignal | undefined;
	/** Whether the batch goes on when an item fails. An agent is told what to do in the output, so nothing is thrown. */
	private readonly continues: boolean;
	private merged = 0;
	private reused = 0;
	/** What would happen to every other item too, once there is such a thing. */
	private endedFor: HeldBackFor | undefined;

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly surroundings: Surroundings,
		private readonly credential: Credential,
		maxConcurrency: number,
	) {
		const { accounts } = surroundings;
		const { id, gate } = accounts.find(credential);
		this.node = context.getNode();
		this.items = context.getInputData();
		this.accountId = id;
		this.links = new DownloadLinks(context);
		this.signal = context.getExecutionCancelSignal();
		this.continues = context.continueOnFail() || isAgentTool(this.node);
		const memory = context.getContext('node');
		// After all that may throw, because only `run` closes it.
		this.lane = gate.openLane(maxConcurrency);
		const { closed } = this.lane;
		this.pictures = new InputPictures(context, { ...surroundings, closed });
		this.results = new PaidResults(memory, accounts.results, this.pictureStore(), closed);
	}

	async run(): Promise<INodeExecutionData[]> {
		const stop = () => this.lane.close();
		this.signal?.addEventListener('abort', stop, { once: true });
		// Retry On Fail starts again even after the execution was cancelled.
		if (this.signal?.aborted) stop();
		try {
			await this.takeTurns();
		} finally {
			this.signal?.removeEventListener('abort', stop);
			this.lane.close();
		}
		if (this.signal?.aborted) {
			throw new NodeOperationError(this.node, 'The execution was cancelled', {
				description: this.progress(),
			});
		}
		if (this.failures.size === 0) this.results.clear();
		else if (!this.continues) throw this.firstError();
		this.settleHeldBack();
		this.addHints();
		return this.output;
	}

	/** The gate gives the turns, and so decides how many pairs are worked on at a time. */
	private async takeTurns(): Promise<void> {
		const atWork: Array<Promise<void>> = [];
		for (const itemIndex of this.items.keys()) {
			const turn = await this.lane.turn();
			if (turn === undefined) break;
			atWork.push(this.takeTurn(itemIndex, turn));
		}
		await Promise.all(atWork);
	}

	private async takeTurn(itemIndex: number, turn: Turn): Promise<void> {
		try {
			this.settle(itemIndex, await this.mergeItem(itemIndex, turn));
		} finally {
			turn.end();
		}
	}

	private async mergeItem(itemIndex: number, turn: Turn): Promise<Outcome> {
		try {
			const request = readMergeRequest(this.context, itemIndex);
			const { linkLifetime } = request;
			if (linkLifetime) await this.links.assertPossible(itemIndex);
			const ended = await this.mergePair(itemIndex, request, turn);
			if ('kind' in ended) return ended;
			const { result, fileName, reused } = ended;
			const downloadUrl = linkLifetime && this.links.create(result.binary, linkLifetime);
			return { kind: 'merged', request, fileName, result, reused, downloadUrl };
		} catch (error) {
			const { closed } = this.lane;
			return closed.aborted && error === closed.reason ? { kind: 'heldBack' } : { kind: 'thrown', error };
		}
	}

	private async mergePair(itemIndex: number, request: MergeRequest, turn: Turn): Promise<Ended> {
		const { pictures, similarity, reuseResults } = request;
		// A slow picture host must not hold up pairs that have their pictures.
		if ('url' in pictures.target || 'url' in pictures.template) turn.stepAside();
		const load = async (role: ImageRole) => await this.pictures.load(role, itemIndex, pictures[role], request);
		const [target, template] = await Promise.all([load('target'), load('template')]);
		if ('unfit' in target || 'unfit' in template) {
			const unfit = [target, template].flatMap((picture) => ('unfit' in picture ? picture.unfit : []));
			return { kind: 'unfit', unfit };
		}
		const key = fingerprint(target.sha256, template.sha256, similarity, this.accountId);
		const fileName = outputBaseName(request, target);
		const underWay = this.results.underWay(key);
		if (underWay !== undefined) {
			turn.end();
			// Not awaited here: that would keep the pictures in memory.
			return underWay.then(endedAs(fileName));
		}
		// Another execution is paying for it just now: waiting for that must not hold anybody up.
		if (reuseResults && this.results.isUnderWayElsewhere(key)) turn.stepAside();
		const pair = { target: target.picture, template: template.picture, similarity };
		const merge = async () => await this.merge(pair, request, fileName, turn);
		return await this.results.getOrMerge(key, reuseResults ? fileName : undefined, merge).then(endedAs(fileName));
	}

	private async merge(
		pair: FaceFusionRequest,
		{ timeoutMs, maxRetries }: MergeRequest,
		fileName: string,
		turn: Turn,
	): Promise<PaidResult | WithoutPicture> {
		const { context, signal } = this;
		const { clock, random } = this.surroundings;
		const connection = { ...this.credential, timeoutMs, clock, signal };
		const sending = await send(turn, async () => await faceFusion(context, pair, connection), {
			maxRetries,
			clock,
			random,
			endsBatch: (refusal) => endsBatch({ kind: 'refused', refusal }, this.continues),
		});
		if (sending === undefined) return { kind: 'heldBack' };
		const { answer, attempts } = sending;
		if ('refusal' in answer) return { kind: 'refused', refusal: answer.refusal };
		return await this.store(answer, fileName, attempts);
	}

	/** Nothing paid for is thrown away: what cannot be stored is not sent again. */
	private async store(
		{ bytes, format, requestId, logId }: MergedPicture,
		fileName: string,
		attempts: number,
	): Promise<PaidResult | WithoutPicture> {
		const { extension, mimeType } = format;
		const { width, height } = readImageHeader(bytes) ?? {};
		try {
			const binary = await this.put(bytes, `${fileName}.${extension}`, mimeType);
			return { binary, extension, width, height, requestId, logId, attempts };
		} catch (cause) {
			return { kind: 'notStored', requestId, logId, cause };
		}
	}

	/** Stores a picture, whatever the store says for a moment: its folder may be away. */
	private async put(bytes: Buffer, fileName: string, mimeType: string): Promise<IBinaryData> {
		const { helpers } = this.context;
		return await this.withStore(
			async () => await helpers.prepareBinaryData(bytes, fileName, mimeType),
			() => false,
		);
	}

	/** A binary without an id is in memory, inside the execution's data. */
	private pictureStore(): PictureStore {
		const { helpers } = this.context;
		const has = async ({ id }: IBinaryData) => {
			if (id === undefined) return true;
			return await this.withStore(async () => await helpers.getBinaryMetadata(id), isGone).then(
				() => true,
				() => false,
			);
		};
		const copy = async (binary: IBinaryData, fileName: string) => {
			const read = this.withStore(async () => await helpers.getBinaryDataBuffer(0, binary), isGone);
			const bytes = await read.catch(() => undefined);
			return bytes && (await this.put(bytes, fileName, binary.mimeType));
		};
		return { has, copy };
	}

	/**
	 * Uses n8n's binary store, again with backoff when it fails.
	 * @throws what n8n throws last, or at once what is final
	 */
	private async withStore<T>(use: () => Promise<T>, isFinal: (error: unknown) => boolean, retry = 1): Promise<T> {
		return await use().catch(async (error: unknown) => {
			if (retry > STORE_RETRIES || isFinal(error) || this.signal?.aborted) throw error;
			const { clock, random } = this.surroundings;
			await clock.sleep(retryDelay(retry, random()), this.signal);
			return await this.withStore(use, isFinal, retry + 1);
		});
	}

	private settle(itemIndex: number, outcome: Outcome): void {
		const { node } = this;
		const input = this.items[itemIndex] ?? { json: {} };
		if (meetsEveryPair(outcome)) this.endedFor ??= outcome;
		if (endsBatch(outcome, this.continues)) this.lane.close();
		const failure = failureOf(node, itemIndex, outcome);
		if (failure !== undefined) {
			this.failures.set(itemIndex, failure);
			this.output[itemIndex] = failureItem(node, itemIndex, failure, input);
		} else if (outcome.kind === 'merged') {
			this.merged++;
			if (outcome.reused) this.reused++;
			this.output[itemIndex] = mergedItem(node, itemIndex, outcome, input);
		} else {
			return;
		}
		this.logProgress();
	}

	/** Tells each item that was not sent why, where the same would have happened to it. */
	private settleHeldBack(): void {
		if (this.endedFor === undefined) return;
		for (const itemIndex of this.items.keys()) {
			if (this.output[itemIndex] === undefined) this.settle(itemIndex, { kind: 'heldBack', for: this.endedFor });
		}
	}

	private logProgress(): void {
		const finished = this.merged + this.failures.size;
		const isLast = finished === this.items.length && finished > LOG_EVERY;
		if (finished % LOG_EVERY !== 0 && !isLast) return;
		const counts = { merged: this.merged, reused: this.reused, failed: this.failures.size };
		this.context.logger.info(`Merge Portraits: ${finished} of ${this.items.length} items finished`, counts);
	}

	private firstError(): Failure['error'] | undefined {
		const [first] = [...this.failures].sort(([one], [other]) => one - other);
		const error = first?.[1].error;
		if (error) error.description = [error.description, this.progress()].filter(Boolean).join(' ');
		return error;
	}

	private progress(): string {
		if (this.merged === 0) return '';
		return `${this.merged} of ${this.items.length} pairs were merged. Their results are kept: a retry of this execution does not pay for them again.`;
	}

	private addHints(): void {
		if (this.failures.size > 0) {
			const message = `${this.failures.size} of ${this.items.length} items were not merged. Each says why.`;
			this.context.addExecutionHints({ message, type: 'warning', location: 'outputPane' });
		}
		if (this.reused > 0) {
			const message = `${this.reused} of ${this.items.length} results were reused and not paid for again.`;
			this.context.addExecutionHints({ message, type: 'info', location: 'outputPane' });
		}
	}
}

/** Whether n8n says that it has no such file, in the words of its stores: disk, database, S3 and Azure. */
const isGone = (error: unknown) =>
	error instanceof Error && /not ?found|ENOENT|NoSuchKey|\b404\b/i.test(`${error.constructor.name} ${error.message}`);
