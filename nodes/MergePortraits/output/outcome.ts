import { NodeApiError, NodeOperationError, type IDataObject, type INode, type INodeExecutionData } from 'n8n-workflow';

import type { PaidResult } from '../paid/results';
import { isAgentTool, tellFailure, tellPicture } from './agentTool';
import { refusalForVisitor, type Refusal } from '../api/codes';
import type { MergeRequest } from '../input/request';
import { unfitForVisitor } from '../pictures/imageRequirements';
import type { InputPicture, UnfitPicture } from '../pictures/inputPictures';

/** What became of an item. */
export type Outcome =
	| {
			kind: 'merged';
			request: MergeRequest;
			fileName: string;
			result: PaidResult;
			reused: boolean;
			/** Undefined when no link was asked for. */
			downloadUrl: string | undefined;
	  }
	/** The pictures do not meet the requirements; nothing was sent. */
	| { kind: 'unfit'; unfit: UnfitPicture['unfit'] }
	| { kind: 'refused'; refusal: Refusal }
	/** Not sent, because the batch had ended: `for` what would happen to every pair, by On Error, or by cancellation. */
	| { kind: 'heldBack'; for?: HeldBackFor }
	/** Merged and billed, but n8n could not keep the picture. */
	| { kind: 'notStored'; requestId?: string; logId?: string; cause: unknown }
	/** Whatever was thrown while the item was worked on, such as by an expression that n8n cannot resolve. */
	| { kind: 'thrown'; error: unknown };

/** Why an item has no picture: n8n's error for the screen, and its facts as fields for an IF node to branch on. */
export interface Failure {
	error: NodeApiError | NodeOperationError;
	fields: IDataObject;
}

/** A failure's facts that a workflow may branch on, and that AILabTools' support asks for. */
interface Facts {
	code?: string;
	requestId?: string;
	logId?: string;
	httpStatus?: number;
}

/** What would happen to every other pair too. */
export type HeldBackFor = Extract<Outcome, { kind: 'refused' | 'notStored' }>;

/** Whether the same would happen to every other pair. */
export function meetsEveryPair(outcome: Outcome): outcome is HeldBackFor {
	if (outcome.kind === 'notStored') return true;
	return outcome.kind === 'refused' && ['account', 'load'].includes(outcome.refusal.blame);
}

/** Whether no more pairs of the batch are to be sent. */
export function endsBatch(outcome: Outcome, continueOnFail: boolean): boolean {
	switch (outcome.kind) {
		case 'merged':
		case 'heldBack':
			return false;
		case 'refused':
		case 'notStored':
		case 'unfit':
		case 'thrown':
			return meetsEveryPair(outcome) || !continueOnFail;
	}
}

/** Why the item has no picture; undefined when it has one, or was held back without a reason to tell. */
export function failureOf(node: INode, itemIndex: number, outcome: Outcome): Failure | undefined {
	switch (outcome.kind) {
		case 'merged':
			return undefined;
		case 'unfit':
			return unfitFailure(node, itemIndex, outcome.unfit);
		case 'refused':
			return refusalFailure(node, itemIndex, outcome.refusal);
		case 'heldBack':
			return outcome.for && heldBackFailure(node, itemIndex, outcome.for);
		case 'notStored':
			return notStoredFailure(node, itemIndex, outcome);
		case 'thrown':
			return thrownFailure(node, itemIndex, outcome.error);
	}
}

function failure(error: Failure['error'], visitorMessage: string, facts: Facts = {}): Failure {
	const { message, description } = error;
	return { error, fields: { error: message, description, visitorMessage, ...facts } };
}

function refusalFailure(node: INode, itemIndex: number, refusal: Refusal, prefix = ''): Failure {
	const { what, advice, detail, httpStatus, code, requestId, logId } = refusal;
	const message = `${prefix}${what} [item ${itemIndex}]`;
	const error = new NodeApiError(node, {}, { message, httpCode: httpStatus?.toString(), itemIndex });
	const facts = { code, requestId, logId, httpStatus };
	// Set here, because what n8n finds in a response overrides a description passed to the constructor.
	error.description = [advice, detail && `AILabTools says: “${detail}”`, forSupport(facts)].filter(Boolean).join(' ');
	return failure(error, refusalForVisitor(refusal), facts);
}

/** The facts under the names that AILabTools support knows. */
function forSupport({ code, requestId, logId }: Facts): string {
	return Object.entries({ code, request_id: requestId, log_id: logId })
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `${name}: ${value}`)
		.join(', ');
}

function unfitFailure(node: INode, itemIndex: number, unfit: UnfitPicture['unfit']): Failure {
	const sentences = unfit.map(
		({ label, found, allowed }) => `'${label}' ${found}${allowed ? `, allowed: ${allowed}` : ''}`,
	);
	// Somebody talking to an agent cannot put a node before this one.
	const forAgent = isAgentTool(node);
	const ways = unfit.map(({ wayOut, visitorWayOut }) => (forAgent ? visitorWayOut : wayOut));
	const description = [...new Set(ways)].join(' ');
	const message = `${sentences.join('; ')} [item ${itemIndex}]`;
	const error = new NodeOperationError(node, message, { itemIndex, description });
	return failure(error, unfitForVisitor(unfit), { code: unfit[0]?.code });
}

function heldBackFailure(node: INode, itemIndex: number, because: HeldBackFor): Failure {
	if (because.kind === 'refused') return refusalFailure(node, itemIndex, because.refusal, 'Not sent: ');
	const message = `Not sent: n8n could not store the picture of another pair [item ${itemIndex}]`;
	const error = new NodeOperationError(node, message, { itemIndex, description: checkStorage });
	return failure(error, tryLater);
}

const checkStorage = 'Check the disk, database or bucket where n8n keeps binary data.';
const tryLater = 'The pictures could not be merged for now. Please try again later.';

function notStoredFailure(
	node: INode,
	itemIndex: number,
	{ cause, requestId, logId }: Extract<Outcome, { kind: 'notStored' }>,
): Failure {
	const said = cause instanceof Error ? cause.message : String(cause);
	const message = `The pair was merged and billed, but n8n could not store the picture [item ${itemIndex}]`;
	const advice = `${checkStorage} This pair must be paid for again. n8n says: “${said}”`;
	const description = [advice, forSupport({ requestId, logId })].filter(Boolean).join(' ');
	const error = new NodeOperationError(node, message, { itemIndex, description });
	return failure(error, tryLater, { requestId, logId });
}

/** The failure for whatever was thrown: n8n's own errors stay as they are. */
export function thrownFailure(node: INode, itemIndex: number, thrown: unknown): Failure {
	const forVisitor = 'The pictures could not be merged. Check what you entered, or try again later.';
	if (thrown instanceof NodeApiError || thrown instanceof NodeOperationError) return failure(thrown, forVisitor);
	const error = thrown instanceof Error ? thrown : new Error(String(thrown));
	const message = `${error.message} [item ${itemIndex}]`;
	return failure(new NodeOperationError(node, error, { itemIndex, message }), forVisitor);
}

/** The output's file name without path and extension: the given one, or the target's with `-merged`. */
export function outputBaseName({ fileName }: MergeRequest, { baseName = '' }: InputPicture): string {
	const lastPart = (path: string) => path.replace(/^.*[\\/]/s, '');
	return lastPart(fileName).replace(/\.(jpe?g|png|bmp|webp)$/i, '') || `${lastPart(baseName) || 'portrait'}-merged`;
}

/** The output item of a merged pair, the merged picture before the input's binaries. */
export function mergedItem(
	node: INode,
	itemIndex: number,
	{ request, fileName, result, reused, downloadUrl }: Extract<Outcome, { kind: 'merged' }>,
	input: INodeExecutionData,
): INodeExecutionData {
	const { similarity, outputField, includeOtherFields } = request;
	const { requestId, logId, attempts, extension } = result;
	const picture = { ...result.binary, fileName: `${fileName}.${extension}` };
	const pairedItem = { item: itemIndex };
	if (isAgentTool(node)) {
		const json = tellPicture(picture, result, similarity, downloadUrl);
		return { json, binary: { [outputField]: picture }, pairedItem };
	}
	const kept: INodeExecutionData = includeOtherFields ? input : { json: {} };
	const others = Object.entries(kept.binary ?? {}).filter(([field]) => field !== outputField);
	const link = downloadUrl === undefined ? {} : { downloadUrl };
	return {
		json: { ...kept.json, mergePortraits: { requestId, logId, similarity, attempts, reused, ...link } },
		binary: { [outputField]: picture, ...Object.fromEntries(others) },
		pairedItem,
	};
}

/** The output item of a failure, in place of its input item. */
export function failureItem(
	node: INode,
	itemIndex: number,
	{ error, fields }: Failure,
	input: INodeExecutionData,
): INodeExecutionData {
	const pairedItem = { item: itemIndex };
	if (isAgentTool(node)) return { json: tellFailure(error), pairedItem };
	const item = { ...input, json: { ...input.json, ...fields }, pairedItem };
	if (node.onError === 'continueErrorOutput') {
		// n8n moves copies of items that carry an error to the error output, and replaces the json of a copy that still
		// carries it with the message alone. A property that is not enumerable is not copied.
		Object.defineProperty(item, 'error', { value: error, enumerable: false });
	}
	return item;
}
