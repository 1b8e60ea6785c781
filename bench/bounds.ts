/** What the node is held to, and whether it keeps it: one row for each bound. */
import { figure, FIGURE_NAMES, FIGURES, type FigureName, type Part, type Results } from './results';

/** In every situation of the part that has no bound of its own for the figure. */
const ELSEWHERE = 'elsewhere';

const BESIDE_A_BATCH = 'a batch of 120, visitors one by one, 3 at a time';
const HUGE = '60 pairs of 3.8 MB, Max Concurrent Requests';
const BAD_LINE = 'every 7th connection reset after the upload, every 9th answer cut, 3 % slow drips';

type Limits = Partial<Record<FigureName, number>>;

/** Where, and the most of each figure: of the figure divided by another contestant's, or by that in another situation. */
const BOUNDS: Array<[part: Part, where: string, most: Limits, beside?: string]> = [
	['batches', ELSEWHERE, { missing: 0, paidTwice: 0, requestsPerPicture: 1.05, timeToIdeal: 1.25 }],
	['batches', ELSEWHERE, { storedPerPicture: 0.02 }, 'http'],
	['batches', '20 pairs', { timeToIdeal: 1.35 }],
	['batches', '20 pairs, On Error: Stop Workflow', { timeToIdeal: 1.35 }],
	['batches', '20 pairs of 3.9 MB', { timeToIdeal: 1.25 }],
	['batches', '2,000 pairs', { memory: 1.17 }, 'nothing'],
	// So few pairs that the refusals which tell the limit are more than 5 % of them.
	['batches', '3 s a merge, 2 at a time', { requestsPerPicture: 1.1 }],
	['batches', '3 s a merge, 20 at a time', { timeToIdeal: 1.35 }],
	['alone', ELSEWHERE, { cpuPerPair: 1.05 }, 'bareLoop'],
	['visitors', ELSEWHERE, { missing: 0, paidTwice: 0 }],
	['visitors', '40 visitors at once, 2 at a time: first', { timeToIdeal: 1.35, refusedShare: 15 }],
	['visitors', '40 visitors at once, 2 at a time: again', { timeToIdeal: 1.35, refusedShare: 5 }],
	['visitors', '90 visitors at once, 2 at a time, 3 s a merge', { timeToIdeal: 1.1, refusedShare: 5 }],
	['visitors', BESIDE_A_BATCH, { middleWait: 1.25, slowestWait: 2, batchToIdeal: 1.2 }],
	['visitors', '20 pairs, 5 at a time: first', { timeToIdeal: 1.35 }],
	['visitors', '20 pairs, 5 at a time: others', { timeToIdeal: 1.1 }],
	['visitors', '20 pairs, 5 at a time: the same again', { requests: 0 }],
	['visitors', '20 pairs, 10 at a time, 1 s a merge', { timeToIdeal: 1.5 }],
	['visitors', '2,000 pairs, 10 at a time: unchanged', { requests: 0 }],
	['visitors', `${HUGE} 100`, { memory: 1.15 }, `${HUGE} 2`],
	['visitors', 'delay varies by 100 ms: 2 per second', { timeToIdeal: 1.2, refusedShare: 10 }],
	['visitors', 'delay varies by 100 ms: 5 per second, fixed windows', { timeToIdeal: 1.2, refusedShare: 10 }],
	['visitors', 'delay varies by 100 ms: 3 at a time', { timeToIdeal: 1.2, refusedShare: 10 }],
	['visitors', 'delay varies by 100 ms: 4 at a time and 6 per second', { timeToIdeal: 1.2, refusedShare: 10 }],
	['visitors', '2 per second, 5 s a merge', { timeToIdeal: 1.2 }],
	['visitors', '5 per second, 10 s a merge', { timeToIdeal: 1.2 }],
	['workers', ELSEWHERE, { missing: 0, paidTwice: 0, refusedShare: 15, equalToLeast: 2 }],
	['workers', ELSEWHERE, { span: 1.33 }, 'oneProcess'],
	['faults', ELSEWHERE, { missing: 0, paidTwice: 0, lost: 0 }],
	// A cut answer was paid for, and only sending the pair again brings its picture.
	['faults', BAD_LINE, { paidTwice: 16 }],
	// What was in flight.
	['faults', 'one of three executions cancelled, and started again', { paidTwice: 5 }],
	// n8n keeps nothing of an execution that it left, and its Retry begins anew.
	['faults', 'n8n stopped, and the execution retried', { paidTwice: 80 }],
	// The two of the killed worker.
	['faults', 'one worker killed and one stopped, with visitors', { missing: 2, lost: 2 }],
];

/** One at a time, with its name. */
export const BOUND_LIST = BOUNDS.flatMap(([part, where, limits, beside]) =>
	FIGURE_NAMES.flatMap((name) => {
		const most = limits[name];
		return most === undefined ? [] : [{ part, where, name, most, beside }];
	}),
);

export type Bound = ReturnType<typeof bounds>[number];

/**
 * Those of which something was measured, each where it is closest to the bound or furthest beyond. What is counted holds in
 * each round, and times in the middle one.
 */
export function bounds(results: Results) {
	return BOUND_LIST.flatMap(({ part, where, name, most, beside }) => {
		const isOwn = (situation: string) => BOUND_LIST.some((other) => other.where === situation && other.name === name);
		const { title, isCounted } = FIGURES[name];
		const values = results[part]
			.filter((result) => (where === ELSEWHERE ? !isOwn(result.name) : result.name === where))
			.map((result) => {
				const own = figure(result, 'node', name)[isCounted ? 'most' : 'median'];
				const other = results[part].find((each) => each.name === beside);
				const unit = beside ? figure(other ?? result, other ? 'node' : beside, name).median : 1;
				return { where: result.name, value: own / unit };
			})
			.filter(({ value }) => !Number.isNaN(value))
			.sort((one, other) => other.value - one.value);
		const what = beside ? `${title} ÷ ${beside}` : title;
		return values.slice(0, 1).map((worst) => ({ what, most, ...worst, isMet: worst.value <= most, isCounted }));
	});
}
