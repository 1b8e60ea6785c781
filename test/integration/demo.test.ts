import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { portOf } from '../../lab/required';
import { expectPictures, runDemo } from '../demo';

test('npm run demo leaves the pictures and says what stood in for what', async () => {
	const run = await runDemo('demo');
	expect(run).toMatchObject({ exitCode: 0, stderr: '' });
	await expectPictures(run);
	const served = [...run.stdout.matchAll(/^ {5}(\w[\w ]*\w) {2,}(stand-in|this package)/gm)];
	const names = (by: string) => [...new Set(served.flatMap(([, name, kind]) => (kind === by ? [name] : [])))];
	expect(names('this package')).toEqual(['Merge Portraits']);
	expect(names('stand-in')).toEqual([
		...['Start', 'Settings', 'Read template', 'Read target', 'Save picture'],
		...['All similarities', 'One item each'],
	]);
	expect(run.stdout).toContain('test-output/demo/demo-output/contact-sheet.png');
	expect(run.stdout).toContain('npm run demo -- --n8n');
});

test('with AILABTOOLS_API_KEY it calls AILabTools itself, and prints no key', async () => {
	// A proxy that lets nothing through: this test must not reach the service.
	const asked: Array<string | undefined> = [];
	const proxy = createServer().on('connect', ({ url }: IncomingMessage, socket: Duplex) => {
		asked.push(url);
		socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
	});
	await once(proxy.listen(0, '127.0.0.1'), 'listening');
	const port = portOf(proxy);
	const secret = randomUUID();
	const proxyEnv = { HTTPS_PROXY: `http://127.0.0.1:${port}`, https_proxy: '', NO_PROXY: '', no_proxy: '' };
	const { exitCode, stdout, stderr, files } = await runDemo('demo-real', [], {
		...proxyEnv,
		AILABTOOLS_API_KEY: secret,
	});
	proxy.close();
	expect(asked).toEqual(['www.ailabapi.com:443']);
	expect(stdout).toContain('The service: https://www.ailabapi.com with AILABTOOLS_API_KEY');
	expect(stderr).toContain('AILabTools did not allow the request');
	expect(stdout + stderr).not.toContain(secret);
	expect({ exitCode, files }).toEqual({ exitCode: 1, files: ['target.jpg', 'template.jpg'] });
});

test('a picture that is not there is told by the name that asked for it', async () => {
	const { exitCode, stderr } = await runDemo('demo-missing', [], { AILABTOOLS_TARGET: '/nowhere/me.jpg' });
	expect(stderr).toBe('AILABTOOLS_TARGET names no file that can be read: /nowhere/me.jpg\n');
	expect(exitCode).toBe(1);
});
