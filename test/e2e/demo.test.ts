import { installShown, NEWEST_N8N } from '../../lab/n8n/installation';
import { expectPictures, runDemo } from '../demo';

// So that the demo itself has no installation's progress to tell.
beforeAll(async () => await installShown(NEWEST_N8N), 1_200_000);

test('npm run demo -- --n8n leaves the pictures, merged in a whole n8n', async () => {
	const run = await runDemo('demo-n8n', ['--n8n']);
	expect(run).toMatchObject({ exitCode: 0, stderr: '' });
	await expectPictures(run);
	expect(run.stdout).toContain('installing it in n8n as a community node');
	expect(run.stdout).not.toContain('stand-in');
}, 600_000);
