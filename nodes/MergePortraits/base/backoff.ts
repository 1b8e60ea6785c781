import type { Clock } from './clock';

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 8_000;

/** The longest that anybody would expect a node to wait. */
export const PATIENCE_MS = 120_000;

/**
 * How long to wait before the n-th retry (n from 1): 1, 2, 4, 8 seconds with jitter, as AILabTools advises. At least half of
 * that, because full jitter would now and then ask again at once.
 * @param random a number from 0 to 1
 * @returns ms
 */
export function retryDelay(retry: number, random: number): number {
	return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (retry - 1)) * (0.5 + random / 2);
}

export interface Retries {
	/** How many times at most it is tried again. */
	maxRetries: number;
	clock: Clock;
	random: () => number;
	/** Aborted when nobody waits for the outcome any more. */
	signal?: AbortSignal;
}

/**
 * Tries something again with backoff, for as long as `isPassing` says of what came of it that it may work a moment later.
 * @returns the last outcome
 * @throws what the last try threw, or the signal's reason when it aborts while waiting
 */
export async function retry<T>(
	attempt: () => Promise<T>,
	isPassing: (outcome: { value: T } | { error: unknown }) => boolean,
	{ maxRetries, clock, random, signal }: Retries,
): Promise<T> {
	for (let retries = 1; ; retries++) {
		const outcome = await attempt().then(
			(value) => ({ value }),
			(error: unknown) => ({ error }),
		);
		if (retries > maxRetries || signal?.aborted || !isPassing(outcome)) {
			if ('error' in outcome) throw outcome.error;
			return outcome.value;
		}
		await clock.sleep(retryDelay(retries, random()), signal);
	}
}
