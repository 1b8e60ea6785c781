import type { Clock } from '../nodes/MergePortraits/base/clock';

/** A clock that jumps to the next moment at which somebody waits, so that hours pass in milliseconds. */
export class VirtualClock implements Clock {
	private time = 0;
	private timers: Array<{ at: number; fire: () => void }> = [];

	now(): number {
		return this.time;
	}

	async sleep(ms: number, signal?: AbortSignal): Promise<void> {
		signal?.throwIfAborted();
		await new Promise<void>((resolve, reject) => {
			const timer = this.at(this.time + ms, () => {
				signal?.removeEventListener('abort', cancel);
				resolve();
			});
			const cancel = () => {
				this.timers = this.timers.filter((other) => other !== timer);
				reject(signal?.reason);
			};
			signal?.addEventListener('abort', cancel, { once: true });
		});
	}

	timeout(ms: number): AbortSignal {
		const controller = new AbortController();
		this.at(this.time + ms, () => controller.abort());
		return controller.signal;
	}

	/** How many waits are pending. */
	get pending(): number {
		return this.timers.length;
	}

	/** Lets time pass until the promise is settled. Rejects when it never would be. */
	async run<T>(promise: Promise<T>): Promise<T> {
		let settled = false;
		const done = () => {
			settled = true;
		};
		promise.then(done, done);
		for (;;) {
			await new Promise((resolve) => setImmediate(resolve));
			if (settled) return await promise;
			if (!this.advance()) throw new Error('Nothing waits for time, and the promise is not settled');
		}
	}

	/** Jumps to the next moment at which somebody waits; false when nobody does. */
	advance(): boolean {
		this.timers.sort((a, b) => a.at - b.at);
		const next = this.timers.shift();
		if (next === undefined) return false;
		this.time = Math.max(this.time, next.at);
		next.fire();
		return true;
	}

	private at(at: number, fire: () => void): { at: number; fire: () => void } {
		const timer = { at, fire };
		this.timers.push(timer);
		return timer;
	}
}

/** A clock for real requests: waits are over at once and only counted, and requests run into their time-out when told to. */
export class SkippingClock implements Clock {
	/** Every wait that was skipped, ms. */
	readonly waits: number[] = [];
	private time = 0;
	private pending: Array<{ ms: number; controller: AbortController }> = [];

	now(): number {
		return this.time;
	}

	async sleep(ms: number, signal?: AbortSignal): Promise<void> {
		signal?.throwIfAborted();
		this.waits.push(ms);
		await new Promise((resolve) => setImmediate(resolve));
		signal?.throwIfAborted();
		this.time += ms;
	}

	timeout(ms: number): AbortSignal {
		const controller = new AbortController();
		this.pending.push({ ms, controller });
		return controller.signal;
	}

	/** Lets the time of every request that is still waited for run out. */
	expire(): void {
		const expired = this.pending.splice(0);
		this.time += Math.max(0, ...expired.map(({ ms }) => ms));
		expired.forEach(({ controller }) => controller.abort());
	}
}
