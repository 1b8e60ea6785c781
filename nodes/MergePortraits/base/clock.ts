import { sleep } from 'n8n-workflow';

/** The node's time, so that tests can let hours pass at once. */
export interface Clock {
	/** Milliseconds since some fixed moment. */
	now(): number;
	/** Resolves after `ms` milliseconds; rejects with the signal's reason if that aborts first. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** A signal that aborts after `ms` milliseconds. */
	timeout(ms: number): AbortSignal;
}

/** n8n's linter forbids `setTimeout` and its `sleep` cannot be cancelled, so a long wait is made of short ones. */
const SLICE_MS = 250;

export const systemClock: Clock = {
	// Not the time of day: that may be set back.
	now: () => performance.now(),
	timeout: (ms) => AbortSignal.timeout(ms),
	sleep: async (ms, signal) => {
		const end = performance.now() + ms;
		for (let left = ms; left > 0; left = end - performance.now()) {
			signal?.throwIfAborted();
			await sleep(Math.min(left, SLICE_MS));
		}
		signal?.throwIfAborted();
	},
};
