import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import { RequestReader } from './input/request';
import type { Surroundings } from './mergePair';
import { isAgentTool, OutputItems } from './output/item';
import { Failures } from './output/outcome';
import type { ImageRole } from './pictures/imageRequirements';
import { InputPictures } from './pictures/inputPictures';
import { PictureStore } from './pictures/store';
import { StoredBinaries } from './pictures/storedBinaries';

/** How many items are looked at at a time: as many pictures behind links are downloaded. */
const AT_A_TIME = 5;

/**
 * Looks at every input item's pictures as a merge would, and sends nothing. A picture that is missing or unfit is a result.
 * @returns one output item for each input item, in the same order
 * @throws NodeOperationError for a parameter that cannot be read, or a store that cannot, unless On Error says to continue or
 * an agent runs the node; and the signal's reason for a cancelled execution
 */
export async function checkBatch(
	context: IExecuteFunctions,
	{ clock, random }: Pick<Surroundings, 'clock' | 'random'>,
): Promise<INodeExecutionData[]> {
	const node = context.getNode();
	const items = context.getInputData();
	const isAgent = isAgentTool(node);
	const continues = context.continueOnFail() || isAgent;
	const failures = new Failures(node, items.length, isAgent);
	const cancelled = context.getExecutionCancelSignal();
	const ending = new AbortController();
	const closed = AbortSignal.any([ending.signal, ...(cancelled ? [cancelled] : [])]);
	const store = new PictureStore(context, { clock, random, closed, cancelled });
	const inputPictures = new InputPictures(context, store, { clock, random, signal: closed });
	const storedBinaries = new StoredBinaries(context);
	const output = new OutputItems(node, isAgent, storedBinaries.isCombined);

	const check = async (itemIndex: number, input: INodeExecutionData): Promise<INodeExecutionData> => {
		const request = new RequestReader(context, itemIndex, storedBinaries).pictures();
		const inspect = async (role: ImageRole) => await inputPictures.find(role, request.pictures[role], request, false);
		return output.checked(itemIndex, { target: await inspect('target'), template: await inspect('template') }, input);
	};

	const checked: INodeExecutionData[] = [];
	// One iterator for all, so that whoever is free takes the next item.
	const waiting = items.entries();
	const takeItems = async () => {
		for (const [itemIndex, input] of waiting) {
			closed.throwIfAborted();
			checked[itemIndex] = await check(itemIndex, input).catch((error: unknown) => {
				const failure = failures.of(itemIndex, { kind: 'thrown', error });
				if (continues) return output.failed(itemIndex, failure, input, '', 'pictureCheck');
				// Nobody waits for the others any more.
				ending.abort();
				throw failure.error;
			});
		}
	};
	await Promise.all(Array.from({ length: AT_A_TIME }, takeItems));
	return checked;
}
