import { PaidResults, type PaidResult, type Ways } from '../../nodes/MergePortraits/paid/results';

type Refused = { kind: 'refused' };

const result = (id?: string): PaidResult => ({
	binary: { data: 'AAAA', mimeType: 'image/jpeg', ...(id !== undefined && { id }) },
	extension: 'jpg',
	attempts: 1,
});

/** A payment that ends when told to, and counts how often it was begun. */
function slowPayment() {
	const payment = {
		begun: 0,
		end: (paid: PaidResult | Refused): unknown => paid,
		closing: new AbortController(),
		waited: 0,
	};
	const ways: Ways<Refused> = {
		reuse: true,
		copy: async ({ binary }) => await Promise.resolve({ ...binary, id: binary.id && `copy of ${binary.id}` }),
		merge: async () => {
			payment.begun++;
			return await new Promise((resolve) => {
				payment.end = resolve;
			});
		},
		onWait: () => payment.waited++,
		closed: payment.closing.signal,
	};
	return { payment, ways };
}

/** Lets everything run that waits for nothing else. */
const settle = async () => await new Promise((resolve) => setImmediate(resolve));

test('who waits for the payment of another execution gets a copy', async () => {
	const results = new PaidResults<Refused>();
	const [payer, other] = [slowPayment(), slowPayment()];
	const first = results.getOrMerge({}, 'pair', payer.ways);
	const second = results.getOrMerge({}, 'pair', other.ways);
	payer.payment.end(result('1'));
	expect(await first).toMatchObject({ reused: false });
	expect(await second).toMatchObject({ reused: true, result: { binary: { id: 'copy of 1' } } });
	expect(other.payment).toMatchObject({ begun: 0, waited: 1 });
});

test('pictures in memory are shared with who waited for them, and kept for nobody', async () => {
	const results = new PaidResults<Refused>();
	const [payer, other, later] = [slowPayment(), slowPayment(), slowPayment()];
	const both = [payer, other].map(async ({ ways }) => await results.getOrMerge({}, 'pair', ways));
	payer.payment.end(result());
	expect((await Promise.all(both)).map((each) => 'reused' in each && each.reused)).toEqual([false, true]);
	void results.getOrMerge({}, 'pair', later.ways);
	await settle();
	expect(later.payment.begun).toBe(1);
});

test('of several executions that waited for a pair that was refused, one pays at a time', async () => {
	const results = new PaidResults<Refused>();
	const payments = [slowPayment(), slowPayment(), slowPayment()];
	const all = payments.map(async ({ ways }) => await results.getOrMerge({}, 'pair', ways));
	for (const { payment } of payments) {
		await settle();
		expect(payments.filter(({ payment: { begun } }) => begun > 0).at(-1)?.payment).toBe(payment);
		payment.end({ kind: 'refused' });
	}
	expect(await Promise.all(all)).toEqual(Array(3).fill({ kind: 'refused' }));
});

test('who waited for a payment that ended in a fault pays itself', async () => {
	const results = new PaidResults<Refused>();
	const [payer, other] = [slowPayment(), slowPayment()];
	const failed = results.getOrMerge({}, 'pair', {
		...payer.ways,
		merge: async () => await Promise.reject(new Error('The execution was cancelled')),
	});
	const second = results.getOrMerge({}, 'pair', other.ways);
	await expect(failed).rejects.toThrow('cancelled');
	await settle();
	other.payment.end(result('2'));
	expect(await second).toMatchObject({ reused: false, result: { binary: { id: '2' } } });
});

test('a pair of the same execution shares what becomes of the first, a refusal too', async () => {
	const results = new PaidResults<Refused>();
	const execution = {};
	const [payer, twin] = [slowPayment(), slowPayment()];
	const both = [payer, twin].map(async ({ ways }) => await results.getOrMerge(execution, 'pair', ways));
	payer.payment.end({ kind: 'refused' });
	expect(await Promise.all(both)).toEqual([{ kind: 'refused' }, { kind: 'refused' }]);
	expect(twin.payment.begun).toBe(0);
});

test.each([true, false])(
	'an execution pays once for a pair, whether it reuses those of others or not: %s',
	async (reuse) => {
		const results = new PaidResults<Refused>();
		const execution = {};
		const [first, again] = [slowPayment(), slowPayment()];
		const paid = results.getOrMerge(execution, 'pair', { ...first.ways, reuse });
		first.payment.end(result());
		await paid;
		results.forgetRetry(execution);
		expect(await results.getOrMerge(execution, 'pair', { ...again.ways, reuse })).toEqual({
			kind: 'merged',
			result: result(),
			reused: true,
		});
	},
);

test('an execution that does not reuse others neither waits for them nor takes their pictures', async () => {
	const results = new PaidResults<Refused>();
	const [payer, apart] = [slowPayment(), slowPayment()];
	const first = results.getOrMerge({}, 'pair', payer.ways);
	const second = results.getOrMerge({}, 'pair', { ...apart.ways, reuse: false });
	payer.payment.end(result('1'));
	await first;
	apart.payment.end(result('2'));
	expect(await second).toMatchObject({ reused: false, result: { binary: { id: '2' } } });
	expect(apart.payment).toMatchObject({ begun: 1, waited: 0 });
});

test('the Retry of a failed execution copies what that has paid for', async () => {
	const results = new PaidResults<Refused>();
	const { ways, payment } = slowPayment();
	const saved = { paidResults: { pair: result('1') } };
	expect(await results.getOrMerge(saved, 'pair', { ...ways, reuse: false })).toMatchObject({
		reused: true,
		result: { binary: { id: 'copy of 1' } },
	});
	expect(payment.begun).toBe(0);
});

test('a picture that cannot be copied now is not paid for again, and one that is gone is', async () => {
	const results = new PaidResults<Refused>();
	const [payer, unlucky, late] = [slowPayment(), slowPayment(), slowPayment()];
	const first = results.getOrMerge({}, 'pair', payer.ways);
	payer.payment.end(result('1'));
	await first;
	const away = { ...unlucky.ways, copy: async () => await Promise.reject(new Error('The store is away')) };
	await expect(results.getOrMerge({}, 'pair', away)).rejects.toThrow('The store is away');
	expect(unlucky.payment.begun).toBe(0);
	const second = results.getOrMerge({}, 'pair', { ...late.ways, copy: async () => await Promise.resolve(undefined) });
	await settle();
	late.payment.end(result('2'));
	expect(await second).toMatchObject({ reused: false });
});

test('of two places that are known, the second is tried where the first cannot be read, and kept though the first is used', async () => {
	const results = new PaidResults<Refused>();
	const payer = slowPayment();
	const execution = {};
	const paid = results.getOrMerge(execution, 'pair', payer.ways);
	payer.payment.end(result('1'));
	await paid;
	await results.getOrMerge({}, 'pair', slowPayment().ways);
	// The first execution uses its own once more.
	await results.getOrMerge(execution, 'pair', slowPayment().ways);
	const later = slowPayment();
	const copy: Ways<Refused>['copy'] = async ({ binary }) => {
		if (binary.id === '1') throw new Error('Access denied');
		return await Promise.resolve(binary);
	};
	const outcome = await results.getOrMerge({}, 'pair', { ...later.ways, copy });
	expect(outcome).toMatchObject({ reused: true, result: { binary: { id: 'copy of 1' } } });
	expect(later.payment.begun).toBe(0);
});

test('an execution that is closed does not wait for another, and does not pay', async () => {
	const results = new PaidResults<Refused>();
	const [payer, other] = [slowPayment(), slowPayment()];
	const first = results.getOrMerge({}, 'pair', payer.ways);
	const second = results.getOrMerge({}, 'pair', other.ways);
	other.payment.closing.abort('closed');
	await expect(second).rejects.toBe('closed');
	await expect(results.getOrMerge({}, 'pair', other.ways)).rejects.toBe('closed');
	expect(other.payment.begun).toBe(0);
	payer.payment.end(result('1'));
	await first;
});

test('of four thousand pictures the ones that were used last are known', async () => {
	const results = new PaidResults<Refused>();
	const pay = async (key: string) => {
		const { ways, payment } = slowPayment();
		const paid = results.getOrMerge({}, key, {
			...ways,
			merge: async () => (payment.begun++, await Promise.resolve(result(key))),
		});
		return { reused: Object(await paid).reused as boolean };
	};
	for (let index = 0; index < 4_096; index++) await pay(`pair ${index}`);
	await pay('pair 0');
	await pay('one more');
	expect([await pay('pair 0'), await pay('pair 1')]).toEqual([{ reused: true }, { reused: false }]);
});

test('what an earlier round has paid for is saved again while the node runs, for the Retry of a round that fails', async () => {
	const results = new PaidResults<Refused>();
	const execution = {};
	const { ways, payment } = slowPayment();
	const first = results.getOrMerge(execution, 'pair', ways);
	payment.end(result('1'));
	await first;
	results.forgetRetry(execution);
	await results.getOrMerge(execution, 'pair', ways);
	expect(execution).toEqual({ paidResults: { pair: result('1') } });
});

test('pairs of one execution share a payment, whether one reuses those of others or not', async () => {
	const results = new PaidResults<Refused>();
	const execution = {};
	const [one, two] = [slowPayment(), slowPayment()];
	const both = [
		results.getOrMerge(execution, 'pair', { ...one.ways, reuse: false }),
		results.getOrMerge(execution, 'pair', two.ways),
	];
	one.payment.end(result('1'));
	await Promise.all(both);
	expect(two.payment.begun).toBe(0);
});
