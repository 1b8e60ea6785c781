import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expectations } from '../../bench/expectations';
import { page } from '../../bench/report';
import type { Results } from '../../bench/results';
import { idealSeconds, situations } from '../../bench/situations';
import { spread } from '../../bench/figures';

const project = join(__dirname, '../..');
const read = (file: string) => readFileSync(join(project, file), 'utf8');
const results = (): Results => JSON.parse(read('bench/results.json'));

test('the page of the benchmark says what its results say', () => {
	// How wide a table's columns are is the formatter's.
	const words = (text: string) => text.replaceAll(/[\s|:-]+/g, ' ');
	expect(words(read('docs/benchmark.md'))).toBe(words(page(results())));
});

test.each(['merged', 'cost', 'memory'])('the chart bench-%s is of the same run', (name) => {
	const { date, versions } = results();
	const svg = read(`docs/images/bench-${name}.svg`);
	expect(svg).toContain(`n8n ${versions.n8n}, Node.js ${versions.node}`);
	expect(svg).toContain(date);
});

test('every situation was measured with everybody, three times unless waiting takes minutes', () => {
	for (const { name, contestants } of results().situations) {
		const rounds = contestants.map(({ runs }) => runs.length);
		expect([name, rounds]).toEqual([name, name === '2,000 pairs' ? [3, 3, 1, 1, 3] : [3, 3, 3, 3, 3]]);
	}
});

test('the median is the middle one, or between the middle two', () => {
	expect(spread([30, 1, 2])).toEqual({ median: 2, least: 1, most: 30 });
	expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
});

test('the ideal is what the account allows', () => {
	const ideals = situations.slice(0, 3).map((situation) => [situation.name, idealSeconds(situation)]);
	expect(ideals).toEqual([
		['5 at a time', 8],
		['2 at a time', 20],
		['10 per second', 20],
	]);
});

describe('what is expected of the node', () => {
	type Run = Results['situations'][0]['contestants'][0]['runs'][0];
	/** What is missed when one round of the first situation is spoilt. */
	const missed = (spoil: (run: Run) => void) => {
		const spoilt = results();
		spoilt.situations[0].contestants
			.find(({ id }) => id === 'node')
			?.runs.slice(1, 2)
			.forEach(spoil);
		return expectations(spoilt)
			.filter(({ met }) => !met)
			.map(({ what }) => what);
	};

	it('holds in the results', () => {
		expect(missed(() => undefined)).toEqual([]);
	});

	it('is missed when a picture is lost', () => {
		expect(missed((run) => run.merged--)).toEqual(['5 at a time: pairs merged']);
	});

	it('is missed when more is sent than needed', () => {
		expect(missed((run) => (run.requests *= 1.06))).toEqual(['5 at a time: requests per merged pair']);
	});

	it('is missed when pictures are stored in the database', () => {
		expect(missed((run) => (run.stored *= 10))).toEqual([
			"5 at a time: HTTP Request's stored data per merged pair ÷ the node's",
		]);
	});
});
