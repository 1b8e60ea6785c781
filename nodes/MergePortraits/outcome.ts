import {
	NodeApiError,
	NodeOperationError,
	type IDataObject,
	type IExecuteFunctions,
	type INode,
	type INodeExecutionData,
} from 'n8n-workflow';

import { refusalForVisitor, type Refusal } from './api/codes';
import { violationsForVisitor } from './pictures/imageRequirements';
import type { UnfitPicture } from './pictures/inputPictures';

/** Why an item has no picture: n8n's error for the screen, and the same as fields for an IF node to branch on. */
export class Failure {
	readonly fields: IDataObject;

	constructor(
		readonly error: NodeApiError | NodeOperationError,
		visitorMessage: string,
		facts: { code?: string; requestId?: string; logId?: string; httpStatus?: number } = {},
	) {
		const { message, description } = error;
		this.fields = { error: message, description, visitorMessage, ...facts };
	}
}

/** The failure of an item that AILabTools refused, or that was not sent because it would be. */
export function refusalFailure(node: INode, itemIndex: number, refusal: Refusal, sent = true): Failure {
	const { what, advice, detail, httpStatus, code, requestId, logId } = refusal;
	const message = sent ? what : `Not sent: ${what}`;
	const error = new NodeApiError(
		node,
		{},
		{ message: `${message} [item ${itemIndex}]`, httpCode: httpStatus?.toString(), itemIndex },
	);
	const facts = Object.entries({ code, request_id: requestId, log_id: logId })
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `${name}: ${value}`);
	// Set here, because what n8n finds in a response wins over a description that is passed in.
	error.description = [advice, detail && `AILabTools says: “${detail}”`, facts.join(', ')].filter(Boolean).join(' ');
	return new Failure(error, refusalForVisitor(refusal), { code, requestId, logId, httpStatus });
}

/** The failure of an item whose pictures do not meet the requirements; nothing was sent. */
export function violationFailure(
	node: INode,
	itemIndex: number,
	violations: UnfitPicture['violations'],
): Failure {
	const sentences = violations.map(({ label, found, allowed }) => `'${label}' ${found}, allowed: ${allowed}`);
	const description = [...new Set(violations.map(({ wayOut }) => wayOut))].join(' ');
	return new Failure(
		new NodeOperationError(node, `${sentences.join('; ')} [item ${itemIndex}]`, { itemIndex, description }),
		violationsForVisitor(violations),
		{ code: violations[0]?.code },
	);
}

/** The failure for whatever was thrown while an item was read, such as an expression that n8n cannot resolve. */
export function thrownFailure(node: INode, itemIndex: number, thrown: unknown): Failure {
	const forVisitor = 'The pictures could not be merged. Check what you entered, or try again later.';
	if (thrown instanceof NodeApiError || thrown instanceof NodeOperationError) return new Failure(thrown, forVisitor);
	const error = thrown instanceof Error ? thrown : new Error(String(thrown));
	return new Failure(
		new NodeOperationError(node, error, { itemIndex, message: `${error.message} [item ${itemIndex}]` }),
		forVisitor,
	);
}

/** The output item of a failure, in the place of its input item. */
export function failureItem(
	context: IExecuteFunctions,
	itemIndex: number,
	{ error, fields }: Failure,
	input: INodeExecutionData,
): INodeExecutionData {
	const item = { ...input, json: { ...input.json, ...fields }, pairedItem: { item: itemIndex } };
	if (context.getNode().onError === 'continueErrorOutput') {
		// n8n moves items that carry an error to the error output, as copies; where the copy still carries it, n8n replaces
		// the json by the message alone. What is not enumerable is not copied.
		Object.defineProperty(item, 'error', { value: error, enumerable: false });
	}
	return item;
}
