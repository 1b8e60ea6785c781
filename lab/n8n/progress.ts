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
