// Runs n8n's script in this process, and writes down at its end what the process has used.
const { writeFileSync } = require('node:fs');

const { BENCH_SCRIPT, BENCH_USAGE } = process.env;
process.on('exit', () => writeFileSync(BENCH_USAGE, JSON.stringify(process.resourceUsage())));
process.argv[1] = BENCH_SCRIPT;
require(BENCH_SCRIPT);
