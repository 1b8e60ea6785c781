/** All that an end-to-end test needs around it: n8n with the packed package, the simulator, a credential, a user. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { ExecutionStatus, IBinaryData, INodeExecutionData, IRunExecutionData, ITaskData } from 'n8n-workflow';

import { readImageHeader } from '../../nodes/MergePortraits/pictures/imageHeader';
import { sha256, type RecordedFile } from '../simulator/exchange';
import { SIMULATOR_KEY, startSimulator, type SimulatorOptions } from '../simulator/simulator';
import { onFailure } from './evidence';
import { installShown, NEWEST_N8N, type N8nVersion } from './installation';
import { createN8n, type N8n, type N8nServer, type Owner, type Workflow } from './n8n';
import { packTarball } from './pack';
import { freePort, runProcess } from './processes';
import { CREDENTIAL } from './workflows';

const OUTPUT_FOLDER = resolve(__dirname, '../../test-output');

export interface LabOptions {
	/** Default: the newest. */
	version?: N8nVersion;
	/** Tells this lab's folder from those of other test files. */
	name: string;
	/** n8n settings on top of the usual ones. */
	env?: NodeJS.ProcessEnv;
	/** The one folder that nodes may read and write files in, emptied first; by default within the lab's. */
	files?: string;
	simulator?: SimulatorOptions;
}

export interface Listed {
	id: string;
	status: ExecutionStatus;
}

export interface Execution extends Listed {
	data: IRunExecutionData;
	/** What a node gave at one of its outputs in its last run. */
	items(node: string, output?: number): INodeExecutionData[];
	/** A node's last run. @throws Error when it did not run */
	task(node: string): ITaskData;
}

export type Lab = Awaited<ReturnType<typeof openLab>>;

/** Installs and prepares everything, minutes the first time. n8n's server runs when it is done; `close` ends all. */
export async function openLab(options: LabOptions) {
	const { version = NEWEST_N8N, name, env, files: givenFiles, simulator: simulatorOptions } = options;
	const folder = join(OUTPUT_FOLDER, 'e2e', `${name}-${version}`);
	const files = givenFiles ?? join(folder, 'files');
	for (const old of [folder, files]) await rm(old, { recursive: true, force: true });
	await mkdir(files, { recursive: true });

	const installation = await installShown(version);
	const tarball = await packTarball();
	const prepare = async (settings: NodeJS.ProcessEnv = {}, userFolder = join(folder, 'user')): Promise<N8n> =>
		await createN8n({
			installation,
			userFolder,
			tarball,
			env: { N8N_RESTRICT_FILE_ACCESS_TO: files, ...env, ...settings },
		});

	/** Names of pictures, by what tells them from others. */
	const provided = new Map<string, string>();
	const signs = (bytes: Buffer) => {
		const { width, height } = readImageHeader(bytes) ?? {};
		return [sha256(bytes), ...(width === undefined ? [] : [`${width} × ${height}`])];
	};

	const simulator = await startSimulator(simulatorOptions);
	const owner: Owner = { email: 'owner@example.com', password: `Lab1${randomBytes(8).toString('hex')}` };
	let n8n: N8n;
	let log = '';
	let stopServer = async () => {};
	let server: N8nServer;
	let request: Awaited<ReturnType<N8nServer['login']>>;

	const onOutput = (text: string) => (log += text);
	async function start(): Promise<void> {
		server = await n8n.start({ port: await freePort(), onOutput });
		stopServer = server.stop;
		if (request === undefined) await server.setupOwner(owner);
		request = await server.login(owner);
	}
	const forget = onFailure(async (to) => {
		await writeFile(join(to, `n8n-${version}.log`), log.replaceAll(SIMULATOR_KEY, '(key)'));
		const text = JSON.stringify([...simulator.creditRequests, ...simulator.requests], withoutSecrets, '\t');
		await writeFile(join(to, 'simulator-requests.json'), text);
	});

	async function close(): Promise<void> {
		await stopServer();
		await simulator.close();
	}

	try {
		n8n = await prepare();
		const data = { apiKey: SIMULATOR_KEY, baseUrl: simulator.baseUrl };
		await n8n.importCredentials({ ...CREDENTIAL, data });
		await start();
	} catch (error) {
		await close();
		throw error;
	}

	/** Calls n8n's REST interface as the owner. Gives the answer's data. */
	async function call<T>(method: string, path: string, body?: object): Promise<T> {
		const answer = await request(method, `/rest${path}`, body);
		const { data }: { data: T } = JSON.parse(await answer.text());
		return data;
	}

	async function find(id: string): Promise<Execution> {
		const { status, data: stored } = await call<{ status: ExecutionStatus; data: string }>('GET', `/executions/${id}`);
		const { parse } = await import('flatted');
		const data: IRunExecutionData = parse(stored);
		const task = (node: string) => {
			const last = data.resultData.runData[node]?.at(-1);
			if (last === undefined) throw new Error(`${node} did not run: ${data.resultData.error?.message ?? status}`);
			return last;
		};
		return { id, status, data, task, items: (node, output = 0) => task(node).data?.main?.[output] ?? [] };
	}

	async function startWorkflow(workflowId: string, trigger = 'Start'): Promise<string> {
		const workflowData = await call<Workflow>('GET', `/workflows/${workflowId}`);
		// The one version wants the workflow with it, the other only its trigger.
		const body = { workflowData, triggerToStartFrom: { name: trigger } };
		const { executionId } = await call<{ executionId: string }>('POST', `/workflows/${workflowId}/run`, body);
		return executionId;
	}

	/** Each look costs n8n some memory: who measures that looks seldom. */
	async function finished(executionId: string, everyMs = 100): Promise<Execution> {
		for (;;) {
			const { status } = await call<{ status: ExecutionStatus }>('GET', `/executions/${executionId}`);
			if (hasEnded({ status })) return await find(executionId);
			await sleep(everyMs);
		}
	}

	return {
		version,
		folder,
		files,
		owner,
		simulator,
		call,
		/** Gets whatever else the server has, as the owner. */
		get: async (path: string) => await request('GET', path),
		/** Another n8n of this lab, such as a worker's, with a user folder of its own. */
		prepare: async (own: string, settings?: NodeJS.ProcessEnv) => await prepare(settings, join(folder, own)),
		/** Also takes what other processes print. */
		onOutput,

		get n8n(): N8n {
			return n8n;
		},

		get server(): N8nServer {
			return server;
		},

		/** Starts n8n again, with other settings. */
		async restart(settings: NodeJS.ProcessEnv): Promise<void> {
			await server.stop();
			n8n = await prepare(settings);
			await start();
		},

		async addWorkflow(workflow: Workflow): Promise<string> {
			const { id } = await call<{ id: string }>('POST', '/workflows', { settings: {}, active: false, ...workflow });
			return id;
		},

		/** Has a workflow's trigger listen. In queue mode its webhook may answer 404 for a moment more. */
		async activate(workflowId: string): Promise<void> {
			const { versionId } = await call<{ versionId: string }>('GET', `/workflows/${workflowId}`);
			await call('POST', `/workflows/${workflowId}/activate`, { versionId });
		},

		/** All executions of a workflow, without their data: the newest first. */
		async executions(workflowId: string): Promise<Listed[]> {
			const filter = encodeURIComponent(JSON.stringify({ workflowId }));
			return (await call<{ results: Listed[] }>('GET', `/executions?limit=100&filter=${filter}`)).results;
		},

		/**
		 * An execution's data as n8n stores it: of one process, which has them in SQLite, of hundreds of megabytes too. That
		 * n8n's own Node.js reads.
		 */
		async stored(id: string): Promise<string> {
			if (env?.DB_TYPE === 'postgresdb') return (await call<{ data: string }>('GET', `/executions/${id}`)).data;
			const script = `
				const { DatabaseSync } = require('node:sqlite');
				const database = new DatabaseSync(process.argv[1], { readOnly: true });
				const row = database.prepare('SELECT data FROM execution_data WHERE executionId = ?').get(process.argv[2]);
				process.stdout.write(row?.data ?? '[]');
			`;
			const args = ['-e', script, join(folder, 'user/.n8n/database.sqlite'), id];
			const { exitCode, stdout, stderr } = await runProcess(installation.node, args, { cwd: folder, env: process.env });
			if (exitCode !== 0) throw new Error(`n8n's database could not be read:\n${stderr}`);
			return stdout;
		},

		/** Posts to a webhook, again until its workflow's activation has got around. */
		async callWebhook(path: string, init: RequestInit): Promise<Response> {
			for (;;) {
				const answer = await fetch(`${server.url}/webhook/${path}`, { method: 'POST', ...init });
				if (answer.status !== 404) return answer;
				await sleep(100);
			}
		},

		/** Starts a workflow from a trigger, `Start` unless it is named. Gives the execution's id. */
		startWorkflow,
		finished,

		/** Adds a workflow and runs it to its end, whatever that is. */
		async run(workflow: Workflow): Promise<Execution> {
			return await finished(await startWorkflow(await this.addWorkflow(workflow)));
		},

		/** The bytes of a binary as the editor would load them. */
		async read(binary: IBinaryData | undefined): Promise<Buffer> {
			if (binary === undefined) throw new Error('There is no such binary');
			if (binary.id === undefined) return Buffer.from(binary.data, 'base64');
			const query = new URLSearchParams({ id: binary.id, action: 'view', mimeType: binary.mimeType });
			const answer = await request('GET', `/rest/binary-data?${query.toString()}`);
			return Buffer.from(await answer.arrayBuffer());
		},

		/** Puts a file where nodes may read it. */
		async provide(path: string, bytes: Buffer): Promise<void> {
			const file = join(files, path);
			await mkdir(resolve(file, '..'), { recursive: true });
			await writeFile(file, bytes);
			for (const sign of signs(bytes)) provided.set(sign, basename(path));
		},

		/**
		 * The name under which a picture was provided that a request sent, since no name is sent: known by its bytes, or by its
		 * measures where Edit Image has written it anew.
		 */
		nameOf(sent: RecordedFile | undefined): string | undefined {
			const [exact = '', like = ''] = signs(sent?.bytes ?? Buffer.alloc(0));
			return provided.get(exact) ?? provided.get(like);
		},

		async written(path: string): Promise<Buffer> {
			return await readFile(join(files, path));
		},

		async close(): Promise<void> {
			// A closed lab must not write its evidence over that of the next one.
			forget();
			await close();
		},
	};
}

export const hasEnded = ({ status }: Pick<Listed, 'status'>) => !['new', 'running', 'waiting'].includes(status);

/** A recorded request for somebody to read. */
function withoutSecrets(name: string, value: unknown): unknown {
	if (name === 'ailabapi-api-key') return '(key)';
	return name === 'bytes' ? undefined : value;
}
