const { execFileSync } = require('node:child_process');
const { rmSync } = require('node:fs');
const { build: bundle } = require('esbuild');
const { dest, parallel, series, src } = require('gulp');
const { n8n } = require('./package.json');

async function clean() {
	rmSync('dist', { recursive: true, force: true });
}

async function typecheck() {
	execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '--noEmit'], { stdio: 'inherit' });
}

/** n8n loads one file for each node and credential, so each becomes one bundle. What n8n brings itself stays outside. */
async function javascript() {
	await bundle({
		entryPoints: [...n8n.nodes, ...n8n.credentials].map((built) => built.replace(/^dist\/(.*)\.js$/, '$1.ts')),
		outdir: 'dist',
		outbase: '.',
		bundle: true,
		platform: 'node',
		target: 'node20',
		format: 'cjs',
		external: ['n8n-workflow', 'form-data'],
	});
}

function icons() {
	return src('icons/*.svg').pipe(dest('dist/icons'));
}

function codex() {
	return src('nodes/*/*.node.json', { base: '.' }).pipe(dest('dist'));
}

exports.build = series(typecheck, clean, parallel(javascript, icons, codex));
exports.default = exports.build;
