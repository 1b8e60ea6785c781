import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const project = join(__dirname, '../..');
const folder = join(project, 'nodes/MergePortraits');
const page = readFileSync(join(project, 'docs/architecture.md'), 'utf8');

/** The modules of the table, from top to bottom. */
const rows = [...page.matchAll(/^\| `([\w./]+)` /gm)].map(([, name = '']) => name);

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

test('a module imports only from rows below its own', () => {
	expect(modules.get('mergeBatch')).toContain('input/request');
	for (const [name, imports] of modules) {
		const notBelow = rows.slice(0, rows.indexOf(name) + 1);
		expect({ name, upwards: imports.filter((from) => notBelow.includes(from)) }).toEqual({ name, upwards: [] });
	}
});

test('the modules that know nothing of n8n import nothing of it', () => {
	const free = [...page.matchAll(/^\| `([\w./]+)` .*\| yes +\|$/gm)].map(([, name = '']) => name);
	expect(free.length).toBeGreaterThan(4);
	for (const name of free) {
		expect({ name, imports: modules.get(name)?.filter((from) => from.includes('n8n')) }).toEqual({ name, imports: [] });
	}
});

test('arrows run downwards between folders too', () => {
	const folderOf = (name: string) => (name.includes('/') ? posix.dirname(name) : '');
	const folders = ['', 'output', 'input', 'account', 'api', 'paid', 'pictures', 'base'];
	for (const [name, imports] of modules) {
		const above = folders.slice(0, folders.indexOf(folderOf(name)));
		expect({ name, upwards: imports.filter((from) => modules.has(from) && above.includes(folderOf(from))) }).toEqual({
			name,
			upwards: [],
		});
	}
});

test('every module has its row', () => {
	expect([...rows].sort()).toEqual([...modules.keys()].sort());
});
