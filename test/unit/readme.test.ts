import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { INodeProperties } from 'n8n-workflow';

import { imageRequirements } from '../../nodes/MergePortraits/pictures/imageRequirements';
import { properties } from '../../nodes/MergePortraits/input/parameters';
import { N8N_VERSIONS } from '../../lab/n8n/installation';

const project = join(__dirname, '../..');
const readme = readFileSync(join(project, 'README.md'), 'utf8');

/** The rows of README's tables, cells trimmed. */
const rows = readme
	.split('\n')
	.filter((line) => line.startsWith('|'))
	.map((line) =>
		line
			.split('|')
			.slice(1, -1)
			.map((cell) => cell.trim()),
	);
const row = (name: string) => rows.find(([first]) => first === name) ?? [];

const isInput = ({ type }: INodeProperties) => !['notice', 'collection'].includes(type);
const options = properties.flatMap((property) => property.options ?? []).filter((option) => 'default' in option);

test.each(properties.filter(isInput))('README tells the default of the parameter $displayName', (property) => {
	const shown = property.default === '' ? 'none' : `\`${String(property.default)}\``;
	expect(row(property.displayName)[1]).toBe(shown);
});

test.each(options)('README tells the default of the option $displayName', ({ name, displayName, default: given }) => {
	// Without it there is no link; the default is what it begins with when it is added.
	const specially: Record<string, string> = { downloadLink: `none; added: ${given}`, fileName: "target's name" };
	const shown = typeof given === 'boolean' ? (given ? 'on' : 'off') : String(given);
	expect(row(displayName)[1]).toBe(specially[name] ?? shown);
});

test('README tells the limits that the node checks', () => {
	const { formats, maxBytes, minSide, maxSide } = imageRequirements;
	const format = `${formats.slice(0, -1).join(', ')} or ${formats.at(-1)}`;
	expect(row('format')).toEqual(['format', format, format]);
	expect(row('file size')).toEqual(['file size', ...Array<string>(2).fill(`at most ${maxBytes / 1024 / 1024} MB`)]);
	const sides = [minSide.target, minSide.template].map((side) => `larger than ${side} px, smaller than ${maxSide} px`);
	expect(row('width and height')).toEqual(['width and height', ...sides]);
});

/** A page's headings as GitHub makes anchors of them. */
const anchors = (page: string) =>
	[...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
		heading
			.toLowerCase()
			.replace(/[^\w\- ]/g, '')
			.replaceAll(' ', '-'),
	);

const pages = [
	'README.md',
	'CONTRIBUTING.md',
	'SECURITY.md',
	...readdirSync(join(project, 'docs')).map((file) => `docs/${file}`),
];

test.each(pages.filter((file) => file.endsWith('.md')))('every link and picture of %s leads somewhere', (file) => {
	const page = readFileSync(join(project, file), 'utf8');
	const links = [...page.matchAll(/\]\(([^)\s]+)\)|src="([^"{]+)"/g)].map(([, link, source]) => link ?? source ?? '');
	for (const link of links.filter((each) => !/^https?:/.test(each))) {
		const [path = '', anchor] = link.split('#');
		const target = path === '' ? join(project, file) : join(project, dirname(file), path);
		expect([link, existsSync(target)]).toEqual([link, true]);
		if (anchor !== undefined) expect(anchors(readFileSync(target, 'utf8'))).toContain(anchor);
	}
});

test('README names the n8n versions that the end-to-end tests install', () => {
	const named = rows.map(([first = '']) => first).filter((first) => /^\d+\.\d+\.\d+$/.test(first));
	expect(named.sort()).toEqual([...N8N_VERSIONS].sort());
});

test('every command that README names is a script of the package', () => {
	const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
	const named = [...readme.matchAll(/npm (?:run )?(test|[a-z:0-9]+)(?=[`\s])/g)].map(([, name = '']) => name);
	for (const name of named.filter((command) => !['ci', 'install', 'on', 'pack'].includes(command)))
		expect(Object.keys(scripts)).toContain(name);
	expect(named).toContain('demo');
});

const exampleFiles = readdirSync(join(project, 'examples')).map((file) => ({ file, name: file.replace('.json', '') }));

test.each(exampleFiles)('README shows $file under the name that it has in the editor', ({ file, name }) => {
	const workflow = JSON.parse(readFileSync(join(project, 'examples', file), 'utf8'));
	const [, input = '', output = ''] = row(`[${workflow.name}](examples/${file})`);
	const shown = [input, output].map((cell) => /\((docs\/images\/.*?)\)/.exec(cell)?.[1]);
	expect(shown).toEqual([`docs/images/${name}-in.png`, `docs/images/${name}-out.png`]);
	const canvas = `images/example-${name}.png`;
	expect(readFileSync(join(project, 'docs/workflows.md'), 'utf8')).toContain(
		`![Canvas of ${workflow.name}](${canvas})`,
	);
	for (const image of [...shown, `docs/${canvas}`]) expect(existsSync(join(project, image ?? ''))).toBe(true);
});

test('the nodes to copy in docs/workflows.md are those of form-to-picture, which the tests run', () => {
	const [, block = ''] = /```json\n([^]*?)```/.exec(readFileSync(join(project, 'docs/workflows.md'), 'utf8')) ?? [];
	const withoutPlace = ({ nodes }: { nodes: Array<{ name: string; position: unknown }> }) =>
		Object.fromEntries(nodes.map((node) => [node.name, { ...node, position: undefined }]));
	const form = withoutPlace(JSON.parse(readFileSync(join(project, 'examples/form-to-picture.json'), 'utf8')));
	const toCopy = withoutPlace(JSON.parse(block));
	expect(Object.keys(toCopy)).toEqual(['Check', 'Prepare target?', 'Prepare target']);
	for (const [name, node] of Object.entries(toCopy)) expect(node).toEqual(form[name]);
});
