/** The results as pictures, SVG. */
import { init, type EChartsCoreOption } from 'echarts';

import { first } from '../lab/required';
import type { ContestantId } from './contestants';
import type { Figures } from './measure';
import { byPairs, figure, FIGURES, shortly, type Column, type Results, type SituationResult } from './results';

const COLORS: Record<ContestantId, string> = {
	nothing: '#d0d7de',
	http: '#9cc2e5',
	batching: '#8593a6',
	loop: '#525f73',
	sequence: '#a58fc2',
	node: '#e8590c',
};

/** By file name without extension. The first two stand side by side, at three quarters of their size. */
export function drawCharts(results: Results): Record<string, string> {
	return {
		'bench-merged': merged(results),
		'bench-cost': cost(results),
		'bench-memory': memory(results),
	};
}

/** As a table with colours: of many bars one would see that they are many. */
function merged({ situations, ...about }: Results): string {
	const shown = takingPart(situations, ['http', 'batching', 'loop', 'sequence', 'node']);
	return draw(about, 560, 460, 'Pairs merged, of those that could be (empty: not measured)', {
		legend: { show: false },
		grid: { left: 232, right: 12, top: 94, bottom: 12 },
		xAxis: {
			...{ type: 'category', position: 'top', data: shown.map((id) => SHORT_NAMES[id]) },
			...{ axisTick: { show: false }, axisLine: { show: false }, axisLabel: { interval: 0, fontSize: 11 } },
		},
		yAxis: {
			...{ type: 'category', inverse: true, data: situations.map(({ name }) => name) },
			...{ axisTick: { show: false }, axisLine: { show: false }, axisLabel: { fontSize: 13 } },
		},
		visualMap: { show: false, min: 0, max: 100, inRange: { color: ['#f8d7da', '#fff3cd', '#b7e4c7'] } },
		series: {
			type: 'heatmap',
			itemStyle: { borderColor: '#fff', borderWidth: 2 },
			label: { show: true, fontSize: 14, color: '#24292f', formatter: '{@[2]} %' },
			data: situations.flatMap((situation, row) =>
				shown.flatMap((id, column) => {
					const { median } = figure(situation, id, FIGURES.merged);
					return Number.isNaN(median) ? [] : [[column, row, Math.floor((100 * median) / situation.mergeable)]];
				}),
			),
		},
	});
}

const SHORT_NAMES: Record<ContestantId, string> = {
	nothing: 'n8n alone',
	http: 'HTTP\nRequest',
	batching: 'HTTP with\nBatching',
	loop: 'Loop with\nRetry',
	sequence: 'one after\nanother',
	node: 'Merge\nPortraits',
};

function cost({ situations, ...about }: Results): string {
	const situation = first(
		situations.filter(({ name }) => name === 'pictures of 1.2 MB'),
		'situation of large pictures',
	);
	const figures: Array<[string, Column<Figures, SituationResult>]> = [
		['time per\nmerged pair', FIGURES.timeToIdeal],
		['CPU per pair', FIGURES.cpuPerPair],
		['peak memory', FIGURES.memory],
		['stored per\nmerged pair', FIGURES.storedPerMerged],
	];
	return draw(about, 560, 460, 'Times as much as Merge Portraits: 200 pairs of 1.2 MB (log)', {
		grid: { left: 76, right: 20, top: 120, bottom: 48 },
		xAxis: {
			type: 'category',
			data: figures.map(([label]) => label),
			axisTick: { show: false },
			axisLabel: { interval: 0, fontSize: 13 },
		},
		yAxis: {
			type: 'log',
			axisLabel: { fontSize: 12, formatter: (value: number) => `${value.toLocaleString('en')} ×` },
		},
		series: series([situation], ['http', 'batching', 'loop', 'sequence'], (id) => ({
			type: 'bar',
			barGap: '10%',
			barCategoryGap: '16%',
			label: {
				...{ show: true, position: 'top', rotate: 90, align: 'left', verticalAlign: 'middle', fontSize: 13 },
				formatter: ({ value }: { value: number }) => shortly(value),
			},
			data: figures.map(([, column]) => {
				const ratio = figure(situation, id, column).median / figure(situation, 'node', column).median;
				return Number.isFinite(ratio) ? ratio : undefined;
			}),
		})),
	});
}

function memory({ situations, ...about }: Results): string {
	const shown = byPairs(situations);
	return draw(about, 760, 370, 'Peak memory of n8n by number of pairs, pictures of 50 KB', {
		grid: { left: 80, right: 40, top: 110, bottom: 40 },
		xAxis: { type: 'category', data: shown.map(({ pairs }) => `${pairs.toLocaleString('en')} pairs`) },
		yAxis: { type: 'value', min: 0, axisLabel: { formatter: '{value} MB' } },
		series: series(shown, ['nothing', 'http', 'batching', 'loop', 'sequence', 'node'], (id) => ({
			type: 'line',
			symbolSize: 7,
			endLabel: {
				show: id === 'node' || id === 'nothing' || id === 'http',
				distance: 10,
				fontSize: 10,
				formatter: ({ value }: { value: number }) => `${value.toLocaleString('en')} MB`,
			},
			data: shown.map((situation) => Math.round(figure(situation, id, FIGURES.memory).median)),
		})),
	});
}

const takingPart = (situations: SituationResult[], ids: ContestantId[]): ContestantId[] =>
	ids.filter((id) => situations.some(({ contestants }) => contestants.some((contestant) => contestant.id === id)));

/** One for each of those who took part. */
function series(situations: SituationResult[], ids: ContestantId[], of: (id: ContestantId) => object): object[] {
	return takingPart(situations, ids).map((id) => {
		const shares = situations.map((each) => figure(each, id, FIGURES.merged).least / each.mergeable);
		const share = id === 'nothing' ? 1 : Math.min(...shares.filter(Number.isFinite));
		const missed = share < 1 ? ` (merges ${Math.floor(100 * share)} %)` : '';
		const name = SHORT_NAMES[id].replace('\n', ' ') + missed;
		return { name, itemStyle: { color: COLORS[id] }, lineStyle: { color: COLORS[id] }, ...of(id) };
	});
}

function draw(
	{ machine, versions, date }: Omit<Results, 'situations'>,
	width: number,
	height: number,
	text: string,
	options: EChartsCoreOption,
): string {
	const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
	const subtext = `n8n ${versions.n8n}, Node.js ${versions.node}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, ${date}`;
	chart.setOption({
		animation: false,
		backgroundColor: '#fff',
		textStyle: { fontFamily: 'sans-serif' },
		title: {
			text,
			subtext,
			left: 16,
			top: 10,
			itemGap: 4,
			textStyle: { fontSize: 15 },
			subtextStyle: { fontSize: 11 },
		},
		legend: { top: 54, left: 16, right: 16, itemWidth: 14, itemHeight: 10, itemGap: 16, textStyle: { fontSize: 12 } },
		...options,
	});
	const svg = chart.renderToSVGString();
	chart.dispose();
	return svg;
}
