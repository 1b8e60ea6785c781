/**
 * An HTTP server on this machine that behaves as AILabTools' documentation says the face-fusion service does, pictures
 * included, and that fails on demand. It records every request as it came over the wire.
 */
import { once, setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Account, type AccountOptions } from './accounts';
import { blend, encode } from './blend';
import { Exchange, sha256, type Answer, type RecordedRequest, type UploadedFile } from './exchange';
import { SIMULATOR_KEY } from './key';
import { checkForm, checkPicture, failure, Refusal, success, type AnswerShape, type Failure } from './rules';

export type { AccountOptions } from './accounts';
export type { RecordedFile, RecordedRequest } from './exchange';

export const MERGE_PATH = '/api/portrait/effects/face-fusion';
export const CREDITS_PATH = '/api/common/query-credits';

/** What a merge request meets instead of the answer it would get. Nothing is charged, except with `drip`. */
export type Fault =
	/** A failed answer in the documented form. */
	| ({ kind: 'status'; retryAfterSeconds?: number } & Failure)
	/** The connection is reset. */
	| { kind: 'reset' }
	/** No answer, ever. */
	| { kind: 'hang' }
	/** The right answer, slowly. */
	| { kind: 'drip'; bytesPerSecond: number }
	/** An HTML page, as a proxy would answer. */
	| { kind: 'html'; status: number }
	/** Any body; application/json unless told otherwise. */
	| { kind: 'body'; status: number; body: string | Buffer; contentType?: string }
	/** 307, which asks for the same request, pictures included, at another address. */
	| { kind: 'redirect'; location: string };

export interface SimulatorOptions {
	/** Default 0: any free port. */
	port?: number;
	/** Default: one with `SIMULATOR_KEY` and no limits. */
	accounts?: AccountOptions[];
	/** How long a merge takes at least, in ms; default 0. */
	latencyMs?: number;
	/**
	 * A line whose delay varies: each merge request gets to its account late, by up to so many ms, the same for the same
	 * place in the order of arrival; default 0.
	 */
	delayMs?: number;
	/** Default `jpeg`. */
	outputFormat?: 'jpeg' | 'png';
	/** Whether answers have the older error_code fields; default `full`: they do. */
	answerShape?: AnswerShape;
	/** Whether the picture's Base64 has its slashes as `\/`, as PHP writes them; default false. */
	escapeSlashes?: boolean;
	/**
	 * What every pair is answered with, a number behind it apart; nobody looks at the pictures that are sent. For
	 * benchmarks: the service's work is not this machine's.
	 */
	answerPicture?: Buffer;
	/** Whether recorded files keep their bytes; by default they do, unless nobody looks at them. */
	keepBytes?: boolean;
	/** Asked for each merge request within its account's limits, when it has been read and before any other check. */
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
	/** By key, with the balance and the limits of this moment, which can be set. */
	accounts: Map<string, Pick<Account, 'credits' | 'maxConcurrentRequests' | 'maxRequestsPerSecond'>>;
	/** The most merge requests, refused ones included, that were under way at once. */
	peakConcurrency: number;
	setFault(fault: SimulatorOptions['fault']): void;
	/** Forgets requests, peak and fault. Balances and limits stay. */
	reset(): void;
	/** Ends the server and every connection, hanging ones too. */
	close(): Promise<void>;
}

/** How many merged pictures are kept: the same two pictures at the same similarity always merge into the same one. */
const KEPT_RESULTS = 32;

/** What an account without end is said to hold: JSON has no infinity. */
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
	const stopping = new AbortController();
	const { signal } = stopping;
	// Every merge that is being waited for listens.
	setMaxListeners(0, signal);
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

	/** The checks in the order of the service: who, how often, the form, the pictures, the price. */
	async function merge(exchange: Exchange): Promise<void> {
		const { record } = exchange;
		const { delayMs = 0 } = options;
		const account = accountOf(record);
		if (delayMs > 0) await sleep(delayMs * chance(record.index), undefined, { signal });
		account.enter(performance.now());
		try {
			const files = await exchange.readForm(keepBytes, answerPicture === undefined);
			const wrong = fault?.(record);
			if (wrong && wrong.kind !== 'drip') return await fail(exchange, wrong);
			const answer = await merged(record, files, account).catch((error: unknown) => refused(record, error));
			await exchange.send(answer, wrong?.bytesPerSecond);
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
		await sleep(Math.max(0, latencyMs - (performance.now() - begun)), undefined, { signal });
		account.charge();
		record.resultSha256 = sha256(picture);
		return successWith(picture);
	}

	/** Base64 needs no escapes, and to look for some in megabytes takes time. */
	function successWith(picture: Buffer): Answer {
		const mark = '(picture)';
		const [head, tail] = JSON.stringify(success({ image: mark }, answerShape)).split(mark);
		const base64 = picture.toString('base64');
		return raw(200, head + (escapeSlashes ? base64.replaceAll('/', '\\/') : base64) + tail);
	}

	/** The merged picture as a file, or a refusal of either of the two. */
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

	async function fail(exchange: Exchange, wrong: Exclude<Fault, { kind: 'drip' }>): Promise<void> {
		switch (wrong.kind) {
			case 'reset':
				return exchange.reset();
			case 'hang':
				return await exchange.ended();
			case 'status': {
				const answer = failed(exchange.record, wrong);
				if (wrong.retryAfterSeconds !== undefined) answer.headers['retry-after'] = `${wrong.retryAfterSeconds}`;
				return await exchange.send(answer);
			}
			case 'html':
				return await exchange.send(raw(wrong.status, `<html><h1>${wrong.status}</h1></html>`, 'text/html'));
			case 'body':
				return await exchange.send(raw(wrong.status, wrong.body, wrong.contentType));
			case 'redirect':
				return await exchange.send({ status: 307, headers: { location: wrong.location }, body: Buffer.alloc(0) });
		}
	}

	function accountOf(record: RecordedRequest): Account {
		const account = accounts.get(String(record.headers['ailabapi-api-key']));
		if (!account) throw new Refusal('ERROR_USER_NOT_EXISTS', 'no user has this key');
		if (account.locked) throw new Refusal('ERROR_USER_LOCKED', 'this user is locked');
		return account;
	}

	/** Whatever is no refusal is a mistake in the simulator or in a test's own fault, and must not pass for the service's. */
	function refused(record: RecordedRequest, error: unknown): Answer {
		if (signal.aborted) throw error;
		if (error instanceof Refusal) return failed(record, error);
		return failed(record, { status: 500, code: 'SIMULATOR_BROKEN', message: String(error) });
	}

	function failed(record: RecordedRequest, what: Failure): Answer {
		const { status, code, body } = failure(what, answerShape);
		record.code = code;
		return json(status, body);
	}

	const server = createServer((request, response) => {
		const work = handle(new Exchange(request, response, signal, options.onRequest)).catch((error: unknown) => {
			if (!signal.aborted) throw error;
		});
		running.add(work);
		void work.finally(() => running.delete(work));
	});
	// A client that reuses a connection late must not meet one that is just being closed.
	server.keepAliveTimeout = 60_000;
	server.listen(options.port ?? 0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();

	return {
		baseUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
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
		async close() {
			stopping.abort();
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			server.closeAllConnections();
			await closed;
			await Promise.all(running);
		},
	};
}

/** From 0 to 1, as good as random, always the same for the same number. */
function chance(number: number): number {
	return Number.parseInt(sha256(Buffer.from(`${number}`)).slice(0, 8), 16) / 2 ** 32;
}

/** The documented list of credits, universal ones only. Its times are taken to be seconds since 1970. */
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
