/** One n8n with a user folder of its own and the packed package in it, for demo, tests and benchmark to work with. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { IRun } from 'n8n-workflow';

import type { N8nInstallation } from './installation';
import { freePort, runProcess, startProcess, stopProcess, type Finished } from './processes';

export interface N8nOptions {
	installation: N8nInstallation;
	/** Created when it is missing; all that this n8n keeps is in it. */
	userFolder: string;
	/** From `packTarball`. */
	tarball: string;
	/** n8n settings on top of the quiet ones. */
	env?: NodeJS.ProcessEnv;
}

export interface Credential {
	id: string;
	name: string;
	type: string;
	data: Record<string, unknown>;
}

/** How a node names the credential that it uses. */
export const chosen = ({ type, id, name }: Omit<Credential, 'data'>) => ({ [type]: { id, name } });

export interface Workflow {
	id?: string;
	name: string;
	nodes: object[];
	connections: object;
	settings?: object;
}

export interface Owner {
	email: string;
	/** At least 8 characters, a capital letter and a digit among them. */
	password: string;
}

interface StartServerOptions {
	port: number;
	onOutput?: (text: string) => unknown;
}

interface RunningN8n {
	/** Of its process. */
	pid: number | undefined;
	/** What it has printed last. */
	output(): string;
	/** Settles when the process has ended, of itself or not. */
	ended: Promise<unknown>;
	stop(): Promise<void>;
	/** Ends it without warning, as a lack of memory or a lost machine would. */
	kill(): boolean;
}

export type N8n = Awaited<ReturnType<typeof createN8n>>;
export type N8nServer = Awaited<ReturnType<N8n['start']>>;

/** Prepares the user folder. @throws Error when npm cannot install the tarball */
export async function createN8n({ installation, userFolder, tarball, env = {} }: N8nOptions) {
	await mkdir(userFolder, { recursive: true });
	await installPackage(join(userFolder, '.n8n/nodes'), tarball);

	/** Every process of n8n listens at this computer only, and at a broker port of its own: several can run at a time. */
	const settings = async (): Promise<NodeJS.ProcessEnv> => ({
		...cleanEnvironment(),
		// n8n starts its task runners with whatever `node` it finds first.
		PATH: dirname(installation.node) + delimiter + process.env.PATH,
		N8N_USER_FOLDER: userFolder,
		N8N_LISTEN_ADDRESS: '127.0.0.1',
		N8N_HOST: 'localhost',
		N8N_RUNNERS_BROKER_PORT: String(await freePort()),
		// In 2.x a task runner serves the Code nodes. The server ends its own; a command would leave it behind.
		N8N_RUNNERS_MODE: 'external',
		N8N_RUNNERS_AUTH_TOKEN: randomUUID(),
		N8N_DEFAULT_BINARY_DATA_MODE: 'filesystem',
		N8N_SECURE_COOKIE: 'false',
		N8N_DIAGNOSTICS_ENABLED: 'false',
		N8N_VERSION_NOTIFICATIONS_ENABLED: 'false',
		N8N_TEMPLATES_ENABLED: 'false',
		N8N_PERSONALIZATION_ENABLED: 'false',
		N8N_HIRING_BANNER_ENABLED: 'false',
		N8N_DYNAMIC_BANNERS_ENABLED: 'false',
		N8N_VERIFIED_PACKAGES_ENABLED: 'false',
		N8N_LICENSE_AUTO_RENEW_ENABLED: 'false',
		...installation.env,
		...env,
	});

	/** Runs one of n8n's commands, such as `list:workflow`. */
	async function command(...args: string[]): Promise<Finished> {
		const options = { cwd: userFolder, env: await settings() };
		return await runProcess(installation.node, [installation.script, ...args], options);
	}

	/** n8n's import commands read a file, and tell only in words whether they did it. */
	async function importFrom(name: 'import:credentials' | 'import:workflow', content: object[]): Promise<void> {
		const file = join(userFolder, `${randomUUID()}.json`);
		const remove = () => rmSync(file, { force: true });
		process.once('exit', remove);
		await writeFile(file, JSON.stringify(content), { mode: 0o600 });
		try {
			const { stdout, stderr } = await command(name, `--input=${file}`);
			if (!stdout.includes('Successfully imported')) throw new Error(`${name} did not work:\n${stdout}${stderr}`);
		} finally {
			process.off('exit', remove);
			remove();
		}
	}

	/** Starts one of n8n's programs that do not end by themselves, and waits until it answers as it does when ready. */
	async function launch(
		program: string,
		own: NodeJS.ProcessEnv,
		ready: { url: string; status: number },
		onOutput?: (text: string) => unknown,
	): Promise<RunningN8n> {
		const child = startProcess(installation.node, [installation.script, ...program.split(' ')], {
			cwd: userFolder,
			env: { ...(await settings()), ...own },
		});
		const ended = once(child, 'exit');
		let output = '';
		for (const stream of [child.stdout, child.stderr])
			stream?.setEncoding('utf8').on('data', (text: string) => {
				output = (output + text).slice(-100_000);
				onOutput?.(text);
			});
		while ((await fetch(ready.url).catch(() => undefined))?.status !== ready.status) {
			if (child.exitCode !== null || child.signalCode) throw new Error(`n8n did not start:\n${output}`);
			await sleep(200);
		}
		const { pid } = child;
		return { pid, output: () => output, ended, stop: () => stopProcess(child), kill: () => child.kill('SIGKILL') };
	}

	return {
		command,

		/** Adds credentials, or replaces those with the same id. */
		async importCredentials(...credentials: Credential[]): Promise<void> {
			await importFrom('import:credentials', credentials);
		},

		/** Adds workflows, or replaces those with the same id. Gives the ids; where there is none, it is made of the name. */
		async importWorkflows(...workflows: Workflow[]): Promise<string[]> {
			const ids = workflows.map(({ id, name }) => id ?? createHash('sha256').update(name).digest('hex').slice(0, 16));
			await importFrom(
				'import:workflow',
				workflows.map((workflow, index) => ({ active: false, ...workflow, id: ids[index] })),
			);
			return ids;
		},

		/**
		 * Executes a workflow from its trigger; a Code node needs N8N_RUNNERS_MODE `internal` in 2.x. `run` is what n8n
		 * knows of the execution, whether it succeeded or not.
		 */
		async execute(workflowId: string): Promise<Finished & { run?: IRun }> {
			const finished = await command('execute', `--id=${workflowId}`, '--rawOutput');
			const json = /^\{\n[^]*?^\}$/m.exec(finished.stdout)?.[0];
			return { ...finished, run: json ? JSON.parse(json) : undefined };
		},

		/** Starts the server and waits until it answers. @throws Error with its output when it ends instead */
		async start({ port, onOutput }: StartServerOptions) {
			const url = `http://localhost:${port}`;
			const env = { N8N_RUNNERS_MODE: 'internal', N8N_PORT: String(port) };
			// Refused without a login, which tells that n8n has put up all of its routes: others answer before.
			const running = await launch('start', env, { url: `${url}/rest/login`, status: 401 }, onOutput);
			return {
				url,
				...running,

				/** Makes the first user, once for a user folder. */
				async setupOwner(owner: Owner): Promise<void> {
					await rest(url, 'POST', '/rest/owner/setup', { ...owner, firstName: 'Demo', lastName: 'User' });
				},

				/** Logs in. Gives what calls n8n's REST interface as that user. */
				async login({ email, password }: Owner) {
					const headers: Record<string, string> = { 'browser-id': randomUUID() };
					const answer = await rest(url, 'POST', '/rest/login', { emailOrLdapLoginId: email, password }, headers);
					headers.cookie = answer.headers
						.getSetCookie()
						.map((cookie) => cookie.split(';')[0])
						.join('; ');
					return (method: string, path: string, body?: object) => rest(url, method, path, body, headers);
				},
			};
		},

		/** Starts a worker of n8n's queue mode, which tells at `port` whether it is ready. It takes no Code nodes. */
		async startWorker({ port, onOutput }: StartServerOptions) {
			const env = { QUEUE_HEALTH_CHECK_ACTIVE: 'true', QUEUE_HEALTH_CHECK_PORT: String(port) };
			const ready = { url: `http://localhost:${port}/healthz/readiness`, status: 200 };
			return await launch('worker --concurrency=2', env, ready, onOutput);
		},
	};
}

async function rest(url: string, method: string, path: string, body?: object, headers?: Record<string, string>) {
	const send = async () =>
		await fetch(url + path, {
			method,
			headers: { 'content-type': 'application/json', ...headers },
			body: JSON.stringify(body),
		});
	// n8n closes a connection that was idle for some seconds, which a busy machine notices when it uses it again.
	const answer = await send().catch(async (error: unknown) => {
		if (method === 'GET') return await send();
		throw error;
	});
	if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
	return answer;
}

/** Puts the package where n8n puts community nodes, the way n8n does; not again when it is this very tarball. */
async function installPackage(folder: string, tarball: string): Promise<void> {
	const marker = join(folder, 'tarball.sha256');
	const hash = createHash('sha256')
		.update(await readFile(tarball))
		.digest('hex');
	if ((await readFile(marker, 'utf8').catch(() => '')) === hash) return;
	await rm(folder, { recursive: true, force: true });
	await mkdir(folder, { recursive: true });
	await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'installed-nodes', private: true }));
	// n8n strips the peers from package.json before it runs npm; this has npm look past them, and so ask no registry.
	const omit = ['--legacy-peer-deps', '--omit=dev', '--omit=optional', '--no-package-lock', '--ignore-scripts'];
	const args = ['install', tarball, ...omit, '--no-audit', '--no-fund', '--loglevel=error'];
	const { exitCode, stderr } = await runProcess('npm', args, { cwd: folder, env: process.env });
	if (exitCode !== 0) throw new Error(`${tarball} could not be installed:\n${stderr}`);
	await writeFile(marker, hash);
}

/** What n8n may see of this process's environment: no key, no settings of another n8n, no proxy for this computer. */
function cleanEnvironment(): NodeJS.ProcessEnv {
	const foreign = /^(n8n|db|executions|queue|webhook|generic|ailabtools|npm|node)_/i;
	const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
	return { ...Object.fromEntries(kept), NO_PROXY: '127.0.0.1,localhost', no_proxy: '127.0.0.1,localhost' };
}
