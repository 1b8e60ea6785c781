/** The results as pictures, SVG. */
import { init, type EChartsCoreOption } from 'echarts';

import { first } from '../lab/first';
import type { ContestantId } from './contestants';
import { byPairs, figure, shortly, type FigureName } from './figures';
import type { Results, SituationResult } from './results';

const COLORS: Record<ContestantId, string> = {
	nothing: '#d0d7de',
	http: '#b8c0cc',
	batching: '#8593a6',
	loop: '#525f73',
	node: '#e8590c',
};

/** By file name without extension. */
export function drawCharts(results: Results): Record<string, string> {
	return {
		'bench-merged': merged(results),
		'bench-cost': cost(results),
		'bench-memory': memory(results),
	};
}

function merged({ situations, ...about }: Results): string {
	return draw(about, 760, 720, 'Pairs merged, of those that could be merged', {
		grid: { left: 240, right: 60, top: 90, bottom: 40 },
		xAxis: { type: 'value', max: 100, axisLabel: { formatter: '{value} %' } },
		yAxis: { type: 'category', inverse: true, data: situations.map(({ name }) => name), axisTick: { show: false } },
		series: series(situations, ['http', 'batching', 'loop', 'node'], (id) => ({
			type: 'bar',
			barGap: '10%',
			barCategoryGap: '28%',
			label: { show: true, position: 'right', fontSize: 10, formatter: '{c} %' },
			data: situations.map((situation) => {
				const value = figure(situation, id, 'merged');
				return value && Math.floor((100 * value.median) / situation.mergeable);
			}),
		})),
	});
}

function cost({ situations, ...about }: Results): string {
	const large = situations.filter(({ pictureBytes, pairs }) => pictureBytes > 1e6 && pairs === 200);
	const situation = first(large, 'situation of 200 pairs of more than 1 MB');
	const figures: Array<[string, FigureName]> = [
		['time per merged pair', 'timePerMerged'],
		['CPU per pair', 'cpuPerPair'],
		['peak memory', 'memory'],
		['stored per merged pair', 'storedPerMerged'],
	];
	const title = `How many times as much as this node takes (logarithmic): ${situation.name}`;
	return draw(about, 760, 380, title, {
		grid: { left: 60, right: 20, top: 90, bottom: 40 },
		xAxis: {
			type: 'category',
			data: figures.map(([label]) => label),
			axisTick: { show: false },
			axisLabel: { interval: 0 },
		},
		yAxis: { type: 'log', axisLabel: { formatter: '{value} ×' } },
		series: series([situation], ['http', 'batching', 'loop'], (id) => ({
			type: 'bar',
			barGap: '10%',
			barCategoryGap: '24%',
			label: { show: true, position: 'top', fontSize: 10, formatter: '{c} ×' },
			data: figures.map(([, name]) => {
				const [value, own] = [figure(situation, id, name)?.median, figure(situation, 'node', name)?.median];
				return value && own && Number.isFinite(value) ? Number(shortly(value / own)) : undefined;
			}),
		})),
	});
}

function memory({ situations, ...about }: Results): string {
	const shown = byPairs(situations);
	return draw(about, 760, 370, 'Peak memory of n8n by number of pairs, pictures of 50 KB', {
		grid: { left: 80, right: 70, top: 120, bottom: 40 },
		xAxis: { type: 'category', data: shown.map(({ pairs }) => `${pairs.toLocaleString('en')} pairs`) },
		yAxis: { type: 'value', min: 0, axisLabel: { formatter: '{value} MB' } },
		series: series(situations, ['nothing', 'http', 'batching', 'loop', 'node'], (id) => ({
			type: 'line',
			symbolSize: 7,
			label: { show: id === 'node', position: 'bottom', fontSize: 10 },
			data: shown.map((situation) => Math.round(figure(situation, id, 'memory')?.median ?? Number.NaN)),
		})),
	});
}

/** One for each of the contestants. */
function series(situations: SituationResult[], ids: ContestantId[], of: (id: ContestantId) => object): object[] {
	return first(situations, 'situation')
		.contestants.filter(({ id }) => ids.includes(id))
		.map(({ id, name }) => ({ name, itemStyle: { color: COLORS[id] }, lineStyle: { color: COLORS[id] }, ...of(id) }));
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
		legend: { top: 54, left: 16, itemWidth: 14, itemHeight: 10, itemGap: 24, textStyle: { fontSize: 11 } },
		...options,
	});
	const svg = chart.renderToSVGString();
	chart.dispose();
	return svg;
}
