/** A web site that is not AILabTools, as it may stand anywhere: what it was asked, and how far it got with its answers. */
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';

import { portOf } from './required';

export interface SiteAnswer {
	/** Default 200. */
	status?: number;
	headers?: OutgoingHttpHeaders;
	body?: Buffer | string;
}

/** Answers by hand. `index` counts the requests for the path, from 0. */
type Answering = (response: ServerResponse, index: number) => void;

export interface SiteRequest {
	method: string;
	/** With the query. */
	path: string;
	headers: IncomingHttpHeaders;
}

export type Site = Awaited<ReturnType<typeof startSite>>;

/** @param otherwise the answer for every path that has none of its own */
export async function startSite(otherwise: SiteAnswer = { status: 404 }) {
	const answers = new Map<string, SiteAnswer | Answering>();
	const requests: SiteRequest[] = [];
	const server = createServer((request, response) => {
		const { method = '', url = '', headers } = request;
		const [name = ''] = url.split('?');
		const index = requests.filter(({ path }) => path.split('?')[0] === name).length;
		requests.push({ method, path: url, headers });
		const answer = answers.get(name) ?? otherwise;
		// A client must not be cut off writing.
		request.resume().once('end', () => {
			if (typeof answer === 'function') return answer(response, index);
			response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

	return {
		url: `http://127.0.0.1:${portOf(server)}`,
		/** In order of arrival. */
		requests,

		/** @param path without a query: whatever follows a question mark is answered alike */
		serve(path: string, answer: SiteAnswer | Answering): void {
			answers.set(path, answer);
		},

		reset(): void {
			answers.clear();
			requests.length = 0;
		},

		async close(): Promise<void> {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}
