/** @type {import('jest').Config} */
module.exports = {
	testEnvironment: 'node',
	collectCoverageFrom: ['nodes/**/*.ts', 'credentials/**/*.ts'],
	coverageReporters: ['text'],
	// What is left is run as it is built, or in a moment that no test can hit: a feature without a test is more than that.
	coverageThreshold: { global: { statements: 99, functions: 99, branches: 95 } },
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
