/** What is kept when an end-to-end test fails: whoever holds something worth reading then says how it is written down. */

export type Collector = (folder: string) => Promise<void>;

/** The tests' environment, test/e2e/environment.ts, calls these; without it they wait in vain. */
export const COLLECTORS = Symbol.for('n8n-nodes-merge-portraits.evidence');

export type Witness = typeof globalThis & { [COLLECTORS]?: Set<Collector> };

/** Has the collector called with a folder for its files when a test fails. Gives what takes that back. */
export function onFailure(collector: Collector): () => void {
	const witness: Witness = globalThis;
	const collectors = (witness[COLLECTORS] ??= new Set());
	collectors.add(collector);
	return () => {
		collectors.delete(collector);
	};
}
