/** A client of the Model Context Protocol, as Claude or Cursor is one: the protocol's own SDK, which n8n brings. */
import { createRequire } from 'node:module';

import { installShown, NEWEST_N8N } from './installation';

interface Tool {
	name: string;
	description?: string;
	/** JSON schema. */
	inputSchema: { properties?: Record<string, { type?: string; description?: string }>; required?: string[] };
}

interface Answer {
	content: Array<{ type: string; text?: string }>;
	isError?: boolean;
}

/** What is used of the SDK. */
interface Client {
	connect(transport: object): Promise<void>;
	listTools(): Promise<{ tools: Tool[] }>;
	callTool(call: { name: string; arguments: object }): Promise<Answer>;
	getInstructions(): string | undefined;
	close(): Promise<void>;
}
interface Sdk {
	Client: new (client: { name: string; version: string }) => Client;
	StreamableHTTPClientTransport: new (url: URL, options: { requestInit: { headers: object } }) => object;
}

export type McpClient = Awaited<ReturnType<typeof connectMcp>>;

/** Connects to an MCP server. @throws the SDK's error, with the HTTP status as its `code`, when it is not let in */
export async function connectMcp(url: string, token: string) {
	const { script } = await installShown(NEWEST_N8N);
	const load = createRequire(script);
	const { Client }: Pick<Sdk, 'Client'> = load('@modelcontextprotocol/sdk/client/index.js');
	const { StreamableHTTPClientTransport }: Pick<Sdk, 'StreamableHTTPClientTransport'> = load(
		'@modelcontextprotocol/sdk/client/streamableHttp.js',
	);
	const client = new Client({ name: 'lab', version: '1.0.0' });
	const headers = { authorization: `Bearer ${token}` };
	await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));

	return {
		/** What the server tells every model. */
		instructions: (): string | undefined => client.getInstructions(),

		tools: async (): Promise<Tool[]> => (await client.listTools()).tools,

		/** What the model is told by a tool, word for word. */
		async call(name: string, given: object): Promise<string> {
			const { content } = await client.callTool({ name, arguments: given });
			return content.map(({ text = '' }) => text).join('\n');
		},

		close: async (): Promise<void> => await client.close(),
	};
}
