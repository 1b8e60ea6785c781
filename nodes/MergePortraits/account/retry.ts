import type { Refusal } from '../api/codes';
import type { Clock } from '../clock';

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 8_000;
/** The longest wait that anybody would expect of a node: where the service asks for more, the pair is given up. */
export const PATIENCE_MS = 120_000;

/**
 * How long to wait before the n-th resend (n from 1): 1, 2, 4, 8 seconds with full jitter, as AILabTools advises.
 * @param random a number from 0 to 1
 * @returns ms
 */
export function retryDelay(resend: number, random: number): number {
	return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (resend - 1)) * random;
}

/**
 * Sends until something else than a refusal comes back, or sending again is not worth it.
 * @param send one request; gives a refusal or what was asked for
 * @returns the last outcome
 * @throws the signal's reason when it aborts a wait
 */
export async function sendWithRetries<T extends object>(
	send: () => Promise<T | { refusal: Refusal }>,
	{ maxRetries, clock, random, signal }: RetryOptions,
): Promise<T | { refusal: Refusal }> {
	for (let resend = 1; ; resend++) {
		const outcome = await send();
		if (!('refusal' in outcome)) return outcome;
		const { blame, resends, retryAfterMs = 0 } = outcome.refusal;
		// A refusal for load was already sent again, and given up, by the adaptive limit.
		if (blame === 'load' || resend > Math.min(maxRetries, resends) || retryAfterMs > PATIENCE_MS) return outcome;
		if (signal?.aborted) return outcome;
		await clock.sleep(retryAfterMs || retryDelay(resend, random()), signal);
	}
}

export interface RetryOptions {
	maxRetries: number;
	clock: Clock;
	random: () => number;
	signal?: AbortSignal;
}
