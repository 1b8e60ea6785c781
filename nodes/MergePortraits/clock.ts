import { sleep } from 'n8n-workflow';

/** Time as the node sees it, so that tests can let hours pass at once. */
export interface Clock {
	/** Milliseconds since some fixed moment. */
	now(): number;
	/** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** A signal that aborts after `ms` milliseconds. */
	timeout(ms: number): AbortSignal;
}

export const systemClock: Clock = {
	now: () => Date.now(),
	timeout: (ms) => AbortSignal.timeout(ms),
	sleep: async (ms, signal) => {
		signal?.throwIfAborted();
		await new Promise<void>((resolve, reject) => {
			const cancel = () => reject(signal?.reason);
			signal?.addEventListener('abort', cancel, { once: true });
			void sleep(ms).then(() => {
				signal?.removeEventListener('abort', cancel);
				resolve();
			});
		});
	},
};
