import type { IDataObject, INode, INodeExecutionData } from 'n8n-workflow';

import { isRecord } from '../base/values';
import type { MergeRequest } from '../input/request';
import type { PaidResult } from '../paid/results';
import { isMendable, unfitForVisitor, type ImageRole } from '../pictures/imageRequirements';
import type { FoundPicture } from '../pictures/inputPictures';
import { sentence, type Failure } from './outcome';

/** A merged pair as its item shows it. */
export interface MergedPair {
	request: Pick<MergeRequest, 'outputField' | 'similarity' | 'includeOtherFields'>;
	result: PaidResult;
	/** Of its file, with the extension. */
	fileName: string;
	reused: boolean;
	/** Undefined when no link was asked for. */
	downloadUrl: string | undefined;
}

/**
 * Whether the node runs as an AI agent's tool, for which n8n creates a separate node type. Its `isToolExecution` misses AI
 * Agent 3, which has the engine run tools like any other node.
 */
export const isAgentTool = ({ type }: INode) => type.endsWith('Tool');

/** Makes the output items of a batch, each in place of its input item: for a workflow, or for an AI agent. */
export class OutputItems {
	constructor(
		private readonly node: INode,
		private readonly isAgent: boolean,
		private readonly isCombined: boolean,
	) {}

	/** The merged picture before the input's binaries. Carries no `error`. */
	merged(
		itemIndex: number,
		{ request, result, fileName, reused, downloadUrl }: MergedPair,
		input: INodeExecutionData,
	): INodeExecutionData {
		const { similarity, outputField, includeOtherFields } = request;
		const { requestId, logId, attempts, width, height } = result;
		const picture = { [outputField]: { ...result.binary, fileName } };
		const pairedItem = { item: itemIndex };
		if (this.isAgent) {
			// An agent reads the JSON, and cannot access binaries.
			const { mimeType } = result.binary;
			return { json: { downloadUrl, fileName, mimeType, width, height, similarity }, binary: picture, pairedItem };
		}
		const { json, binary } = includeOtherFields
			? passedOn(input, this.isCombined, outputField)
			: { json: {}, binary: {} };
		const link = downloadUrl === undefined ? {} : { downloadUrl };
		const mergePortraits = { requestId, logId, similarity, attempts, reused, ...link };
		return { json: { ...json, mergePortraits }, binary: { ...picture, ...binary }, pairedItem };
	}

	/**
	 * Has no picture in the output field, so that no later node takes the original for the merged one.
	 * @param outputField undefined when it is unknown: then the item has no picture at all
	 * @param stale what an earlier such node may have said of an earlier success
	 */
	failed(
		itemIndex: number,
		{ error, fields }: Failure,
		input: INodeExecutionData,
		outputField: string | undefined,
		stale: 'mergePortraits' | 'pictureCheck',
	): INodeExecutionData {
		const pairedItem = { item: itemIndex };
		if (this.isAgent) {
			// In one text: of a thrown error an agent would read only the message.
			const { message, description } = error;
			return { json: { error: description ? `${message}. What to do: ${description}` : message }, pairedItem };
		}
		const { json, binary } = passedOn(input, this.isCombined, outputField);
		// Undefined, because n8n's error output adds what the input item had and this one has not.
		const item = { json: { ...json, [stale]: undefined, ...fields }, binary, pairedItem };
		if (this.node.onError === 'continueErrorOutput') {
			// n8n moves copies of items that carry an error to the error output, and replaces the json of a copy that still
			// carries it with the message alone. A property that is not enumerable is not copied.
			Object.defineProperty(item, 'error', { value: error, enumerable: false });
		}
		return item;
	}

	/** Two pictures that were looked at. */
	checked(
		itemIndex: number,
		inspections: Record<ImageRole, FoundPicture>,
		input: INodeExecutionData,
	): INodeExecutionData {
		const target = inspected('target', inspections.target);
		const template = inspected('template', inspections.template);
		const unfit = [...inspections.target.unfit, ...inspections.template.unfit];
		const pictureCheck = {
			fits: target.fits && template.fits,
			canBeMadeFit: target.canBeMadeFit && template.canBeMadeFit,
			...(unfit.length > 0 && { visitorMessage: unfitForVisitor(unfit) }),
			target,
			template,
		};
		const { json, binary } = passedOn(input, this.isCombined, '');
		return { json: { ...json, pictureCheck }, binary, pairedItem: { item: itemIndex } };
	}
}

function inspected(role: ImageRole, { header, byteLength, unfit }: FoundPicture) {
	return {
		format: header?.format.name,
		width: header?.width,
		height: header?.height,
		bytes: byteLength,
		upright: header?.upright,
		fits: unfit.length === 0,
		canBeMadeFit: isMendable(role, header) && unfit.every(({ mendable }) => mendable),
		code: unfit[0]?.code,
		message: unfit.length > 0 ? unfit.map(sentence).join('; ') : undefined,
	};
}

/**
 * What an item keeps of its input: not an earlier node's `error`, and nothing in the output field.
 * @param outputField undefined for no binaries at all
 * @param isCombined whether n8n keeps binaries in the JSON, where it takes nothing but an object
 */
function passedOn({ json, binary = {} }: INodeExecutionData, isCombined: boolean, outputField: string | undefined) {
	const kept: IDataObject = without(json, 'error');
	if (isCombined && '_files' in kept) {
		const { _files } = kept;
		kept._files = isRecord(_files) && !Array.isArray(_files) ? without(_files, outputField) : {};
	}
	return { json: kept, binary: without(binary, outputField) };
}

const without = <T>(fields: Record<string, T>, name: string | undefined): Record<string, T> =>
	name === undefined ? {} : Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name));
