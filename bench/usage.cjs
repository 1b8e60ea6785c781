// Runs n8n's script in this process, and writes down at its end what the process has used.
const { readFileSync, writeFileSync } = require('node:fs');

const { BENCH_SCRIPT, BENCH_USAGE } = process.env;

/** KB. On Linux, maxRSS begins with what the process that started this one has used. */
function peakMemory() {
	if (process.platform !== 'linux') return process.resourceUsage().maxRSS;
	return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

process.on('exit', () => {
	const { userCPUTime, systemCPUTime } = process.resourceUsage();
	writeFileSync(BENCH_USAGE, JSON.stringify({ userCPUTime, systemCPUTime, maxRSS: peakMemory() }));
});
process.argv[1] = BENCH_SCRIPT;
require(BENCH_SCRIPT);
