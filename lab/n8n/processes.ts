import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';

import { portOf } from '../required';

export interface Finished {
	exitCode: number;
	stdout: string;
	stderr: string;
}

/** Loaded into Node.js before the program: ends it when the channel to its parent closes, even if SIGKILL closed it. */
const END_WITH_PARENT = `
	process.once('disconnect', () => {
		setTimeout(() => process.kill(process.pid, 'SIGKILL'), 3000);
		process.kill(process.pid, 'SIGTERM');
	});
	process.channel?.unref();
`;

export interface StartOptions {
	cwd: string;
	env: NodeJS.ProcessEnv;
}

/** Starts a program that runs on Node.js, without a shell. It does not outlive this process, however this one ends. */
export function startProcess(command: string, args: string[], { cwd, env }: StartOptions): ChildProcess {
	const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(END_WITH_PARENT)}`;
	return spawn(command, args, { cwd, env: { ...env, NODE_OPTIONS }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
}

/** Runs such a program to its end. An exit code other than 0 is for the caller to judge; ended by a signal, it is 1. */
export async function runProcess(command: string, args: string[], options: StartOptions): Promise<Finished> {
	const child = startProcess(command, args, options);
	const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
	child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
	child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
	await once(child, 'close');
	return {
		exitCode: child.exitCode ?? 1,
		stdout: Buffer.concat(stdout).toString(),
		stderr: Buffer.concat(stderr).toString(),
	};
}

/** Asks a process to end, and ends it after ten seconds. */
export async function stopProcess(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = once(child, 'exit');
	child.kill('SIGTERM');
	const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
	await ended;
	clearTimeout(impatience);
}

/** What another process has used of the CPU, user and system, in seconds. Only Linux tells it, in hundredths. */
export async function cpuSeconds(pid: number | undefined): Promise<number> {
	const [, behindName = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ');
	const [user = 0, system = 0] = behindName.split(' ').slice(11, 13).map(Number);
	return (user + system) / 100;
}

/** Begins another process's peak of memory anew, as Linux can. */
export async function forgetPeak(pid: number | undefined): Promise<void> {
	await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}

/** The most that was resident of it, MB of 1024 × 1024 bytes; undefined but on Linux. */
export async function peakMemory(pid: number | undefined): Promise<number | undefined> {
	const peak = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1];
	return peak === undefined ? undefined : Number(peak) / 1024;
}

/** The ports given so far: two who ask one after the other, before either listens, must not get the same. */
const given = new Set<number>();

/** The port itself if nothing listens on it, else the next free one; without a port, any free one. */
export async function freePort(port = 0): Promise<number> {
	const server = createServer();
	try {
		await once(server.listen(port, '127.0.0.1'), 'listening');
	} catch {
		return freePort(port + 1);
	}
	const free = portOf(server);
	server.close();
	await once(server, 'close');
	if (port === 0 && given.has(free)) return freePort();
	given.add(free);
	return free;
}
