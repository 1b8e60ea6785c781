/** The results in words: tables for the terminal, and texts with their places filled. */
import { bounds, type Bound } from './bounds';
import { figure, FIGURES, isFigure, PARTS, type FigureName, type Part, type Result, type Results } from './results';

type Row = Record<string, string>;

const BATCH: FigureName[] = ['delivered', 'paid', 'paidTwice', 'requestsPerPicture', 'span', 'timeToIdeal'];

/** What is shown of a part, where it was measured. */
const COLUMNS: Record<Part, FigureName[]> = {
	batches: [...BATCH, 'cpuPerPair', 'memory', 'storedPerPicture'],
	alone: ['cpuPerPair'],
	visitors: ['delivered', 'requests', 'refusedShare', 'timeToIdeal', 'middleWait', 'slowestWait', 'memory'],
	workers: ['delivered', 'requests', 'refusedShare', 'span', 'timeToIdeal', 'equalToLeast'],
	faults: ['requests', 'sent', 'merged', 'delivered', 'paidTwice', 'lost', 'span'],
};

/** One row for each contestant of each situation: medians, with the range where there is one. */
export function table(part: Part, results: Result[]): Row[] {
	const shown = COLUMNS[part].filter((name) => {
		return results.some((result) => result.contestants.some(({ id }) => isFinite(figure(result, id, name).median)));
	});
	return results.flatMap((result) =>
		result.contestants.map(({ id, name: who }) => {
			const cells = shown.map((name) => {
				const { median, least, most } = figure(result, id, name);
				const [middle, from, to] = [median, least, most].map((value) => say(name, value));
				return [FIGURES[name].title, from === to ? middle : `${middle} (${from} to ${to})`];
			});
			const pairs = result.pairs.toLocaleString('en');
			return { situation: result.name, pairs, contestant: who, ...Object.fromEntries(cells) };
		}),
	);
}

export function boundsTable(all: Bound[]): Row[] {
	return all.map(({ what, where, most, value, isMet }) => {
		const [bound, measured] = [number(most, 2), number(value, 2)];
		return { bound: what, 'at most': bound, 'at worst': measured, where, met: isMet ? 'yes' : '**no**' };
	});
}

/**
 * Fills the places of a text. `{{node.memory: 5 at a time}}` is a contestant's figure in a situation, and
 * `{{node/oneProcess.span: 6 executions, 2 at a time}}` how many times another's it is.
 * @throws Error for a place that nothing is known for
 */
export function fill(text: string, results: Results): string {
	const places: Record<string, () => string> = {
		about: () => [...new Set(Object.values(results.about))].join('; '),
		bounds: () => markdown(boundsTable(bounds(results))),
		...Object.fromEntries(PARTS.map((part) => [part, () => markdown(table(part, results[part]))])),
	};
	return text.replaceAll(/\{\{(.*?)\}\}/g, (_, place: string) => places[place]?.() ?? figureAt(place, results));
}

function figureAt(place: string, results: Results): string {
	const [, id, other, name = '', situation] = /^(\w+)(?:\/(\w+))?\.(\w+): (.+)$/.exec(place) ?? [];
	const result = PARTS.flatMap((part) => results[part]).find((each) => each.name === situation);
	if (!result || !isFigure(name)) throw new Error(`Nothing is known for {{${place}}}`);
	const of = (who = '') => figure(result, who, name).median;
	return other ? `${number(of(id) / of(other), 2)} ×` : say(name, of(id));
}

/** A figure with its unit. */
function say(name: FigureName, value: number): string {
	const { digits, unit } = FIGURES[name];
	return isFinite(value) ? number(value, digits) + unit : '–';
}

const number = (value: number, digits: number) => value.toLocaleString('en', { maximumFractionDigits: digits });

function markdown(rows: Row[]): string {
	const titles = Object.keys(rows[0] ?? {});
	const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
	return [titles, titles.map(() => '---'), ...rows.map((row) => titles.map((title) => row[title] ?? ''))]
		.map(line)
		.join('');
}

/** README with what the page has for it, where README has a place. */
export function readmeWith(page: string, readme: string): string {
	const [, words = ''] = /<!-- README -->\n([^]*?)<!-- end -->/.exec(page) ?? [];
	return readme.replace(/(?<=<!-- npm run bench -->\n)[^]*(?=<!-- end -->)/, () => words);
}
