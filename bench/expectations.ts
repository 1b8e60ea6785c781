/** What the node is held to, and whether it keeps it. */
import { byPairs, figure, spread, type FigureName, type Spread } from './figures';
import type { Results, SituationResult } from './results';

export interface Expectation {
	what: string;
	expected: string;
	measured: string;
	met: boolean;
}

/** Those that hold on any machine, however busy, and in each round: counts and sizes. */
export function expectations({ situations }: Results): Expectation[] {
	return situations.flatMap((situation) => {
		const { name, mergeable } = situation;
		const merged = own(situation, 'merged').least;
		const stored = own(situation, 'storedPerMerged').most;
		// Those who merge nothing store nothing to be compared.
		const http = figure(situation, 'http', 'storedPerMerged')?.least ?? Number.POSITIVE_INFINITY;
		return [
			{ what: `${name}: pairs merged`, expected: `all ${mergeable}`, measured: `${merged}`, met: merged === mergeable },
			atMost(`${name}: requests per merged pair`, 1.05, own(situation, 'requestsPerMerged').most),
			...(Number.isFinite(http)
				? [atLeast(`${name}: HTTP Request's stored data per merged pair ÷ the node's`, 50, http / stored)]
				: []),
		];
	});
}

/** Those about time, CPU and memory, for a machine that does nothing else: medians. */
export function timedExpectations({ situations, overhead }: Results): Expectation[] {
	const [, hundreds, thousands] = byPairs(situations).map((situation) => own(situation, 'memory').median);
	return [
		...situations.map((situation) =>
			atMost(`${situation.name}: span ÷ ideal`, 1.25, own(situation, 'spanToIdeal').median),
		),
		...overhead.map(({ pictureBytes, bareLoop, node }) => {
			const ratio = spread(node).median / spread(bareLoop).median;
			return atMost(`pictures of ${pictureBytes / 1_000} KB: CPU ÷ the bare loop's`, 1.2, ratio);
		}),
		atMost('peak memory of 2,000 pairs ÷ of 200 pairs', 1.1, thousands / hundreds),
	];
}

const NOTHING: Spread = { median: Number.NaN, least: Number.NaN, most: Number.NaN };

const own = (situation: SituationResult, name: FigureName) => figure(situation, 'node', name) ?? NOTHING;

function atMost(what: string, limit: number, value: number): Expectation {
	return { what, expected: `at most ${limit}`, measured: value.toFixed(2), met: value <= limit };
}

function atLeast(what: string, limit: number, value: number): Expectation {
	return { what, expected: `at least ${limit}`, measured: value.toFixed(0), met: value >= limit };
}
