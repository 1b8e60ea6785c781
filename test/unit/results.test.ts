import type { IBinaryData } from 'n8n-workflow';

import { KnownResults, PaidResults, type PaidResult, type PictureStore } from '../../nodes/MergePortraits/paid/results';

const result = (id: string | undefined): PaidResult => ({
	binary: { data: '', mimeType: 'image/jpeg', ...(id !== undefined && { id }) },
	extension: 'jpg',
	attempts: 1,
});

const store: PictureStore = {
	has: async () => await Promise.resolve(true),
	copy: async (binary: IBinaryData) => await Promise.resolve({ ...binary, id: `copy of ${binary.id}` }),
};

/** An execution's results, and what closes it. */
function execution(known: KnownResults) {
	const closing = new AbortController();
	return { results: new PaidResults<{ kind: 'refused' }>({}, known, store, closing.signal), closing };
}

/** A merge that ends when told to. */
function slowMerge() {
	let end: (id: string | undefined) => void = () => {};
	const merge = jest.fn(
		async () =>
			await new Promise<PaidResult>((resolve) => {
				end = (id) => resolve(result(id));
			}),
	);
	return { merge, end: (id: string | undefined) => end(id) };
}

test('who waits for the payment of another execution gets a copy', async () => {
	const known = new KnownResults();
	const [payer, other] = [slowMerge(), slowMerge()];
	const first = execution(known).results.getOrMerge('pair', 'a', payer.merge);
	await Promise.resolve();
	const second = execution(known).results.getOrMerge('pair', 'b', other.merge);
	payer.end('1');
	expect((await first).reused).toBe(false);
	expect(await second).toMatchObject({ reused: true, outcome: { binary: { id: 'copy of 1' } } });
	expect(other.merge).not.toHaveBeenCalled();
});

test('an execution that is closed does not wait for another, and does not pay', async () => {
	const known = new KnownResults();
	const [payer, other] = [slowMerge(), slowMerge()];
	const first = execution(known).results.getOrMerge('pair', 'a', payer.merge);
	await Promise.resolve();
	const { results, closing } = execution(known);
	expect(results.isUnderWayElsewhere('pair')).toBe(true);
	const second = results.getOrMerge('pair', 'b', other.merge);
	closing.abort('closed');
	await expect(second).rejects.toBe('closed');
	await expect(results.getOrMerge('pair', 'b', other.merge)).rejects.toBe('closed');
	expect(other.merge).not.toHaveBeenCalled();
	payer.end('1');
	await first;
});

test('where n8n keeps pictures in memory, nobody waits for what cannot be copied', async () => {
	const known = new KnownResults();
	const payer = slowMerge();
	const first = execution(known).results.getOrMerge('pair', 'a', payer.merge);
	payer.end(undefined);
	await first;
	const [second, third] = [slowMerge(), slowMerge()];
	const both = [second, third].map(async ({ merge }) => await execution(known).results.getOrMerge('pair', 'b', merge));
	await Promise.resolve();
	expect([second, third].map(({ merge }) => merge.mock.calls.length)).toEqual([1, 1]);
	second.end(undefined);
	third.end(undefined);
	for (const { reused } of await Promise.all(both)) expect(reused).toBe(false);
});
