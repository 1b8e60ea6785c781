/** Jest's environment for Node.js that keeps the evidence when a test or a hook fails, before any hook clears it away. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { TestEnvironment } from 'jest-environment-node';

import { COLLECTORS, type Collector } from '../../lab/n8n/evidence';

interface Block {
	name: string;
	parent?: Block;
}

interface JestEvent {
	name: string;
	test?: Block;
	describeBlock?: Block;
	error?: unknown;
}

const FAILURES = resolve(__dirname, '../../test-output/failures');

export default class EvidenceEnvironment extends TestEnvironment {
	private readonly collectors = new Set<Collector>();

	override async setup(): Promise<void> {
		await super.setup();
		Object.assign(this.global, { [COLLECTORS]: this.collectors });
	}

	async handleTestEvent(event: JestEvent): Promise<void> {
		if (event.name !== 'test_fn_failure' && event.name !== 'hook_failure') return;
		const name = fullName(event.test ?? event.describeBlock);
		const when = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
		const folder = join(FAILURES, `${when} ${name}`.replace(/[^\w.]+/g, '-').slice(0, 120));
		await mkdir(folder, { recursive: true });
		const { error } = event;
		const told =
			error instanceof Error || (typeof error === 'object' && error && 'stack' in error) ? error.stack : error;
		await writeFile(join(folder, 'failure.txt'), `${name}\n\n${stripVTControlCharacters(String(told))}\n`);
		// One that fails, such as for a browser that has crashed, must not keep the others from theirs.
		const outcomes = await Promise.allSettled([...this.collectors].map(async (collect) => await collect(folder)));
		const lost = outcomes.filter(({ status }) => status === 'rejected').length;
		process.stderr.write(
			`\nFailed: ${name}\nEvidence: ${relative('', folder)}${lost ? ` (${lost} incomplete)` : ''}\n`,
		);
	}
}

function fullName(block: Block | undefined): string {
	if (block === undefined || block.name === 'ROOT_DESCRIBE_BLOCK') return '';
	return `${fullName(block.parent)} ${block.name}`.trim();
}
