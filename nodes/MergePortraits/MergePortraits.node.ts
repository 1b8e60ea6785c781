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
			relationHint:
				'Makes other photos fit, one such node for each picture with its dataPropertyName: resize to 2048, onlyIfLarger, format jpeg. What strangers upload only where operation check gives pictureCheck.canBeMadeFit',
		},
	],
	extraTypeDefContent: [
		{
			content: `Output, one item for each input item, with its json and files:
- merged: json.mergePortraits = { requestId, logId, similarity, attempts, reused, downloadUrl (with options.downloadLink) }, and the picture in the binary field outputBinaryPropertyName. It has no error.
- not merged, where onError continues: json.error, description, visitorMessage, code. It has no picture in that field.
- merge as an agent's tool (mergePortraitsTool): only { downloadUrl, fileName, mimeType, width, height, similarity } or { error }, at the top of json. A model reaches no file: give the tool a URL with fromAi, or an expression on the node that has the upload, such as expr('{{ $("Chat").first().binary.data0 }}').
<patterns>
<pattern title="A form whose last page shows the picture, or says what is wrong">
const mergePortraits = node({ // merge is a name of the SDK
  type: 'n8n-nodes-merge-portraits.mergePortraits',
  version: 1,
  config: {
    name: 'Merge Portraits',
    onError: 'continueErrorOutput',
    parameters: { operation: 'merge', targetBinaryPropertyName: 'Your_photo', templateBinaryPropertyName: 'Celebrity_photo', options: { downloadLink: '1h' } },
    credentials: { aiLabToolsApi: newCredential('AILabTools API') }
  },
  output: [{ mergePortraits: { downloadUrl: 'https://example.com/merged' }, visitorMessage: 'No face was found.' }]
});
formTrigger.to(mergePortraits.onError(sorryPage).to(picturePage)) // both n8n-nodes-base.form, operation completion
// picturePage: completionMessage: expr('<img src="{{ $json.mergePortraits.downloadUrl }}" width="100%">')
// sorryPage: completionMessage: expr('{{ $json.visitorMessage }}')
</pattern>
<pattern title="A folder of portraits, one template for all">
readTemplate.to(readPortraits).to(mergePortraits.onError(report).to(savePicture)) // reading puts a file into the field data
// targetBinaryPropertyName: 'data', templateBinaryPropertyName: expr('{{ $("Read Template").first().binary.data }}')
// savePicture: fileName: expr('/path/to/merged/{{ $binary.data.fileName }}'), in a folder that exists; no two files of a batch have the same name
</pattern>
<pattern title="Base64 text or a data URL in a webhook's body">
// targetBinaryPropertyName: expr('{{ $json.body.photo }}')
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
		// Hidden rather than shown: where workflows leave defaults out, the editor still finds that a credential is needed.
		credentials: [{ name: 'aiLabToolsApi', required: true, displayOptions: { hide: { operation: ['check'] } } }],
		properties,
	};

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		return [await runOperation(this)];
	}
}
