import type { Workflow } from '../test/n8n/n8n';

/** Reads every target in a folder and merges it: with one template for all, or, to have no expression, with itself. */
export function thisNode(pictures: string, template: 'by expression' | 'on the item', options: object): Workflow {
	const byExpression = "={{ $('Read template').first().binary.template }}";
	return {
		name: 'This node',
		nodes: [
			node('Start', 'n8n-nodes-base.manualTrigger', 1, {}),
			readFiles('Read template', `${pictures}/template.jpg`, 'template'),
			readFiles('Read targets', `${pictures}/targets/*.jpg`, 'target'),
			{
				...node('Merge Portraits', 'n8n-nodes-ailabtools.mergePortraits', 1, {
					templateBinaryPropertyName: template === 'by expression' ? byExpression : 'target',
					options,
				}),
				credentials: { aiLabToolsApi: { id: 'aiLabToolsBench', name: 'AILabTools API' } },
			},
		],
		connections: chain('Start', 'Read template', 'Read targets', 'Merge Portraits'),
		settings: { executionOrder: 'v1' },
	};
}

function node(name: string, type: string, typeVersion: number, parameters: object) {
	return { id: name, name, type, typeVersion, position: [0, 0], parameters };
}

const readFiles = (name: string, fileSelector: string, dataPropertyName: string) =>
	node(name, 'n8n-nodes-base.readWriteFile', 1, { fileSelector, options: { dataPropertyName } });

function chain(...names: string[]): object {
	return Object.fromEntries(
		names.slice(1).map((name, index) => [names[index], { main: [[{ node: name, type: 'main', index: 0 }]] }]),
	);
}
