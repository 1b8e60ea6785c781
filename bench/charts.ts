/** The results as pictures, SVG. */
import { init, type EChartsCoreOption } from 'echarts';

import { figure, type ContestantId, type FigureName, type Results } from './results';

const SENDERS: Array<{ id: ContestantId; name: string; color: string }> = [
	{ id: 'http', name: 'HTTP\nRequest', color: '#9cc2e5' },
	{ id: 'batching', name: 'HTTP with\nBatching', color: '#8593a6' },
	{ id: 'loop', name: 'Loop with\nRetry', color: '#525f73' },
	{ id: 'sequence', name: 'one after\nanother', color: '#a58fc2' },
	{ id: 'node', name: 'Merge\nPortraits', color: '#e8590c' },
];

const COSTS: Array<[string, FigureName]> = [
	['time per\npicture', 'timeToIdeal'],
	['CPU per pair', 'cpuPerPair'],
	['peak memory', 'memory'],
	['stored per\npicture', 'storedPerPicture'],
];

/** By file name without extension. They stand side by side, at three quarters of their size. */
export const drawCharts = (results: Results): Record<string, string> => ({
	'bench-merged': draw(results, 'Pictures delivered, of those that could be', delivered(results)),
	'bench-cost': draw(results, 'Times as much as Merge Portraits: 200 pairs of 1.2 MB (log)', costs(results)),
});

/** As a table with colours: of many bars one would see that they are many. */
function delivered({ batches }: Results): EChartsCoreOption {
	return {
		grid: { left: 232, right: 12, top: 94, bottom: 12 },
		xAxis: {
			...{ type: 'category', position: 'top', data: SENDERS.map(({ name }) => name) },
			...{ axisTick: { show: false }, axisLine: { show: false }, axisLabel: { interval: 0, fontSize: 11 } },
		},
		yAxis: {
			...{ type: 'category', inverse: true, data: batches.map(({ name }) => name) },
			...{ axisTick: { show: false }, axisLine: { show: false }, axisLabel: { fontSize: 13 } },
		},
		visualMap: { show: false, min: 0, max: 100, inRange: { color: ['#f8d7da', '#fff3cd', '#b7e4c7'] } },
		series: {
			type: 'heatmap',
			itemStyle: { borderColor: '#fff', borderWidth: 2 },
			label: { show: true, fontSize: 14, color: '#24292f', formatter: '{@[2]} %' },
			data: batches.flatMap((result, row) =>
				SENDERS.flatMap(({ id }, column) => {
					const { median } = figure(result, id, 'delivered');
					return Number.isNaN(median) ? [] : [[column, row, Math.floor((100 * median) / result.pairs)]];
				}),
			),
		},
	};
}

function costs({ batches }: Results): EChartsCoreOption {
	const large = batches.filter(({ name }) => name === 'pictures of 1.2 MB');
	return {
		legend: { top: 54, left: 16, right: 16, itemWidth: 14, itemHeight: 10, itemGap: 16, textStyle: { fontSize: 12 } },
		grid: { left: 76, right: 20, top: 120, bottom: 48 },
		xAxis: {
			...{ type: 'category', data: COSTS.map(([label]) => label) },
			...{ axisTick: { show: false }, axisLabel: { interval: 0, fontSize: 13 } },
		},
		yAxis: { type: 'log', axisLabel: { fontSize: 12, formatter: '{value} ×' } },
		series: SENDERS.slice(0, -1).map(({ id, name, color }) => {
			const share = Math.min(...large.map((result) => figure(result, id, 'delivered').least / result.pairs));
			return {
				name: name.replace('\n', ' ') + (share < 1 ? ` (delivers ${Math.floor(100 * share)} %)` : ''),
				...{ type: 'bar', barGap: '10%', barCategoryGap: '16%', itemStyle: { color } },
				label: {
					...{ show: true, position: 'top', rotate: 90, align: 'left', verticalAlign: 'middle', fontSize: 13 },
					formatter: ({ value }: { value: number }) => value.toLocaleString('en', { maximumSignificantDigits: 2 }),
				},
				data: large.flatMap((result) =>
					COSTS.map(([, cost]) => figure(result, id, cost).median / figure(result, 'node', cost).median),
				),
			};
		}),
	};
}

function draw({ about }: Results, text: string, options: EChartsCoreOption): string {
	const chart = init(null, null, { renderer: 'svg', ssr: true, width: 560, height: 460 });
	chart.setOption({
		...{ animation: false, backgroundColor: '#fff', textStyle: { fontFamily: 'sans-serif' } },
		title: {
			...{ text, subtext: about.batches, left: 16, top: 10, itemGap: 4 },
			...{ textStyle: { fontSize: 15 }, subtextStyle: { fontSize: 9 } },
		},
		...options,
	});
	return chart.renderToSVGString();
}
