import type { Refusal } from '../api/codes';
import { PATIENCE_MS, retryDelay } from '../backoff';
import type { Clock } from '../clock';
import type { Turn } from './gate';
import type { Verdict } from './limits';

export interface SendOptions {
	/** How many times a pair is sent again for a fault of the service or the line. */
	maxRetries: number;
	clock: Clock;
	random: () => number;
	/** Aborted when the execution is cancelled. */
	signal?: AbortSignal;
	/** Whether no other pair of the execution shall be sent after such an answer. */
	endsBatch: (refusal: Refusal) => boolean;
}

/** A pair's last answer, and how many requests it took. */
export interface Sending<T> {
	answer: T | { refusal: Refusal };
	attempts: number;
}

/**
 * Sends a pair, each time through the gate, until it is merged, refused for what it is, or not worth sending again. A
 * refusal for load costs no retry: it says nothing of the pair. The pair is given up only when the account has taken nothing
 * at all from this process for as long as anybody would wait.
 * @param request makes one request; never throws
 * @returns undefined when the lane was closed before the pair was sent
 * @throws the signal's reason when it aborts a wait
 */
export async function send<T extends object>(
	turn: Turn,
	request: () => Promise<T | { refusal: Refusal }>,
	{ maxRetries, clock, random, signal, endsBatch }: SendOptions,
): Promise<Sending<T> | undefined> {
	let last: Sending<T> | undefined;
	let faults = 0;
	for (let attempts = 1; ; attempts++) {
		const sent = await turn.place();
		if (sent === undefined) return last;
		const answer = await request();
		last = { answer, attempts };
		const refusal = 'refusal' in answer ? answer.refusal : undefined;
		const verdict = verdictOn(refusal);
		const retryAfterMs = refusal?.retryAfterMs ?? 0;
		const isTooLong = retryAfterMs > PATIENCE_MS;
		if (verdict === 'ignored') faults++;
		const isGivenUp = {
			taken: true,
			refused: isTooLong || turn.refusedForMs() > PATIENCE_MS,
			ignored: isTooLong || faults > Math.min(maxRetries, refusal?.resends ?? 0) || signal?.aborted === true,
		}[verdict];
		// Before the place is given back, so that no other pair takes it.
		if (isGivenUp && refusal !== undefined && endsBatch(refusal)) turn.closeLane();
		// A pause longer than anybody waits would only hold up the executions to come.
		turn.answered(sent, verdict, isTooLong ? 0 : retryAfterMs);
		if (isGivenUp) return last;
		if (verdict === 'ignored') await clock.sleep(retryAfterMs || retryDelay(faults, random()), signal);
	}
}

/** What an answer says of the account's limits. */
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
