import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(__dirname, '../..');
const folder = join(project, 'nodes/MergePortraits');
const page = readFileSync(join(project, 'docs/architecture.md'), 'utf8');

const modules = readdirSync(folder)
	.filter((file) => file.endsWith('.ts'))
	.map((file) => ({ name: file.replace(/\.ts$/, ''), source: readFileSync(join(folder, file), 'utf8') }));
const importsOf = (source: string) => [...source.matchAll(/from '([^']+)'/g)].map(([, from]) => from);

const drawn = [...page.matchAll(/^ {2}([\w.]+) --> ([\w.]+)$/gm)].map(([, from, to]) => `${from} --> ${to}`);

test('the drawing has the arrows that the source has', () => {
	const imported = modules.flatMap(({ name, source }) =>
		importsOf(source)
			.filter((from) => from.startsWith('./'))
			.map((from) => `${name} --> ${from.slice(2)}`),
	);
	expect(drawn.sort()).toEqual(imported.sort());
});

test('arrows run downwards only: no module imports one that imports it', () => {
	const reach = (name: string, seen: string[] = []): string[] =>
		drawn
			.filter((arrow) => arrow.startsWith(`${name} --> `))
			.map((arrow) => arrow.split(' --> ')[1])
			.flatMap((next) => (seen.includes(next) ? [next] : [next, ...reach(next, [...seen, next])]));
	for (const { name } of modules) expect(reach(name)).not.toContain(name);
});

test('the modules that know nothing of n8n import nothing of it', () => {
	const free = [...page.matchAll(/^\| `(\w+)` .*\| yes +\|$/gm)].map(([, name]) => name);
	expect(free).toHaveLength(5);
	for (const { name, source } of modules.filter((module) => free.includes(module.name))) {
		expect({ name, imports: importsOf(source).filter((from) => from.includes('n8n')) }).toEqual({ name, imports: [] });
	}
});

test('every module has its row', () => {
	const rows = [...page.matchAll(/^\| `([\w.]+)` /gm)].map(([, name]) => name);
	expect(rows.sort()).toEqual(modules.map(({ name }) => name).sort());
});
