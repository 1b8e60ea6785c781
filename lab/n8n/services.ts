/**
 * Programs from Debian's packages that n8n calls: Redis and PostgreSQL for its queue mode, on this computer only and with
 * nothing kept; GraphicsMagick for its Edit Image node.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { freePort, stopProcess } from './processes';

const run = promisify(execFile);

const POSTGRES_VERSIONS = '/usr/lib/postgresql';

export interface Service {
	/** n8n's settings for it. */
	env: NodeJS.ProcessEnv;
	/** Stops it, and starts it again after so long, with all that it held. */
	restart(awayMs: number): Promise<void>;
	stop(): Promise<void>;
}

/**
 * n8n's environment hands these to GraphicsMagick: it then opens only the formats that a browser or a camera makes, no file
 * or address that a picture names, and nothing of over 100 megapixels.
 */
export const GRAPHICS_MAGICK_LOCK = { MAGICK_CODER_STABILITY: 'PRIMARY', MAGICK_LIMIT_PIXELS: '100M' };

/** Whether n8n's Edit Image node finds what it calls. */
export async function hasGraphicsMagick(): Promise<boolean> {
	return await run('gm', ['version']).then(
		() => true,
		() => false,
	);
}

export async function startRedis(): Promise<Service> {
	const port = await freePort();
	const folder = await mkdtemp(join(tmpdir(), 'n8n-nodes-merge-portraits-redis-'));
	// With a rule of when to save it saves when it is stopped, too.
	const settings = { port, bind: '127.0.0.1', dir: folder, save: '3600 1', appendonly: 'no' };
	const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
	const daemon = await keepRunning(port, () => startDaemon('/usr/bin/redis-server', args));
	return {
		env: { QUEUE_BULL_REDIS_HOST: '127.0.0.1', QUEUE_BULL_REDIS_PORT: String(port) },
		restart: daemon.restart,
		async stop() {
			await daemon.stop();
			await rm(folder, { recursive: true, force: true });
		},
	};
}

export async function startPostgres(): Promise<Service> {
	const programs = postgresFolder();
	if (programs === undefined) throw new Error('PostgreSQL is not installed');
	const port = await freePort();
	const user = await unprivilegedUser();
	const folder = await mkdtemp(join(tmpdir(), 'n8n-nodes-merge-portraits-postgres-'));
	if (user) await chown(folder, user.uid, user.gid);
	const data = join(folder, 'data');
	const choices = ['--username', 'n8n', '--auth', 'trust', '--locale', 'C.UTF-8', '--no-sync'];
	await run(join(programs, 'initdb'), ['--pgdata', data, ...choices], { cwd: folder, ...user });
	const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: folder, fsync: 'off' };
	const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
	const start = () =>
		startDaemon(join(programs, 'postgres'), ['-D', data, '-p', String(port), ...args], { cwd: folder, ...user });
	// "Fast" shutdown: it does not wait for its clients.
	const daemon = await keepRunning(port, start, 'SIGINT');
	return {
		env: {
			DB_TYPE: 'postgresdb',
			DB_POSTGRESDB_HOST: '127.0.0.1',
			DB_POSTGRESDB_PORT: String(port),
			DB_POSTGRESDB_USER: 'n8n',
			DB_POSTGRESDB_DATABASE: 'postgres',
		},
		restart: daemon.restart,
		async stop() {
			await daemon.stop();
			await rm(folder, { recursive: true, force: true });
		},
	};
}

/** Of the newest version that is installed. */
function postgresFolder(): string | undefined {
	const versions = existsSync(POSTGRES_VERSIONS) ? readdirSync(POSTGRES_VERSIONS) : [];
	const folders = versions.sort((a, b) => Number(b) - Number(a)).map((name) => join(POSTGRES_VERSIONS, name, 'bin'));
	return folders.find((folder) => existsSync(join(folder, 'postgres')));
}

/** PostgreSQL does not run as root. Its package brings a user for it. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
	return { uid: await id('-u'), gid: await id('-g') };
}

/** A program that ends with this process, even when nobody is left to stop it. */
function startDaemon(program: string, args: string[], options: { cwd?: string; uid?: number; gid?: number } = {}) {
	const stdio = 'ignore' as const;
	return spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args], { ...options, stdio });
}

/** Starts a program that listens at a port, and waits until it does. */
async function keepRunning(port: number, start: () => ChildProcess, end: NodeJS.Signals = 'SIGTERM') {
	let child = start();
	const stop = async () => {
		child.kill(end);
		await stopProcess(child);
	};
	await listening(child, port);
	return {
		stop,
		async restart(awayMs: number) {
			await stop();
			await sleep(awayMs);
			child = start();
			await listening(child, port);
		},
	};
}

async function listening(child: ChildProcess, port: number): Promise<void> {
	const answers = async () =>
		await new Promise<boolean>((resolve) => {
			const socket = connect(port, '127.0.0.1');
			socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
			socket.once('connect', () => socket.destroy());
		});
	while (!(await answers())) {
		if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`);
		await sleep(50);
	}
}
