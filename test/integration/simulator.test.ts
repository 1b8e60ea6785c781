/**
 * What of the simulator no test of the node would notice if it broke: rules of AILabTools' documentation that the node never
 * breaks, and what only the benchmark uses. Limits of pictures, faults and recorded requests are seen in the node's tests.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { first } from '../../lab/required';
import { faceless, portrait } from '../../lab/portraits';
import { Account, type RateLimit } from '../../lab/simulator/accounts';
import { documentedStatus } from '../../lab/simulator/codes';
import { CREDITS_PATH, MERGE_PATH, SIMULATOR_KEY, startSimulator } from '../../lab/simulator/simulator';
import { restart, simulator, target, template } from './withSimulator';

beforeEach(async () => await restart({ outputFormat: 'png' }));

type Parts = Record<string, Buffer | string>;

function form(parts: Parts): FormData {
	const data = new FormData();
	for (const [name, value] of Object.entries(parts)) {
		if (typeof value === 'string') data.append(name, value);
		else data.append(name, new Blob([value], { type: 'image/png' }), `${name}.png`);
	}
	return data;
}

async function post(parts: Parts, key = SIMULATOR_KEY, init: RequestInit = {}): Promise<Response> {
	const headers = { 'ailabapi-api-key': key };
	return await fetch(simulator.baseUrl + MERGE_PATH, { method: 'POST', headers, body: form(parts), ...init });
}

function pair(changes: Parts = {}): Parts {
	return { image_target: target, image_template: template, ...changes };
}

/** The answer's JSON, in either shape. */
interface Answer {
	request_id: string;
	log_id: string;
	error_code?: number;
	error_code_str?: string;
	error_msg?: string;
	error_detail: { status_code?: number; code: string; code_message: string; message: string };
}

async function answerOf(response: Response | Promise<Response>): Promise<Answer> {
	return JSON.parse(await (await response).text());
}

/** The file that came back. */
async function pictureOf(response: Response | Promise<Response>): Promise<Buffer> {
	const { data }: { data: { image: string } } = JSON.parse(await (await response).text());
	return Buffer.from(data.image, 'base64');
}

/** The pixels of a successful answer's picture. */
async function mergedPixels(parts: Parts): Promise<Buffer> {
	const response = await post(parts);
	expect(response.status).toBe(200);
	return await pixels(await pictureOf(response));
}

async function pixels(file: Buffer): Promise<Buffer> {
	return await sharp(file).removeAlpha().raw().toBuffer();
}

/** Waits for what the simulator does behind the client's back. */
async function until(condition: () => boolean): Promise<void> {
	while (!condition()) await setImmediate();
}

/** How far two pictures are apart, per colour value. */
function distance(a: Buffer, b: Buffer): number {
	return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? Number.NaN)), 0) / a.length;
}

describe('a merge', () => {
	it('gives the documented answer, without the older fields when asked', async () => {
		const full = await answerOf(post(pair()));
		expect(full).toMatchObject({
			error_code: 0,
			error_code_str: '',
			error_msg: '',
			error_detail: { status_code: 200, code: '', code_message: '', message: '' },
		});
		const again = await answerOf(post(pair()));
		expect(new Set([full.request_id, full.log_id, again.request_id, again.log_id]).size).toBe(4);

		await restart({ answerShape: 'new' });
		const merged = await answerOf(post(pair()));
		const refused = await answerOf(post({}));
		expect(Object.keys(merged).sort()).toEqual(['data', 'error_detail', 'log_id', 'request_id']);
		expect(Object.keys(refused).sort()).toEqual(['error_detail', 'log_id', 'request_id']);
		for (const { error_detail } of [merged, refused]) {
			expect(Object.keys(error_detail).sort()).toEqual(['code', 'code_message', 'message']);
		}
	});

	it('is the template at 0, is halfway without a similarity, and at 1 changes nothing beside the head', async () => {
		const image_template = await portrait('anna', { width: 500, height: 300 });
		const original = await pixels(image_template);
		const merged = async (similarity: Parts) => await mergedPixels(pair({ image_template, ...similarity }));
		expect((await merged({ source_similarity: '0' })).equals(original)).toBe(true);
		expect((await merged({})).equals(await merged({ source_similarity: '0.5' }))).toBe(true);
		const all = await merged({ source_similarity: '1' });
		expect(distance(all, original)).toBeGreaterThan(1);
		for (let y = 0; y < 300; y++) {
			for (const x of [0, 90, 410, 499]) {
				const at = (y * 500 + x) * 3;
				expect(all.subarray(at, at + 3)).toEqual(original.subarray(at, at + 3));
			}
		}
	});

	it('has its Base64 written with escaped slashes when asked', async () => {
		await restart({ outputFormat: 'png', escapeSlashes: true });
		const text = await (await post(pair({ source_similarity: '0' }))).text();
		const [, base64 = ''] = /"image":"([^"]*)"/.exec(text) ?? [];
		expect(base64).toMatch(/^iVBORw0KGgo.*\\\//);
		expect(base64.replaceAll('\\/', '')).not.toMatch(/[/\\]/);
		const picture = Buffer.from(JSON.parse(text).data.image, 'base64');
		expect((await pixels(picture)).equals(await pixels(template))).toBe(true);
	});

	it.each(['jpeg', 'png', 'bmp'] as const)('takes %s for both pictures', async (format) => {
		const [image_target, image_template] = await Promise.all([
			portrait('ben', { width: 240, height: 240, format }),
			portrait('anna', { width: 240, height: 240, format }),
		]);
		const merged = await mergedPixels({ image_target, image_template, source_similarity: '1' });
		const expected = await mergedPixels(pair({ source_similarity: '1' }));
		expect(distance(merged, expected)).toBeLessThan(2);
	});
});

describe('a request against the rules', () => {
	const half = (format: 'png' | 'jpeg' | 'bmp') => async () => {
		const whole = await portrait('carl', { format });
		return pair({ image_target: whole.subarray(0, whole.length / 2) });
	};
	it.each<[what: string, parts: () => Promise<Parts> | Parts, status: number, code: string]>([
		['no target', () => ({ image_template: template }), 400, 'MISSING_PARAMETERS'],
		['no template', () => ({ image_target: target }), 400, 'MISSING_PARAMETERS'],
		['a text for a file', () => pair({ image_target: 'text' }), 400, 'MISSING_PARAMETERS'],
		['an empty target', () => pair({ image_target: Buffer.alloc(0) }), 400, 'PARAMETERS_CANNOT_EMPTY'],
		...['1.01', '-0.1', '', ' ', '0,5', 'half', 'NaN', '0x1', 'undefined'].map(
			(value): [string, () => Parts, number, string] => [
				`the similarity '${value}'`,
				() => pair({ source_similarity: value }),
				400,
				'ERROR_INVALID_PARAMETER',
			],
		),
		[
			'a file for the similarity',
			() => pair({ source_similarity: Buffer.from('0.5') }),
			400,
			'ERROR_INVALID_PARAMETER',
		],
		['half a PNG', half('png'), 422, 'FILE_DECODING_FAILURE'],
		['half a JPEG', half('jpeg'), 422, 'FILE_DECODING_FAILURE'],
		['half a BMP', half('bmp'), 422, 'FILE_DECODING_FAILURE'],
		['the first bytes of a BMP', () => pair({ image_target: Buffer.from('BM') }), 422, 'FILE_DECODING_FAILURE'],
		['a template without a face', async () => pair({ image_template: await faceless() }), 422, 'ERROR_NO_FACE_IN_FILE'],
	])('%s is refused, and costs nothing', async (_what, parts, status, code) => {
		await restart({ accounts: [{ key: SIMULATOR_KEY, credits: 40 }] });
		const response = await post(await parts());
		const answer = await answerOf(response);
		expect([response.status, answer.error_detail.code]).toEqual([status, code]);
		expect(answer).toMatchObject({ error_code: status, error_detail: { status_code: status } });
		expect(answer.error_msg).toBe(answer.error_detail.message);
		expect(answer).not.toHaveProperty('data');
		expect(simulator.requests).toMatchObject([{ status, code }]);
		expect(simulator.accounts.get(SIMULATOR_KEY)?.credits).toBe(40);
	});

	it('has the documented answer for a missing face', async () => {
		const answer = await answerOf(post(pair({ image_target: await faceless() })));
		expect(answer).toMatchObject({
			error_code: 422,
			error_code_str: 'FILE_CONTENT_NON_COMPLIANCE',
			error_msg: 'pic not has face',
			error_detail: {
				code: 'ERROR_NO_FACE_IN_FILE',
				code_message: 'No face detected in the file.',
				message: 'pic not has face',
			},
		});
	});

	it.each(['application/json', 'multipart/form-data', 'multipart/form-data; boundary=other'])(
		'a body that is no form, called %s, is refused',
		async (type) => {
			const headers = { 'ailabapi-api-key': SIMULATOR_KEY, 'content-type': type };
			const response = await post({}, SIMULATOR_KEY, { headers, body: '{}' });
			expect([response.status, (await answerOf(response)).error_detail.code]).toEqual([400, 'ERROR_PARAMETERS']);
		},
	);

	it('goes nowhere at an unknown address', async () => {
		const answers = [
			await fetch(`${simulator.baseUrl}${MERGE_PATH}x`, { method: 'POST', body: form(pair()) }),
			await fetch(simulator.baseUrl + MERGE_PATH),
		];
		for (const answer of answers) {
			expect([answer.status, (await answerOf(answer)).error_detail.code]).toEqual([404, 'ERROR_AI_NOT_EXISTS']);
		}
		expect(simulator.requests).toEqual([]);
	});
});

describe('an account', () => {
	it('pays eight credits for a picture, and is told its balance as documented', async () => {
		await restart({ accounts: [{ key: SIMULATOR_KEY, credits: 15 }] });
		const ask = async () => {
			const response = await fetch(simulator.baseUrl + CREDITS_PATH, {
				headers: { 'ailabapi-api-key': SIMULATOR_KEY },
			});
			const { data }: { data: Array<Record<string, unknown>> } = JSON.parse(await response.text());
			return data;
		};
		const [credits, ...others] = await ask();
		expect(others).toEqual([]);
		expect(credits).toMatchObject({ unique_sign: 'common', balance: 15 });
		expect(
			Object.keys(credits ?? {})
				.sort()
				.join(' '),
		).toBe('balance balance_warning first_buy_time last_recharge_balance last_update_time name total unique_sign');
		await post(pair());
		expect(await ask()).toMatchObject([{ balance: 7 }]);
		expect(await answerOf(post(pair()))).toMatchObject({
			error_code: 429,
			error_detail: { code: 'ERROR_NOT_ENOUGH_CREDITS' },
		});
	});

	it('has a limit of requests at a time, which can change', () => {
		const account = new Account({ key: SIMULATOR_KEY, maxConcurrentRequests: 1 });
		account.enter(0);
		expect(() => account.enter(0)).toThrow('too many at a time');
		account.maxConcurrentRequests = 2;
		account.enter(0);
		account.leave();
		account.enter(0);
		expect(() => account.enter(0)).toThrow('too many at a time');
	});

	it.each<[RateLimit, number[]]>([
		['slidingWindow', [5900, 5950, 6910, 6950, 7950]],
		['fixedWindow', [5900, 5950, 6000, 6100, 7300, 7420]],
		['tokenBucket', [5900, 5950, 6450, 6910, 7420, 7950]],
	])('that takes two per second counts them as a %s does, here in ms', (rateLimit, accepted) => {
		const account = new Account({ key: SIMULATOR_KEY, maxRequestsPerSecond: 2, rateLimit });
		const moments = [5900, 5950, 5990, 6000, 6100, 6390, 6450, 6890, 6910, 6950, 7300, 7420, 7950];
		for (const moment of moments) {
			if (accepted.includes(moment)) account.enter(moment);
			else expect(() => account.enter(moment)).toThrow('too many per second');
		}
	});

	it('takes as long as it is told', async () => {
		await restart({ latencyMs: 120 });
		await post(pair());
		const { startedAt, finishedAt = 0 } = first(simulator.requests, 'request');
		expect(finishedAt - startedAt).toBeGreaterThanOrEqual(119);
	});
});

describe('the wire', () => {
	it('has the refusal while the body is still to come, and takes the rest of it', async () => {
		const body = Buffer.alloc(8_000_000);
		const request = httpRequest(simulator.baseUrl + MERGE_PATH, {
			method: 'POST',
			headers: { 'content-length': body.length, connection: 'close' },
		});
		const brokenPipe = jest.fn();
		request.on('error', brokenPipe);
		request.write(body.subarray(0, 1_000_000));
		const [response] = await once(request, 'response');
		expect(response.statusCode).toBe(401);
		const ended = once(response.resume(), 'end');
		await new Promise<void>((resolve) => request.end(body.subarray(1_000_000), () => resolve()));
		await ended;
		expect(brokenPipe).not.toHaveBeenCalled();
	});

	it('can have a delay that varies, before the account sees the request', async () => {
		await restart({
			accounts: [{ key: SIMULATOR_KEY, maxConcurrentRequests: 3 }],
			answerPicture: target,
			delayMs: 500,
		});
		const answers = await Promise.all(Array.from({ length: 6 }, async () => (await post(pair())).status));
		// Sent at once, they are not there at once.
		expect(answers).toEqual(answers.map(() => 200));
		const times = simulator.requests.map(({ startedAt, finishedAt = NaN }) => finishedAt - startedAt);
		expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(200);
		expect(simulator.peakConcurrency).toBe(6);
	});
});

describe('a fault', () => {
	it('cuts an answer in its middle, and charges for it; while it is away the simulator charges for nothing', async () => {
		await restart({ latencyMs: 100, accounts: [{ key: SIMULATOR_KEY, credits: 16 }] });
		const account = () => simulator.accounts.get(SIMULATOR_KEY)?.credits;
		simulator.setFault(() => ({ kind: 'cut' }));
		const half = await post(pair());
		expect(half.status).toBe(200);
		await expect(half.text()).rejects.toThrow();
		expect(account()).toBe(8);

		simulator.setFault(undefined);
		const underWay = expect(post(pair())).rejects.toThrow();
		await until(() => simulator.requests.length === 2);
		const away = simulator.away(50);
		await underWay;
		await expect(post(pair())).rejects.toThrow();
		await away;
		expect([(await post(pair())).status, account()]).toEqual([200, 0]);
	});

	it.each([
		[502, 'AI_SERVICE_ERROR'],
		[503, 'ERROR_INSUFFICIENT_RESOURCES'],
		[418, 'HTTP_418'],
	])('of the status %i alone has the first code that is documented for it', async (status, code) => {
		simulator.setFault(() => ({ kind: 'status', status }));
		expect(await answerOf(post({}))).toMatchObject({ error_code: status, error_detail: { code } });
	});

	it('of a code that is none of the 126 documented ones needs a status, and is told apart from all answers', async () => {
		expect(documentedStatus.size).toBe(126);
		simulator.setFault(() => ({ kind: 'status', code: 'NOT_DOCUMENTED' }));
		expect((await answerOf(post({}))).error_detail).toMatchObject({
			status_code: 500,
			code: 'SIMULATOR_BROKEN',
			message: 'RangeError: NOT_DOCUMENTED is not a documented code, so it needs a status',
		});
	});
});

it('is for this machine only, and says so when its port is taken', async () => {
	const { hostname, port } = new URL(simulator.baseUrl);
	expect(hostname).toBe('127.0.0.1');
	await expect(fetch(`http://127.0.0.2:${port}`)).rejects.toThrow('fetch failed');
	await expect(startSimulator({ port: Number(port) })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('runs from the command line, shows no key in full, and ends when told', async () => {
	const cli = spawn(process.execPath, ['--import', 'tsx', 'lab/simulator/cli.ts', '--port', '0', '--credits', '1'], {
		cwd: join(__dirname, '../..'),
	});
	let output = '';
	cli.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
	await until(() => output.includes('Ctrl+C'));
	const address = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
	output = '';
	const headers = { 'ailabapi-api-key': SIMULATOR_KEY };
	const answer = await fetch(`${address}${CREDITS_PATH}`, { headers });
	expect(await answer.json()).toMatchObject({ data: [{ balance: 1 }] });
	await until(() => output.includes('\n'));
	expect(output).toMatch(/^GET \/api\/common\/query-credits, 200, \d+ ms, key simu…\n$/);
	cli.kill('SIGTERM');
	expect(await once(cli, 'exit')).toEqual([0, null]);
});
