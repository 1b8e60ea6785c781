/** A web server with pictures, as it may stand anywhere: what it was asked, and how far it got with its answers. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a path is answered: as a whole, or by hand. `index` counts the requests for the path, from 0. */
export type HostedAnswer =
	| { status?: number; headers?: Record<string, string>; body?: Buffer | string }
	| ((response: ServerResponse, index: number) => void);

export interface PictureRequest {
	method: string;
	/** With the query. */
	path: string;
	headers: IncomingHttpHeaders;
}

export type PictureHost = Awaited<ReturnType<typeof startPictureHost>>;

export async function startPictureHost() {
	const answers = new Map<string, HostedAnswer>();
	const requests: PictureRequest[] = [];
	const server = createServer(({ method = '', url = '', headers }, response) => {
		const [name = ''] = url.split('?');
		const index = requests.filter(({ path }) => path.split('?')[0] === name).length;
		requests.push({ method, path: url, headers });
		const answer = answers.get(name) ?? { status: 404 };
		if (typeof answer === 'function') return answer(response, index);
		response.writeHead(answer.status ?? 200, answer.headers);
		response.end(answer.body);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port }: Pick<AddressInfo, 'port'> = Object(server.address());

	return {
		url: `http://127.0.0.1:${port}`,
		requests,

		/** @param path without a query: whatever follows a question mark is answered alike */
		serve(path: string, answer: HostedAnswer): void {
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
