import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { BOUND_LIST, bounds } from '../../bench/bounds';
import { faults, queueFaults } from '../../bench/faults';
import { countPairs, resultsOf, takingPart } from '../../bench/measure';
import { fill, readmeWith } from '../../bench/report';
import { PARTS, spread, type Result, type Results, type Run } from '../../bench/results';
import { batches, visitors, workers } from '../../bench/situations';
import type { RecordedRequest } from '../../lab/simulator/simulator';

const project = join(__dirname, '../..');
const read = (file: string) => readFileSync(join(project, file), 'utf8');
const results = (): Results => JSON.parse(read('bench/results.json'));

test('the page of the benchmark and README say what its results say', () => {
	// How wide a table's columns are, and where a line ends, is the formatter's.
	const words = (text: string) => text.replaceAll(/[\s|:-]+/g, ' ').trim();
	const page = fill(read('bench/page.md'), results());
	expect(words(read('docs/benchmark.md'))).toBe(words(page));
	expect(words(read('README.md'))).toBe(words(readmeWith(page, read('README.md'))));
});

test('a place that nothing is known for is told', () => {
	expect(() => fill('{{node.memory: nowhere}}', results())).toThrow('Nothing is known for {{node.memory: nowhere}}');
});

test.each(['merged', 'cost'])('the chart bench-%s is of the same run', (name) => {
	expect(read(`docs/images/bench-${name}.svg`)).toContain(results().about.batches);
});

test('all that is planned was measured, as often as it is planned', () => {
	const planned = { batches, visitors, workers, faults: [...faults, ...queueFaults] };
	for (const part of ['batches', 'visitors', 'workers', 'faults'] as const) {
		const names = results()[part].map(({ name }) => name);
		expect(names).toEqual(planned[part].flatMap(resultsOf).map(({ name }) => name));
	}
	const rounds = results().batches.map(({ contestants }) => contestants.map(({ id, runs }) => [id, runs.length]));
	expect(rounds).toEqual(batches.map((situation) => takingPart(situation).map((each) => [each.id, each.rounds])));
});

test('the median is the middle one, or between the middle two', () => {
	expect(spread([30, 1, 2])).toEqual({ median: 2, least: 1, most: 30 });
	expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
});

test('the ideal is what the account allows', () => {
	const ideals = batches.slice(0, 3).flatMap(resultsOf);
	expect(ideals.map(({ idealSeconds }) => idealSeconds)).toEqual([8, 20, expect.closeTo(20.1)]);
});

test('pairs are counted by their targets, and delivered is whose own picture came out', () => {
	const request = (pair: number, resultSha256?: string, status = 200): RecordedRequest => ({
		...{ index: 0, method: 'POST', path: '/', headers: {}, fields: {}, startedAt: 0, status, resultSha256 },
		files:
			status === 429
				? {}
				: { image_target: { fileName: 'image.jpg', mimeType: 'image/jpeg', size: 2, end: Buffer.from(` ${pair}`) } },
	});
	const requests = [request(1, 'a'), request(2), request(2, 'b'), request(3, 'c'), request(3, 'd'), request(4, 'e')];
	expect(countPairs([...requests, request(5), request(6, undefined, 429)], new Set(['a', 'c', 'x']))).toEqual({
		...{ requests: 8, refused: 1, paid: 5, sent: 5, merged: 4, paidTwice: 1, delivered: 2 },
	});
});

describe('a bound', () => {
	const result = (name: string, ...runs: Array<Partial<Run>>): Result => ({
		...{ name, pairs: 100, idealSeconds: 10 },
		contestants: [{ id: 'node', name: 'Merge Portraits', runs }],
	});
	const of = (part: 'batches' | 'workers', ...measured: Result[]) => {
		const empty = Object.fromEntries(PARTS.map((each) => [each, []]));
		return bounds({ ...results(), ...empty, [part]: measured });
	};

	it('is met up to it, and shows the situation that is worst', () => {
		const fast = result('fast', { span: 11, delivered: 100 });
		const [missing, time, ...others] = of('batches', fast, result('slow', { span: 12.5, delivered: 100 }));
		expect(missing).toMatchObject({ what: 'not delivered', most: 0, value: 0, isMet: true, isCounted: true });
		expect(time).toMatchObject({ what: 'time per picture ÷ ideal', where: 'slow', value: 1.25, isMet: true });
		expect(others).toEqual([]);
	});

	it('is missed beyond it: of what is counted in any round, of times in the middle one', () => {
		const runs = [11, 12, 14].map((span, round) => ({ span, delivered: round === 2 ? 99 : 100 }));
		expect(of('batches', result('any', ...runs))).toMatchObject([
			{ what: 'not delivered', value: 1, isMet: false },
			{ what: 'time per picture ÷ ideal', value: 1.2, isMet: true },
		]);
	});

	it('of one situation stands in place of the one for all', () => {
		const cold = result('20 pairs', { span: 13, delivered: 100 });
		expect(of('batches', cold, result('any', { span: 11, delivered: 100 }))).toMatchObject([
			{ what: 'not delivered' },
			{ what: 'time per picture ÷ ideal', where: 'any', most: 1.25 },
			{ what: 'time per picture ÷ ideal', where: '20 pairs', most: 1.35, isMet: true },
		]);
	});

	it("may be on how many times another's it is", () => {
		const { contestants, ...six } = result('6 executions', { span: 14 });
		const alone = { id: 'oneProcess' as const, name: 'One process', runs: [{ span: 10 }] };
		expect(of('workers', { ...six, contestants: [...contestants, alone] })).toMatchObject([
			{ what: 'time ÷ oneProcess', value: 1.4, most: 1.33, isMet: false },
		]);
	});
});

test('each bound is about something that was measured', () => {
	expect(bounds(results())).toHaveLength(BOUND_LIST.length);
});
