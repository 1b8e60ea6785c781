import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { first } from '../../lab/first';
import { faceless, portrait, type PortraitOptions } from '../../lab/portraits';
import { Account, type RateLimit } from '../../lab/simulator/accounts';
import { documentedStatus } from '../../lab/simulator/codes';
import {
	CREDITS_PATH,
	MERGE_PATH,
	startSimulator,
	type Fault,
	type Simulator,
	type SimulatorOptions,
} from '../../lab/simulator/simulator';

const KEY = 'simulator-key';
const MB = 1024 * 1024;

// Decoding pictures takes its time on a machine that is busy with other tests.
jest.setTimeout(30_000);

let simulator: Simulator;
let target: Buffer;
let template: Buffer;

beforeAll(async () => {
	target = await portrait('anna', { width: 400, height: 480 });
	template = await portrait('ben', { width: 500, height: 300 });
});

async function start(options?: SimulatorOptions): Promise<void> {
	await simulator.close();
	simulator = await startSimulator(options);
}

beforeEach(async () => {
	simulator = await startSimulator({ outputFormat: 'png' });
});

afterEach(async () => {
	await simulator.close();
});

type Parts = Record<string, Buffer | string>;

function form(parts: Parts): FormData {
	const data = new FormData();
	for (const [name, value] of Object.entries(parts)) {
		if (typeof value === 'string') data.append(name, value);
		else data.append(name, new Blob([value], { type: 'image/png' }), `${name}.png`);
	}
	return data;
}

async function post(parts: Parts, key = KEY, init: RequestInit = {}): Promise<Response> {
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

/** The three colours at a place of a picture 500 pixels wide. */
function at(data: Buffer, x: number, y: number): number[] {
	return [...data.subarray((y * 500 + x) * 3, (y * 500 + x) * 3 + 3)];
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
	it('is recorded as it came over the wire', async () => {
		const response = await post(pair({ source_similarity: '0.25' }));
		const picture = await pictureOf(response);
		const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
		expect(simulator.requests).toHaveLength(1);
		const request = first(simulator.requests, 'request');
		expect(request).toMatchObject({
			index: 0,
			method: 'POST',
			path: MERGE_PATH,
			fields: { source_similarity: '0.25' },
			aborted: false,
			status: 200,
			resultSha256: sha256(picture),
		});
		expect(request.code).toBeUndefined();
		expect(request.headers['ailabapi-api-key']).toBe(KEY);
		expect(request.finishedAt).toBeGreaterThan(request.startedAt);
		expect(request.files).toEqual({
			image_target: {
				fileName: 'image_target.png',
				mimeType: 'image/png',
				size: target.length,
				sha256: sha256(target),
				bytes: target,
			},
			image_template: {
				fileName: 'image_template.png',
				mimeType: 'image/png',
				size: template.length,
				sha256: sha256(template),
				bytes: template,
			},
		});
	});

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

		await start({ answerShape: 'new' });
		const shorter = await answerOf(post(pair()));
		expect(Object.keys(shorter).sort()).toEqual(['data', 'error_detail', 'log_id', 'request_id']);
		expect(Object.keys(shorter.error_detail).sort()).toEqual(['code', 'code_message', 'message']);
	});

	it('is the template at 0, the target at 1, and between them in between, within face and skin only', async () => {
		const original = await pixels(template);
		const merged = async (similarity: string) => await mergedPixels(pair({ source_similarity: similarity }));
		const none = await merged('0');
		const quarter = await merged('0.25');
		const half = await merged('0.5');
		const threeQuarters = await merged('0.75');
		const all = await merged('1');
		expect(none.equals(original)).toBe(true);
		const total = distance(all, original);
		expect(total).toBeGreaterThan(1);
		const shares = [quarter, half, threeQuarters].map((merged) => distance(merged, original) / total);
		for (const [index, share] of shares.entries()) {
			expect(share).toBeGreaterThan(0.25 * index + 0.05);
			expect(share).toBeLessThan(0.25 * index + 0.45);
		}

		// The nose: the middle of both pictures, so the target's own colour, scaled.
		const skin = await sharp(target).extract({ left: 195, top: 228, width: 10, height: 10 }).stats();
		const nose = at(all, 250, 144);
		expect(nose).not.toEqual(at(original, 250, 144));
		for (const [channel, { min, max }] of skin.channels.entries()) {
			expect(nose[channel]).toBeGreaterThanOrEqual(min - 30);
			expect(nose[channel]).toBeLessThanOrEqual(max + 30);
		}
		// The background, beside the drawing.
		for (let y = 0; y < 300; y++) {
			for (const x of [0, 90, 410, 499]) expect(at(all, x, y)).toEqual(at(original, x, y));
		}
	});

	it('has its Base64 written with escaped slashes when asked', async () => {
		await start({ outputFormat: 'png', escapeSlashes: true });
		const text = await (await post(pair({ source_similarity: '0' }))).text();
		const [, base64 = ''] = /"image":"([^"]*)"/.exec(text) ?? [];
		expect(base64).toMatch(/^iVBORw0KGgo.*\\\//);
		expect(base64.replaceAll('\\/', '')).not.toMatch(/[/\\]/);
		const picture = Buffer.from(JSON.parse(text).data.image, 'base64');
		expect((await pixels(picture)).equals(await pixels(template))).toBe(true);
	});

	it('takes the middle when no similarity is given', async () => {
		expect((await mergedPixels(pair())).equals(await mergedPixels(pair({ source_similarity: '0.5' })))).toBe(true);
	});

	it.each(['jpeg', 'png', 'bmp'] as const)('takes %s for both pictures', async (format) => {
		const [image_target, image_template] = await Promise.all([
			portrait('anna', { width: 400, height: 480, format }),
			portrait('ben', { width: 500, height: 300, format }),
		]);
		const merged = await mergedPixels({ image_target, image_template, source_similarity: '1' });
		const expected = await mergedPixels(pair({ source_similarity: '1' }));
		expect(distance(merged, expected)).toBeLessThan(2);
	});

	it('takes a grey template and gives colours', async () => {
		const image_template = await portrait('ben', { greyscale: true });
		const picture = await pictureOf(post(pair({ image_template })));
		expect(await sharp(picture).metadata()).toMatchObject({ channels: 3, width: 640 });
	});

	it('gives JPEG of the size of the template unless told otherwise, and keeps no bytes when told so', async () => {
		await start({ keepBytes: false });
		const file = await pictureOf(post(pair()));
		expect(await sharp(file).metadata()).toMatchObject({ format: 'jpeg', width: 500, height: 300, channels: 3 });
		expect(simulator.requests[0]?.files.image_target?.size).toBe(target.length);
		expect(simulator.requests[0]?.files.image_target).not.toHaveProperty('bytes');
	});
});

describe('a request against the rules', () => {
	const picture = async (options: PortraitOptions) => await portrait('carl', options);
	const cases: Array<[string, () => Promise<Parts> | Parts, number, string]> = [
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
		[
			'more than 4 MB',
			async () => pair({ image_target: await picture({ format: 'bmp', minBytes: 4 * MB + 1 }) }),
			413,
			'FILE_SIZE_EXCEEDS_LIMIT',
		],
		[
			'a GIF named PNG',
			async () => pair({ image_template: await sharp(template).gif().toBuffer() }),
			415,
			'UNSUPPORTED_FILE_TYPES',
		],
		['half a PNG', () => pair({ image_target: target.subarray(0, target.length / 2) }), 422, 'FILE_DECODING_FAILURE'],
		[
			'half a JPEG',
			async () => pair({ image_target: (await picture({ format: 'jpeg' })).subarray(0, 9000) }),
			422,
			'FILE_DECODING_FAILURE',
		],
		[
			'half a BMP',
			async () => pair({ image_target: (await picture({ format: 'bmp' })).subarray(0, 90000) }),
			422,
			'FILE_DECODING_FAILURE',
		],
		['the first bytes of a BMP', () => pair({ image_target: Buffer.from('BM') }), 422, 'FILE_DECODING_FAILURE'],
		[
			'a target 128 wide',
			async () => pair({ image_target: await picture({ width: 128 }) }),
			422,
			'ERROR_LOW_RESOLUTION',
		],
		[
			'a BMP target 128 high',
			async () => pair({ image_target: await picture({ height: 128, format: 'bmp' }) }),
			422,
			'ERROR_LOW_RESOLUTION',
		],
		[
			'a template 200 high',
			async () => pair({ image_template: await picture({ height: 200 }) }),
			422,
			'ERROR_LOW_RESOLUTION',
		],
		[
			'a template 4096 wide',
			async () => pair({ image_template: await picture({ width: 4096, height: 201 }) }),
			413,
			'ERROR_HIGH_RESOLUTION',
		],
		[
			'a grey JPEG target',
			async () => pair({ image_target: await picture({ greyscale: true, format: 'jpeg' }) }),
			415,
			'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
		],
		[
			'a grey PNG target',
			async () => pair({ image_target: await picture({ greyscale: true }) }),
			415,
			'ERROR_UNSUPPORTED_GRAYSCALE_IMAGE',
		],
		[
			'a target without a face',
			async () => pair({ image_target: await faceless({ format: 'jpeg' }) }),
			422,
			'ERROR_NO_FACE_IN_FILE',
		],
		['a template without a face', async () => pair({ image_template: await faceless() }), 422, 'ERROR_NO_FACE_IN_FILE'],
	];

	it.each(cases)('%s is refused, and costs nothing', async (_what, parts, status, code) => {
		await start({ accounts: [{ key: KEY, credits: 40 }] });
		const response = await post(await parts());
		const answer = await answerOf(response);
		expect([response.status, answer.error_detail.code]).toEqual([status, code]);
		expect(answer).toMatchObject({ error_code: status, error_detail: { status_code: status } });
		expect(answer.error_msg).toBe(answer.error_detail.message);
		expect(answer).not.toHaveProperty('data');
		expect(simulator.requests).toMatchObject([{ status, code }]);
		expect(simulator.accounts.get(KEY)?.credits).toBe(40);
	});

	it.each<[string, Parameters<typeof portrait>[1], Parameters<typeof portrait>[1]]>([
		['the smallest pictures', { width: 129, height: 129 }, { width: 201, height: 201 }],
		['the largest pictures', { width: 4095, height: 129 }, { width: 201, height: 4095 }],
		['files of just 4 MB', { format: 'bmp', minBytes: 4 * MB }, { format: 'bmp', minBytes: 4 * MB }],
	])('%s are within the rules', async (_what, targetOptions, templateOptions) => {
		const parts = {
			image_target: await portrait('anna', targetOptions),
			image_template: await portrait('ben', templateOptions),
		};
		expect((await post(parts)).status).toBe(200);
	});

	it('has the documented answer for a missing face', async () => {
		const answer = await answerOf(post(pair({ image_target: await faceless() })));
		expect(answer).toMatchObject({
			error_code: 422,
			error_code_str: 'FILE_CONTENT_NON_COMPLIANCE',
			error_msg: 'pic not has face',
			error_detail: { code: 'ERROR_NO_FACE_IN_FILE', message: 'pic not has face' },
		});
	});

	it.each(['application/json', 'multipart/form-data', 'multipart/form-data; boundary=other'])(
		'a body that is no form, called %s, is refused',
		async (type) => {
			const headers = { 'ailabapi-api-key': KEY, 'content-type': type };
			const response = await post({}, KEY, { headers, body: '{}' });
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
	it('is known by its key', async () => {
		await start({ accounts: [{ key: 'one' }, { key: 'two', locked: true }] });
		const outcomes = [];
		for (const key of ['one', 'two', 'three']) {
			const response = await post(pair(), key);
			outcomes.push([response.status, (await answerOf(response)).error_detail.code]);
		}
		expect(outcomes).toEqual([
			[200, ''],
			[403, 'ERROR_USER_LOCKED'],
			[401, 'ERROR_USER_NOT_EXISTS'],
		]);
		expect(simulator.requests.map(({ index }) => index)).toEqual([0, 1, 2]);
		expect((await fetch(simulator.baseUrl + CREDITS_PATH)).status).toBe(401);
	});

	it('pays eight credits for each picture and can ask what is left', async () => {
		await start({ accounts: [{ key: KEY, credits: 15 }], latencyMs: 50 });
		const ask = async () => {
			const response = await fetch(simulator.baseUrl + CREDITS_PATH, { headers: { 'ailabapi-api-key': KEY } });
			const answer: { error_code: number; data: Array<{ balance: number }> } = JSON.parse(await response.text());
			return answer;
		};
		expect(await ask()).toMatchObject({ error_code: 0, data: [{ unique_sign: 'common', balance: 15 }] });
		const responses = await Promise.all([post(pair()), post(pair())]);
		expect(responses.map(({ status }) => status).sort()).toEqual([200, 429]);
		expect(simulator.requests.map(({ code }) => code)).toContain('ERROR_NOT_ENOUGH_CREDITS');
		expect((await ask()).data[0]?.balance).toBe(7);
		expect(simulator.creditRequests).toMatchObject([
			{ index: 0, status: 200 },
			{ index: 1, status: 200 },
		]);
		const account = simulator.accounts.get(KEY);
		if (account) account.credits = 8;
		expect((await ask()).data[0]?.balance).toBe(8);
		expect((await post(pair())).status).toBe(200);
	});

	it('has a limit of requests at a time', async () => {
		await start({ accounts: [{ key: KEY, maxConcurrentRequests: 2 }], latencyMs: 100 });
		const responses = await Promise.all([1, 2, 3, 4].map(async () => await post(pair())));
		expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
		expect(simulator.requests.map(({ code }) => code).sort()).toEqual([
			'EXCEEDING_LIMITS',
			'EXCEEDING_LIMITS',
			undefined,
			undefined,
		]);
		expect(simulator.peakConcurrency).toBeGreaterThan(1);
		for (let turn = 0; turn < 3; turn++) expect((await post(pair())).status).toBe(200);
	});

	it('has a limit of requests per second, which passes', async () => {
		await start({ accounts: [{ key: KEY, maxRequestsPerSecond: 2 }] });
		const responses = await Promise.all([1, 2, 3].map(async () => await post(pair())));
		expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
		const { startedAt } = first(simulator.requests, 'request');
		await sleep(startedAt + 1001 - performance.now());
		expect((await post(pair())).status).toBe(200);
	});

	it('has limits that can change at any time', async () => {
		await start({ accounts: [{ key: KEY, maxConcurrentRequests: 1 }], latencyMs: 100 });
		const account = simulator.accounts.get(KEY);
		const together = async (requests: number) => {
			const responses = await Promise.all(Array.from({ length: requests }, async () => await post(pair())));
			return responses.map(({ status }) => status).sort();
		};
		expect(await together(2)).toEqual([200, 429]);
		if (account) account.maxConcurrentRequests = 2;
		expect(await together(3)).toEqual([200, 200, 429]);
		if (account) Object.assign(account, { maxConcurrentRequests: Infinity, maxRequestsPerSecond: 0 });
		expect(await together(1)).toEqual([429]);
	});

	/** At which of the moments, in ms, an account that takes 2 per second lets a request in. */
	const accepts = (rateLimit: RateLimit, moments: number[]) => {
		const account = new Account({ key: KEY, maxRequestsPerSecond: 2, rateLimit });
		return moments.filter((moment) => {
			try {
				account.enter(moment);
				return true;
			} catch {
				return false;
			}
		});
	};

	it.each<[RateLimit, number[]]>([
		['slidingWindow', [5900, 5950, 6910, 6950, 7950]],
		['fixedWindow', [5900, 5950, 6000, 6100, 7300, 7420]],
		['tokenBucket', [5900, 5950, 6450, 6910, 7420, 7950]],
	])('counts its requests per second as a %s does', (rateLimit, accepted) => {
		const moments = [5900, 5950, 5990, 6000, 6100, 6390, 6450, 6890, 6910, 6950, 7300, 7420, 7950];
		expect(accepts(rateLimit, moments)).toEqual(accepted);
	});

	it('takes as long as it is told', async () => {
		await start({ latencyMs: 120 });
		await post(pair());
		const { startedAt, finishedAt = 0 } = first(simulator.requests, 'request');
		expect(finishedAt - startedAt).toBeGreaterThanOrEqual(119);
	});
});

describe('the wire', () => {
	it('has the refusal while the body is still to come, and takes the rest of it', async () => {
		const body = Buffer.alloc(8 * MB);
		const request = httpRequest(simulator.baseUrl + MERGE_PATH, {
			method: 'POST',
			headers: { 'content-length': body.length, connection: 'close' },
		});
		const brokenPipe = jest.fn();
		request.on('error', brokenPipe);
		request.write(body.subarray(0, MB));
		const [response] = await once(request, 'response');
		expect(response.statusCode).toBe(401);
		const ended = once(response.resume(), 'end');
		await new Promise<void>((resolve) => request.end(body.subarray(MB), () => resolve()));
		await ended;
		expect(brokenPipe).not.toHaveBeenCalled();
	});

	it('charges for a picture made for a client that has gone', async () => {
		await start({ accounts: [{ key: KEY, credits: 24, maxConcurrentRequests: 1 }], latencyMs: 60 });
		const client = new AbortController();
		simulator.setFault(() => {
			client.abort();
			return undefined;
		});
		await expect(post(pair(), KEY, { signal: client.signal })).rejects.toThrow('aborted');
		await until(() => simulator.requests[0]?.aborted === true);
		simulator.setFault(undefined);
		expect((await post(pair())).status).toBe(429);
		await until(() => simulator.accounts.get(KEY)?.credits === 16);
		expect(first(simulator.requests, 'request').status).toBeUndefined();
		expect(simulator.requests[0]?.resultSha256).toMatch(/^[0-9a-f]{64}$/);
		expect((await post(pair())).status).toBe(200);
	});

	it('can have a delay that varies, before the account sees the request', async () => {
		await start({ accounts: [{ key: KEY, maxConcurrentRequests: 3 }], answerPicture: target, delayMs: 500 });
		const answers = await Promise.all(Array.from({ length: 6 }, async () => (await post(pair())).status));
		// Sent at once, they are not there at once.
		expect(answers).toEqual(answers.map(() => 200));
		const times = simulator.requests.map(({ startedAt, finishedAt = NaN }) => finishedAt - startedAt);
		expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(200);
		expect(simulator.peakConcurrency).toBe(6);
	});

	it('survives a client that leaves while it sends, and while it receives', async () => {
		const { port } = new URL(simulator.baseUrl);
		const socket = connect(Number(port), '127.0.0.1');
		socket.write(`POST ${MERGE_PATH} HTTP/1.1\r\nhost: x\r\nailabapi-api-key: ${KEY}\r\n`);
		socket.write('content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000\r\n\r\n--x\r\n');
		await until(() => simulator.requests.length === 1);
		socket.destroy();
		await until(() => simulator.requests[0]?.finishedAt !== undefined);
		expect(simulator.requests[0]).toMatchObject({ aborted: true, files: {} });

		simulator.setFault(() => ({ kind: 'body', status: 200, body: Buffer.alloc(64 * MB) }));
		const request = httpRequest(simulator.baseUrl + MERGE_PATH, {
			method: 'POST',
			headers: { 'ailabapi-api-key': KEY, 'content-type': 'multipart/form-data; boundary=x' },
		});
		request.end('--x--\r\n');
		const [response] = await once(request, 'response');
		expect(response.statusCode).toBe(200);
		request.destroy();
		await until(() => simulator.requests[1]?.finishedAt !== undefined);
		expect(simulator.requests[1]).toMatchObject({ aborted: true, status: 200 });
	});
});

describe('a fault', () => {
	const fault = async (wrong: Fault, options: SimulatorOptions = {}) => {
		await start({ accounts: [{ key: KEY, credits: 40 }], ...options, fault: () => wrong });
		return await post(pair());
	};

	it('is asked for once the request has been read, and forgotten by reset', async () => {
		const seen: unknown[] = [];
		await start({
			fault: (request) => {
				seen.push([request.index, Object.keys(request.files), request.fields]);
				return request.index === 1 ? { kind: 'status', status: 503 } : undefined;
			},
		});
		const statuses = [];
		for (let turn = 0; turn < 3; turn++) statuses.push((await post(pair({ source_similarity: '1' }))).status);
		expect(statuses).toEqual([200, 503, 200]);
		const form = [['image_target', 'image_template'], { source_similarity: '1' }];
		expect(seen).toEqual([0, 1, 2].map((index) => [index, ...form]));

		expect(simulator.peakConcurrency).toBe(1);
		simulator.reset();
		expect([simulator.requests, simulator.creditRequests, simulator.peakConcurrency]).toEqual([[], [], 0]);
		for (let turn = 0; turn < 2; turn++) expect((await post(pair())).status).toBe(200);
		expect(simulator.requests.map(({ index }) => index)).toEqual([0, 1]);
	});

	it.each([
		[400, 'ERROR_PARAMETERS'],
		[500, 'PROCESSING_FAILURE'],
		[502, 'AI_SERVICE_ERROR'],
		[503, 'ERROR_INSUFFICIENT_RESOURCES'],
		[504, 'AI_SERVICE_TIMEOUT'],
		[418, 'HTTP_418'],
	])('can be the status %i, with the documented code', async (status, code) => {
		const response = await fault({ kind: 'status', status });
		const answer = await answerOf(response);
		expect([response.status, answer.error_code, answer.error_detail.code]).toEqual([status, status, code]);
		expect(response.headers.get('retry-after')).toBeNull();
		expect(simulator.requests).toMatchObject([{ status, code }]);
		expect(simulator.accounts.get(KEY)?.credits).toBe(40);
	});

	it('can be any documented code, with its status, in both shapes of answers', async () => {
		expect(documentedStatus.size).toBe(126);
		for (const answerShape of ['full', 'new'] as const) {
			await start({ answerShape });
			for (const [code, status] of documentedStatus) {
				simulator.setFault(() => ({ kind: 'status', code }));
				const response = await post({});
				const { error_code, error_detail } = await answerOf(response);
				expect([response.status, error_code, error_detail.code]).toEqual([
					status,
					answerShape === 'full' ? status : undefined,
					code,
				]);
			}
		}
		simulator.setFault(() => ({ kind: 'status', code: 'NOT_DOCUMENTED' }));
		expect((await answerOf(post({}))).error_detail.code).toBe('SIMULATOR_BROKEN');
	});

	it('can say when to come again, and whatever else', async () => {
		const response = await fault({ kind: 'status', status: 429, code: 'NEW', message: 'later', retryAfterSeconds: 3 });
		expect(response.headers.get('retry-after')).toBe('3');
		expect(await answerOf(response)).toMatchObject({
			error_msg: 'later',
			error_detail: { code: 'NEW', message: 'later' },
		});
	});

	it('can have an older code of its own, or none', async () => {
		const odd = await fault({ kind: 'status', status: 200, code: 'AI_SERVICE_ERROR', errorCode: 502 });
		expect(odd.status).toBe(200);
		expect(await answerOf(odd)).toMatchObject({ error_code: 502, error_detail: { code: 'AI_SERVICE_ERROR' } });
		const newer = await answerOf(fault({ kind: 'status', status: 502, errorCode: null }));
		expect(Object.keys(newer).sort()).toEqual(['error_detail', 'log_id', 'request_id']);
		expect(newer.error_detail).not.toHaveProperty('status_code');
	});

	it('can reset the connection', async () => {
		await expect(fault({ kind: 'reset' })).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
		await until(() => simulator.requests[0]?.finishedAt !== undefined);
		expect(simulator.requests[0]?.aborted).toBe(false);
		expect(first(simulator.requests, 'request').status).toBeUndefined();
	});

	it('can be an HTML page or any other body', async () => {
		const page = await fault({ kind: 'html', status: 502 });
		expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html']);
		expect(await page.text()).toMatch(/^<html>/);
		const broken = await fault({ kind: 'body', status: 200, body: '{"data":{"image' });
		expect([broken.headers.get('content-type'), await broken.text()]).toEqual(['application/json', '{"data":{"image']);
		const bytes = await fault({ kind: 'body', status: 201, body: Buffer.from([0, 255]), contentType: 'image/png' });
		expect([bytes.status, bytes.headers.get('content-type')]).toEqual([201, 'image/png']);
		expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([0, 255]);
	});

	it('can send the request elsewhere, with its body', async () => {
		let received = 0;
		const elsewhere = createServer((request, response) => {
			request.on('data', (chunk: Buffer) => (received += chunk.length)).on('end', () => response.end('elsewhere'));
		}).listen(0, '127.0.0.1');
		await once(elsewhere, 'listening');
		const address = elsewhere.address();
		const port = typeof address === 'object' ? address?.port : 0;
		const response = await fault({ kind: 'redirect', location: `http://127.0.0.1:${port}/there` });
		expect([await response.text(), response.redirected]).toEqual(['elsewhere', true]);
		expect(received).toBeGreaterThan(target.length + template.length);
		expect(simulator.requests).toMatchObject([{ status: 307, aborted: false }]);
		elsewhere.closeAllConnections();
		elsewhere.close();
	});

	it('can let the right answer drip', async () => {
		const response = await fault({ kind: 'drip', bytesPerSecond: 100_000 }, { outputFormat: 'png' });
		const begun = performance.now();
		const drops: Buffer[] = [];
		for await (const drop of response.body ?? []) drops.push(Buffer.from(drop));
		const text = Buffer.concat(drops).toString();
		expect(Number(response.headers.get('content-length'))).toBe(text.length);
		expect(drops.length).toBeGreaterThan(2);
		// All but the first and the last drop of a twentieth of a second each.
		expect(performance.now() - begun).toBeGreaterThan((text.length / 100_000) * 1000 - 110);
		const expected = await pixels(Buffer.from(JSON.parse(text).data.image, 'base64'));
		simulator.setFault(undefined);
		expect((await mergedPixels(pair())).equals(expected)).toBe(true);
		expect(simulator.accounts.get(KEY)?.credits).toBe(24);
	});

	it('can be silence, until the client leaves or the simulator ends', async () => {
		await start({ fault: () => ({ kind: 'hang' }), accounts: [{ key: KEY, maxConcurrentRequests: 1 }] });
		const client = new AbortController();
		const left = post(pair(), KEY, { signal: client.signal }).catch((error: Error) => error.name);
		await until(() => Object.keys(simulator.requests[0]?.files ?? {}).length === 2);
		expect((await post(pair())).status).toBe(429);
		client.abort();
		expect(await left).toBe('AbortError');
		await until(() => simulator.requests[0]?.aborted === true);

		const stuck = post(pair()).catch((error: Error) => error.message);
		await until(() => Object.keys(simulator.requests[2]?.files ?? {}).length === 2);
		await simulator.close();
		expect(await stuck).toBe('fetch failed');
		expect(simulator.requests[2]?.aborted).toBe(false);
		await expect(post(pair())).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
	});

	it('that throws is told apart from every documented answer', async () => {
		simulator.setFault(() => {
			throw new TypeError('no such field');
		});
		const response = await post(pair());
		expect(response.status).toBe(500);
		expect((await answerOf(response)).error_detail).toMatchObject({
			code: 'SIMULATOR_BROKEN',
			message: 'TypeError: no such field',
		});
	});
});

it('ends in the middle of a merge and of a drip', async () => {
	for (const options of [{ latencyMs: 60_000 }, { fault: (): Fault => ({ kind: 'drip', bytesPerSecond: 10 }) }]) {
		await start(options);
		const cut = post(pair())
			.then(async (response) => await response.text())
			.catch((error: Error) => error.name);
		await until(() => Object.keys(simulator.requests[0]?.files ?? {}).length === 2);
		await simulator.close();
		expect(await cut).toBe('TypeError');
		expect(first(simulator.requests, 'request').code).toBeUndefined();
	}
});

it('is for this machine only, and says so when its port is taken', async () => {
	const { hostname, port } = new URL(simulator.baseUrl);
	expect(hostname).toBe('127.0.0.1');
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
	const headers = { 'ailabapi-api-key': KEY };
	const answer = await fetch(`${address}${CREDITS_PATH}`, { headers });
	expect(await answer.json()).toMatchObject({ data: [{ balance: 1 }] });
	await until(() => output.includes('\n'));
	expect(output).toMatch(/^GET \/api\/common\/query-credits, 200, \d+ ms, key simu…\n$/);
	cli.kill('SIGTERM');
	expect(await once(cli, 'exit')).toEqual([0, null]);
});
