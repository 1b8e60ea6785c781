import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { packTarball } from '../../lab/n8n/pack';
import { runProcess } from '../../lab/n8n/processes';
import { startSite } from '../../lab/site';

const project = resolve(__dirname, '../..');

/** Outside the project, so that nothing of its node_modules is found by accident. */
const outside = mkdtempSync(join(tmpdir(), 'n8n-nodes-merge-portraits-'));
const unpacked = join(outside, 'node_modules/n8n-nodes-merge-portraits');
const environment = { PATH: process.env.PATH };
let tarball: string;

beforeAll(async () => {
	tarball = await packTarball();
	mkdirSync(unpacked, { recursive: true });
	execFileSync('tar', ['xzf', tarball, '--strip-components=1', '-C', unpacked]);
});
afterAll(() => rmSync(outside, { recursive: true }));

test('the tarball holds what n8n loads and a reader needs, and nothing else', () => {
	const files = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n').sort();
	expect(files).toEqual([
		'package/LICENSE',
		'package/README.md',
		'package/dist/credentials/AiLabToolsApi.credentials.js',
		'package/dist/icons/mergePortraits.dark.svg',
		'package/dist/icons/mergePortraits.svg',
		'package/dist/nodes/MergePortraits/MergePortraits.node.js',
		'package/dist/nodes/MergePortraits/MergePortraits.node.json',
		'package/index.d.ts',
		'package/index.js',
		'package/package.json',
	]);
	expect(statSync(tarball).size).toBeLessThan(60 * 1024);
});

test('it loads where there is nothing but packages of n8n', () => {
	for (const host of ['n8n-workflow', 'form-data']) {
		symlinkSync(join(project, 'node_modules', host), join(outside, 'node_modules', host));
	}
	const script = `
		const { AiLabToolsApi, MergePortraits } = require('n8n-nodes-merge-portraits');
		const { description } = new MergePortraits();
		console.log(JSON.stringify([new AiLabToolsApi().name, description.name, description.version]));
	`;
	const output = execFileSync(process.execPath, ['-e', script], { cwd: outside, env: environment, encoding: 'utf8' });
	expect(JSON.parse(output)).toEqual(['aiLabToolsApi', 'mergePortraits', 1]);
});

test("n8n's own tool finds it eligible for n8n Cloud", () => {
	const output = execFileSync('npx', ['n8n-node', 'cloud-support'], { cwd: project, encoding: 'utf8' });
	// With `CI` set it writes in colours.
	expect(stripVTControlCharacters(output)).toContain('Status: eligible');
});

test('npm publish refuses by hand, and so does what n8n has run before it', async () => {
	// Set in `.npmrc`, `ignore-scripts` keeps npm from running `prepublishOnly`: the provenance asked for stops it.
	const registry = await startSite();
	const token = `--${registry.url.replace('http:', '')}/:_authToken=none`;
	const args = ['publish', '--registry', registry.url, token];
	const published = await runProcess('npm', args, { cwd: project, env: environment });
	await registry.close();
	expect(published).toMatchObject({
		exitCode: 1,
		stderr: expect.stringContaining('provenance generation not supported'),
	});

	const before = async (env: NodeJS.ProcessEnv) =>
		await runProcess('npm', ['run', 'prepublishOnly'], { cwd: project, env: { ...environment, ...env } });
	expect(await before({})).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('npm run release') });
	expect(await before({ RELEASE_MODE: 'true' })).toMatchObject({ exitCode: 0 });
});

describe("n8n's verification scan", () => {
	// Without Jest's environment, which some of the rules take for a test of their own.
	const scan = (folder: string, kind: 'source' | 'package'): unknown =>
		JSON.parse(
			execFileSync(process.execPath, [join(__dirname, 'scan.mjs'), folder, kind], {
				env: environment,
				encoding: 'utf8',
			}),
		);

	it('passes on the source', () => {
		const source = join(outside, 'source');
		for (const part of ['package.json', 'nodes', 'credentials', 'icons']) {
			cpSync(join(project, part), join(source, part), { recursive: true });
		}
		expect(scan(source, 'source')).toEqual({ passed: true, details: '' });
	}, 60_000);

	it('passes on the tarball', () => {
		expect(scan(unpacked, 'package')).toEqual({ passed: true, details: '' });
	}, 60_000);

	it('would not pass with a dependency', () => {
		const spoilt = join(outside, 'spoilt');
		cpSync(unpacked, spoilt, { recursive: true });
		execFileSync('npm', ['pkg', 'set', 'dependencies.lodash=4'], { cwd: spoilt });
		expect(scan(spoilt, 'package')).toMatchObject({ passed: false, details: expect.stringContaining('dependencies') });
	}, 60_000);
});
