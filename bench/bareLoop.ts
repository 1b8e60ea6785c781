import FormData from 'form-data';
import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

/**
 * The least that merges a batch over n8n's own helpers: so many requests at a time, no checks, no retries, nothing
 * remembered, the template read once.
 */
export async function bareLoop(
	context: IExecuteFunctions,
	baseUrl: string,
	atATime: number,
): Promise<INodeExecutionData[]> {
	const { helpers } = context;
	const items = context.getInputData();
	const output: INodeExecutionData[] = [];
	const template = await helpers.getBinaryDataBuffer(0, 'template');
	const url = `${baseUrl}/api/portrait/effects/face-fusion`;
	const queue = items.entries();
	const work = async () => {
		for (const [itemIndex, { json }] of queue) {
			const target = await helpers.getBinaryDataBuffer(itemIndex, 'target');
			const body = new FormData();
			body.append('image_target', target, { filename: 'target.jpg', contentType: 'image/jpeg' });
			body.append('image_template', template, { filename: 'template.jpg', contentType: 'image/jpeg' });
			body.append('source_similarity', '0.5');
			const options = { method: 'POST' as const, url, body };
			const answer = await helpers.httpRequestWithAuthentication.call(context, 'aiLabToolsApi', options);
			const bytes = Buffer.from(answer.data.image, 'base64');
			const data = await helpers.prepareBinaryData(bytes, 'merged.jpg', 'image/jpeg');
			output[itemIndex] = { json, binary: { data }, pairedItem: { item: itemIndex } };
		}
	};
	await Promise.all(Array.from({ length: atATime }, work));
	return output;
}
