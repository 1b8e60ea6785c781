/** n8n as its users install it, from npm, kept in the project's `.cache` folder. Linux and macOS. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { runProcess } from './processes';

/** The versions that are tested. */
export const NEWEST_N8N = '2.41.1';
const OLDEST_N8N = '1.123.81';
export const N8N_VERSIONS = [NEWEST_N8N, OLDEST_N8N] as const;

export type N8nVersion = (typeof N8N_VERSIONS)[number];

/** Node.js as each requires it, and what each needs besides. */
const RELEASES = {
	// The module asks n8n's own servers for a list whenever n8n starts.
	[NEWEST_N8N]: { node: '^24.0.0', overrides: {}, env: { N8N_DISABLED_MODULES: 'mcp-registry' } },
	[OLDEST_N8N]: {
		node: '^20.19.0',
		// One dependency is hosted outside npm; this is its republication there.
		overrides: { xlsx: 'npm:@e965/xlsx@^0.20.2' },
		// The other expression engine has no binary for Node.js 20. Code nodes run without a process of their own.
		env: { N8N_EXPRESSION_ENGINE: 'legacy', N8N_RUNNERS_ENABLED: 'false' },
	},
};

export interface N8nInstallation {
	version: N8nVersion;
	/** The Node.js that came with it, and n8n's script for it to run. */
	node: string;
	script: string;
	/** What this version needs in its environment. */
	env: NodeJS.ProcessEnv;
}

/** The git-ignored folder that everything here is kept in. */
export const CACHE_FOLDER = resolve(__dirname, '../../.cache');

/** Node.js itself as an npm package: `node` only has an install script that fetches this one. */
const NODE_PACKAGE = [
	process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node',
	process.platform,
	process.arch,
].join('-');

/**
 * Installs that n8n with a Node.js for it: minutes the first time, milliseconds once it is there. An installation that was
 * interrupted is begun again. `onProgress` gets a line every second.
 * @throws Error with what npm printed
 */
export async function installN8n(version: N8nVersion, onProgress: (line: string) => void): Promise<N8nInstallation> {
	const { node: nodeRange, overrides, env } = RELEASES[version];
	// To see what breaks in a newer n8n, the newest of these can be replaced by it.
	const release = (version === NEWEST_N8N && process.env.N8N_E2E_VERSION) || version;
	const folder = join(CACHE_FOLDER, `n8n-${release}`);
	const modules = join(folder, 'node_modules');
	const marker = join(folder, 'complete.json');
	const node = join(modules, NODE_PACKAGE, 'bin/node');
	const script = join(modules, 'n8n/bin/n8n');
	const manifest = JSON.stringify({
		private: true,
		dependencies: { n8n: release, [NODE_PACKAGE]: nodeRange },
		overrides,
		allowScripts: { sqlite3: true },
	});
	const isComplete = async () => (await readFile(marker, 'utf8').catch(() => '')) === manifest;

	if (await isComplete()) return { version, node, script, env };
	await mkdir(folder, { recursive: true });
	const unlock = await lock(join(folder, 'installing.pid'), onProgress);
	try {
		if (await isComplete()) return { version, node, script, env };
		const started = Date.now();
		const step = async (name: string, command: string, args: string[]) => {
			const report = () => {
				const seconds = Math.round((Date.now() - started) / 1000);
				onProgress(`n8n ${release}: ${name}, ${countPackages(modules)} packages, ${seconds} s`);
			};
			const timer = setInterval(report, 1000);
			const finished = runProcess(command, args, { cwd: folder, env: process.env });
			const { exitCode, stdout, stderr } = await finished.finally(() => clearInterval(timer));
			if (exitCode !== 0) throw new Error(`n8n ${release} could not be installed (${name}):\n${stderr}${stdout}`);
		};

		// npm takes a package that was unpacked in part for a whole one, so nothing is kept of an interrupted installation.
		onProgress(`n8n ${release}: preparing`);
		for (const name of ['complete.json', 'package-lock.json', 'node_modules'])
			await rm(join(folder, name), { recursive: true, force: true });
		await writeFile(join(folder, 'package.json'), manifest);
		// Of all the install scripts only the database driver's is needed, and others want what a bare machine lacks.
		await step('installing', 'npm', ['install', '--ignore-scripts', ...QUIET]);
		await step('building the database driver', 'npm', ['rebuild', 'sqlite3', '--ignore-scripts=false', ...QUIET]);
		await step('trying it', node, ['-e', 'require("sqlite3")']);
		await step('trying it', node, [script, '--version']);
		await writeFile(marker, manifest);
		return { version, node, script, env };
	} finally {
		await unlock();
	}
}

/** The same, with its progress shown. */
export async function installShown(version: N8nVersion): Promise<N8nInstallation> {
	const progress = progressLine();
	try {
		return await installN8n(version, progress.show);
	} finally {
		progress.done();
	}
}

/** Shows long work: a line that replaces itself on a terminal, elsewhere a line about every 15 seconds. */
export function progressLine(): { show(line: string): void; done(): void } {
	let lastShown = 0;
	return {
		show(line) {
			if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
			else if (Date.now() - lastShown >= 15_000) process.stderr.write(`${line}\n`);
			else return;
			lastShown = Date.now();
		},
		done() {
			if (process.stderr.isTTY && lastShown > 0) process.stderr.write('\r\u001b[K');
		},
	};
}

const QUIET = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];

/** Takes a lock that is a file with its holder's pid, after a living holder has let go of it. Gives what releases it. */
async function lock(file: string, onProgress: (line: string) => void): Promise<() => Promise<void>> {
	for (;;) {
		try {
			await writeFile(file, String(process.pid), { flag: 'wx' });
			return () => rm(file, { force: true });
		} catch {
			const pid = Number(await readFile(file, 'utf8').catch(() => ''));
			if (!isRunning(pid)) await rm(file, { force: true });
			else onProgress(`waiting for process ${pid}, which is installing it`);
			await sleep(1000);
		}
	}
}

function isRunning(pid: number): boolean {
	try {
		return pid > 0 && process.kill(pid, 0);
	} catch {
		return false;
	}
}

/** How many packages are unpacked, not counting those inside others. */
function countPackages(modules: string): number {
	const names = listFolder(modules).flatMap((name) =>
		name.startsWith('@') ? listFolder(join(modules, name)).map((inner) => join(name, inner)) : [name],
	);
	return names.filter((name) => existsSync(join(modules, name, 'package.json'))).length;
}

/** npm moves folders about while this looks at them. */
function listFolder(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}
