import type { IExecuteFunctions } from 'n8n-workflow';

import { retry, type Retries } from '../base/backoff';
import { causes, connectionFault, networkCode, readBody, withDeadline, type StreamedResponse } from '../base/http';
import { clean } from '../base/text';
import { imageFormat } from './imageHeader';
import { editLinkedImageAdvice, imageRequirements, tooLarge, type Unfit } from './imageRequirements';

export interface DownloadOptions extends Retries {
	/** For one try with all its redirects, ms. */
	timeoutMs: number;
}

export interface DownloadedFile {
	bytes: Buffer;
	/** The host's name for it, with its extension; undefined when there is none. */
	fileName: string | undefined;
}

export type Download = DownloadedFile | { unfit: Unfit };

const MAX_REDIRECTS = 10;

/**
 * Downloads a file no larger than AILabTools takes, through n8n's HTTP helper and its protection of internal addresses,
 * with no header of ours: no key and no cookie, wherever the host redirects.
 * It is tried again after a lost connection, HTTP 429 or 5xx.
 * @param url http or https
 * @throws the reason of `signal` when it is aborted
 */
export async function download(context: IExecuteFunctions, url: string, options: DownloadOptions): Promise<Download> {
	const outcome = await retry(async () => await tryOnce(context, url, options), isWorthAnotherTry, options);
	options.signal?.throwIfAborted();
	return outcome;
}

/** A host that let a whole time-out pass is not asked again at once. */
function isWorthAnotherTry(outcome: { value: Download } | { error: unknown }): boolean {
	const unfit = 'value' in outcome && 'unfit' in outcome.value ? outcome.value.unfit : undefined;
	return unfit?.passing === true && unfit.code !== TIMED_OUT;
}

async function tryOnce(
	context: IExecuteFunctions,
	url: string,
	{ timeoutMs, clock, signal }: DownloadOptions,
): Promise<Download> {
	const { deadline, abortSignal } = withDeadline(clock, timeoutMs, signal);
	let current = new URL(url);
	try {
		// Followed here instead of by n8n, so that we see each address and n8n checks each.
		for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
			const response: StreamedResponse = await context.helpers.httpRequest({
				method: 'GET',
				url: current.href,
				encoding: 'stream',
				returnFullResponse: true,
				ignoreHttpStatusErrors: true,
				disableFollowRedirect: true,
				timeout: 0,
				abortSignal,
			});
			const from = nameOf(current);
			const location = headerText(response, 'location');
			if (!REDIRECTS.includes(response.statusCode) || location === '') return await readFile(response, current);
			response.body.destroy();
			if (!URL.canParse(location, current.href)) {
				return failed(`is redirected by ${from} to something that is not a URL`, CHECK_LINK);
			}
			current = new URL(location, current);
			const protocol = clean(current.protocol);
			if (!['http:', 'https:'].includes(protocol)) {
				return failed(`is redirected by ${from} to ${protocol}, allowed: http and https`, CHECK_LINK);
			}
		}
		return failed(`is redirected more than ${MAX_REDIRECTS} times`, CHECK_LINK);
	} catch (error) {
		return deadline.aborted ? tooSlow(nameOf(current), timeoutMs) : lostLine(error, nameOf(current));
	}
}

/** All that is shown of an address: before the host may come a password, after it a token. */
const nameOf = ({ host }: URL) => clean(host);

/** A header as it was meant: Node reads its bytes as Latin-1, but many hosts send UTF-8. '' when there is none. */
function headerText({ headers }: StreamedResponse, name: string): string {
	const value = headers[name];
	if (typeof value !== 'string') return '';
	const decoded = Buffer.from(value, 'latin1').toString();
	return decoded.includes('\ufffd') ? value : decoded;
}

const REDIRECTS = [301, 302, 303, 307, 308];

const CHECK_LINK = 'Open the link in a private browser window to see where it leads.';

async function readFile(response: StreamedResponse, url: URL): Promise<Download> {
	const { statusCode, body } = response;
	if (statusCode !== 200) {
		body.destroy();
		return refusedBy(nameOf(url), statusCode);
	}
	const isHtml = /^text\/html\b/i.test(headerText(response, 'content-type'));
	// A compressed body's Content-Length is not the file's size.
	const isCompressed = headerText(response, 'content-encoding') !== '';
	const declaredBytes = isCompressed ? 0 : Number(headerText(response, 'content-length'));
	const mending = { wayOut: editLinkedImageAdvice };
	if (declaredBytes > imageRequirements.maxBytes && !isHtml) {
		body.destroy();
		return { unfit: tooLarge(declaredBytes, mending) };
	}
	const bytes = await readBody(body, imageRequirements.maxBytes);
	if (bytes === undefined ? isHtml : isWebPage(bytes, isHtml)) return webPage(nameOf(url));
	if (bytes === undefined) return { unfit: tooLarge(undefined, mending) };
	return { bytes, fileName: fileName(headerText(response, 'content-disposition'), url) };
}

/** Whether a page came instead of a picture, whatever its declared type. */
function isWebPage(bytes: Buffer, declared: boolean): boolean {
	if (imageFormat(bytes) !== undefined) return false;
	const start = bytes.toString('latin1', 0, 512).replace(/^ï»¿/, '').trimStart();
	return /^<(!doctype html|html|head|body)\b/i.test(start) || (declared && start.startsWith('<'));
}

const TIMED_OUT = 'ERROR_FILE_DOWNLOAD_TIMEOUT';

const failed = (found: string, wayOut: string, more: Partial<Unfit> = {}) => ({
	unfit: {
		code: 'ERROR_FILE_DOWNLOAD_FAILED',
		found,
		wayOut,
		visitorFound: 'could not be opened by its link',
		visitorWayOut: `Please ${more.passing ? 'try again later' : 'check the link'}, or upload the picture instead.`,
		...more,
	},
});

const webPage = (from: string) =>
	failed(
		'is a web page, not a picture: use the direct link to the file',
		`What came from ${from} is HTML. Open the link in a browser, and copy the address of the picture itself.`,
		{ code: 'UNSUPPORTED_FILE_TYPES', visitorFound: 'is a link to a web page' },
	);

const tooSlow = (from: string, timeoutMs: number) =>
	failed(`did not arrive within ${timeoutMs} ms from ${from}`, "Raise the option 'Timeout'.", {
		code: TIMED_OUT,
		passing: true,
	});

function refusedBy(from: string, status: number): Download {
	const what = `could not be downloaded: ${from} answered with HTTP status ${status}`;
	if (status === 401 || status === 403) {
		const advice =
			"The file is not open to everybody. Use a link that opens without signing in, or download it with an HTTP Request node before this one and choose 'Binary File'.";
		return failed(what, advice);
	}
	if (status === 429 || status >= 500) return failed(what, 'Run the workflow again later.', { passing: true });
	return failed(what, 'Check the link: it may be mistyped, or have expired.');
}

function lostLine(error: unknown, from: string): Download {
	// n8n's own protection, recognised by the error's name: its class is not exported.
	if (causes(error).some(({ name }) => typeof name === 'string' && name.startsWith('SsrfBlocked'))) {
		return failed(
			`could not be downloaded: this n8n allows no requests to ${from}`,
			'Use a link that is open to the internet, or ask the administrator of this n8n to allow the address.',
		);
	}
	const code = networkCode(error);
	const fault = connectionFault(code);
	if (fault === 'notSecure') {
		return failed(`could not be downloaded: no secure connection to ${from} could be made`, CHECK_LINK);
	}
	const what = `could not be downloaded: the connection to ${from} ${fault === 'notMade' ? 'could not be made' : 'was lost'}`;
	return failed(what, `Check the link, and the network between n8n and its host${code ? ` (${code})` : ''}.`, {
		passing: true,
	});
}

/** How much of what may be a name is looked at, characters. */
const LONGEST_NAME = 1_000;

/** The name according to RFC 6266, or else the last part of the path. */
function fileName(disposition: string, { pathname }: URL): string | undefined {
	const header = disposition.slice(0, LONGEST_NAME);
	const [, encoded] = /filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header) ?? [];
	const [, quoted, plain] = /filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(header) ?? [];
	const name = decode(encoded) ?? quoted ?? plain ?? decode(pathname.slice(pathname.lastIndexOf('/') + 1)) ?? '';
	const clear = name.slice(0, LONGEST_NAME).replace(/^.*[\\/]|[\p{C}"]/gu, '');
	return clear.trim() || undefined;
}

function decode(text: string | undefined): string | undefined {
	try {
		return text === undefined ? undefined : decodeURIComponent(text);
	} catch {
		return text;
	}
}
