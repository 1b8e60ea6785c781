import { NodeOperationError, type IExecuteFunctions, type INodeExecutionData } from 'n8n-workflow';

import { AdaptiveLimit } from './account/adaptiveLimit';
import type { Refusal } from './api/codes';
import { systemClock, type Clock } from './clock';
import { faceFusion, type FaceFusionRequest } from './api/faceFusion';
import { failureItem, refusalFailure, thrownFailure, violationFailure, Failure } from './outcome';
import type { ImageRole } from './pictures/imageRequirements';
import { InputPictures, type InputPicture } from './pictures/inputPictures';
import { fingerprint, PaidResults, type PaidResult } from './account/results';
import { readMaxConcurrency, readMergeRequest, type MergeRequest } from './parameters';
import { sendWithRetries } from './account/retry';

/** How many items more than may be in flight are read, so that a picture is at hand when a place becomes free. */
const READ_AHEAD = 2;

/** After how many finished items the log tells the counts. */
const LOG_EVERY = 50;

/**
 * Merges every input item's pair, as many at a time as the account takes, each pair paid for once.
 * @returns one output item for each input item, in the same order
 * @throws NodeApiError or NodeOperationError of the first item that failed, unless On Error says to continue
 */
export async function mergeBatch(
	context: IExecuteFunctions,
	clock: Clock = systemClock,
): Promise<INodeExecutionData[]> {
	const batch = new Batch(context, clock, await readConnection(context), readMaxConcurrency(context));
	return await batch.run();
}

async function readConnection(context: IExecuteFunctions): Promise<{ baseUrl: string; apiKey: string }> {
	const { baseUrl, apiKey } = await context.getCredentials<{ baseUrl: string; apiKey: string }>('aiLabToolsApi');
	const trimmed = { baseUrl: baseUrl.trim().replace(/\/+$/, ''), apiKey: apiKey.trim() };
	if (!/^https?:\/\/\S+$/.test(trimmed.baseUrl)) {
		throw new NodeOperationError(context.getNode(), "'Base URL' of the credential is not an address", {
			description: 'Open the credential and enter an address such as https://www.ailabapi.com.',
		});
	}
	if (trimmed.apiKey === '') {
		throw new NodeOperationError(context.getNode(), "'API Key' of the credential is empty", {
			description: 'Open the credential and enter the key that the developer console of your AILabTools account shows.',
		});
	}
	return trimmed;
}

/** What became of a pair that was not merged: refused, or held back because the batch had stopped. */
type Unpaid = { refusal: Refusal } | { heldBack: true };

class Batch {
	private readonly items: INodeExecutionData[];
	private readonly output: INodeExecutionData[] = [];
	private readonly failures = new Map<number, Failure>();
	private readonly limit: AdaptiveLimit;
	private readonly pictures: InputPictures;
	private readonly paidResults: PaidResults<Unpaid>;
	private readonly signal: AbortSignal | undefined;
	private next = 0;
	private merged = 0;
	private reused = 0;
	private stopped = false;
	/** The refusal that no other item would escape, once there is one. */
	private refusedForAll: Refusal | undefined;

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly clock: Clock,
		private readonly connection: { baseUrl: string; apiKey: string },
		private readonly maxConcurrency: number,
	) {
		this.items = context.getInputData();
		this.limit = new AdaptiveLimit(maxConcurrency, clock);
		this.pictures = new InputPictures(context, clock);
		this.signal = context.getExecutionCancelSignal();
		this.paidResults = new PaidResults(context.getContext('node'), async ({ id }) => {
			if (id === undefined) return true;
			return await context.helpers.getBinaryMetadata(id).then(
				() => true,
				() => false,
			);
		});
	}

	async run(): Promise<INodeExecutionData[]> {
		const stop = () => this.stop();
		this.signal?.addEventListener('abort', stop, { once: true });
		const workers = Math.min(this.items.length, this.maxConcurrency + READ_AHEAD);
		await Promise.all(Array.from({ length: workers }, async () => await this.work()));
		this.signal?.removeEventListener('abort', stop);
		if (this.signal?.aborted) {
			throw new NodeOperationError(this.context.getNode(), 'The execution was cancelled', {
				description: this.progress(),
			});
		}
		if (this.failures.size === 0) this.paidResults.clear();
		else if (!this.context.continueOnFail()) throw this.firstError();
		this.addHints();
		return this.output;
	}

	private async work(): Promise<void> {
		while (!this.stopped && this.next < this.items.length) {
			const itemIndex = this.next++;
			const result = await this.mergeItem(itemIndex);
			if (result === undefined) continue;
			if (result instanceof Failure) this.fail(itemIndex, result);
			else this.output[itemIndex] = result;
			this.logProgress();
		}
	}

	private logProgress(): void {
		const finished = this.merged + this.failures.size;
		const isLast = finished === this.items.length && finished > LOG_EVERY;
		if (finished % LOG_EVERY !== 0 && !isLast) return;
		const counts = { merged: this.merged, reused: this.reused, failed: this.failures.size };
		this.context.logger.info(`Merge Portraits: ${finished} of ${this.items.length} items finished`, counts);
	}

	/** One item to its output item or its failure; undefined when the batch stopped before it was sent. */
	private async mergeItem(itemIndex: number): Promise<INodeExecutionData | Failure | undefined> {
		const node = this.context.getNode();
		try {
			if (this.refusedForAll) return refusalFailure(node, itemIndex, this.refusedForAll, false);
			const request = readMergeRequest(this.context, itemIndex);
			const load = async (role: ImageRole) =>
				await this.pictures.load(role, itemIndex, request.pictures[role], request);
			const [target, template] = await Promise.all([load('target'), load('template')]);
			if ('violations' in target || 'violations' in template) {
				const all = [target, template].flatMap((picture) => ('violations' in picture ? picture.violations : []));
				return violationFailure(node, itemIndex, all);
			}
			const { similarity } = request;
			const key = fingerprint(target.sha256, template.sha256, similarity, this.connection.baseUrl);
			const pair = { target: target.picture, template: template.picture, similarity };
			const name = outputBaseName(request, target);
			const { outcome, reused } = await this.paidResults.getOrMerge(
				key,
				async () => await this.merge(pair, request, name),
			);
			if ('binary' in outcome) return this.mergedItem(itemIndex, request, name, outcome, reused);
			if ('heldBack' in outcome) {
				return this.refusedForAll && refusalFailure(node, itemIndex, this.refusedForAll, false);
			}
			this.stopFor(outcome.refusal);
			return refusalFailure(node, itemIndex, outcome.refusal);
		} catch (error) {
			return thrownFailure(node, itemIndex, error);
		}
	}

	private async merge(pair: FaceFusionRequest, request: MergeRequest, name: string): Promise<PaidResult | Unpaid> {
		const { context, clock, signal } = this;
		const connection = { ...this.connection, timeoutMs: request.timeoutMs, clock, signal };
		let attempts = 0;
		const sendOnce = async () => {
			attempts++;
			const answer = await faceFusion(context, pair, connection);
			// Before the limit lets the next one through.
			if ('refusal' in answer && answer.refusal.resends === 0) this.stopFor(answer.refusal);
			return answer;
		};
		const loadRefusal = (answer: Awaited<ReturnType<typeof sendOnce>>) =>
			'refusal' in answer && answer.refusal.blame === 'load' ? answer.refusal : undefined;
		const send = async () => (await this.limit.run(sendOnce, loadRefusal)) ?? { heldBack: true as const };
		const options = { maxRetries: request.maxRetries, clock, random: Math.random, signal };
		const outcome = await sendWithRetries(send, options);
		if (!('bytes' in outcome)) return outcome;
		const { bytes, format, requestId, logId } = outcome;
		const binary = await context.helpers.prepareBinaryData(bytes, `${name}.${format.extension}`, format.mimeType);
		return { binary, extension: format.extension, requestId, logId, attempts };
	}

	private mergedItem(
		itemIndex: number,
		request: MergeRequest,
		name: string,
		{ binary, extension, requestId, logId, attempts }: PaidResult,
		reused: boolean,
	): INodeExecutionData {
		this.merged++;
		if (reused) this.reused++;
		const kept: INodeExecutionData = request.includeOtherFields ? this.items[itemIndex] : { json: {} };
		const mergePortraits = { requestId, logId, similarity: request.similarity, attempts, reused };
		const picture = { ...binary, fileName: `${name}.${extension}` };
		return {
			json: { ...kept.json, mergePortraits },
			binary: { ...kept.binary, [request.outputField]: picture },
			pairedItem: { item: itemIndex },
		};
	}

	private fail(itemIndex: number, failure: Failure): void {
		this.failures.set(itemIndex, failure);
		if (this.context.continueOnFail()) {
			this.output[itemIndex] = failureItem(this.context, itemIndex, failure, this.items[itemIndex]);
		} else {
			this.stop();
		}
	}

	/** Starts no more requests when no other item would fare better, or when On Error says to stop. */
	private stopFor(refusal: Refusal): void {
		if (refusal.blame === 'account' || refusal.blame === 'load') {
			this.refusedForAll ??= refusal;
			this.limit.stop();
		}
		if (!this.context.continueOnFail()) this.stop();
	}

	/** Requests in flight are let finish, so that what is paid for is kept; no new ones start. */
	private stop(): void {
		this.stopped = true;
		this.limit.stop();
	}

	private firstError(): Failure['error'] {
		const [[, { error }]] = [...this.failures].sort(([one], [other]) => one - other);
		error.description = [error.description, this.progress()].filter(Boolean).join(' ');
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

/** The given name, or the target's with `-merged`; the extension is always the one of the picture's format. */
function outputBaseName({ fileName }: MergeRequest, { baseName = 'portrait' }: InputPicture): string {
	return fileName === '' ? `${baseName}-merged` : fileName.replace(/\.(jpe?g|png|bmp|webp)$/i, '');
}
