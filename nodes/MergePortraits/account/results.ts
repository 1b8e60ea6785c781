import { createHash } from 'crypto';
import type { IBinaryData, IContextObject } from 'n8n-workflow';

/** A merged picture in n8n's binary store, with what the output tells of it. */
export interface PaidResult {
	binary: IBinaryData;
	/** Of the answer's format, without the dot. */
	extension: string;
	requestId?: string;
	logId?: string;
	attempts: number;
}

/**
 * Identifies what a merge is paid for.
 * @param parts whatever makes two merges differ: hashes of both pictures, similarity, base URL
 */
export function fingerprint(...parts: Array<string | number | undefined>): string {
	return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * The results that this execution has paid for. They live in the node's context, which n8n keeps with the execution's
 * data: they survive Retry On Fail, and a Retry of the failed execution from the executions list.
 */
export class PaidResults<Unpaid extends object> {
	private readonly inFlight = new Map<string, Promise<PaidResult | Unpaid>>();
	private readonly stored: Record<string, PaidResult>;

	/**
	 * @param context the node's context
	 * @param isStillThere whether a picture is still in n8n's binary store
	 */
	constructor(
		private readonly context: IContextObject,
		private readonly isStillThere: (binary: IBinaryData) => Promise<boolean>,
	) {
		context.paidResults ??= {};
		this.stored = context.paidResults;
	}

	/**
	 * Gives the result for a fingerprint; calls `merge` only when there is none and none is on its way.
	 * @returns the outcome, and whether somebody else's merge provided it
	 */
	async getOrMerge(
		key: string,
		merge: () => Promise<PaidResult | Unpaid>,
	): Promise<{ outcome: PaidResult | Unpaid; reused: boolean }> {
		const onItsWay = this.inFlight.get(key);
		if (onItsWay !== undefined) return { outcome: await onItsWay, reused: true };
		let reused = true;
		const outcome = this.find(key).then(async (found) => {
			if (found !== undefined) return found;
			reused = false;
			return await merge();
		});
		this.inFlight.set(key, outcome);
		try {
			const result = await outcome;
			if ('binary' in result) this.stored[key] = result;
			return { outcome: result, reused };
		} finally {
			this.inFlight.delete(key);
		}
	}

	/** Forgets all results, for when every item has its own. */
	clear(): void {
		delete this.context.paidResults;
	}

	private async find(key: string): Promise<PaidResult | undefined> {
		const result = this.stored[key];
		return result !== undefined && (await this.isStillThere(result.binary)) ? result : undefined;
	}
}
