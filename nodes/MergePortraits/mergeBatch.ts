import { NodeOperationError, type IExecuteFunctions, type INodeExecutionData } from 'n8n-workflow';

import { readCredential } from './input/credential';
import { RequestReader } from './input/request';
import { PairMerger, type BatchTerms, type Merged, type Surroundings } from './mergePair';
import { fileNamesOf } from './output/fileNames';
import { isAgentTool, OutputItems } from './output/item';
import {
	endsBatch,
	Failures,
	meetsEveryPair,
	type Failure,
	type HeldBackFor,
	type WithoutPicture,
} from './output/outcome';
import { StoredBinaries } from './pictures/storedBinaries';

/** The log shows the counts whenever this many more items have finished. */
const LOG_EVERY = 50;

/**
 * Merges every input item's pair, as many at a time as the account takes, paying for each pair once.
 * @returns one output item for each input item, in the same order
 * @throws NodeApiError or NodeOperationError for the first item that failed, or an unusable set-up, unless On Error says to
 * continue or an agent runs the node; and for a cancelled execution
 */
export async function mergeBatch(
	context: IExecuteFunctions,
	surroundings: Surroundings,
): Promise<INodeExecutionData[]> {
	return await new Batch(context, surroundings).run();
}

class Batch {
	private readonly items: INodeExecutionData[];
	private readonly isAgent: boolean;
	/** Whether the batch goes on when an item fails. An agent is told what to do in the output, so nothing is thrown. */
	private readonly continues: boolean;
	private readonly failures: Failures;
	private readonly storedBinaries: StoredBinaries;
	private readonly output: OutputItems;
	private readonly ended = new Map<number, Merged | WithoutPicture>();
	/** What would happen to every other item too, once there is such a thing. */
	private endedBy: { itemIndex: number; outcome: HeldBackFor } | undefined;

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly surroundings: Surroundings,
	) {
		// Fetched once, because n8n copies it each time.
		const node = context.getNode();
		this.items = context.getInputData();
		this.storedBinaries = new StoredBinaries(context);
		this.isAgent = isAgentTool(node);
		this.continues = context.continueOnFail() || this.isAgent;
		this.failures = new Failures(node, this.items.length, this.isAgent);
		this.output = new OutputItems(node, this.isAgent, this.storedBinaries.isCombined);
	}

	async run(): Promise<INodeExecutionData[]> {
		const execution = this.context.getContext('flow');
		const terms = await this.setUp().catch((error: unknown): WithoutPicture => ({ kind: 'thrown', error }));
		if ('kind' in terms) this.items.forEach((_, itemIndex) => this.ended.set(itemIndex, terms));
		else await this.mergeAll(terms);
		if (!this.continues && this.counts().merged < this.items.length) throw this.firstError();
		this.surroundings.results.forgetRetry(execution);
		this.addHints();
		const names = fileNamesOf(execution);
		return this.items.map((input, itemIndex) => {
			const ended = this.endOf(itemIndex);
			if (ended.kind !== 'merged') {
				return this.output.failed(
					itemIndex,
					this.failure(itemIndex, ended),
					input,
					this.outputField(itemIndex),
					'mergePortraits',
				);
			}
			const fileName = names.nameFor(ended.key, ended.baseName, ended.result.extension);
			return this.output.merged(itemIndex, { ...ended, fileName }, input);
		});
	}

	/** What can go wrong for all pairs at once. */
	private async setUp(): Promise<BatchTerms> {
		const { context, continues, isAgent, storedBinaries } = this;
		const credential = await readCredential(context);
		const maxConcurrency = this.reader(0).maxConcurrency();
		const { id, gate } = this.surroundings.accounts.find(credential);
		// After all that may throw, because only `mergeAll` closes it.
		return { credential, accountId: id, lane: gate.openLane(maxConcurrency), continues, isAgent, storedBinaries };
	}

	private async mergeAll(terms: BatchTerms): Promise<void> {
		const { lane } = terms;
		const cancelled = this.context.getExecutionCancelSignal();
		cancelled?.addEventListener('abort', () => lane.close(), { signal: lane.closed });
		// Retry On Fail starts again even after the execution was cancelled.
		if (cancelled?.aborted) lane.close();
		await this.takeTurns(terms).finally(() => lane.close());
		if (!cancelled?.aborted) return;
		const description = this.progress(
			[...this.ended.values()].some((ended) => ended.kind === 'merged' && ended.result.binary.id)
				? "As long as this n8n runs, 'Reuse Earlier Results' saves paying for them again."
				: 'Their results are lost: this n8n keeps binary data in memory.',
		);
		throw new NodeOperationError(this.context.getNode(), 'The execution was cancelled', { description });
	}

	/** The gate gives the turns, and so decides how many pairs are worked on at a time. */
	private async takeTurns(terms: BatchTerms): Promise<void> {
		const { lane } = terms;
		const pairs = new PairMerger(this.context, this.surroundings, terms);
		const atWork: Array<Promise<void>> = [];
		for (const itemIndex of this.items.keys()) {
			const turn = await lane.turn();
			if (turn === undefined) break;
			const settle = (ended: Merged | WithoutPicture) => {
				this.ended.set(itemIndex, ended);
				if (meetsEveryPair(ended)) this.endedBy ??= { itemIndex, outcome: ended };
				if (endsBatch(ended, this.continues)) lane.close();
				this.logProgress();
				turn.end();
			};
			atWork.push(pairs.merge(itemIndex, turn).then(settle));
		}
		await Promise.all(atWork);
	}

	private endOf(itemIndex: number): Merged | WithoutPicture {
		return this.ended.get(itemIndex) ?? { kind: 'heldBack' };
	}

	/** Why an item has no picture. What was not sent is told what would have happened to it too. */
	private failure(itemIndex: number, ended: WithoutPicture): Failure {
		return this.failures.of(itemIndex, ended, this.endedBy?.outcome);
	}

	/** The failure that ended the batch, or else the first item's. */
	private firstError(): Failure['error'] {
		const first = [...this.items.keys()].find((index) => !['merged', 'heldBack'].includes(this.endOf(index).kind));
		const itemIndex = this.endedBy?.itemIndex ?? first ?? 0;
		const ended = this.endOf(itemIndex);
		const { error } = this.failure(itemIndex, ended.kind === 'merged' ? { kind: 'heldBack' } : ended);
		const progress = this.progress('Their results are kept: a retry of this execution does not pay for them again.');
		error.description = [error.description, progress].filter(Boolean).join(' ');
		return error;
	}

	private outputField(itemIndex: number): string | undefined {
		try {
			return this.reader(itemIndex).outputField();
		} catch {
			// An expression that cannot be resolved, or gives no name.
			return undefined;
		}
	}

	private reader(itemIndex: number): RequestReader {
		return new RequestReader(this.context, itemIndex, this.storedBinaries);
	}

	private counts(): { merged: number; reused: number } {
		const merged = [...this.ended.values()].filter((ended) => ended.kind === 'merged');
		return { merged: merged.length, reused: merged.filter(({ reused }) => reused).length };
	}

	private logProgress(): void {
		const finished = this.ended.size;
		const isLast = finished === this.items.length && finished > LOG_EVERY;
		if (finished % LOG_EVERY !== 0 && !isLast) return;
		const { merged, reused } = this.counts();
		const counts = { merged, reused, failed: finished - merged };
		this.context.logger.info(`Merge Portraits: ${finished} of ${this.items.length} items finished`, counts);
	}

	/** @param outlook what becomes of the pictures that there are */
	private progress(outlook: string): string {
		const { merged } = this.counts();
		return merged === 0 ? '' : `${merged} of ${this.items.length} pairs were merged. ${outlook}`;
	}

	private addHints(): void {
		const total = this.items.length;
		const were = (count: number, what: string) =>
			total === 1 ? `The ${what} was` : `${count} of ${total} ${what}s ${count === 1 ? 'was' : 'were'}`;
		const hint = (message: string, type: 'info' | 'warning') =>
			this.context.addExecutionHints({ message, type, location: 'outputPane' });
		const { merged, reused } = this.counts();
		const failed = total - merged;
		if (failed > 0) hint(`${were(failed, 'item')} not merged. ${total === 1 ? 'It' : 'Each'} says why.`, 'warning');
		if (reused > 0) hint(`${were(reused, 'result')} reused and not paid for again.`, 'info');
	}
}
