/** A web site on this machine that is not AILabTools: it answers every request alike. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';

export interface SiteAnswer {
	status: number;
	headers?: OutgoingHttpHeaders;
	body?: string;
}

export type Site = Awaited<ReturnType<typeof startSite>>;

export async function startSite({ status, headers = {}, body = '' }: SiteAnswer) {
	/** The headers of each request, in order of arrival. */
	const requests: IncomingHttpHeaders[] = [];
	const server = createServer((request, response) => {
		requests.push(request.headers);
		// A client must not be cut off writing.
		request.resume().once('end', () => response.writeHead(status, headers).end(body));
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	return {
		url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
		requests,
		async close(): Promise<void> {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}
