import type { IExecuteFunctions } from 'n8n-workflow';

import { retry } from '../base/backoff';
import type { Clock } from '../base/clock';
import {
	causes,
	connectionFault,
	isStreamedResponse,
	networkCode,
	readBody,
	withDeadline,
	type StreamedResponse,
} from '../base/http';
import { imageFormat } from './imageHeader';
import { editLinkedImageAdvice, imageRequirements, tooLarge, type Unfit } from './imageRequirements';

export interface DownloadOptions {
	/** For one try with all its redirects, ms. */
	timeoutMs: number;
	/** How often it is tried again after a lost connection, HTTP 429 or 5xx. */
	maxRetries: number;
	clock: Clock;
	random: () => number;
	/** Aborted when nobody wants the file any more. */
	closed: AbortSignal;
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
 * @param url http or https
 * @throws the reason of `closed` when it is aborted
 */
export async function download(context: IExecuteFunctions, url: string, options: DownloadOptions): Promise<Download> {
	const { closed } = options;
	const outcome = await retry(async () => await tryOnce(context, url, options), isWorthRetrying, {
		...options,
		signal: closed,
	});
	closed.throwIfAborted();
	return outcome;
}

/** A host that lets a whole time-out pass is not asked again at once. */
const isWorthRetrying = (outcome: { value: Download } | { error: unknown }) =>
	'value' in outcome &&
	'unfit' in outcome.value &&
	outcome.value.unfit.passing === true &&
	outcome.value.unfit.code !== TIMED_OUT;

async function tryOnce(
	context: IExecuteFunctions,
	url: string,
	{ timeoutMs, clock, closed }: DownloadOptions,
): Promise<Download> {
	const { deadline, abortSignal } = withDeadline(clock, timeoutMs, closed);
	let current = new URL(url);
	try {
		// Followed here instead of by n8n, so that we see each address and n8n checks each.
		for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
			const response: unknown = await context.helpers.httpRequest({
				method: 'GET',
				url: current.href,
				encoding: 'stream',
				returnFullResponse: true,
				ignoreHttpStatusErrors: true,
				disableFollowRedirect: true,
				timeout: 0,
				abortSignal,
			});
			if (!isStreamedResponse(response)) return failed(`could not be read from ${current.host}`, CHECK_LINK);
			const { location } = response.headers;
			if (!REDIRECTS.includes(response.statusCode) || typeof location !== 'string') {
				return await readFile(response, current);
			}
			response.body.destroy();
			if (!URL.canParse(location, current.href))
				return failed(`is redirected by ${current.host} to something that is not a URL`, CHECK_LINK);
			const next = new URL(location, current);
			if (!['http:', 'https:'].includes(next.protocol)) {
				return failed(`is redirected by ${current.host} to ${next.protocol}, allowed: http and https`, CHECK_LINK);
			}
			current = next;
		}
		return failed(`is redirected more than ${MAX_REDIRECTS} times`, CHECK_LINK);
	} catch (error) {
		const from = current.host;
		if (deadline.aborted) {
			return failed(`did not arrive within ${timeoutMs} ms from ${from}`, "Raise the option 'Timeout'.", {
				code: TIMED_OUT,
				passing: true,
			});
		}
		return lostLine(error, from);
	}
}

const REDIRECTS = [301, 302, 303, 307, 308];

const CHECK_LINK = 'Open the link in a private browser window to see where it leads.';

async function readFile(response: StreamedResponse, url: URL): Promise<Download> {
	const { statusCode, headers, body } = response;
	const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : '');
	if (statusCode !== 200) {
		body.destroy();
		return refusedBy(url.host, statusCode);
	}
	const isHtml = /^text\/html\b/i.test(text('content-type'));
	// A compressed body's Content-Length is not the file's size.
	const declaredBytes = text('content-encoding') === '' ? Number(text('content-length')) : 0;
	if (declaredBytes > imageRequirements.maxBytes && !isHtml) {
		body.destroy();
		return { unfit: tooLarge(declaredBytes, { wayOut: editLinkedImageAdvice }) };
	}
	const bytes = await readBody(body, imageRequirements.maxBytes);
	if (bytes === undefined ? isHtml : isWebPage(bytes, isHtml)) return webPage(url.host);
	if (bytes !== undefined) return { bytes, fileName: fileName(text('content-disposition'), url) };
	return { unfit: tooLarge(undefined, { wayOut: editLinkedImageAdvice }) };
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

/** The name according to RFC 6266, or else the last part of the path. */
function fileName(disposition: string, { pathname }: URL): string | undefined {
	const [, encoded] = /filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(disposition) ?? [];
	const [, quoted, plain] = /filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(disposition) ?? [];
	const name = decode(encoded) ?? quoted ?? plain ?? decode(pathname.split('/').at(-1)) ?? '';
	return name.replace(/^.*[\\/]|[\p{C}"]/gu, '').trim() || undefined;
}

function decode(text: string | undefined): string | undefined {
	try {
		return text === undefined ? undefined : decodeURIComponent(text);
	} catch {
		return text;
	}
}
