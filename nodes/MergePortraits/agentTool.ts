import type { IBinaryData, IDataObject, INode } from 'n8n-workflow';

import type { PaidResult } from './account/results';

/**
 * Whether the node is run as the tool of an AI agent. n8n makes a node type of its own for that; its `isToolExecution` does
 * not know it with AI Agent 3, which has the engine run tools like any node.
 */
export const isAgentTool = ({ type }: INode) => type.endsWith('Tool');

/** What an agent is told of its picture: it reads the output's json, and can reach no binary. */
export function tellPicture(
	{ fileName, mimeType }: IBinaryData,
	{ width, height }: PaidResult,
	similarity: number | undefined,
	downloadUrl: string | undefined,
): IDataObject {
	return { downloadUrl, fileName, mimeType, width, height, similarity };
}

/** What an agent is told where there is no picture, in one text: of an error that is thrown it would read the message alone. */
export function tellFailure({ message, description }: { message: string; description?: string | null }): IDataObject {
	const what = message.replace(/ \[item \d+\]$/, '');
	return { error: description ? `${what}. What to do: ${description}` : what };
}
