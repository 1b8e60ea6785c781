/**
 * An HTTP server on this machine that behaves as AILabTools documents its face-fusion service, pictures included, and fails
 * on demand. It records every request as it came over the wire.
 */
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { portOf } from '../required';
import { Account, SIMULATOR_KEY, type AccountOptions } from './accounts';
import { blend, encode } from './blend';
import { Exchange, sha256, type Answer, type RecordedRequest, type UploadedFile } from './exchange';
import { checkForm, checkPicture, failure, Refusal, success, type AnswerShape, type Failure } from './rules';

export { SIMULATOR_KEY, type AccountOptions } from './accounts';
export { requestLine, type RecordedFile, type RecordedRequest } from './exchange';

export const MERGE_PATH = '/api/portrait/effects/face-fusion';
export const CREDITS_PATH = '/api/common/query-credits';

/** What a merge request gets instead of its answer. Nothing is charged, except with `drip` and `cut`. */
export type Fault =
	/** A failed answer in the documented form, sent at `date` by another clock. */
	| ({ kind: 'status'; retryAfter?: string; date?: string } & Failure)
	/** The connection is reset. */
	| { kind: 'reset' }
	/** No answer, ever. */
	| { kind: 'hang' }
	/** The right answer, slowly. */
	| { kind: 'drip'; bytesPerSecond: number }
	/** The right answer up to its middle; then the connection is reset. */
	| { kind: 'cut' }
	/** An HTML page, as a proxy would answer. */
	| { kind: 'html'; status: number }
	/** Any body, as application/json by default. */
	| { kind: 'body'; status: number; body: string | Buffer; contentType?: string }
	/** 307: the same request, pictures included, is to go to another address. */
	| { kind: 'redirect'; location: string };

export interface SimulatorOptions {
	/** Default 0: any free port. */
	port?: number;
	/** Default: one with `SIMULATOR_KEY` and no limits. */
	accounts?: AccountOptions[];
	/** The least time that a merge takes, in ms; default 0. */
	latencyMs?: number;
	/**
	 * A connection with varying delay: each merge request reaches its account up to this many ms late, always by the same
	 * for the same index; default 0.
	 */
	delayMs?: number;
	/** Default `jpeg`. */
	outputFormat?: 'jpeg' | 'png';
	/** Whether answers have the older error_code fields; default `full`: they do. */
	answerShape?: AnswerShape;
	/** Whether slashes in the picture's Base64 are written `\/`, as by PHP; default false. */
	escapeSlashes?: boolean;
	/** Answers every pair, followed by its index, without any work on pictures: benchmarks must not measure that. */
	answerPicture?: Buffer;
	/** Whether recorded files keep their bytes; by default, unless there is an `answerPicture`. */
	keepBytes?: boolean;
	/** Asked for each merge request within its account's limits, after reading it and before any other check. */
	fault?: (request: RecordedRequest) => Fault | undefined;
	/** Called when the answer to any request has been sent, or the connection is gone. */
	onRequest?: (request: RecordedRequest) => void;
}

export interface Simulator {
	/** http://127.0.0.1:PORT */
	baseUrl: string;
	/** Merge requests, in order of arrival, refused ones included. */
	requests: RecordedRequest[];
	/** Requests for the balance, in order of arrival. */
	creditRequests: RecordedRequest[];
	/** By key, with the current balance and limits, which can be set. */
	accounts: Map<string, Pick<Account, 'credits' | 'maxConcurrentRequests' | 'maxRequestsPerSecond'>>;
	/** The most merge requests under way at once, refused ones included. */
	peakConcurrency: number;
	setFault(fault: SimulatorOptions['fault']): void;
	/** Forgets requests, peak and fault. Balances and limits stay. */
	reset(): void;
	/** Breaks every connection and refuses new ones for so long. What it was at is neither answered nor charged. */
	away(ms: number): Promise<void>;
	/** Ends the server and every connection, hanging ones too. */
	close(): Promise<void>;
}

/** How many merged pictures are kept: the same pair at the same similarity always gives the same one. */
const KEPT_RESULTS = 32;

/** The balance shown for an unlimited account: JSON has no infinity. */
const UNLIMITED_BALANCE = 999_999_999;

/**
 * Starts the server.
 * @throws Error when the port is taken
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
	const { latencyMs = 0, outputFormat = 'jpeg', answerShape = 'full', answerPicture } = options;
	const { keepBytes = answerPicture === undefined, escapeSlashes = false } = options;
	const { accounts: accountOptions = [{ key: SIMULATOR_KEY }] } = options;
	const accounts = new Map(accountOptions.map((account) => [account.key, new Account(account)]));
	const requests: RecordedRequest[] = [];
	const creditRequests: RecordedRequest[] = [];
	const results = new Map<string, Promise<Buffer>>();
	let stopping = new AbortController();
	const running = new Set<Promise<void>>();
	let fault = options.fault;
	let underWay = 0;
	let peakConcurrency = 0;

	async function handle(exchange: Exchange): Promise<void> {
		const { record } = exchange;
		const route = `${record.method} ${record.path}`;
		const isMerge = route === `POST ${MERGE_PATH}`;
		if (isMerge) peakConcurrency = Math.max(peakConcurrency, ++underWay);
		try {
			if (isMerge) {
				record.index = requests.push(record) - 1;
				await merge(exchange);
			} else if (route === `GET ${CREDITS_PATH}`) {
				record.index = creditRequests.push(record) - 1;
				await exchange.send(json(200, success(balances(accountOf(record)), answerShape)));
			} else {
				throw new Refusal('ERROR_AI_NOT_EXISTS', `there is no ${route}`);
			}
		} catch (error) {
			if (!exchange.gone) await exchange.send(refused(record, error));
		} finally {
			if (isMerge) underWay--;
		}
	}

	/** Checks in the service's order: who, how often, the form, the pictures, the price. */
	async function merge(exchange: Exchange): Promise<void> {
		const { record } = exchange;
		const { delayMs = 0 } = options;
		const account = accountOf(record);
		if (delayMs > 0) await sleep(delayMs * chance(record.index), undefined, { signal: stopping.signal });
		account.enter(performance.now());
		try {
			const files = await exchange.readForm(keepBytes, answerPicture === undefined);
			const injected = fault?.(record);
			const isLate = injected?.kind === 'drip' || injected?.kind === 'cut';
			if (injected && !isLate) return await fail(exchange, injected);
			const answer = await merged(record, files, account).catch((error: unknown) => refused(record, error));
			if (injected?.kind === 'cut') await exchange.cut(answer);
			else await exchange.send(answer, injected?.bytesPerSecond);
		} finally {
			account.leave();
		}
	}

	async function merged(
		record: RecordedRequest,
		files: Record<string, UploadedFile>,
		account: Account,
	): Promise<Answer> {
		const { target, template, similarity } = checkForm(record.fields, files);
		const begun = performance.now();
		const picture = answerPicture
			? Buffer.concat([answerPicture, Buffer.from(` ${record.index}`)])
			: await fuse(target, template, similarity);
		account.reserve();
		const left = Math.max(0, latencyMs - (performance.now() - begun));
		await sleep(left, undefined, { signal: stopping.signal }).catch((error: unknown) => {
			account.release();
			throw error;
		});
		account.charge();
		record.resultSha256 = sha256(picture);
		return successWith(picture);
	}

	/** Puts the Base64 in after `stringify`: it needs no escapes, and looking for some in megabytes takes time. */
	function successWith(picture: Buffer): Answer {
		const mark = '(picture)';
		const [head, tail] = JSON.stringify(success({ image: mark }, answerShape)).split(mark);
		const base64 = picture.toString('base64');
		return raw(200, head + (escapeSlashes ? base64.replaceAll('/', '\\/') : base64) + tail);
	}

	/** The merged picture as a file. @throws Refusal of either of the two */
	async function fuse(target: UploadedFile, template: UploadedFile, similarity: number): Promise<Buffer> {
		const work = async (): Promise<Buffer> => {
			const face = await checkPicture('image_target', target.bytes);
			const scene = await checkPicture('image_template', template.bytes);
			return await encode(await blend(face, scene, similarity), outputFormat);
		};
		const name = `${target.sha256} ${template.sha256} ${similarity}`;
		const result = results.get(name) ?? work();
		results.set(name, result);
		const [oldest] = results.keys();
		if (oldest !== undefined && results.size > KEPT_RESULTS) results.delete(oldest);
		return await result;
	}

	async function fail(exchange: Exchange, injected: Exclude<Fault, { kind: 'drip' | 'cut' }>): Promise<void> {
		switch (injected.kind) {
			case 'reset':
				return exchange.reset();
			case 'hang':
				return await exchange.ended();
			case 'status': {
				const answer = failed(exchange.record, injected);
				if (injected.retryAfter !== undefined) answer.headers['retry-after'] = injected.retryAfter;
				if (injected.date !== undefined) answer.headers.date = injected.date;
				return await exchange.send(answer);
			}
			case 'html':
				return await exchange.send(raw(injected.status, `<html><h1>${injected.status}</h1></html>`, 'text/html'));
			case 'body':
				return await exchange.send(raw(injected.status, injected.body, injected.contentType));
			case 'redirect':
				return await exchange.send({ status: 307, headers: { location: injected.location }, body: Buffer.alloc(0) });
		}
	}

	function accountOf(record: RecordedRequest): Account {
		const account = accounts.get(String(record.headers['ailabapi-api-key']));
		if (!account) throw new Refusal('ERROR_USER_NOT_EXISTS', 'no user has this key');
		if (account.locked) throw new Refusal('ERROR_USER_LOCKED', 'this user is locked');
		return account;
	}

	/** Whatever is not a Refusal is a bug in the simulator or in a test's `fault`, and must not pass for the service's. */
	function refused(record: RecordedRequest, error: unknown): Answer {
		if (stopping.signal.aborted) throw error;
		if (error instanceof Refusal) return failed(record, error);
		return failed(record, { status: 500, code: 'SIMULATOR_BROKEN', message: String(error) });
	}

	function failed(record: RecordedRequest, what: Failure): Answer {
		const { status, code, body } = failure(what, answerShape);
		record.code = code;
		return json(status, body);
	}

	const server = createServer((request, response) => {
		const work = handle(new Exchange(request, response, stopping.signal, options.onRequest)).catch((error: unknown) => {
			if (!stopping.signal.aborted) throw error;
		});
		running.add(work);
		void work.finally(() => running.delete(work));
	});
	// A client that reuses a connection late must not find it just being closed.
	server.keepAliveTimeout = 60_000;
	async function open(port: number): Promise<number> {
		stopping = new AbortController();
		// Every delayed request listens to it.
		setMaxListeners(0, stopping.signal);
		server.listen(port, '127.0.0.1');
		await once(server, 'listening');
		return portOf(server);
	}

	async function close(): Promise<void> {
		stopping.abort();
		const closed = new Promise<void>((resolve) => server.close(() => resolve()));
		server.closeAllConnections();
		await closed;
		await Promise.all(running);
	}

	const port = await open(options.port ?? 0);

	return {
		baseUrl: `http://127.0.0.1:${port}`,
		requests,
		creditRequests,
		accounts,
		get peakConcurrency() {
			return peakConcurrency;
		},
		setFault(next) {
			fault = next;
		},
		reset() {
			requests.length = 0;
			creditRequests.length = 0;
			peakConcurrency = underWay;
			fault = undefined;
		},
		async away(ms) {
			await close();
			await sleep(ms);
			await open(port);
		},
		close,
	};
}

/** A pseudo-random number from 0 to 1, always the same for the same input. */
function chance(number: number): number {
	return Number.parseInt(sha256(Buffer.from(`${number}`)).slice(0, 8), 16) / 2 ** 32;
}

/** The documented list of credits, universal ones only. Its times are assumed to be seconds since 1970. */
function balances(account: Account): object[] {
	const balance = Math.min(account.credits, UNLIMITED_BALANCE);
	return [
		{
			unique_sign: 'common',
			name: 'Universal credits',
			balance,
			total: balance,
			last_recharge_balance: balance,
			balance_warning: 0,
			first_buy_time: 0,
			last_update_time: Math.floor(Date.now() / 1000),
		},
	];
}

function json(status: number, content: object): Answer {
	return raw(status, JSON.stringify(content));
}

function raw(status: number, body: string | Buffer, contentType = 'application/json'): Answer {
	return { status, headers: { 'content-type': contentType }, body: Buffer.from(body) };
}
