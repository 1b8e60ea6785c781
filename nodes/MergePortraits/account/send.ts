import type { Refusal } from '../api/codes';
import { PATIENCE_MS, retryDelay } from '../base/backoff';
import type { Clock } from '../base/clock';
import type { Turn } from './gate';
import type { Verdict } from './limits';

export interface SendOptions {
	/** How many times a pair is sent again for a fault of the service or the line. */
	maxRetries: number;
	clock: Clock;
	random: () => number;
	/** Whether no other pair of the execution is to be sent after such an answer. */
	endsBatch: (refusal: Refusal) => boolean;
}

/** A pair's last answer, and how many requests it took. */
export interface Sending<T> {
	answer: T | { refusal: Refusal };
	attempts: number;
}

/**
 * Sends a pair, each time through the gate, until it is merged, refused for what it is, or not worth sending again. A
 * refusal because of load costs no retry: it says nothing about the pair, which is given up only when the account has taken
 * nothing from this process for longer than PATIENCE_MS, or asks to wait longer.
 * @returns undefined when the lane was closed before the pair got an answer of its own
 * @throws whatever `request` throws
 */
export async function send<T extends object>(
	turn: Turn,
	request: () => Promise<T | { refusal: Refusal }>,
	{ maxRetries, clock, random, endsBatch }: SendOptions,
): Promise<Sending<T> | undefined> {
	let last: Sending<T> | undefined;
	let faults = 0;
	for (let attempts = 1; ; attempts++) {
		const sent = await turn.place();
		if (sent === undefined) return last;
		let verdict: Verdict = 'ignored';
		let retryAfterMs = 0;
		let isGivenUp: boolean;
		try {
			const answer = await request();
			last = { answer, attempts };
			const refusal = 'refusal' in answer ? answer.refusal : undefined;
			verdict = verdictOn(refusal);
			retryAfterMs = refusal?.retryAfterMs ?? 0;
			if (verdict === 'ignored') faults++;
			const isTooLong = retryAfterMs > PATIENCE_MS;
			isGivenUp = {
				taken: true,
				refused: isTooLong || turn.refusedForMs() > PATIENCE_MS,
				ignored: isTooLong || faults > Math.min(maxRetries, refusal?.resends ?? 0) || turn.closed.aborted,
			}[verdict];
			// A pause longer than anybody waits would only hold up later executions.
			if (isTooLong) retryAfterMs = 0;
			// Before the place is given back, so that no other pair gets it.
			if (isGivenUp && refusal !== undefined && endsBatch(refusal)) turn.closeLane();
		} finally {
			turn.answered(sent, verdict, retryAfterMs);
		}
		if (isGivenUp) return last;
		// A refusal because of load says nothing about the pair: if the lane closes now, it was held back.
		if (verdict === 'refused') last = undefined;
		if (verdict === 'ignored') {
			turn.stepAside();
			// Rejects when the lane is closed, which the place then tells.
			await clock.sleep(retryAfterMs || retryDelay(faults, random()), turn.closed).catch(() => undefined);
		}
	}
}

function verdictOn(refusal: Refusal | undefined): Verdict {
	switch (refusal?.blame) {
		case undefined:
		case 'item':
			return 'taken';
		case 'load':
			return 'refused';
		case 'account':
		case 'service':
			return 'ignored';
	}
}
