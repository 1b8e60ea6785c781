/** A chat model as OpenAI's API has it, of which each answer is written beforehand. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import { portOf } from './required';

interface Message {
	role: string;
	content: unknown;
}

interface ChatRequest {
	messages: Message[];
	/** What the model is offered: names, descriptions, and the parameters that it may fill in. */
	tools?: Array<{ function: { name: string; description: string; parameters: object } }>;
}

/** A text, or a call of a tool with these arguments: of the first one unless it is named. */
export type ChatAnswer = { text: string } | { call: object; tool?: string };

export type ChatModel = Awaited<ReturnType<typeof startChatModel>>;

export async function startChatModel() {
	const requests: ChatRequest[] = [];
	let answer: (request: ChatRequest) => ChatAnswer = () => ({ text: '' });
	const server = createServer((message, response) => {
		const respond = async () => {
			const request: ChatRequest = Object(await json(message));
			requests.push(request);
			response.setHeader('content-type', 'application/json');
			response.end(JSON.stringify(completion(request, answer(request), requests.length)));
		};
		// n8n tries a credential out by asking for the models.
		if (message.method === 'GET') response.end('{"data":[]}');
		else respond().catch((error: unknown) => response.writeHead(500).end(String(error)));
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');

	return {
		/** Data of n8n's OpenAI credential. */
		credential: { apiKey: 'chat-key', url: `http://127.0.0.1:${portOf(server)}/v1` },
		requests,

		/** What the model says from now on. Forgets the requests until now. */
		script(next: typeof answer): void {
			requests.length = 0;
			answer = next;
		},

		/** What the tools have told the model, word for word. */
		told: (): unknown[] => toldOf(requests.at(-1)),

		async close(): Promise<void> {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

export const toldOf = (request: ChatRequest | undefined) =>
	(request?.messages ?? []).filter(({ role }) => role === 'tool').map(({ content }) => content);

function completion({ tools = [] }: ChatRequest, answer: ChatAnswer, count: number) {
	const named = tools.filter((tool) => !('tool' in answer) || tool.function.name === answer.tool);
	const called =
		'call' in answer
			? {
					content: null,
					tool_calls: named.slice(0, 1).map(({ function: { name } }) => ({
						id: `call-${count}`,
						type: 'function',
						function: { name, arguments: JSON.stringify(answer.call) },
					})),
				}
			: { content: answer.text };
	return {
		id: `completion-${count}`,
		object: 'chat.completion',
		created: 0,
		model: 'scripted',
		choices: [
			{
				index: 0,
				finish_reason: 'call' in answer ? 'tool_calls' : 'stop',
				message: { role: 'assistant', ...called },
			},
		],
		usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
	};
}
