import { createHash } from 'crypto';

import type { Clock } from '../base/clock';
import { Gate } from './gate';
import { Limits } from './limits';

/** What was learned of an account's limits is forgotten after this long without an execution: they may have changed. */
const IDLE_MS = 10 * 60_000;

/** What outlives an execution in this process: a gate for each account. */
export class Accounts {
	/** By SHA-256 of address and key: the key itself is not kept. */
	readonly #gates = new Map<string, Gate>();

	readonly #clock: Clock;
	readonly #random: () => number;

	constructor(clock: Clock, random: () => number = Math.random) {
		this.#clock = clock;
		this.#random = random;
	}

	/** The account of a key at an address: its id, which does not reveal the key, and its gate. */
	find({ baseUrl, apiKey }: { baseUrl: string; apiKey: string }): { id: string; gate: Gate } {
		for (const [known, gate] of this.#gates) {
			if (gate.idleForMs() > IDLE_MS) this.#gates.delete(known);
		}
		const id = createHash('sha256')
			.update(JSON.stringify([baseUrl, apiKey]))
			.digest('hex');
		const gate = this.#gates.get(id) ?? new Gate(new Limits(this.#random), this.#clock, this.#random);
		this.#gates.set(id, gate);
		return { id, gate };
	}
}
