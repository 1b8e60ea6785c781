import type { IBinaryData, IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import { binaryFields, type BinaryContext } from './binaryField';

/** How the nodes are named that an expression reads: `$('Name')`, `$node["Name"]`, `$items("Name")`. */
const NODE_NAME = /\$(?:\(|node\[|items\()\s*(['"`])((?:[^\\]|\\.)*?)\1/g;

/**
 * The stored files that nodes of this execution have put out as binaries. Any other ID is no more than JSON, which may come
 * from anybody: to read its file would give away the pictures of other executions.
 */
export class StoredBinaries {
	readonly isCombined: boolean;
	private readonly known = new Map<string, Map<string, IBinaryData>>();

	constructor(private readonly context: IExecuteFunctions) {
		this.isCombined = context.getWorkflowSettings().binaryMode === 'combined';
	}

	/** @param written as the workflow's author wrote it: if it reads a binary, those of the input and of nodes it names count */
	findIn(written: unknown): BinaryContext['findStored'] {
		const expression = typeof written === 'string' && written.startsWith('=') ? written : '';
		if (!(this.isCombined ? /\bbinary\b|\b_files\b/ : /binary\b/).test(expression)) return () => undefined;
		return (id) =>
			this.once('', () => this.context.getInputData()).get(id) ??
			this.once(expression, () => this.itemsNamedIn(expression)).get(id);
	}

	private itemsNamedIn(expression: string): INodeExecutionData[] {
		const names = [...expression.matchAll(NODE_NAME)].map(([, , name = '']) => name.replace(/\\(.)/g, '$1'));
		return names.flatMap((name) => this.itemsOf(name));
	}

	/** The items of all runs and outputs of a node. */
	private itemsOf(name: string): INodeExecutionData[] {
		const { $items } = this.context.getWorkflowDataProxy(0);
		const outputs = new Set<INodeExecutionData[]>();
		// Ends where there are no more, or where data are pinned, which n8n gives for every run and output.
		const isNew = (run: number, output: number): boolean => {
			try {
				const items = $items(name, output, run) ?? [];
				return outputs.size < outputs.add(items).size;
			} catch {
				return false;
			}
		};
		for (let run = 0; isNew(run, 0); run++) for (let output = 1; isNew(run, output); output++);
		return [...outputs].flat();
	}

	private once(key: string, items: () => INodeExecutionData[]): Map<string, IBinaryData> {
		const binaries = this.known.get(key) ?? new Map(items().flatMap((item) => this.binariesOf(item)));
		this.known.set(key, binaries);
		return binaries;
	}

	private binariesOf(item: INodeExecutionData): Array<[string, IBinaryData]> {
		const binaries = [...binaryFields(item, this.isCombined).values()];
		return binaries.flatMap((binary) => (binary.id ? [[binary.id, binary]] : []));
	}
}
