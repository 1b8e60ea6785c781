/** @type {import('jest').Config} */
module.exports = {
	testEnvironment: 'node',
	collectCoverageFrom: ['nodes/**/*.ts', 'credentials/**/*.ts'],
	coverageReporters: ['text'],
	coverageThreshold: {
		global: { statements: 100 },
		// So many statements are not run. n8n's HTTP helper streams when it is asked to; the compiler cannot know.
		'./nodes/MergePortraits/base/http.ts': { statements: -1 },
		'./nodes/MergePortraits/api/faceFusion.ts': { statements: -1 },
		'./nodes/MergePortraits/pictures/download.ts': { statements: -1 },
		// Two exports for their types alone; and a timer that rings in the very moment in which it is put off.
		'./nodes/MergePortraits/account/gate.ts': { statements: -3 },
		// Run as it is built, from `dist`.
		'./nodes/MergePortraits/MergePortraits.node.ts': { statements: -1 },
	},
	testTimeout: 30_000,
	testMatch: ['<rootDir>/test/{unit,integration}/**/*.test.ts'],
	setupFilesAfterEnv: ['<rootDir>/test/integration/environment.ts'],
	transform: {
		'\\.[jt]s$': [
			'@swc/jest',
			{ jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
		],
	},
	// DiceBear is published as ES modules only, which Jest cannot load on Node 20.
	transformIgnorePatterns: ['/node_modules/(?!@dicebear/)', '/dist/'],
	modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/', '<rootDir>/test-output/'],
};
