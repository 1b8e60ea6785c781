import { NodeOperationError, type IBinaryData, type IExecuteFunctions } from 'n8n-workflow';

import { isAgentTool } from '../output/agentTool';
import { labels, type LinkLifetime } from '../input/parameters';

/** Links to pictures in n8n's binary store. Anybody can open them until they expire. */
export class DownloadLinks {
	private kept: Promise<boolean> | undefined;

	constructor(private readonly context: IExecuteFunctions) {}

	/** @throws NodeOperationError where links are impossible; called before a picture is paid for */
	async assertPossible(itemIndex: number): Promise<void> {
		this.kept ??= this.keepsBinaries().catch((error: unknown) => {
			this.kept = undefined;
			throw error;
		});
		if (await this.kept) return;
		const node = this.context.getNode();
		const message = `'${labels.downloadLink}' is not possible: this n8n keeps binary data in memory, which no link can reach [item ${itemIndex}]`;
		const otherwise = isAgentTool(node)
			? 'An AI agent can be given a picture only as a link.'
			: `Or choose None in '${labels.downloadLink}'.`;
		const description = `Set N8N_DEFAULT_BINARY_DATA_MODE to filesystem, database or s3 where n8n is started. ${otherwise}`;
		throw new NodeOperationError(node, message, { itemIndex, description });
	}

	create(binary: IBinaryData, lifetime: LinkLifetime): string {
		return this.context.helpers.createBinarySignedUrl(binary, lifetime);
	}

	/** n8n does not tell a node where it keeps binaries, but only those outside memory get an id. */
	private async keepsBinaries(): Promise<boolean> {
		const { helpers } = this.context;
		const { id } = await helpers.prepareBinaryData(Buffer.from('Kept to see where n8n keeps binary data'), 'kept.txt');
		return id !== undefined;
	}
}
