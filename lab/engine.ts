import { createRequire } from 'node:module';

import type * as BackendCommon from '@n8n/backend-common';
import type * as Di from '@n8n/di';
import {
	BinaryDataConfig,
	BinaryDataService,
	ExecutionLifecycleHooks,
	ExternalSecretsProxy,
	WorkflowExecute,
} from 'n8n-core';
import {
	createEmptyRunExecutionData,
	ICredentialsHelper,
	NodeConnectionTypes,
	UnexpectedError,
	Workflow,
	type IBinaryData,
	type IConnections,
	type ICredentialDataDecryptedObject,
	type IHttpRequestOptions,
	type INode,
	type INodeExecutionData,
	type INodeParameters,
	type INodeProperties,
	type INodeType,
	type INodeTypes,
	type IRun,
	type IRunExecutionData,
	type ITaskData,
	type IWorkflowExecuteAdditionalData,
	type IWorkflowSettings,
	type IExecuteFunctions,
} from 'n8n-workflow';

import { AiLabToolsApi } from '../credentials/AiLabToolsApi.credentials';
import { Accounts } from '../nodes/MergePortraits/account/accounts';
import { systemClock } from '../nodes/MergePortraits/base/clock';
import type { Surroundings } from '../nodes/MergePortraits/mergePair';
import { runOperation } from '../nodes/MergePortraits/operation';
import { PaidResults } from '../nodes/MergePortraits/paid/results';
// Without its extension, tsx finds MergePortraits.node.json.
import { MergePortraits } from '../nodes/MergePortraits/MergePortraits.node.ts';

/** Where n8n keeps binary data: in memory, or on disk. */
export type BinaryMode = 'default' | 'filesystem';

/** A file from an upstream node. */
export interface InputFile {
	bytes: Buffer;
	fileName?: string;
	/** What the upstream node claims, true or not; default `application/octet-stream`. */
	mimeType?: string;
}

export interface EngineOptions extends Partial<Pick<WorkflowRun, 'credentials' | 'settings' | 'resume' | 'onStart'>> {
	binaryMode?: BinaryMode;
	/** The input items: their binary fields, and their json. */
	items: Array<{ files?: Record<string, InputFile>; json?: INodeExecutionData['json'] }>;
	parameters?: INodeParameters;
	/** Settings of the Merge Portraits node, such as `onError` or `retryOnFail`. */
	nodeSettings?: Partial<INode>;
	/** Another implementation of the node; by default `nodeOfProcess()`. */
	nodeType?: INodeType;
}

export interface EngineResult {
	/** Items of the first output. */
	items: INodeExecutionData[];
	/** Items of the error output, where On Error is `continueErrorOutput`. */
	errorItems: INodeExecutionData[];
	/** What the run of Merge Portraits left: error, hints, times. */
	task: ITaskData;
	run: IRun;
	/** The bytes of a binary, wherever n8n keeps it. */
	read(binary: IBinaryData | undefined): Promise<Buffer>;
	/** Where the file of a stored binary is. */
	pathOf(binaryId: string): string;
}

// n8n-core's own copies: npm may have put other versions at the top level.
const requireOfEngine = createRequire(require.resolve('n8n-core'));
const { Container }: typeof Di = requireOfEngine('@n8n/di');
const { Logger }: typeof BackendCommon = requireOfEngine('@n8n/backend-common');

/** n8n's logger, to see what a node writes. */
export const logger = Container.get(Logger);

/** The node as in a fresh n8n process: nothing learned of any account, nothing remembered. */
export function nodeOfProcess(surroundings: Partial<Surroundings> = {}): INodeType {
	const { clock = systemClock, random = Math.random } = surroundings;
	const { accounts = new Accounts(clock, random), results = new PaidResults() } = surroundings;
	const node: INodeType = new MergePortraits();
	node.execute = async function () {
		return [await runOperation(this, { clock, random, accounts, results })];
	};
	return node;
}

const SOURCE = 'Source';
const NODE = 'Merge Portraits';
/** Stands for n8n's own address, which nothing here calls. */
const ADDRESS = 'http://127.0.0.1/';

/** A workflow as its file has it, and what n8n itself would know. */
export interface WorkflowRun {
	nodes: INode[];
	connections: IConnections;
	settings?: IWorkflowSettings;
	/** The name of the node to begin with. */
	start: string;
	/** Node types by the last part of their names, such as `set` for `n8n-nodes-base.set`. */
	types: Record<string, INodeType>;
	credentials: { apiKey: string; baseUrl: string };
	/** The data of an earlier execution to go on with, as n8n's Retry does. */
	resume?: IRunExecutionData;
	/** Called with a function that cancels the execution. */
	onStart?: (cancel: () => void) => void;
	/** Called when a node has run. */
	onNode?: (name: string, task: ITaskData) => void;
}

/** Runs a whole workflow in n8n-core's own engine, with binary data where `useBinaryMode` has put it. */
export async function runWorkflow(options: WorkflowRun): Promise<IRun> {
	const workflow = createWorkflow(options);
	const additionalData = createAdditionalData(workflow, options.credentials);
	const { start, resume, onStart, onNode } = options;
	if (onNode) additionalData.hooks?.addHandler('nodeExecuteAfter', onNode);
	const engine = new WorkflowExecute(additionalData, 'manual', resume ?? createEmptyRunExecutionData());
	const execution = resume
		? engine.processRunExecutionData(workflow)
		: engine.run({ workflow, startNode: workflow.getNode(start) ?? undefined });
	onStart?.(() => execution.cancel());
	return await execution;
}

/** A node of a workflow for the engine. */
export const engineNode = (name: string, type: string, parameters: INodeParameters = {}): INode => ({
	id: name,
	name,
	type,
	typeVersion: 1,
	position: [0, 0],
	parameters,
});

/** The connections from a node's one output. */
export const to = (...names: string[]) => ({
	main: [names.map((name) => ({ node: name, type: NodeConnectionTypes.Main, index: 0 }))],
});

/** Runs a workflow of a source and the Merge Portraits node. */
export async function runInEngine(options: EngineOptions): Promise<EngineResult> {
	const { items: given, parameters = {}, nodeSettings, nodeType = nodeOfProcess(), ...rest } = options;
	const binaryData = await useBinaryMode(options.binaryMode ?? 'default');
	const run = await runWorkflow({
		credentials: { apiKey: 'no-key', baseUrl: 'http://127.0.0.1:1' },
		...rest,
		start: SOURCE,
		types: { source: new Source(given), mergePortraits: nodeType },
		connections: { [SOURCE]: to(NODE) },
		nodes: [
			engineNode(SOURCE, 'test.source'),
			{
				...engineNode(NODE, 'n8n-nodes-merge-portraits.mergePortraits'),
				parameters,
				credentials: { aiLabToolsApi: { id: 'credential-1', name: 'AILabTools API' } },
				...nodeSettings,
			},
		],
	});
	const task = run.data.resultData.runData[NODE]?.at(-1);
	if (task === undefined) throw run.data.resultData.error ?? new UnexpectedError('The node was not run');
	const [items, errorItems] = task.data?.main ?? [];
	return {
		items: items ?? [],
		errorItems: errorItems ?? [],
		task,
		run,
		read: async (binary) => {
			if (binary === undefined) throw new UnexpectedError('There is no such binary');
			return await binaryData.getAsBuffer(binary);
		},
		pathOf: (binaryId) => binaryData.getPath(binaryId),
	};
}

/** Has n8n keep binary data there from now on. */
export async function useBinaryMode(mode: BinaryMode): Promise<BinaryDataService> {
	Container.get(BinaryDataConfig).mode = mode;
	const service = Container.get(BinaryDataService);
	await service.init();
	return service;
}

function createWorkflow({ nodes, connections, settings, types }: WorkflowRun): Workflow {
	const find = (type: string) => {
		// As an agent's tool, a node has a type of its own.
		const found = types[type.split('.').at(-1)?.replace(/Tool$/, '') ?? ''];
		if (found === undefined) throw new UnexpectedError(`Unknown node type ${type}`);
		return found;
	};
	const nodeTypes: INodeTypes = {
		getByName: find,
		getByNameAndVersion: find,
		getKnownTypes: () => ({}),
	};
	return new Workflow({ id: 'workflow-1', active: false, nodeTypes, connections, settings, nodes });
}

/** Outputs the given items, with their files in n8n's binary store as any node would have them. */
class Source implements INodeType {
	description = {
		displayName: 'Source',
		name: 'source',
		group: ['trigger' as const],
		version: 1,
		description: '',
		defaults: {},
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		properties: [],
	};

	execute: INodeType['execute'];

	constructor(items: EngineOptions['items']) {
		this.execute = async function (this: IExecuteFunctions) {
			const output: INodeExecutionData[] = [];
			for (const [index, { files = {}, json = {} }] of items.entries()) {
				const binary: Record<string, IBinaryData> = {};
				for (const [field, { bytes, fileName, mimeType = 'application/octet-stream' }] of Object.entries(files)) {
					binary[field] = await this.helpers.prepareBinaryData(bytes, fileName, mimeType);
				}
				output.push({ json: { ...json }, binary, pairedItem: { item: index } });
			}
			return [output];
		};
	}
}

async function notNeeded(): Promise<never> {
	throw new UnexpectedError('Not needed here');
}

/** Gives the credential, and signs with the package's own `authenticate`. */
class CredentialsHelper extends ICredentialsHelper {
	constructor(private readonly data: ICredentialDataDecryptedObject) {
		super();
	}

	getParentTypes() {
		return [];
	}

	isCredentialUsableByNode() {
		return true;
	}

	async authenticate(credentials: ICredentialDataDecryptedObject, _type: string, request: IHttpRequestOptions) {
		const { authenticate } = new AiLabToolsApi();
		if (typeof authenticate !== 'function') throw new UnexpectedError('authenticate is not a function');
		return await authenticate(credentials, request);
	}

	async preAuthentication() {
		return undefined;
	}

	async runPreAuthentication() {
		return undefined;
	}

	async getCredentials() {
		return await notNeeded();
	}

	async getDecrypted() {
		return { ...this.data };
	}

	async updateCredentials() {}

	async updateCredentialsOauthTokenData() {}

	getCredentialsProperties(): INodeProperties[] {
		return new AiLabToolsApi().properties;
	}
}

function createAdditionalData(
	workflow: Workflow,
	credentials: ICredentialDataDecryptedObject,
): IWorkflowExecuteAdditionalData {
	const executionId = '1';
	const workflowData = {
		id: workflow.id,
		name: 'test',
		active: false,
		activeVersionId: null,
		isArchived: false,
		createdAt: new Date(),
		updatedAt: new Date(),
		nodes: Object.values(workflow.nodes),
		connections: workflow.connectionsBySourceNode,
	};
	return {
		executionId,
		credentialsHelper: new CredentialsHelper(credentials),
		hooks: new ExecutionLifecycleHooks('manual', executionId, workflowData),
		executeWorkflow: notNeeded,
		getRunExecutionData: notNeeded,
		getRuntimeCredential: notNeeded,
		startRunnerTask: notNeeded,
		logAiEvent: () => undefined,
		currentNodeExecutionIndex: 0,
		variables: {},
		externalSecretsProxy: new ExternalSecretsProxy(),
		restApiUrl: ADDRESS,
		instanceBaseUrl: ADDRESS,
		formBaseUrl: ADDRESS,
		formWaitingBaseUrl: ADDRESS,
		formTestBaseUrl: ADDRESS,
		webhookBaseUrl: ADDRESS,
		webhookWaitingBaseUrl: ADDRESS,
		webhookTestBaseUrl: ADDRESS,
		mcpBaseUrl: ADDRESS,
		mcpTestBaseUrl: ADDRESS,
	};
}
