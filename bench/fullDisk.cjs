// Loaded by n8n as a file of hooks: its binary store cannot be written while the file BENCH_FULL is there.
const { existsSync } = require('node:fs');
const files = require('node:fs/promises');

const { writeFile } = files;

files.writeFile = async (file, ...rest) => {
	if (!String(file).includes('/binary_data/') || !existsSync(process.env.BENCH_FULL))
		return await writeFile(file, ...rest);
	throw Object.assign(new Error(`ENOSPC: no space left on device, write '${file}'`), { code: 'ENOSPC' });
};
