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

/** How many times a pair may be refused for load while others are taken: by chance, even a crowded account does so less. */
const MOST_PASSED_OVER = 10;

const refusedAlone = {
	blame: 'service',
	what: `AILabTools refused this pair ${MOST_PASSED_OVER} times while it took others`,
	advice: 'Send the request ID and log ID to AILabTools support, or try other pictures.',
} as const;

/**
 * Sends a pair, each time through the gate, until it is merged, refused for what it is, or not worth sending again. A
 * refusal because of load costs no retry, nor does a fault while nobody is served: neither says anything about the pair,
 * which is given up only when the account has taken nothing from this process for longer than PATIENCE_MS, or asks to wait
 * longer, or again and again refuses this pair alone. What may have been billed always costs a retry.
 * @returns undefined when the lane was closed before the pair got an answer of its own
 * @throws whatever `request` throws
 */
export async function send<T extends object>(
	turn: Turn,
	request: () => Promise<T | { refusal: Refusal }>,
	{ maxRetries, clock, random, endsBatch }: SendOptions,
): Promise<Sending<T> | undefined> {
	let last: Sending<T> | undefined;
	/** The last that may have been billed: whatever comes then, it was sent. */
	let billed: Sending<T> | undefined;
	let faults = 0;
	let faultAt = Number.NEGATIVE_INFINITY;
	let ownFaults = 0;
	let refusedAt = Number.POSITIVE_INFINITY;
	let passedOver = 0;
	for (let attempts = 1; ; attempts++) {
		const sent = await turn.place();
		if (sent === undefined) return last;
		let verdict: Verdict = 'ignored';
		let pauseMs = 0;
		let isGivenUp = true;
		try {
			const answer = await request();
			last = { answer, attempts };
			let refusal = 'refusal' in answer ? answer.refusal : undefined;
			verdict = verdictOn(refusal);
			if (refusal !== undefined && verdict !== 'taken') {
				const { retryAfterMs = 0, resends = 0 } = refusal;
				const isPatient = Math.max(retryAfterMs, turn.refusedForMs()) <= PATIENCE_MS;
				if (verdict === 'refused') {
					// Whether others were taken since it was refused last.
					const sinceMs = clock.now() - refusedAt;
					if (turn.refusedForMs() < sinceMs) passedOver++;
					isGivenUp = passedOver === MOST_PASSED_OVER;
					if (isGivenUp) refusal = { ...refusal, ...refusedAlone };
				} else {
					faults++;
					if (verdict === 'ignored' || refusal.mayBeBilled || turn.othersServedSince(faultAt)) ownFaults++;
					faultAt = clock.now();
					isGivenUp = ownFaults > Math.min(maxRetries, resends) || turn.closed.aborted;
				}
				isGivenUp ||= !isPatient;
				// A pause longer than anybody waits would only hold up later executions.
				if (retryAfterMs <= PATIENCE_MS) pauseMs = retryAfterMs;
				// After an outage of that length, no other pair would fare better.
				if (!isPatient && verdict === 'down') refusal = { ...refusal, blame: 'account' };
				last = { answer: { refusal }, attempts };
				if (refusal.mayBeBilled) billed = last;
			}
			// Before the place is given back, so that no other pair gets it.
			if (isGivenUp && refusal !== undefined && endsBatch(refusal)) turn.closeLane();
		} finally {
			turn.answered(sent, verdict, pauseMs);
		}
		if (isGivenUp) return last;
		if (verdict === 'refused') {
			// It says nothing about the pair: if the lane closes now, it was held back.
			last = billed;
			// Not before the gate has noted the refusal, which else would seem to be a later one.
			refusedAt = clock.now();
		} else {
			turn.stepAside();
			// Rejects when the lane is closed, which the place then tells.
			await clock.sleep(pauseMs || retryDelay(faults, random()), turn.closed).catch(() => undefined);
		}
	}
}

function verdictOn(refusal: Refusal | undefined): Verdict {
	if (refusal === undefined || refusal.blame === 'item') return 'taken';
	if (refusal.blame === 'load') return 'refused';
	// Others are of the service itself, or will not pass.
	const { httpStatus = 502, resends } = refusal;
	return resends === Number.POSITIVE_INFINITY && [502, 504].includes(httpStatus) ? 'down' : 'ignored';
}
