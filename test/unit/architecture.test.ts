import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const project = join(__dirname, '../..');
const folder = join(project, 'nodes/MergePortraits');
const page = readFileSync(join(project, 'docs/architecture.md'), 'utf8');

/** Every module by its path in the folder, without `.ts`, with what it imports. */
const modules = new Map(
	readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((file) => file.endsWith('.ts'))
		.map((file) => {
			const source = readFileSync(join(folder, file), 'utf8');
			const imports = [...source.matchAll(/from '([^']+)'/g)].map(([, from = '']) =>
				from.startsWith('.') ? posix.join(posix.dirname(file), from) : from,
			);
			return [file.replace(/\.ts$/, ''), imports];
		}),
);

test('arrows run downwards only: no module imports one that imports it', () => {
	const reach = (name: string, seen = new Set<string>()): Set<string> => {
		for (const next of modules.get(name) ?? []) {
			if (!seen.has(next)) reach(next, seen.add(next));
		}
		return seen;
	};
	expect(reach('mergeBatch')).toContain('clock');
	for (const name of modules.keys()) expect(reach(name)).not.toContain(name);
});

test('the modules that know nothing of n8n import nothing of it', () => {
	const free = [...page.matchAll(/^\| `([\w./]+)` .*\| yes +\|$/gm)].map(([, name = '']) => name);
	expect(free.length).toBeGreaterThan(4);
	for (const name of free) {
		expect({ name, imports: modules.get(name)?.filter((from) => from.includes('n8n')) }).toEqual({ name, imports: [] });
	}
});

test('every module has its row', () => {
	const rows = [...page.matchAll(/^\| `([\w./]+)` /gm)].map(([, name]) => name);
	expect(rows.sort()).toEqual([...modules.keys()].sort());
});
