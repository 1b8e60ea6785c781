import type { IBinaryData, IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import { binaryFields, type FindStored } from './binaryField';

/** How the nodes are named that an expression reads: `$('Name')`, `$node["Name"]`, `$items("Name")`. */
const NODE_NAME = /\$(?:\(|node\[|items\()\s*(['"`])((?:[^\\]|\\.)*?)\1/g;

/**
 * The stored files that nodes of this execution have put out as binaries. Any other ID is no more than JSON, which may come
 * from anybody: to read its file would give away the pictures of other executions.
 */
export class StoredBinaries {
	private readonly known = new Map<string, Map<string, IBinaryData>>();

	constructor(private readonly context: IExecuteFunctions) {}

	/** @param written a parameter as the workflow's author wrote it: the input's binaries count, and those of nodes it names */
	namedIn(written: unknown): FindStored {
		const expression = typeof written === 'string' ? written : '';
		return (id) =>
			this.once('', () => this.context.getInputData()).get(id) ??
			this.once(expression, () => this.itemsNamedIn(expression)).get(id);
	}

	private itemsNamedIn(expression: string): INodeExecutionData[] {
		const names = [...expression.matchAll(NODE_NAME)].map(([, , name = '']) => name.replace(/\\(.)/g, '$1'));
		return names.flatMap((name) => this.itemsOf(name));
	}

	/** The items of all outputs of a node. */
	private itemsOf(name: string): INodeExecutionData[] {
		const { $items } = this.context.getWorkflowDataProxy(0);
		const outputs: INodeExecutionData[][] = [];
		try {
			// Ends when there is no such output, or where data are pinned, which n8n gives for every output.
			for (let items = $items(name, 0); items !== outputs.at(-1); items = $items(name, outputs.length))
				outputs.push(items ?? []);
		} catch {
			// The node has no more outputs, or has not been executed.
		}
		return outputs.flat();
	}

	private once(key: string, items: () => INodeExecutionData[]): Map<string, IBinaryData> {
		const binaries = this.known.get(key) ?? new Map(items().flatMap((item) => this.binariesOf(item)));
		this.known.set(key, binaries);
		return binaries;
	}

	private binariesOf(item: INodeExecutionData): Array<[string, IBinaryData]> {
		// Elsewhere than in binary mode `combined`, `_files` is JSON like any other.
		const isCombined = this.context.getWorkflowSettings().binaryMode === 'combined';
		const binaries = isCombined ? [...binaryFields(item).values()] : Object.values(item.binary ?? {});
		return binaries.flatMap((binary) => (binary.id ? [[binary.id, binary]] : []));
	}
}
