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

/** About 2 MB: what is known about a result takes some 500 bytes. No picture is kept. */
const MOST_KNOWN = 4_096;

/**
 * Identifies what a merge is paid for.
 * @param parts what makes two merges differ: hashes of both pictures, similarity, account
 */
export function fingerprint(...parts: Array<string | number | undefined>): string {
	return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Where this process's executions have put merged pictures, by fingerprint; the least recently used are forgotten first. */
export class KnownResults {
	/** Merges under way in this process, by fingerprint. */
	readonly inFlight = new Map<string, Promise<unknown>>();
	/** Whether n8n keeps binaries in memory, where nothing can refer to them: no execution can use another's result. */
	areInMemory = false;
	private readonly known = new Map<string, PaidResult>();

	/** A merge that is worth waiting for; undefined when there is none. */
	underWay(key: string): Promise<unknown> | undefined {
		return this.areInMemory ? undefined : this.inFlight.get(key);
	}

	get(key: string): PaidResult | undefined {
		const result = this.known.get(key);
		if (result !== undefined) this.set(key, result);
		return result;
	}

	set(key: string, result: PaidResult): void {
		this.known.delete(key);
		this.known.set(key, result);
		for (const oldest of this.known.keys()) {
			if (this.known.size <= MOST_KNOWN) break;
			this.known.delete(oldest);
		}
	}
}

/** n8n's binary store, as far as results need it. */
export interface PictureStore {
	/** Whether a picture is still there. */
	has(binary: IBinaryData): Promise<boolean>;
	/** Copies another execution's picture, because n8n deletes it with that execution; undefined when it is gone. */
	copy(binary: IBinaryData, fileName: string): Promise<IBinaryData | undefined>;
}

/**
 * The results that an execution need not pay for. Its own are in the node's context, which n8n keeps with the execution's
 * data: they survive Retry On Fail, and retrying the failed execution from the executions list.
 */
export class PaidResults<Other extends object> {
	private readonly inFlight = new Map<string, Promise<{ outcome: PaidResult | Other }>>();
	private readonly own: Record<string, PaidResult>;

	/**
	 * @param context the node's context
	 * @param known what earlier executions have paid for
	 * @param closed aborted when the execution sends no more pairs, and so has nothing to wait for
	 */
	constructor(
		private readonly context: IContextObject,
		private readonly known: KnownResults,
		private readonly store: PictureStore,
		private readonly closed: AbortSignal,
	) {
		context.paidResults ??= {};
		this.own = context.paidResults;
	}

	/** The outcome of the same pair, if it is under way in this execution; undefined when it is not. */
	underWay(key: string): Promise<{ outcome: PaidResult | Other; reused: boolean }> | undefined {
		return this.inFlight.get(key)?.then(({ outcome }) => ({ outcome, reused: true }));
	}

	/** Whether another execution of this process is about to pay for the same pair. */
	isUnderWayElsewhere(key: string): boolean {
		return this.known.underWay(key) !== undefined;
	}

	/**
	 * Gives the result for a fingerprint that is not under way in this execution; calls `merge` only when there is none.
	 * @param reuseAs the file name, without extension, for a copy of an earlier execution's picture; undefined to ignore those
	 * @returns the outcome, and whether it existed already
	 */
	async getOrMerge(
		key: string,
		reuseAs: string | undefined,
		merge: () => Promise<PaidResult | Other>,
	): Promise<{ outcome: PaidResult | Other; reused: boolean }> {
		const work = this.produce(key, reuseAs, merge);
		this.inFlight.set(key, work);
		try {
			return await work;
		} finally {
			this.inFlight.delete(key);
		}
	}

	/** Forgets the execution's own results, once every item has its picture. */
	clear(): void {
		delete this.context.paidResults;
	}

	private async produce(
		key: string,
		reuseAs: string | undefined,
		merge: () => Promise<PaidResult | Other>,
	): Promise<{ outcome: PaidResult | Other; reused: boolean }> {
		// After n8n's Retry it belongs to the failed execution, as all does that the nodes before this one have put out.
		const own = this.own[key];
		if (own !== undefined && (await this.store.has(own.binary))) return { outcome: own, reused: true };
		if (reuseAs === undefined) return { outcome: this.keep(key, await merge()), reused: false };
		for (let other = this.known.underWay(key); other !== undefined; other = this.known.underWay(key)) {
			await ended(other, this.closed);
		}
		// In the same step as the last check, so that only one of several that waited goes on.
		const work = this.copyOrMerge(key, reuseAs, merge);
		this.known.inFlight.set(key, work);
		try {
			return await work;
		} finally {
			this.known.inFlight.delete(key);
		}
	}

	private async copyOrMerge(
		key: string,
		reuseAs: string,
		merge: () => Promise<PaidResult | Other>,
	): Promise<{ outcome: PaidResult | Other; reused: boolean }> {
		const earlier = this.known.get(key);
		const binary = earlier && (await this.store.copy(earlier.binary, `${reuseAs}.${earlier.extension}`));
		if (earlier && binary) return { outcome: this.keep(key, { ...earlier, binary }), reused: true };
		return { outcome: this.keep(key, await merge()), reused: false };
	}

	private keep<T extends PaidResult | Other>(key: string, result: T): T {
		if (!('binary' in result)) return result;
		this.own[key] = result;
		if (result.binary.id === undefined) this.known.areInMemory = true;
		else this.known.set(key, result);
		return result;
	}
}

/** Waits until the work has ended in one way or another. @throws the signal's reason when it aborts first */
async function ended(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
	signal.throwIfAborted();
	await new Promise<void>((resolve, reject) => {
		const stop = () => reject(signal.reason);
		signal.addEventListener('abort', stop, { once: true });
		const done = () => {
			signal.removeEventListener('abort', stop);
			resolve();
		};
		work.then(done, done);
	});
}
