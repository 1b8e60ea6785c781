/** Pictures from URLs, in n8n-core's engine, from a host of which every request is looked at. */
import { once } from 'node:events';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import type { ClientRequest } from 'node:http';

import type * as N8nConfig from '@n8n/config';
import type * as Di from '@n8n/di';
import { SMTPServer } from 'smtp-server';

import { nodeOfProcess, type EngineOptions } from '../../lab/engine';
import { first, portOf } from '../../lab/required';
import { portrait } from '../../lab/portraits';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { startSite, type Site } from '../../lab/site';
import { SkippingClock } from '../virtualClock';
import { run as runNode, simulator, target, template } from './withSimulator';

const MB = 1024 * 1024;

let host: Site;
let other: Site;
let clock: SkippingClock;

beforeAll(async () => {
	host = await startSite();
	other = await startSite();
});
beforeEach(() => {
	host.reset();
	other.reset();
	clock = new SkippingClock();
	host.serve('/ben.png', { body: target });
	host.serve('/anna.jpg', { body: template });
});
afterAll(async () => {
	await host.close();
	await other.close();
});

/** Runs the node with the target by URL, and the template as a binary unless told otherwise. */
async function run(parameters: EngineOptions['parameters'] = {}, options: Partial<EngineOptions> = {}) {
	return await runNode({
		items: [{ files: { template: { bytes: template } } }],
		parameters: { targetInputType: 'url', targetUrl: `${host.url}/ben.png`, ...parameters },
		nodeType: nodeOfProcess({ clock }),
		...options,
	});
}

/** What a user is told of a target URL, both parts; nothing may have been sent to AILabTools. */
async function told(targetUrl: string, options = {}): Promise<{ message: string; description: string }> {
	const { task } = await run({ targetUrl, options });
	expect(simulator.requests).toHaveLength(0);
	return { message: task.error?.message ?? '', description: task.error?.description ?? '' };
}

const here = () => new URL(host.url).host;

describe.each(['default', 'filesystem'] as const)('binary mode %s', (binaryMode) => {
	it('merges two pictures by URL, and tells their hosts nothing but the path', async () => {
		other.serve('/pictures/anna', {
			headers: { 'content-disposition': 'attachment; filename="Anna Ó.php"', 'content-type': 'text/plain' },
			body: template,
		});
		const { items, read } = await run(
			{ templateInputType: 'url', templateUrl: ` ${other.url}/pictures/anna?token=abc ` },
			{ binaryMode, items: [{ json: { name: 'Ben' } }] },
		);
		const request = first(simulator.requests, 'request');
		expect(request.files.image_target).toMatchObject({ fileName: 'target.png', mimeType: 'image/png' });
		expect(request.files.image_target?.bytes?.equals(target)).toBe(true);
		expect(request.files.image_template).toMatchObject({ fileName: 'template.jpg', mimeType: 'image/jpeg' });
		expect(request.files.image_template?.bytes?.equals(template)).toBe(true);
		expect(items[0]?.binary?.data?.fileName).toBe('ben-merged.jpg');
		expect((await read(items[0]?.binary?.data)).length).toBeGreaterThan(1000);
		expect(items[0]?.json).toMatchObject({ name: 'Ben' });

		expect(other.requests.map(({ method, path }) => [method, path])).toEqual([['GET', '/pictures/anna?token=abc']]);
		for (const { headers } of [...host.requests, ...other.requests]) {
			expect(Object.keys(headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host', 'user-agent']);
			expect(headers['user-agent']).toMatch(/n8n/i);
			expect(JSON.stringify(headers)).not.toContain(SIMULATOR_KEY);
		}
	});

	it('downloads one URL once for ten items, of which many run at a time', async () => {
		const names = ['ben', 'cleo'];
		host.serve('/cleo.png', { body: await portrait('cleo') });
		const { items } = await run(
			{
				targetUrl: `=${host.url}/{{ $json.name }}.png`,
				templateInputType: 'url',
				templateUrl: `${host.url}/anna.jpg`,
				similarity: '={{ $itemIndex / 10 }}',
				options: { maxConcurrency: 5 },
			},
			{ binaryMode, items: Array.from({ length: 10 }, (_, index) => ({ json: { name: names[index % 2] } })) },
		);
		expect(items).toHaveLength(10);
		expect(simulator.requests).toHaveLength(10);
		expect(host.requests.map(({ path }) => path).sort()).toEqual(['/anna.jpg', '/ben.png', '/cleo.png']);
	});
});

/** A header's text as the bytes of UTF-8: Node writes headers as Latin-1. */
const asBytes = (text: string) => Buffer.from(text).toString('latin1');

describe('the name of a file', () => {
	const long = 'x'.repeat(7_000);
	it.each([
		['in quotes', 'attachment; filename="ben.png"', 'ben'],
		['without quotes', 'inline;filename=ben.png;size=9', 'ben'],
		['in UTF-8', `attachment; filename="${asBytes('肖像.png')}"`, '肖像'],
		['in Latin-1', 'attachment; filename="Zoë.png"', 'Zoë'],
		['encoded, before the plain one', `attachment; filename="a.png"; filename*=UTF-8''%E8%82%96.png`, '肖'],
		['encoded wrongly', "attachment; filename*=UTF-8''50%.png", '50%'],
		['with a path', 'attachment; filename="C:\\\\photos\\\\ben.png"', 'ben'],
		['that is a path alone', 'attachment; filename="/etc/"', 'portrait'],
		['that is empty', 'attachment; filename=""', 'portrait'],
		['that is missing', 'attachment', 'file'],
		['that never ends', `attachment; filename="${long}`, expect.stringMatching(/^x{50,100}$/)],
		['that begins again and again', "filename*=utf-8'".repeat(500), expect.stringMatching(/^filename.{40,100}$/)],
		['of spaces', `filename${' '.repeat(7_000)}=ben.png`, 'file'],
	])('%s becomes that of the merged picture', async (_what, disposition, name) => {
		host.serve('/file', { headers: { 'content-disposition': disposition }, body: target });
		const { items } = await run({ targetUrl: `${host.url}/file` });
		expect(items[0]?.binary?.data?.fileName?.replace(/-merged\.jpg$/, '')).toEqual(name);
	});
});

it.each([
	['50%.png', '50%'],
	['Zo%C3%AB.png', 'Zoë'],
	['C%3A%5Cben.png', 'ben'],
	[`${'x'.repeat(7_000)}.png`, expect.stringMatching(/^x{50,100}$/)],
])('the last part of a path is a name where the host gives none: %.20s', async (path, name) => {
	host.serve(`/pictures/${path}`, { body: target });
	const { items } = await run({ targetUrl: `${host.url}/pictures/${path}?token=abc` });
	expect(items[0]?.binary?.data?.fileName?.replace(/-merged\.jpg$/, '')).toEqual(name);
});

describe('redirects', () => {
	it.each([301, 302, 303, 307, 308])(
		'with %d to another host are followed, without a header of ours',
		async (status) => {
			host.serve('/old.png', { status, headers: { location: `${other.url}/new`, 'set-cookie': 'seen=1' } });
			other.serve('/new', { status, headers: { location: '/newest.png' } });
			other.serve('/newest.png', { body: target });
			const { items } = await run({ targetUrl: `${host.url}/old.png` });
			expect(items[0]?.binary?.data?.fileName).toBe('newest-merged.jpg');
			expect(other.requests).toHaveLength(2);
			for (const { method, headers } of other.requests) {
				expect(method).toBe('GET');
				expect(headers.cookie).toBeUndefined();
				expect(headers.authorization).toBeUndefined();
				expect(JSON.stringify(headers)).not.toContain(SIMULATOR_KEY);
			}
		},
	);

	it('keep what the link itself holds to its own host', async () => {
		host.serve('/old.png', { status: 302, headers: { location: `${other.url}/new.png` } });
		other.serve('/new.png', { body: target });
		await run({ targetUrl: `${host.url.replace('//', '//ann:secret@')}/old.png` });
		expect(host.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('ann:secret').toString('base64')}`);
		expect(first(other.requests, 'request').headers.authorization).toBeUndefined();
	});

	it.each(['ftp://127.0.0.1/ben.png', 'file:///etc/passwd', 'data:image/png;base64,AAAA'])(
		'to %s are not followed',
		async (location) => {
			host.serve('/old.png', { status: 302, headers: { location } });
			const { message } = await told(`${host.url}/old.png`);
			const protocol = location.slice(0, location.indexOf(':') + 1);
			expect(message).toBe(`'Target URL' is redirected by ${here()} to ${protocol}, allowed: http and https`);
		},
	);

	it('to what is no URL are told', async () => {
		host.serve('/old.png', { status: 302, headers: { location: 'http://[' } });
		expect((await told(`${host.url}/old.png`)).message).toBe(
			`'Target URL' is redirected by ${here()} to something that is not a URL`,
		);
	});

	it.each([
		['in UTF-8', '/grüße/肖像.png', '/gr%C3%BC%C3%9Fe/%E8%82%96%E5%83%8F.png', '肖像'],
		['encoded', '/gr%C3%BC%C3%9Fe/ben.png', '/gr%C3%BC%C3%9Fe/ben.png', 'ben'],
	])('to a path with letters outside ASCII are followed as browsers do: %s', async (_what, to, path, name) => {
		host.serve('/old.png', { status: 302, headers: { location: asBytes(to) } });
		host.serve(path, { body: target });
		const { items } = await run({ targetUrl: `${host.url}/old.png` });
		expect(host.requests.map((request) => request.path)).toEqual(['/old.png', path]);
		expect(items[0]?.binary?.data?.fileName).toBe(`${name}-merged.jpg`);
	});

	it('to a path in Latin-1 are followed as browsers do', async () => {
		host.serve('/old.png', { status: 302, headers: { location: '/grüße.png' } });
		host.serve('/gr%C3%BC%C3%9Fe.png', { body: target });
		const { items } = await run({ targetUrl: `${host.url}/old.png` });
		expect(items[0]?.binary?.data?.fileName).toBe('grüße-merged.jpg');
	});

	it.each([
		['scheme', `${'x'.repeat(5_000)}:ben.png`],
		['host', `http://${'x'.repeat(5_000)}/ben.png`],
	])('to a %s of thousands of letters are told in few', async (_what, location) => {
		host.serve('/old.png', { status: 302, headers: { location } });
		const { message } = await told(`${host.url}/old.png`, { maxRetries: 0 });
		expect(message).toContain('xxxxx');
		expect(message.length).toBeLessThan(300);
	});

	it('in a circle end', async () => {
		host.serve('/round.png', { status: 302, headers: { location: '/round.png' } });
		expect((await told(`${host.url}/round.png`)).message).toBe("'Target URL' is redirected more than 10 times");
		expect(host.requests).toHaveLength(11);
	});
});

describe('a file that is too large', () => {
	/** Bytes that this process received from the host, whatever it made of them. */
	async function received(work: () => Promise<unknown>): Promise<number> {
		const sockets = new Set<NonNullable<ClientRequest['socket']>>();
		const onFinish = (message: unknown) => {
			const { request }: { request: ClientRequest } = Object(message);
			if (request.socket?.remotePort === Number(new URL(host.url).port)) sockets.add(request.socket);
		};
		subscribe('http.client.response.finish', onFinish);
		await work();
		unsubscribe('http.client.response.finish', onFinish);
		expect(sockets.size).toBe(1);
		return [...sockets].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
	}

	/** 200 MB, of which each piece is only sent when the one before is on its way. */
	function serveLarge(headers: Record<string, string | number>): void {
		host.serve('/large.png', (response) => {
			response.writeHead(200, headers);
			const piece = Buffer.concat([target, Buffer.alloc(MB - target.length)]);
			let left = 200;
			const send = () => {
				while (left-- > 0) {
					if (!response.write(piece)) return response.once('drain', send);
				}
				return response.end();
			};
			send();
		});
	}

	it.each([true, false])('and says so is not read at all (Validate Images: %j)', async (validateImages) => {
		serveLarge({ 'content-length': 200 * MB });
		const read = await received(async () => {
			const { message, description } = await told(`${host.url}/large.png`, { validateImages });
			expect(message).toBe("'Target URL' has 209.72 MB, allowed: at most 4.19 MB");
			expect(description).toContain("Download it with an HTTP Request node, and choose 'Binary File' here");
			expect(description).toContain("Operation 'Resize', 'Property Name' data,");
		});
		expect(read).toBeLessThan(MB / 2);
	});

	it.each([true, false])(
		'and does not say so is left after 4 MB and a chunk (Validate Images: %j)',
		async (validateImages) => {
			serveLarge({});
			const read = await received(async () => {
				const { message } = await told(`${host.url}/large.png`, { validateImages });
				expect(message).toBe("'Target URL' has more than 4.19 MB, allowed: at most 4.19 MB");
			});
			expect(read).toBeGreaterThan(4 * MB);
			// Node reads 64 kB at a time, and one chunk ahead.
			expect(read).toBeLessThan(4 * MB + 256 * 1024);
		},
	);

	it('of exactly 4 MB is not', async () => {
		const jpeg = await portrait('ben', { format: 'jpeg' });
		host.serve('/full.jpg', { body: Buffer.concat([jpeg, Buffer.alloc(4 * MB - jpeg.length)]) });
		const { items } = await run({ targetUrl: `${host.url}/full.jpg` });
		expect(items[0]?.binary?.data?.fileName).toBe('full-merged.jpg');
	});
});

describe('what is not a picture', () => {
	const page = '<!DOCTYPE html>\n<html><head><title>Shared file</title></head><body>Download</body></html>';
	it.each<[string, Record<string, string>, string]>([
		['declared as a page', { 'content-type': 'text/html; charset=utf-8' }, page],
		['declared as a picture', { 'content-type': 'image/png' }, `\uFEFF\n ${page}`],
		['that begins with a comment', { 'content-type': 'text/html' }, `<!-- shared -->${page}`],
	])('is told as a web page: %s', async (_what, headers, body) => {
		host.serve('/share/ben.png', { headers, body });
		for (const validateImages of [true, false]) {
			const { message, description } = await told(`${host.url}/share/ben.png`, { validateImages });
			expect(message).toBe("'Target URL' is a web page, not a picture: use the direct link to the file");
			expect(description).toContain(`What came from ${here()} is HTML.`);
		}
	});

	it('is judged by its bytes alone where it is a picture', async () => {
		host.serve('/page', { headers: { 'content-type': 'text/html' }, body: target });
		expect((await run({ targetUrl: `${host.url}/page` })).items[0]?.binary?.data?.fileName).toBe('page-merged.jpg');
	});

	it.each<[string, Buffer | string, string]>([
		[
			'text',
			'Hello',
			'is not a picture that can be read, allowed: JPEG, PNG or BMP that begins with a complete header',
		],
		['nothing', '', 'is an empty file, allowed: a JPEG, PNG or BMP picture'],
	])('meets the same requirements as a binary: %s', async (_what, body, rule) => {
		host.serve('/ben.png', { body });
		expect((await told(`${host.url}/ben.png`)).message).toBe(`'Target URL' ${rule}`);
	});

	it('is refused when it is empty, with the validation off too', async () => {
		host.serve('/ben.png', { body: '' });
		expect((await told(`${host.url}/ben.png`, { validateImages: false })).message).toContain('is an empty file');
	});

	it('is told with the label of its own parameter', async () => {
		host.serve('/small.png', { body: await portrait('ben', { width: 150, height: 150 }) });
		const { task } = await run({ templateInputType: 'url', templateUrl: `${host.url}/small.png` });
		expect(task.error?.message).toMatch(/^'Template URL' is 150 × 150 px, allowed: .*px$/);
	});
});

describe('a host that does not give the file', () => {
	it.each([
		[404, 1, 'Check the link'],
		[410, 1, 'Check the link'],
		[401, 1, 'Use a link that opens without signing in'],
		[403, 1, 'Use a link that opens without signing in'],
		[204, 1, 'Check the link'],
		[304, 1, 'Check the link'],
		[429, 5, 'again later'],
		[500, 5, 'again later'],
		[503, 5, 'again later'],
	])('with status %d is asked %d times, and the status told', async (status, times, advice) => {
		host.serve('/private/ben.png', { status });
		const { message, description } = await told(
			`${host.url.replace('//', '//ann:secret@')}/private/ben.png?token=abc#part`,
		);
		expect(message).toBe(`'Target URL' could not be downloaded: ${here()} answered with HTTP status ${status}`);
		expect(description).toContain(advice);
		expect(host.requests).toHaveLength(times);
	});

	it('after a reset is asked again, a second and two later', async () => {
		host.serve('/ben.png', (response, index) => {
			if (index < 2) return void response.socket?.resetAndDestroy();
			response.end(target);
		});
		const { items } = await run();
		expect(items[0]?.json).toMatchObject({ mergePortraits: { attempts: 1 } });
		expect(host.requests).toHaveLength(3);
		expect(clock.waits).toHaveLength(2);
		expect(clock.now()).toBeLessThanOrEqual(3_000);
	});

	it('and cuts each answer short is asked as often as Max Retries says', async () => {
		host.serve('/ben.png', (response) => {
			response.writeHead(200, { 'content-length': target.length });
			response.write(target.subarray(0, 1000), () => response.socket?.destroy());
		});
		const { message } = await told(`${host.url}/ben.png`, { maxRetries: 2 });
		expect(message).toBe(`'Target URL' could not be downloaded: the connection to ${here()} was lost`);
		expect(host.requests).toHaveLength(3);
	});

	it('where nobody listens is told', async () => {
		const { message, description } = await told('http://127.0.0.1:1/ben.png', { maxRetries: 0 });
		expect(message).toBe("'Target URL' could not be downloaded: the connection to 127.0.0.1:1 could not be made");
		expect(description).toContain('(ECONNREFUSED)');
	});

	it('that can make no secure connection is told', async () => {
		// Its certificate is its own, of which it warns.
		const warning = jest.spyOn(console, 'error').mockImplementation();
		const server = new SMTPServer({ secure: true }).on('error', () => undefined);
		warning.mockRestore();
		await once(server.listen(0, '127.0.0.1'), 'listening');
		const port = portOf(server.server);
		const { message } = await told(`https://127.0.0.1:${port}/ben.png`, { maxRetries: 0 });
		await new Promise<void>((resolve) => server.close(resolve));
		expect(message).toBe(
			`'Target URL' could not be downloaded: no secure connection to 127.0.0.1:${port} could be made`,
		);
	});

	it.each<[string, Parameters<Site['serve']>[1]]>([
		['hangs', () => setTimeout(() => clock.expire(), 20)],
		[
			'drips',
			(response) => {
				response.writeHead(200, { 'content-length': target.length });
				const drip = setInterval(() => response.write('x'), 5);
				response.on('close', () => clearInterval(drip));
				setTimeout(() => clock.expire(), 50);
			},
		],
	])('and %s is left after Timeout', async (_what, answer) => {
		host.serve('/ben.png', answer);
		const { message, description } = await told(`${host.url}/ben.png?token=abc`, { timeout: 5_000 });
		expect(message).toBe(`'Target URL' did not arrive within 5000 ms from ${here()}`);
		expect(description).toContain("'Timeout'");
		expect(host.requests).toHaveLength(1);
		expect(clock.now()).toBe(5_000);
	});

	it('is left when the execution is cancelled', async () => {
		let cancel = () => {};
		let left = () => {};
		const gone = new Promise<void>((resolve) => (left = resolve));
		host.serve('/ben.png', (response) => {
			response.on('close', left);
			setTimeout(() => cancel(), 20);
		});
		await run({}, { onStart: (given) => (cancel = given) }).catch(() => undefined);
		await gone;
		expect(host.requests).toHaveLength(1);
		expect(simulator.requests).toHaveLength(0);
	});

	it.each<[what: string, answer: Parameters<Site['serve']>[1], code: string, visitorMessage: string]>([
		[
			'has no such file',
			{ status: 404 },
			'ERROR_FILE_DOWNLOAD_FAILED',
			'could not be opened by its link. Please check the link, or upload the picture instead.',
		],
		[
			'is out of order',
			{ status: 503 },
			'ERROR_FILE_DOWNLOAD_FAILED',
			'could not be opened by its link. Please try again later, or upload the picture instead.',
		],
		[
			'hangs',
			() => setTimeout(() => clock.expire(), 20),
			'ERROR_FILE_DOWNLOAD_TIMEOUT',
			'could not be opened by its link. Please try again later, or upload the picture instead.',
		],
		[
			'gives a page',
			{ body: '<html>' },
			'UNSUPPORTED_FILE_TYPES',
			'is a link to a web page. Please check the link, or upload the picture instead.',
		],
		[
			'gives too much',
			{ headers: { 'content-length': 9_000_000 }, body: target },
			'FILE_SIZE_EXCEEDS_LIMIT',
			'has 9 MB. Save it with fewer pixels: at most 4 MB are possible.',
		],
	])('and %s: a visitor reads so without its name', async (_what, answer, code, visitorMessage) => {
		host.serve('/ben.png', answer);
		const { items } = await run({ options: { maxRetries: 0 } }, { nodeSettings: { onError: 'continueRegularOutput' } });
		expect(items[0]?.json).toMatchObject({
			code,
			visitorMessage: `The portrait whose face is taken ${visitorMessage}`,
		});
	});

	it('for a moment fails the pairs of that moment alone', async () => {
		host.serve('/anna.jpg', (response, index) => {
			response.writeHead(index < 2 ? 503 : 200).end(template);
		});
		const { items } = await run(
			{
				templateInputType: 'url',
				templateUrl: `${host.url}/anna.jpg`,
				similarity: '={{ $itemIndex / 10 }}',
				options: { maxRetries: 1, maxConcurrency: 1 },
			},
			{ items: Array.from({ length: 4 }, () => ({})), nodeSettings: { onError: 'continueRegularOutput' } },
		);
		const failed = items.map(({ json }) => json.error !== undefined);
		expect(failed.at(-1)).toBe(false);
		expect(failed.filter(Boolean).length).toBeLessThan(4);
		expect(host.requests.filter(({ path }) => path === '/anna.jpg')).toHaveLength(3);
		expect(simulator.requests).toHaveLength(failed.filter((one) => !one).length);
	});

	it('fails the items of its own link alone', async () => {
		const { items } = await run(
			{ targetUrl: `=${host.url}/{{ $json.name }}.png` },
			{
				items: ['ben', 'dora', 'dora'].map((name) => ({ json: { name }, files: { template: { bytes: template } } })),
				nodeSettings: { onError: 'continueRegularOutput' },
			},
		);
		expect(items.map(({ json }) => json.error)).toEqual([
			undefined,
			`'Target URL' could not be downloaded: ${here()} answered with HTTP status 404 [item 1]`,
			`'Target URL' could not be downloaded: ${here()} answered with HTTP status 404 [item 2]`,
		]);
		expect(host.requests.map(({ path }) => path).sort()).toEqual(['/ben.png', '/dora.png']);
	});
});

describe('a URL that is none', () => {
	it.each<[unknown, string]>([
		['', 'is empty'],
		['  ', 'is empty'],
		[null, 'is empty'],
		['ben.png', 'is not a URL'],
		['www.example.com/ben.png?token=abc', 'is not a URL'],
		['https://', 'is not a URL'],
		[{ a: 1 }, 'is not a URL'],
		['ftp://ann:secret@example.com/ben.png', 'begins with ftp:'],
		['file:///etc/passwd', 'begins with file:'],
	])('is refused: %j', async (targetUrl, rule) => {
		const { message, description } = await told(`={{ ${JSON.stringify(targetUrl)} }}`);
		expect(message).toBe(`'Target URL' ${rule}`);
		expect(description).toContain('beginning with https://');
		expect(host.requests).toHaveLength(0);
	});

	it('is refused with its kind, where that is unknown', async () => {
		const { task } = await run({ targetInputType: 'link' });
		expect(task.error?.message).toBe('\'Target Input Type\' must be binary or url, but is "link"');
	});
});

describe("n8n's own protection of internal addresses (N8N_SSRF_PROTECTION_ENABLED)", () => {
	const requireOfEngine = createRequire(require.resolve('n8n-core'));
	const { Container }: typeof Di = requireOfEngine('@n8n/di');
	const { SsrfProtectionConfig }: typeof N8nConfig = requireOfEngine('@n8n/config');
	const settings = Container.get(SsrfProtectionConfig);
	// Read once, with the first request of this process.
	settings.allowedHostnames = ['localhost'];

	afterEach(() => {
		settings.enabled = false;
	});

	it('is off by default, and when it is on refuses a link to such an address without a request', async () => {
		expect(settings.enabled).toBe(false);
		settings.enabled = true;
		const { message, description } = await told(`${host.url}/ben.png?token=abc`);
		expect(message).toBe(`'Target URL' could not be downloaded: this n8n allows no requests to ${here()}`);
		expect(description).toContain('ask the administrator of this n8n to allow the address');
		expect(host.requests).toHaveLength(0);
	});

	it('holds for what a link that is allowed redirects to', async () => {
		settings.enabled = true;
		host.serve('/old.png', { status: 302, headers: { location: `${other.url}/ben.png` } });
		const { message } = await told(`${host.url.replace('127.0.0.1', 'localhost')}/old.png`);
		expect(host.requests).toHaveLength(1);
		expect(message).toBe(
			`'Target URL' could not be downloaded: this n8n allows no requests to ${new URL(other.url).host}`,
		);
		expect(other.requests).toHaveLength(0);
	});
});
