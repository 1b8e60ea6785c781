import { NodeOperationError, type INode } from 'n8n-workflow';

/** n8n has words of its own for messages that hold the likes of ENOENT, even within a name that they quote. */
export function operationError(
	node: INode,
	message: string,
	options: { itemIndex?: number; description: string },
): NodeOperationError {
	const error = new NodeOperationError(node, message, options);
	error.message = message;
	return error;
}
