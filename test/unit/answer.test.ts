import { createHash } from 'node:crypto';

import { readAnswer } from '../../nodes/MergePortraits/api/answer';
import { networkCode } from '../../nodes/MergePortraits/base/http';

const apiKey = ['key', 'of+an=account'].join('/');

/** A JPEG by its first bytes, long enough to be decoded in several pieces, and none of them in whole groups. */
const picture = Buffer.concat([
	Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
	createHash('shake256', { outputLength: 200_001 }).update('picture').digest(),
]);
const base64 = picture.toString('base64');

const success = (image: unknown) =>
	JSON.stringify({ request_id: 'r-1', log_id: 'l-1', error_code: 0, data: { image } });
const read = (body: string, httpStatus = 200) => readAnswer({ httpStatus, body: Buffer.from(body) }, apiKey);
const refused = (body: string, httpStatus = 200) => {
	const outcome = read(body, httpStatus);
	return 'refusal' in outcome ? outcome.refusal : undefined;
};
const lines = (length: number, lineBreak: string) => base64.replace(new RegExp(`.{${length}}`, 'g'), `$&${lineBreak}`);
const escapeSlashes = (text: string) => text.replaceAll('/', '\\/');
/** Whether an answer is parsed whole is told by what it is given. */
const parse = jest.spyOn(JSON, 'parse');
beforeEach(() => parse.mockClear());
const longestParsed = () => Math.max(...parse.mock.calls.map(([text]) => text.length));

describe('the picture is read to the byte, and never parsed, when', () => {
	it.each<[string, string]>([
		['its Base64 is plain', success(base64)],
		['its Base64 has escaped slashes', escapeSlashes(success(base64))],
		['there is white space around it', success(base64).replaceAll(/([{}:,])/g, ' $1 \n')],
		['it comes after a text that is escaped', escapeSlashes(success(base64)).replace('r-1', 'r-\\"1\\u00e4')],
		['it comes after letters of several bytes', success(base64).replace('r-1', 'rä1')],
		['the answer begins with a byte order mark', `\ufeff${success(base64)}`],
	])('%s', (_what, body) => {
		const outcome = read(body);
		expect('bytes' in outcome && outcome.bytes.equals(picture)).toBe(true);
		expect(outcome).toMatchObject({ format: { name: 'JPEG' }, logId: 'l-1' });
		expect(longestParsed()).toBeLessThan(1_000);
	});

	it.each([0, 1, 2, 3])('its pieces end anywhere: %d characters more', (more) => {
		// Nothing but slashes, of which each piece has half as many.
		const slashes = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(150_000 + more, 0xff)]);
		const outcome = read(escapeSlashes(success(slashes.toString('base64'))));
		expect('bytes' in outcome && outcome.bytes.equals(slashes)).toBe(true);
		expect(longestParsed()).toBeLessThan(1_000);
	});
});

describe('the picture is read to the byte when the answer has', () => {
	const unicode = base64.replaceAll('+', '\\u002b').replaceAll('=', '\\u003d');
	it.each<[string, string]>([
		['escapes that only parsing can read', success('').replace('""', `"${unicode}"`)],
		['these and line breaks', success('').replace('""', `"\\u002f${unicode.slice(1)}\\n"`)],
		['a prefix', success(`data:image/jpeg;base64,${base64}`)],
		['a prefix and escaped slashes', escapeSlashes(success(`data:image/svg+xml;base64,${base64}`))],
		['line breaks', success(lines(76, '\n'))],
		['line breaks of two characters and escaped slashes', escapeSlashes(success(lines(64, '\r\n')))],
		['a line break at the end', success(`${base64}\n`)],
		['megabytes before it', `{"padding":"${'x'.repeat(2_000_000)}",${success(base64).slice(1)}`],
		['another image before it', `{"preview":{"image":"AA\\/A"},${success(base64).slice(1)}`],
		['an image with an escaped quote before it', `{"preview":{"image":"A\\/\\"A"},${success(base64).slice(1)}`],
		['no image but its name before it', `{"preview":{"image":null},${success(base64).slice(1)}`],
	])('%s', (_what, body) => {
		const outcome = read(body);
		expect('bytes' in outcome && outcome.bytes.equals(picture)).toBe(true);
	});
});

describe('the picture is damaged when its Base64', () => {
	const damagedAt = (at: number, by: string) => base64.slice(0, at) + by + base64.slice(at + by.length);
	const raw = (image: string) => success('').replace('""', `"${image}"`);
	it.each<[string, string]>([
		['has a hole', success(damagedAt(100_000, '*'))],
		['has padding inside', success(damagedAt(100_000, '='))],
		['is cut short', success(base64.slice(0, -3))],
		['has one character more', success(`${base64}A`)],
		['has a tab', success(damagedAt(100, '\t'))],
		['has an escaped backslash', escapeSlashes(raw(damagedAt(100_000, '\\\\')))],
		['has an escape of another kind behind escaped slashes', raw(`\\/${damagedAt(100_000, '\\u0041').slice(1)}`)],
		['has a space', success(damagedAt(100, ' '))],
		['has a prefix in the middle', success(`${base64}data:image/png;base64,`)],
		['has a prefix of something else', success(`data:text/html;base64,${base64}`)],
	])('%s', (_what, body) => {
		expect(refused(body)).toMatchObject({
			blame: 'service',
			what: 'The picture in the answer of AILabTools is damaged',
			requestId: 'r-1',
		});
		expect(refused(body)?.resends ?? 0).toBe(0);
	});

	it('has a line break that is not escaped, because then the answer is no JSON', () => {
		for (const at of [100, base64.length - 3]) {
			const what = 'AILabTools answered with something that is not JSON';
			expect(refused(raw(damagedAt(at, '\n')))).toMatchObject({ blame: 'service', what });
		}
	});
});

test('a picture of a format that is not known is told by its beginning, and so is that there is none', () => {
	const other = Buffer.from('no picture but a text').toString('base64');
	const what = 'AILabTools answered with a picture of unknown format';
	expect(refused(success(other))).toMatchObject({ what, detail: other });
	for (const image of ['', null, 7, { a: 1 }]) {
		expect(refused(success(image))).toMatchObject({ what: 'The answer of AILabTools holds no picture' });
	}
});

describe('whatever an answer says is cut, without markup and without the key:', () => {
	const long = `${apiKey}<b>x</b>`.repeat(50_000);
	const detail = { code: long, code_message: long, message: long };
	it.each<[what: string, body: string, status: number]>([
		['the ids and the code', JSON.stringify({ request_id: long, log_id: long, error_detail: detail }), 422],
		['the older code and words', JSON.stringify({ error_code: 422, error_code_str: long, error_msg: long }), 200],
		[
			'the ids beside a damaged picture',
			JSON.stringify({ request_id: long, log_id: long, data: { image: long } }),
			200,
		],
		['an answer that is not JSON', long, 200],
		['a page', `<p>${long}`, 502],
	])('%s', (_what, body, status) => {
		const { code, detail: words, requestId, logId } = refused(body, status) ?? { code: 'no refusal' };
		expect(words).toMatch(/^\*\*\* x \*\*\*/);
		for (const text of [code, words, requestId, logId].filter((each) => each !== undefined)) {
			expect(text.length).toBeLessThanOrEqual(121);
			expect(text).not.toMatch(/[<>]|key|account\b/);
		}
	});

	it('the ids of a merged picture', () => {
		const outcome = read(success(base64).replace('r-1', '<b>r').replace('l-1', 'l'.repeat(10_000)));
		expect(outcome).toMatchObject({ requestId: 'r', logId: `${'l'.repeat(120)}…` });
	});
});

describe('the key is struck out', () => {
	it.each([
		['of a text in place of Base64', success(`no picture for ${apiKey}`)],
		['of one with escaped slashes', escapeSlashes(success(`see http://x/, ${apiKey}`))],
		['of one that begins as Base64 does', escapeSlashes(success(`/9j/, no picture for ${apiKey}`))],
		[
			'of what AILabTools says',
			JSON.stringify({ error_code: 401, error_detail: { code: 'X', message: `no user has ${apiKey}` } }),
		],
		['of an answer that is cut short', escapeSlashes(success(apiKey)).slice(0, -3)],
	])('%s', (_what, body) => {
		const { detail } = refused(body) ?? {};
		expect(detail).toContain('***');
		expect(detail).not.toMatch(/key|account/);
	});
});

describe('whose answer it is', () => {
	const detail = { code: 'SOMETHING_NEW', code_message: 'New.', message: '' };
	const envelopes: Array<[string, object]> = [
		[
			'the full form',
			{ error_code: 404, error_code_str: 'NEW', request_id: 'r-1', log_id: 'l-1', error_detail: detail },
		],
		['the newer form', { request_id: 'r-1', log_id: 'l-1', error_detail: detail }],
		['the oldest form', { error_code: 404, error_msg: 'New.' }],
	];
	it.each(envelopes)('404 and 403 in %s are for the item', (_what, body) => {
		for (const status of [403, 404]) {
			expect(refused(JSON.stringify(body), status)).toMatchObject({ blame: 'item' });
		}
	});

	it.each([
		['a page', '<h1>Not Found</h1>'],
		['nothing', ''],
		["n8n's JSON", '{"code":404,"message":"Not Found"}'],
		["a gateway's JSON", '{"message":"no Route matched with those values","request_id":"r-1"}'],
		['a JSON text', '"Not Found"'],
	])('404 and 403 with %s are for the address and the account', (_what, body) => {
		expect(refused(body, 404)).toMatchObject({ blame: 'account', what: 'No AILabTools API answers at this address' });
		expect(refused(body, 403)).toMatchObject({ blame: 'account', what: 'AILabTools did not allow the request' });
	});

	it('a code that names the address stays with the address', () => {
		const body = JSON.stringify({ error_detail: { code: 'ERROR_AI_NOT_EXISTS' } });
		expect(refused(body, 404)).toMatchObject({ blame: 'account' });
	});
});

test('the more precise code goes before the older one, and HTTP 200 with an error code is none', () => {
	const detail = { code: 'ERROR_BLURRY_FACE', code_message: '', message: 'blurry' };
	const body = { error_code: 422, error_code_str: 'FILE_CONTENT_NON_COMPLIANCE', error_detail: detail };
	const blurred = { code: 'ERROR_BLURRY_FACE', detail: 'blurry', blame: 'item' };
	expect(refused(JSON.stringify(body))).toMatchObject({ ...blurred, httpStatus: 200 });
	expect(refused(JSON.stringify({ ...body, data: { image: base64 } }))).toMatchObject(blurred);
	expect(refused(JSON.stringify({ ...body, error_detail: undefined }))).toMatchObject({
		code: 'FILE_CONTENT_NON_COMPLIANCE',
	});
});

test("where there is no answer, Node's code is found however deep it is wrapped, and not made up", () => {
	const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
	expect(networkCode(new Error('n8n', { cause: new Error('axios', { cause: lost }) }))).toBe('ECONNRESET');
	expect(networkCode(new Error('n8n', { cause: 'unknown' }))).toBeUndefined();
	expect(networkCode(Object.assign(new Error('n8n'), { code: `Bearer ${apiKey}` }))).toBeUndefined();
});
