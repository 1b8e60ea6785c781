import type { IBinaryData, IDataObject, INode } from 'n8n-workflow';

import type { PaidResult } from '../paid/results';

/**
 * Whether the node runs as an AI agent's tool, for which n8n creates a separate node type. Its `isToolExecution` misses AI
 * Agent 3, which has the engine run tools like any other node.
 */
export const isAgentTool = ({ type }: INode) => type.endsWith('Tool');

/** What an agent is told about its picture: it reads the output's json and cannot access binaries. */
export function tellPicture(
	{ fileName, mimeType }: IBinaryData,
	{ width, height }: PaidResult,
	similarity: number | undefined,
	downloadUrl: string | undefined,
): IDataObject {
	return { downloadUrl, fileName, mimeType, width, height, similarity };
}

/** What an agent is told when there is no picture, in one text: of a thrown error it would read only the message. */
export function tellFailure({ message, description }: { message: string; description?: string | null }): IDataObject {
	const what = message.replace(/ \[item \d+\]$/, '');
	return { error: description ? `${what}. What to do: ${description}` : what };
}
