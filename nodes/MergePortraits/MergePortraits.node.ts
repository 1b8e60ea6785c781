import {
	NodeConnectionTypes,
	type IBuilderHint,
	type IExecuteFunctions,
	type INodeExecutionData,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { properties } from './input/parameters';
import { runOperation } from './operation';
import { formatList, maxFileSize } from './pictures/imageRequirements';

/** Uses the raw parameter: the canvas cannot resolve an expression in it, and the subtitle would be empty. */
const subtitle =
	'={{ $rawParameter["operation"] === "check" ? "check" : "similarity: " + ($rawParameter["similarity"] == null || $rawParameter["similarity"] === "" ? "as AILabTools chooses" : String($rawParameter["similarity"]).startsWith("=") ? "by expression" : $rawParameter["similarity"]) }}';

/** What a model that builds workflows is told: `searchHint` at every search, the rest when it asks for the parameters. */
const builderHint: IBuilderHint = {
	searchHint: `Face swap: the target gives the face, the template receives it. ${formatList}, at most ${maxFileSize} each; Edit Image before this node makes other photos fit. Gives the merged picture in binary field data. Set onError to continueErrorOutput: people are shown json.visitorMessage, never json.error. Needs no Merge node, loop, wait or retry.`,
	relatedNodes: [
		{ nodeType: 'n8n-nodes-base.formTrigger', relationHint: 'Two file fields with multipleFiles false' },
		{ nodeType: 'n8n-nodes-base.form', relationHint: 'Last page: shows the picture by its link' },
		{ nodeType: 'n8n-nodes-base.respondToWebhook', relationHint: 'respondWith binary, or json with the link' },
		{ nodeType: 'n8n-nodes-base.readWriteFile', relationHint: 'Reads a picture into the field data' },
		{
			nodeType: 'n8n-nodes-base.editImage',
			relationHint: 'Makes any photo fit: resize to 2048, onlyIfLarger, format jpeg',
		},
	],
	extraTypeDefContent: [
		{
			content: `Output, one item for each input item with its json and files:
- merged: json.mergePortraits = { requestId, logId, similarity, attempts, reused, downloadUrl (with options.downloadLink) }, and the picture in binary field outputBinaryPropertyName. It has no error.
- not merged, with an onError that continues: json.error, description, visitorMessage, code. It has no picture in that field.
- as an agent's tool (mergePortraitsTool): only { downloadUrl, fileName, mimeType, width, height, similarity } or { error }, at the top of json. The model reaches no file: give it targetInputType 'url' with fromAi, or an expression on the node that has the upload.
<patterns>
<pattern title="Many portraits, one template">
readTemplate.to(readPortraits).to(merge) // each writes data; the template is fetched by its node's name
merge: { targetBinaryPropertyName: 'data', templateBinaryPropertyName: expr('{{ $("Read template").first().binary.data }}') }
</pattern>
<pattern title="Base64 in a webhook's body">
merge: { targetBinaryPropertyName: expr('{{ $json.body.photo }}') } // Base64 text or a data URL
</pattern>
<pattern title="A form's last page that shows the picture">
merge: { options: { downloadLink: '1h' } }
form: { operation: 'completion', completionTitle: 'Your picture', completionMessage: expr('<img src="{{ $json.mergePortraits.downloadUrl }}" width="100%">') }
merge.onError(formThatShows) // completionMessage: expr('{{ $json.visitorMessage }}')
</pattern>
</patterns>`,
		},
	],
};

export class MergePortraits implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Merge Portraits',
		name: 'mergePortraits',
		icon: { light: 'file:../../icons/mergePortraits.svg', dark: 'file:../../icons/mergePortraits.dark.svg' },
		group: ['transform'],
		version: 1,
		subtitle,
		description: 'Put the face of a portrait into a template picture with AILabTools',
		defaults: { name: 'Merge Portraits' },
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		usableAsTool: true,
		builderHint,
		credentials: [{ name: 'aiLabToolsApi', required: true, displayOptions: { hide: { operation: ['check'] } } }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		return [await runOperation(this)];
	}
}
