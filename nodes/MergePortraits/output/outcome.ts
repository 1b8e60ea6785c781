import { NodeApiError, NodeOperationError, type IDataObject, type INode } from 'n8n-workflow';

import { operationError } from '../base/operationError';
import { atItem } from '../base/text';
import { refusalForVisitor, type Refusal } from '../api/codes';
import type { Obtained } from '../paid/results';
import { unfitForVisitor } from '../pictures/imageRequirements';
import type { UnfitPicture } from '../pictures/inputPictures';
import { checkStore, n8nSays } from '../pictures/store';

/** What became of an item that has no picture. */
export type WithoutPicture =
	/** The pictures are missing, or do not meet the requirements; nothing was sent. */
	| { kind: 'unfit'; unfit: UnfitPicture[] }
	/** `turned`: those that are stored turned, which may be why no face was found. */
	| { kind: 'refused'; refusal: Refusal; turned: UnfitPicture[] }
	/** Not sent, because the batch had ended. */
	| { kind: 'heldBack' }
	/** Merged and billed, but n8n could not keep the picture. */
	| { kind: 'notStored'; requestId?: string; logId?: string; cause: unknown }
	/** n8n takes no pictures now; nothing was sent. */
	| { kind: 'noStore'; cause: unknown }
	/** Whatever was thrown while the item was worked on, such as by an expression that n8n cannot resolve. */
	| { kind: 'thrown'; error: unknown };

/** What became of an item. */
export type Outcome = Obtained<WithoutPicture>;

/** What would happen to every other pair too. */
export type HeldBackFor = Extract<WithoutPicture, { kind: 'refused' | 'notStored' | 'noStore' }>;

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

/** Whether the same would happen to every other pair. */
export function meetsEveryPair(outcome: Outcome): outcome is HeldBackFor {
	if (outcome.kind === 'notStored' || outcome.kind === 'noStore') return true;
	return outcome.kind === 'refused' && ['account', 'load'].includes(outcome.refusal.blame);
}

/** Whether no more pairs of the batch are to be sent. */
export function endsBatch(outcome: Outcome, continueOnFail: boolean): boolean {
	if (outcome.kind === 'merged' || outcome.kind === 'heldBack') return false;
	return meetsEveryPair(outcome) || !continueOnFail;
}

/** Tells the failures of one batch. */
export class Failures {
	/**
	 * @param itemCount a message names its item only if there are several
	 * @param isAgent whoever talks to an agent cannot put a node before this one
	 */
	constructor(
		private readonly node: INode,
		private readonly itemCount: number,
		private readonly isAgent: boolean,
	) {}

	/**
	 * Why an item has no picture.
	 * @param endedBy what ended the batch, and would have happened to the pairs that were held back
	 */
	of(itemIndex: number, outcome: WithoutPicture, endedBy?: HeldBackFor): Failure {
		switch (outcome.kind) {
			case 'unfit':
				return this.unfit(itemIndex, outcome.unfit);
			case 'refused':
				return this.refused(itemIndex, outcome);
			case 'heldBack':
				return this.heldBack(itemIndex, endedBy);
			case 'notStored':
				return this.notStored(itemIndex, outcome);
			case 'noStore':
				return this.noStore(itemIndex, outcome.cause);
			case 'thrown':
				return this.thrown(itemIndex, outcome.error);
		}
	}

	private unfit(itemIndex: number, unfit: UnfitPicture[]): Failure {
		const message = `${unfit.map(sentence).join('; ')}${this.at(itemIndex)}`;
		const ways = [...new Set(unfit.map(({ wayOut }) => wayOut))].join(' ');
		const description = this.isAgent ? unfitForVisitor(unfit) : ways;
		const error = operationError(this.node, message, { itemIndex, description });
		return failure(error, unfitForVisitor(unfit), { code: unfit[0]?.code });
	}

	private refused(
		itemIndex: number,
		{ refusal, turned }: Omit<Extract<WithoutPicture, { kind: 'refused' }>, 'kind'>,
		prefix = '',
	): Failure {
		const { what, advice, detail, httpStatus, code, requestId, logId } = refusal;
		const message = `${prefix}${what}${this.at(itemIndex)}`;
		const error = new NodeApiError(this.node, {}, { message, httpCode: httpStatus?.toString(), itemIndex });
		const facts = { code, requestId, logId, httpStatus };
		const ways = turned.map(
			(picture) => `${sentence(picture)}. ${this.isAgent ? picture.visitorWayOut : picture.wayOut}`,
		);
		// Set here, because what n8n finds in a response overrides a description passed to the constructor.
		error.description = [advice, ...ways, detail && `AILabTools says: “${detail}”`, forSupport(facts)]
			.filter(Boolean)
			.join(' ');
		return failure(error, [refusalForVisitor(refusal), unfitForVisitor(turned)].join(' ').trim(), facts);
	}

	private heldBack(itemIndex: number, endedBy: HeldBackFor | undefined): Failure {
		if (endedBy?.kind === 'refused') return this.refused(itemIndex, { ...endedBy, turned: [] }, 'Not sent: ');
		if (endedBy) return this.noStore(itemIndex, endedBy.cause);
		const message = `Not sent: the batch had ended${this.at(itemIndex)}`;
		const error = operationError(this.node, message, { itemIndex, description: 'Run the workflow again.' });
		return failure(error, tryLater);
	}

	private noStore(itemIndex: number, cause: unknown): Failure {
		const message = `Not sent: n8n cannot store pictures now${this.at(itemIndex)}`;
		const description = `${checkStore}, then run the workflow again. ${n8nSays(cause)}.`;
		return failure(operationError(this.node, message, { itemIndex, description }), tryLater);
	}

	private notStored(
		itemIndex: number,
		{ cause, requestId, logId }: Extract<WithoutPicture, { kind: 'notStored' }>,
	): Failure {
		const message = `The pair was merged and billed, but n8n could not store the picture${this.at(itemIndex)}`;
		const advice = `${checkStore}. This pair must be paid for again. ${n8nSays(cause)}`;
		const description = [advice, forSupport({ requestId, logId })].filter(Boolean).join(' ');
		const error = operationError(this.node, message, { itemIndex, description });
		return failure(error, tryLater, { requestId, logId });
	}

	private thrown(itemIndex: number, thrown: unknown): Failure {
		if (thrown instanceof NodeApiError || thrown instanceof NodeOperationError) {
			const { visitorMessage } = thrown.context;
			return failure(thrown, typeof visitorMessage === 'string' ? visitorMessage : tryLater);
		}
		const error = thrown instanceof Error ? thrown : new Error(String(thrown));
		const message = `${error.message}${this.at(itemIndex)}`;
		return failure(new NodeOperationError(this.node, error, { itemIndex, message }), tryLater);
	}

	private at(itemIndex: number): string {
		return atItem(itemIndex, this.itemCount);
	}
}

const tryLater = 'The pictures could not be merged for now. Please try again later.';

function failure(error: Failure['error'], visitorMessage: string, facts: Facts = {}): Failure {
	const { message, description } = error;
	// Nothing of an earlier failure is left.
	const unknown = { code: undefined, requestId: undefined, logId: undefined, httpStatus: undefined };
	return { error, fields: { error: message, description, visitorMessage, ...unknown, ...facts } };
}

/** What is wrong with a picture, with its parameter's label. */
export const sentence = ({ label, found, allowed }: UnfitPicture) =>
	`'${label}' ${found}${allowed === undefined ? '' : `, allowed: ${allowed}`}`;

/** The facts under the names that AILabTools support knows. */
function forSupport({ code, requestId, logId }: Facts): string {
	return Object.entries({ code, request_id: requestId, log_id: logId })
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `${name}: ${value}`)
		.join(', ');
}
