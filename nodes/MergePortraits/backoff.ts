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
