import { createHash } from 'crypto';
import type { IBinaryData, IContextObject } from 'n8n-workflow';

/** A merged picture in n8n's binary store, with what the output says about it. */
export interface PaidResult {
	binary: IBinaryData;
	/** Of the answer's format, without the dot. */
	extension: string;
	/** In px; undefined when its header cannot be read. */
	width?: number;
	height?: number;
	requestId?: string;
	logId?: string;
	attempts: number;
}

/** A pair's picture, and whether it had been paid for before; or whatever else became of the pair. */
export type Obtained<Other> = { kind: 'merged'; result: PaidResult; reused: boolean } | Other;

/** How a pair gets its picture. */
export interface Ways<Other> {
	/** Whether pictures that other executions have paid for are used. */
	reuse: boolean;
	/** Copies another execution's picture; undefined when it is gone. */
	copy(earlier: PaidResult): Promise<IBinaryData | undefined>;
	/** Pays for it. */
	merge(): Promise<PaidResult | Other>;
	/** Called whenever somebody else's payment is waited for. */
	onWait(): void;
	/** Aborted when the execution sends no more pairs, and so has nothing to wait for. */
	closed: AbortSignal;
}

/** About 4 MB: what is known about a result takes some 500 bytes, twice at most. No picture is kept. */
const MOST_KNOWN = 4_096;

/**
 * Identifies what a merge is paid for.
 * @param parts what makes two merges differ: hashes of both pictures, similarity, account
 */
export function fingerprint(...parts: Array<string | number | undefined>): string {
	return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** What one execution has paid for, and pays for just now, by fingerprint. */
interface Own<Other> {
	results: Map<string, PaidResult>;
	underWay: Map<string, Promise<Obtained<Other>>>;
}

/**
 * The pictures that this process has paid for. An execution is known by its context, which n8n has once for all nodes and
 * their runs, loops and retries included, and keeps with a failed execution for its Retry.
 */
export class PaidResults<Other extends { kind: string }> {
	/** For as long as n8n holds the execution's data. */
	readonly #own = new WeakMap<IContextObject, Own<Other>>();
	/**
	 * Over executions, the least recently used first: where a picture is, which is two places at most, because the first may
	 * outlive its copies, or they it; and what others may wait for.
	 */
	readonly #known = new Map<string, PaidResult[]>();
	readonly #underWay = new Map<string, Promise<Obtained<Other>>>();

	/**
	 * Gives the picture for a fingerprint, and pays for it only when there is none. Pairs of one execution share what becomes
	 * of the first; another execution's payment is waited for, and made anew if it gave no picture.
	 * @throws the reason of `closed` when it aborts during a wait, and whatever `copy` and `merge` throw
	 */
	async getOrMerge(execution: IContextObject, key: string, ways: Ways<Other>): Promise<Obtained<Other>> {
		const own: Own<Other> = this.#own.get(execution) ?? { results: new Map(), underWay: new Map() };
		this.#own.set(execution, own);
		const ofOthers = ways.reuse ? this.#underWay : undefined;
		let shared: PaidResult | undefined;
		for (;;) {
			const twin = own.underWay.get(key);
			const other = twin ?? ofOthers?.get(key);
			if (other === undefined) break;
			ways.onWait();
			const outcome = await unlessClosed(other, ways.closed);
			const result = outcome && 'result' in outcome ? outcome.result : undefined;
			if (twin && outcome) return result ? { kind: 'merged', result, reused: true } : outcome;
			shared = result ?? shared;
		}
		// In the same step as the last look, so that only one of several that waited goes on.
		const work = this.#mergeOnce(own, execution, key, ways, shared);
		own.underWay.set(key, work);
		ofOthers?.set(key, work);
		return await work.finally(() => {
			own.underWay.delete(key);
			ofOthers?.delete(key);
		});
	}

	/** Forgets what an execution's Retry would need, once the node has run to its end. */
	forgetRetry(execution: IContextObject): void {
		delete execution.paidResults;
	}

	async #mergeOnce(
		{ results }: Own<Other>,
		execution: IContextObject,
		key: string,
		{ reuse, copy, merge }: Ways<Other>,
		shared: PaidResult | undefined,
	): Promise<Obtained<Other>> {
		const saved: Record<string, PaidResult> = (execution.paidResults ??= {});
		const keep = (result: PaidResult, reused: boolean) => {
			results.set(key, result);
			saved[key] = result;
			// In memory, a binary is its content, which nothing may hold for longer than its execution.
			if (result.binary.id) this.#know(key, result);
			return { kind: 'merged' as const, result, reused };
		};
		const own = results.get(key);
		if (own !== undefined) return keep(own, true);
		// What is saved but not its own is of the failed execution that this one is the Retry of.
		const known = reuse ? this.#placesOf(key) : [];
		const faults: unknown[] = [];
		for (const earlier of [saved[key], shared, ...known].filter((each) => each !== undefined)) {
			try {
				const binary = await copy(earlier);
				if (binary) return keep({ ...earlier, binary }, true);
				this.#forget(key, earlier);
			} catch (error) {
				faults.push(error);
			}
		}
		// One that cannot be copied now may still be there.
		if (faults.length > 0) throw faults[0];
		const merged = await merge();
		return 'kind' in merged ? merged : keep(merged, false);
	}

	#placesOf(key: string): PaidResult[] {
		return this.#known.get(key) ?? [];
	}

	#forget(key: string, gone: PaidResult): void {
		const left = this.#placesOf(key).filter((place) => place !== gone);
		if (left.length > 0) this.#known.set(key, left);
		else this.#known.delete(key);
	}

	#know(key: string, result: PaidResult): void {
		const places = this.#placesOf(key);
		this.#known.delete(key);
		this.#known.set(key, places.includes(result) ? places : [...places.slice(0, 1), result]);
		for (const oldest of this.#known.keys()) {
			if (this.#known.size <= MOST_KNOWN) break;
			this.#known.delete(oldest);
		}
	}
}

/** Waits for somebody else's work; undefined when it threw. @throws the signal's reason when it aborts first */
async function unlessClosed<T>(work: Promise<T>, closed: AbortSignal): Promise<T | undefined> {
	closed.throwIfAborted();
	return await new Promise<T | undefined>((resolve, reject) => {
		const stop = () => reject(closed.reason);
		closed.addEventListener('abort', stop, { once: true });
		const end = (outcome?: T) => {
			closed.removeEventListener('abort', stop);
			resolve(outcome);
		};
		work.then(end, () => end());
	});
}
