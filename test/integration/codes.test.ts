import type { INodeExecutionData, INodeType } from 'n8n-workflow';

import { codeRules } from '../../nodes/MergePortraits/api/codes';
import { mergeBatch } from '../../nodes/MergePortraits/mergeBatch';
import { MergePortraits } from '../../nodes/MergePortraits/MergePortraits.node';
import { portrait } from '../../lab/portraits';
import { startSimulator, type Fault, type Simulator } from '../../lab/simulator/simulator';
import { SkippingClock } from '../virtualClock';
import { runInEngine, type EngineOptions } from '../../lab/engine';

let simulator: Simulator;
let target: Buffer;
let template: Buffer;

beforeAll(async () => {
	simulator = await startSimulator({ keepBytes: false });
	target = await portrait('ben');
	template = await portrait('anna', { format: 'jpeg' });
});
beforeEach(() => simulator.reset());
afterAll(async () => await simulator.close());

/** The node with a clock whose waits are over at once. */
function nodeWith(clock: SkippingClock): INodeType {
	const node: INodeType = new MergePortraits();
	node.execute = async function () {
		return [await mergeBatch(this, clock)];
	};
	return node;
}

async function run(fault: (index: number) => Fault | undefined, options: Partial<EngineOptions> = {}) {
	const clock = new SkippingClock();
	simulator.setFault(({ index }) => {
		const chosen = fault(index);
		if (chosen?.kind === 'hang' || chosen?.kind === 'drip') setTimeout(() => clock.expire(), 20);
		return chosen;
	});
	const result = await runInEngine({
		credentials: { apiKey: 'simulator-key', baseUrl: simulator.baseUrl },
		items: [{ files: { target: { bytes: target }, template: { bytes: template } }, json: { name: 'Ben' } }],
		nodeType: nodeWith(clock),
		...options,
	});
	return { ...result, clock, requests: simulator.requests };
}

/** One row for each documented code: its status, how often it is sent at most, the message's beginning and a word of advice. */
const rows: Array<[code: string, status: number, requests: number | 'load', message: string, advice: string]> = [
	['ERROR_PARAMETERS', 400, 1, 'AILabTools did not accept the parameters of this pair', "Check 'Similarity'"],
	['MISSING_PARAMETERS', 400, 1, 'AILabTools did not accept the parameters of this pair', "Check 'Similarity'"],
	['ERROR_INVALID_PARAMETER', 400, 1, 'AILabTools did not accept the parameters of this pair', "Check 'Similarity'"],
	['PARAMETERS_CANNOT_EMPTY', 400, 1, 'AILabTools did not accept the parameters of this pair', "Check 'Similarity'"],
	['PROCESSING_FAILURE', 400, 3, 'AILabTools could not process the pair for now', 'again later'],
	['PROCESSING_FAILURE', 500, 3, 'AILabTools could not process the pair for now', 'again later'],
	['ERROR_USER_NOT_EXISTS', 401, 1, 'AILabTools did not accept the API key', 'Open the credential'],
	['ERROR_APPLICATIONS_NOT_EXISTS', 401, 1, 'AILabTools did not accept the API key', 'Open the credential'],
	['ERROR_USER_LOCKED', 403, 1, 'This AILabTools account is locked', 'support'],
	['ERROR_AI_NOT_EXISTS', 404, 1, 'No AILabTools API answers at this address', "Check 'Base URL'"],
	['FILE_SIZE_EXCEEDS_LIMIT', 413, 1, 'A picture is too large for AILabTools', 'at most 4 MB'],
	['FILE_RESOLUTION_EXCEEDS_LIMITS', 413, 1, 'The width or height of a picture is outside', "operation 'Resize'"],
	['UNSUPPORTED_FILE_TYPES', 415, 1, 'The format of a picture is not supported', 'JPEG, PNG or BMP'],
	['FILE_DECODING_FAILURE', 422, 1, 'AILabTools could not read a picture', 'Save it again'],
	['ERROR_NO_FACE_IN_FILE', 422, 1, 'AILabTools found no face in a picture', 'one face from the front'],
	['ERROR_FACE_SIZE_RATIO_NOT_MET', 422, 1, 'The face in a picture is too small', '200 × 200 px'],
	['ERROR_BLURRY_FACE', 422, 1, 'The face in a picture is too blurred', 'sharp picture'],
	[
		'ERROR_CONTENT_NON_COMPLIANCE',
		422,
		1,
		"A picture does not comply with AILabTools' content rules",
		'another picture',
	],
	['ERROR_NOT_ENOUGH_CREDITS', 429, 1, 'The AILabTools account has not enough credits', 'Buy credits'],
	['EXCEEDING_LIMITS', 429, 'load', 'AILabTools takes no more requests from this account', "'Max Concurrent Requests'"],
	['AI_SERVICE_ERROR', 502, 5, 'AILabTools could not process the pair for now', 'again later'],
	['ERROR_INSUFFICIENT_RESOURCES', 503, 'load', 'AILabTools takes no more requests', "'Max Concurrent Requests'"],
	['AI_SERVICE_TIMEOUT', 504, 5, 'AILabTools could not process the pair for now', 'again later'],
];

test('there is a row for every code that the node knows', () => {
	expect([...new Set(rows.map(([code]) => code))].sort()).toEqual(Object.keys(codeRules).sort());
});

/** What a user reads never blames in these words; n8n's own wording rule. */
const unwanted = /\b(error|problem|failure|mistake)\b/i;

describe.each(['full', 'new'] as const)('answers of the %s shape', (shape) => {
	it.each(rows)('%s (%d)', async (code, status, requests, message, advice) => {
		const fault: Fault = { kind: 'status', status, code, errorCode: shape === 'new' ? null : status };
		const { task, clock } = await run(() => fault);
		const { error } = task;

		if (requests === 'load') {
			expect(simulator.requests.length).toBeGreaterThan(10);
			expect(clock.now()).toBeGreaterThan(120_000);
		} else {
			expect(simulator.requests).toHaveLength(requests);
		}
		expect(error?.message.startsWith(message)).toBe(true);
		expect(error?.message.endsWith(' [item 0]')).toBe(true);
		expect(error?.description).toContain(advice);
		expect(error?.description).toMatch(/code: [A-Z_]+, request_id: [0-9a-f-]{36}, log_id: [0-9a-f-]{36}$/);
		expect(error?.description).toContain(`code: ${code}`);
		expect(error?.message).not.toMatch(unwanted);
		expect(error && 'httpCode' in error && error.httpCode).toBe(String(status));
	});
});

describe.each(['continueRegularOutput', 'continueErrorOutput'] as const)('On Error: %s', (onError) => {
	it('gives the failed item its own outcome, with fields to branch on', async () => {
		const fault: Fault = { kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' };
		const files = { target: { bytes: target }, template: { bytes: template } };
		const { items, errorItems } = await run((index) => (index === 1 ? fault : undefined), {
			items: ['Ann', 'Ben', 'Cleo'].map((name) => ({ files, json: { name } })),
			parameters: { similarity: '={{ $itemIndex / 10 }}', options: { maxConcurrency: 1 } },
			nodeSettings: { onError },
		});
		const isFailed = (item: INodeExecutionData) => 'error' in item.json;
		const failed = onError === 'continueErrorOutput' ? errorItems : items.filter(isFailed);
		const merged = items.filter((item) => !isFailed(item));

		expect(merged.map((item) => [item.json.name, item.pairedItem])).toEqual([
			['Ann', { item: 0 }],
			['Cleo', { item: 2 }],
		]);
		expect(failed).toHaveLength(1);
		expect(failed[0].json).toMatchObject({
			name: 'Ben',
			error: 'AILabTools found no face in a picture [item 1]',
			description: expect.stringContaining('Use portraits that show one face'),
			code: 'ERROR_NO_FACE_IN_FILE',
			httpStatus: 422,
			requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
			logId: expect.stringMatching(/^[0-9a-f-]{36}$/),
		});
		expect(failed[0].pairedItem).toEqual({ item: 1 });
	});
});

describe('answers that are not documented', () => {
	it.each([
		[400, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[401, 'SOMETHING_NEW', 1, 'AILabTools did not accept the API key'],
		[403, 'SOMETHING_NEW', 1, 'AILabTools did not allow the request'],
		[404, 'SOMETHING_NEW', 1, 'No AILabTools API answers at this address'],
		[418, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[500, 'SOMETHING_NEW', 5, 'AILabTools could not process the pair for now'],
		[521, 'toString', 5, 'AILabTools could not process the pair for now'],
	])('%d %s is judged by its status and shown as it came', async (status, code, requests, message) => {
		const { task } = await run(() => ({ kind: 'status', status, code, message: 'Said the service.' }));
		expect(simulator.requests).toHaveLength(requests);
		expect(task.error?.message).toBe(`${message} [item 0]`);
		expect(task.error?.description).toContain('AILabTools says: “Said the service.”');
		expect(task.error?.description).toContain(`code: ${code},`);
	});

	it('an HTML page with status 502 is a fault of the service, and its text is shown without markup', async () => {
		const body = '<html><style>p{}</style><h1>502</h1>\n\n<p>Bad \u0000gateway</p><script>alert(1)</script></html>';
		const { task } = await run(() => ({ kind: 'body', status: 502, body, contentType: 'text/html' }));
		expect(simulator.requests).toHaveLength(5);
		expect(task.error?.message).toBe('AILabTools could not process the pair for now [item 0]');
		expect(task.error?.description).toContain('AILabTools says: “502 Bad gateway”');
	});

	it('an answer larger than any picture is not read to its end', async () => {
		const body = Buffer.alloc(4096 * 4096 * 4 + 2, 'A');
		const { task } = await run(() => ({ kind: 'body', status: 200, body }));
		expect(task.error?.message).toBe('The answer of AILabTools is larger than 67108864 bytes [item 0]');
		expect(simulator.requests).toHaveLength(1);
	});
});

describe('the line', () => {
	it('that is reset is tried again, and the picture of the third try comes out', async () => {
		const { items, clock } = await run((index) => (index < 2 ? { kind: 'reset' } : undefined));
		expect(simulator.requests).toHaveLength(3);
		expect(items[0].json).toMatchObject({ mergePortraits: { attempts: 3 } });
		expect(clock.now()).toBeLessThanOrEqual(3_000);
	});

	it.each<[string, Fault]>([
		['hangs', { kind: 'hang' }],
		['drips one byte a second', { kind: 'drip', bytesPerSecond: 1 }],
	])('that %s ends with the time-out, each time', async (_what, fault) => {
		const { task, clock } = await run(() => fault, { parameters: { options: { timeout: 5_000, maxRetries: 2 } } });
		expect(simulator.requests).toHaveLength(3);
		expect(task.error?.message).toBe('AILabTools did not answer within 5000 ms [item 0]');
		expect(clock.now()).toBeGreaterThanOrEqual(15_000);
		expect(clock.now()).toBeLessThanOrEqual(18_000);
	});

	it('to an address where nobody listens is a fault of the account, once the retries are used up', async () => {
		const { task, clock } = await run(() => undefined, {
			credentials: { apiKey: 'simulator-key', baseUrl: 'http://127.0.0.1:1' },
		});
		expect(task.error?.message).toBe('The AILabTools API cannot be reached [item 0]');
		expect(task.error?.description).toContain("Check 'Base URL' in the credential");
		expect(clock.waits).toHaveLength(4);
	});
});
