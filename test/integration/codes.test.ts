import type { INodeExecutionData } from 'n8n-workflow';
import sharp from 'sharp';

import { AiLabToolsApi } from '../../credentials/AiLabToolsApi.credentials';
import { codeRules, refusalForVisitor } from '../../nodes/MergePortraits/api/codes';
import { documentedStatus } from '../../lab/simulator/codes';
import { SIMULATOR_KEY, type Fault } from '../../lab/simulator/simulator';
import { SkippingClock } from '../virtualClock';
import { nodeOfProcess, type EngineOptions } from '../../lab/engine';
import { files, run as runNode, simulator, target } from './withSimulator';

/** @param fault by the request's index, and by the pair where its similarity is a tenth of the item's index */
async function run(fault: (index: number, pair: number) => Fault | undefined, options: Partial<EngineOptions> = {}) {
	const clock = new SkippingClock();
	simulator.setFault(({ index, fields }) => {
		const chosen = fault(index, Math.round(Number(fields.source_similarity) * 10));
		if (chosen?.kind === 'hang' || chosen?.kind === 'drip') setTimeout(() => clock.expire(), 20);
		return chosen;
	});
	const result = await runNode({ nodeType: nodeOfProcess({ clock }), ...options });
	return { ...result, clock };
}

const badParameters = ['did not accept the parameters of this pair', "Check 'Similarity'"] as const;
const wrongKey = ['AILabTools did not accept the API key', 'https://www.ailabtools.com/developer '] as const;
const busy = ['AILabTools takes no more requests from this account', "'Max Concurrent Requests'"] as const;
const unavailable = ['AILabTools could not process the pair for now', 'again later'] as const;
const noFace = ['No face was found in one of the two pictures', 'one face from the front'] as const;
const smallFace = ['The face in one of the two pictures is too small', '200 × 200 px'] as const;
const unclear = ['The face in one of the two pictures is not clear enough', 'sharp, evenly lit'] as const;
const eye = ['An eye is covered in one of the two pictures', 'over the eyes'] as const;
const cheek = ['A cheek is covered in one of the two pictures', 'over the cheeks'] as const;
const fileTooLarge = ['The file of one of the two pictures is too large', 'at most 4 MB'] as const;
const tooManyPixels = ['One of the two pictures has too many pixels', 'smaller than 4096 px'] as const;
const unreadable = ['One of the two pictures cannot be read', 'save it again as JPEG or PNG'] as const;
const notFound = ['One of the two pictures did not arrive', 'Save both again'] as const;
const unreal = ['does not pass for a photograph of a real person', 'unedited photograph'] as const;

/** One row for each code of the documentation: its status, how often it is sent at most, a part of the message and of the advice. */
const rows: Array<[code: string, status: number, requests: number | 'load', words: readonly [string, string]]> = [
	['ERROR_PARAMETERS', 400, 1, badParameters],
	['MISSING_PARAMETERS', 400, 1, badParameters],
	['ERROR_INVALID_PARAMETER', 400, 1, badParameters],
	['PARAMETERS_CANNOT_EMPTY', 400, 1, badParameters],
	['ERROR_INVALID_PARAMETER_FORMAT', 400, 1, badParameters],
	['ERROR_PARAMETER_CONVERSION_FAILED', 400, 1, badParameters],
	['UNSUPPORTED_PARAMETER_VALUES', 400, 1, badParameters],
	['ERROR_USER_NOT_EXISTS', 401, 1, wrongKey],
	['ERROR_APPLICATIONS_NOT_EXISTS', 401, 1, wrongKey],
	['ERROR_USER_LOCKED', 403, 1, ['This AILabTools account is locked', 'support']],
	['ERROR_ILLEGAL_OPERATION', 403, 1, ['AILabTools did not accept this pair', 'Check both pictures']],
	['ERROR_AI_NOT_EXISTS', 404, 1, ['No AILabTools API answers at this address', "Check 'Base URL'"]],
	['ERROR_FACE_NOT_FOUND', 404, 1, noFace],
	['ERROR_FILE_NOT_FOUND', 404, 1, notFound],
	['ERROR_CONTENT_NOT_FOUND', 404, 1, notFound],
	['ERROR_RESOURCE_NOT_FOUND', 404, 1, notFound],
	['FILE_SIZE_EXCEEDS_LIMIT', 413, 1, fileTooLarge],
	['ERROR_REQUEST_BODY_TOO_LARGE', 413, 1, fileTooLarge],
	['FILE_RESOLUTION_EXCEEDS_LIMITS', 413, 1, tooManyPixels],
	['ERROR_HIGH_RESOLUTION', 413, 1, tooManyPixels],
	['ERROR_TOO_MANY_FILES', 413, 1, badParameters],
	['UNSUPPORTED_FILE_TYPES', 415, 1, ['The format of one of the two pictures is not supported', 'JPEG, PNG or BMP']],
	['ERROR_UNSUPPORTED_GRAYSCALE_IMAGE', 415, 1, ['The portrait whose face is taken is black-and-white', 'in colour']],
	['FILE_DECODING_FAILURE', 422, 1, unreadable],
	['ERROR_ILLEGAL_FILE', 422, 1, unreadable],
	['ERROR_INVALID_FILE', 422, 1, unreadable],
	['ERROR_LOW_RESOLUTION', 422, 1, ['One of the two pictures has too few pixels', 'more than 128 px']],
	['FILE_CONTENT_NON_COMPLIANCE', 422, 1, ['The content of one of the two pictures is not suitable', 'from the front']],
	[
		'ERROR_CONTENT_NON_COMPLIANCE',
		422,
		1,
		['The content of one of the two pictures is not allowed', 'another picture'],
	],
	['ERROR_NO_FACE_IN_FILE', 422, 1, noFace],
	['ERROR_NO_RECOGNITION_TARGET_DETECTED', 422, 1, noFace],
	['ERROR_FACE_SIZE_NOT_MEET_REQUIREMENTS', 422, 1, smallFace],
	['ERROR_FACE_SIZE_RATIO_NOT_MET', 422, 1, smallFace],
	['ERROR_SMALL_FACE_SIZE', 422, 1, smallFace],
	['ERROR_FACE_UNRECOGNIZABLE', 422, 1, unclear],
	['ERROR_IMAGE_RECOGNITION_FAILED', 422, 1, unclear],
	['ERROR_POOR_FACE_QUALITY', 422, 1, unclear],
	['ERROR_QUALITY_SCORE_NOT_MEET_REQUIREMENTS', 422, 1, unclear],
	['ERROR_BLURRY_FACE', 422, 1, ['The face in one of the two pictures is too blurred', 'held still']],
	['ERROR_OBSTRUCTED_FACE', 422, 1, ['The face is covered in one of the two pictures', 'sunglasses']],
	['ERROR_POOR_FACE_LIGHTING', 422, 1, ['The face in one of the two pictures is badly lit', 'even light']],
	['ERROR_INCOMPLETE_FACE', 422, 1, ['A part of the face is cut off', 'the whole face']],
	['ERROR_FACE_NOT_FACING_FORWARD', 422, 1, ['The face in one of the two pictures is turned away', 'from the front']],
	['ERROR_CARTOON_FACE_NOT_SUPPORTED', 422, 1, ['One of the two pictures shows a drawn face', 'a photograph']],
	['ERROR_TEMPLATE_IMAGE_QUALITY_TOO_LOW', 422, 1, ['The quality of the picture that receives the face', 'sharper']],
	['ERROR_FACE_COUNT_INVALID', 422, 1, ['shows more than one face, or none', 'exactly one face']],
	['ERROR_LEFT_EYE_OCCLUSION_TOO_HIGH', 422, 1, eye],
	['ERROR_RIGHT_EYE_OCCLUSION_TOO_HIGH', 422, 1, eye],
	['ERROR_LEFT_FACE_OCCLUSION_TOO_HIGH', 422, 1, cheek],
	['ERROR_RIGHT_FACE_OCCLUSION_TOO_HIGH', 422, 1, cheek],
	['ERROR_CHIN_OCCLUSION_TOO_HIGH', 422, 1, ['The chin is covered', 'over the chin']],
	['ERROR_NOSE_OCCLUSION_TOO_HIGH', 422, 1, ['The nose is covered', 'over the nose']],
	['ERROR_MOUTH_OCCLUSION_TOO_HIGH', 422, 1, ['The mouth is covered', 'over the mouth']],
	['ERROR_SYNTHESIS_DETECTION_FAILED', 422, 1, unreal],
	['ERROR_LIVENESS_DETECTION_FAILED', 422, 1, unreal],
	[
		'ERROR_NOT_ENOUGH_CREDITS',
		429,
		1,
		['The AILabTools account does not have enough credits', 'Buy credits on https://www.ailabtools.com '],
	],
	['EXCEEDING_LIMITS', 429, 'load', busy],
	['PROCESSING_FAILURE', 500, 3, unavailable],
	['ERROR_RESPONSE_BODY_TOO_LARGE', 500, 1, ['The merged picture would be larger', 'with fewer pixels']],
	['UNKNOWN_ERROR', 500, 5, unavailable],
	['SERVICE_INTERNAL_ERROR', 500, 5, unavailable],
	['AI_SERVICE_ERROR', 502, 5, unavailable],
	['AI_SERVICE_INTERNAL_ERROR', 502, 5, unavailable],
	['AI_SERVICE_UNAUTHORIZED', 502, 5, unavailable],
	['AI_SERVICE_NOT_FOUND', 502, 5, unavailable],
	['FILE_SERVICE_ERROR', 502, 5, unavailable],
	['ERROR_GATEWAY', 502, 5, unavailable],
	['ERROR_FILE_UPLOAD_FAILED', 502, 5, unavailable],
	['ERROR_DATA_TRANSFER_FAILED', 502, 5, unavailable],
	['ERROR_FACE_BLENDING_FAILED', 502, 3, unavailable],
	['AI_SERVICE_FLOW_RESTRICTION', 503, 'load', busy],
	['ERROR_INSUFFICIENT_RESOURCES', 503, 'load', busy],
	['ERROR_RESOURCE_UNAVAILABLE', 503, 'load', busy],
	['AI_SERVICE_TIMEOUT', 504, 5, unavailable],
];

/** The same codes with statuses that they have had besides: the code decides. */
const movedRows: typeof rows = [
	['EXCEEDING_LIMITS', 422, 'load', busy],
	['FILE_DECODING_FAILURE', 400, 1, unreadable],
	['AI_SERVICE_ERROR', 500, 5, unavailable],
	['ERROR_INSUFFICIENT_RESOURCES', 400, 'load', busy],
	['PROCESSING_FAILURE', 400, 3, unavailable],
];

test('there is a row for every code that the node knows, with its documented status', () => {
	expect(rows.map(([code]) => code).sort()).toEqual([...codeRules.keys()].sort());
	expect(rows.map(([code, status]) => [code, status])).toEqual(
		rows.map(([code]) => [code, documentedStatus.get(code)]),
	);
});

/** What a user reads never blames in these words; n8n's own wording rule. */
const unwanted = /\b(error|problem|failure|mistake)\b/i;

describe.each(['full', 'new'] as const)('answers of the %s shape', (shape) => {
	it.each([...rows, ...movedRows])('%s (%d)', async (code, status, requests, [message, advice]) => {
		const fault: Fault = { kind: 'status', status, code, errorCode: shape === 'new' ? null : status };
		const { task, clock } = await run(() => fault);
		const { error } = task;

		if (requests === 'load') {
			expect(simulator.requests.length).toBeGreaterThan(10);
			expect(clock.now()).toBeGreaterThan(120_000);
		} else {
			expect(simulator.requests).toHaveLength(requests);
		}
		expect(error?.message).toContain(message);
		expect(error?.message).not.toContain('[item');
		expect(error?.description).toContain(advice);
		expect(error?.description).toMatch(/code: [A-Z_]+, request_id: [0-9a-f-]{36}, log_id: [0-9a-f-]{36}$/);
		expect(error?.description).toContain(`code: ${code}`);
		expect(error?.message).not.toMatch(unwanted);
		expect(error && 'httpCode' in error && error.httpCode).toBe(String(status));
	});
});

describe('words for a visitor', () => {
	it.each([...codeRules])('%s', (_code, rule) => {
		const words = refusalForVisitor(rule);
		expect(words).toMatch(/^[A-Z][^[\]'_]+\.$/);
		expect(words).not.toMatch(/AILabTools|n8n|node|credit|key|workflow|field|item|parameter|target\b/i);
		expect(words.split(/(?<=\.) /).length).toBeLessThanOrEqual(2);
		if (rule.blame === 'item') expect(words).toMatch(/picture|portrait|file/);
		else expect(words).toContain('Please try again later.');
	});
});

test('only the owner is told of the node that resizes, and only where that helps', () => {
	const resizable = [...codeRules].filter(([, { advice }]) => advice.includes('Edit Image')).map(([code]) => code);
	expect(resizable.sort()).toEqual([
		'ERROR_HIGH_RESOLUTION',
		'ERROR_REQUEST_BODY_TOO_LARGE',
		'ERROR_RESPONSE_BODY_TOO_LARGE',
		'FILE_RESOLUTION_EXCEEDS_LIMITS',
		'FILE_SIZE_EXCEEDS_LIMIT',
		'UNSUPPORTED_FILE_TYPES',
	]);
});

test('a picture that is stored turned may be the cause where no face, or not enough of it, was found', () => {
	const turned = [...codeRules].filter(([, { orientationMayBeTheCause }]) => orientationMayBeTheCause);
	expect(turned.map(([code]) => code).sort()).toEqual([
		'ERROR_FACE_COUNT_INVALID',
		'ERROR_FACE_NOT_FACING_FORWARD',
		'ERROR_FACE_NOT_FOUND',
		'ERROR_FACE_UNRECOGNIZABLE',
		'ERROR_IMAGE_RECOGNITION_FAILED',
		'ERROR_NO_FACE_IN_FILE',
		'ERROR_NO_RECOGNITION_TARGET_DETECTED',
		'ERROR_POOR_FACE_QUALITY',
		'ERROR_QUALITY_SCORE_NOT_MEET_REQUIREMENTS',
		'FILE_CONTENT_NON_COMPLIANCE',
	]);
});

describe('no face found in a pair', () => {
	const orientations = [1, 2, 3, 5, 6, 7, 8];

	it.each(orientations.map((orientation) => [orientation]))(
		'says which picture is stored turned: EXIF %d',
		async (orientation) => {
			const bytes = await sharp(target).jpeg().withMetadata({ orientation }).toBuffer();
			const { items } = await run(() => ({ kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' }), {
				items: [{ files: { target: files.target, template: { bytes } } }],
				nodeSettings: { onError: 'continueRegularOutput' },
			});
			const turned = "'Template Input Binary Field' is stored turned, and AILabTools may not turn it. ";
			expect(String(items[0]?.json.description).includes(turned)).toBe(orientation > 2);
			expect(items[0]?.json.description).not.toContain("'Target Input");
			expect(String(items[0]?.json.visitorMessage).includes('lying on its side or upside down')).toBe(orientation > 2);
			if (orientation <= 2) return;
			expect(items[0]?.json.description).toMatch(/Edit Image.*'Property Name' template/);
			expect(items[0]?.json.visitorMessage).toContain(
				'The picture that receives the face is stored lying on its side or upside down. Turn it upright, save it and upload it again.',
			);
		},
	);
});

describe('a refusal in a batch of six', () => {
	const batch = async (fault: Fault) => {
		const { items } = await run((_index, pair) => (pair === 2 || fault.kind !== 'status' ? fault : undefined), {
			items: Array.from({ length: 6 }, () => ({ files })),
			parameters: { similarity: '={{ $itemIndex / 10 }}', options: { maxConcurrency: 1 } },
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		return items;
	};

	it("of 404 with a picture's code is that picture's: five are merged", async () => {
		const items = await batch({ kind: 'status', code: 'ERROR_FACE_NOT_FOUND' });
		expect(items.map(({ binary }) => binary?.data !== undefined)).toEqual([true, true, false, true, true, true]);
		expect(items[2]?.json).toMatchObject({ code: 'ERROR_FACE_NOT_FOUND', httpStatus: 404 });
		expect(simulator.requests).toHaveLength(6);
	});

	it.each([402, 406, 407, 410, 451])("of a firewall is its pair's alone: a page with %d", async (status) => {
		const { items } = await run((_index, pair) => (pair === 2 ? { kind: 'html', status } : undefined), {
			items: Array.from({ length: 6 }, () => ({ files })),
			parameters: { similarity: '={{ $itemIndex / 10 }}' },
			nodeSettings: { onError: 'continueRegularOutput' },
		});
		expect(items.map(({ binary }) => binary?.data !== undefined)).toEqual([true, true, false, true, true, true]);
		expect(items[2]?.json.error).toBe(
			'Something between n8n and AILabTools, such as a firewall, refused this pair [item 2]',
		);
		expect(items[2]?.json.description).toContain("check the address: Check 'Base URL' in the credential");
	});

	it.each([200, 400, 404, 405])('of a wrong address stops after one request: a page with %d', async (status) => {
		const items = await batch({ kind: 'html', status });
		expect(simulator.requests).toHaveLength(1);
		expect(items.map(({ json }) => json.error)).toEqual([
			'No AILabTools API answers at this address [item 0]',
			...[1, 2, 3, 4, 5].map((item) => `Not sent: No AILabTools API answers at this address [item ${item}]`),
		]);
	});
});

describe.each(['continueRegularOutput', 'continueErrorOutput'] as const)('On Error: %s', (onError) => {
	it('gives the failed item its own outcome, with fields to branch on', async () => {
		const fault: Fault = { kind: 'status', status: 422, code: 'ERROR_NO_FACE_IN_FILE' };
		const { items, errorItems } = await run((_index, pair) => (pair === 1 ? fault : undefined), {
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
		expect(failed[0]?.json).toMatchObject({
			name: 'Ben',
			error: 'No face was found in one of the two pictures [item 1]',
			description: expect.stringContaining('Use pictures that show one face'),
			visitorMessage:
				'No face was found in one of the two pictures. Use pictures that show one face from the front, evenly lit, with nothing covering it.',
			code: 'ERROR_NO_FACE_IN_FILE',
			httpStatus: 422,
			requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
			logId: expect.stringMatching(/^[0-9a-f-]{36}$/),
		});
		expect(failed[0]?.pairedItem).toEqual({ item: 1 });
	});
});

describe('a request that n8n does not send', () => {
	it('is not told as sent, nor as billed, and is not tried again', async () => {
		const sign = jest
			.spyOn(AiLabToolsApi.prototype, 'authenticate')
			.mockRejectedValue(new Error('Refused by a policy'));
		const { task, clock } = await run(() => undefined);
		sign.mockRestore();
		expect(task.error?.message).toBe('This n8n did not send the request to AILabTools');
		expect(task.error?.description).not.toContain('billed');
		expect(clock.waits).toEqual([]);
	});

	it('reads its key without what cannot be seen, and strikes that out', async () => {
		const credentials = { apiKey: `\u200b${SIMULATOR_KEY}\u200b `, baseUrl: simulator.baseUrl };
		const { task } = await run(() => ({ kind: 'body', status: 403, body: `<p>No access for ${SIMULATOR_KEY}</p>` }), {
			credentials,
		});
		expect(simulator.requests[0]?.headers['ailabapi-api-key']).toBe(SIMULATOR_KEY);
		expect(task.error?.description).toContain('No access for ***');
	});
});

test.each([{ toString: 1 }, [[[]]], [0.5]])(
	'a similarity that is no number is told, whatever it is: %j',
	async (similarity) => {
		const { task } = await run(() => undefined, {
			items: [{ files, json: { similarity } }],
			parameters: { similarity: '={{ $json.similarity }}' },
		});
		expect(task.error?.message).toContain("'Similarity' must be a number from 0 to 1, but is");
		expect(simulator.requests).toHaveLength(0);
	},
);

describe('answers that are not documented', () => {
	it.each([
		[400, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[401, 'SOMETHING_NEW', 1, 'AILabTools did not accept the API key'],
		[403, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[404, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[413, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[415, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[422, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[418, 'SOMETHING_NEW', 1, 'AILabTools did not accept this pair'],
		[500, 'SOMETHING_NEW', 5, 'AILabTools could not process the pair for now'],
		[502, 'SOMETHING_NEW', 5, 'AILabTools could not process the pair for now'],
		[521, 'toString', 5, 'AILabTools could not process the pair for now'],
	])('%d %s is judged by its status and shown as it came', async (status, code, requests, message) => {
		const { task } = await run(() => ({ kind: 'status', status, code, message: 'Said the service.' }));
		expect(simulator.requests).toHaveLength(requests);
		expect(task.error?.message).toBe(`${message}`);
		expect(task.error?.description).toContain('AILabTools says: “Said the service.”');
		expect(task.error?.description).toContain(`code: ${code},`);
	});

	it.each([429, 503])('%d with an unknown code is load', async (status) => {
		const { task } = await run(() => ({ kind: 'status', status, code: 'SOMETHING_NEW' }));
		expect(simulator.requests.length).toBeGreaterThan(10);
		expect(task.error?.message).toBe('AILabTools takes no more requests from this account for now');
	});

	it('an HTML page with status 502 is a fault of the service, and its text is shown without markup', async () => {
		const body = '<html><style>p{}</style><h1>502</h1>\n\n<p>Bad \u0000gateway</p><script>alert(1)</script></html>';
		const { task } = await run(() => ({ kind: 'body', status: 502, body, contentType: 'text/html' }));
		expect(simulator.requests).toHaveLength(5);
		expect(task.error?.message).toBe('AILabTools could not process the pair for now');
		expect(task.error?.description).toContain('AILabTools says: “502 Bad gateway”');
	});

	it.each([500, 502, 504, 524])('a page with %d is a proxy giving up, and may have been billed', async (status) => {
		const { task } = await run(() => ({ kind: 'html', status }));
		expect(task.error?.message).toBe('AILabTools could not process the pair for now');
		expect(task.error?.description).toContain('AILabTools may have billed the request all the same.');
		expect(task.error?.description).not.toContain('request ID');
	});

	it.each([502, 504])('%d in the form of AILabTools is not billed', async (status) => {
		const { task } = await run(() => ({ kind: 'status', status, code: 'AI_SERVICE_TIMEOUT' }));
		expect(task.error?.description).toContain('send the request ID and log ID to AILabTools support');
		expect(task.error?.description).not.toContain('billed');
	});

	it("a page with status 413 is a proxy's limit, which a smaller pair may keep", async () => {
		const { task } = await run(() => ({ kind: 'html', status: 413 }));
		expect(simulator.requests).toHaveLength(1);
		expect(task.error?.message).toBe('The pair is too large for a proxy on the way to AILabTools');
		expect(task.error?.description).toContain("An Edit Image node before this one makes it so: Operation 'Resize'");
	});

	it('an answer larger than any picture is not read to its end', async () => {
		const body = Buffer.alloc(4096 * 4096 * 4 + 2, 'A');
		const { task } = await run(() => ({ kind: 'body', status: 200, body }));
		expect(task.error?.message).toBe('The answer of AILabTools is larger than 67108864 bytes');
		expect(simulator.requests).toHaveLength(1);
	});
});

describe('the line', () => {
	it('that is reset is tried again, and the picture of the third try comes out', async () => {
		const { items, clock } = await run((index) => (index < 2 ? { kind: 'reset' } : undefined));
		expect(simulator.requests).toHaveLength(3);
		expect(items[0]?.json).toMatchObject({ mergePortraits: { attempts: 3 } });
		expect(clock.now()).toBeLessThanOrEqual(3_000);
	});

	it("that stays reset is told with Node's code", async () => {
		const { task } = await run(() => ({ kind: 'reset' }), { parameters: { options: { maxRetries: 0 } } });
		expect(task.error?.message).toBe('The connection to AILabTools was lost before it answered');
		expect(task.error?.description).toContain('the network between n8n and AILabTools (ECONNRESET). AILabTools may');
	});

	it.each<[string, Fault]>([
		['hangs', { kind: 'hang' }],
		['drips one byte a second', { kind: 'drip', bytesPerSecond: 1 }],
	])('that %s ends with the time-out, each time', async (_what, fault) => {
		const { task, clock } = await run(() => fault, { parameters: { options: { timeout: 5_000, maxRetries: 2 } } });
		expect(simulator.requests).toHaveLength(3);
		expect(task.error?.message).toBe('AILabTools did not answer within 5000 ms');
		expect(task.error?.description).toContain('AILabTools may have billed the request all the same.');
		expect(clock.now()).toBeGreaterThanOrEqual(15_000);
		expect(clock.now()).toBeLessThanOrEqual(18_000);
	});

	it('is given the time that the service asks for with Retry-After', async () => {
		const fault: Fault = { kind: 'status', code: 'UNKNOWN_ERROR', retryAfter: '20' };
		const { clock } = await run((index) => (index === 0 ? fault : undefined));
		expect(simulator.requests).toHaveLength(2);
		expect(clock.now()).toBe(20_000);
	});

	it('is given until the date that the service asks for with Retry-After', async () => {
		const retryAfter = new Date(Date.now() + 60_000).toUTCString();
		const { clock } = await run((index) =>
			index === 0 ? { kind: 'status', code: 'UNKNOWN_ERROR', retryAfter } : undefined,
		);
		expect(simulator.requests).toHaveLength(2);
		// A date has whole seconds, and some time has passed.
		expect(clock.now()).toBeGreaterThan(50_000);
		expect(clock.now()).toBeLessThanOrEqual(60_000);
	});

	it.each([-3_600_000, 3_600_000])('is given as long, though the clock of the service is %d ms off', async (off) => {
		const [date, retryAfter] = [off, off + 30_000].map((ms) => new Date(Date.now() + ms).toUTCString());
		const fault: Fault = { kind: 'status', code: 'UNKNOWN_ERROR', retryAfter, date };
		const { clock } = await run((index) => (index === 0 ? fault : undefined));
		expect(simulator.requests).toHaveLength(2);
		expect(clock.now()).toBe(30_000);
	});

	it('to an address where nobody listens is a fault of the account, once the retries are used up', async () => {
		const { task, clock } = await run(() => undefined, {
			credentials: { apiKey: SIMULATOR_KEY, baseUrl: 'http://127.0.0.1:1' },
		});
		expect(task.error?.message).toBe('The AILabTools API cannot be reached');
		expect(task.error?.description).toContain("Check 'Base URL' in the credential");
		expect(task.error?.description).toContain('(ECONNREFUSED)');
		expect(clock.waits).toHaveLength(4);
	});
});
