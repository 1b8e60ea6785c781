/** Real n8n, real browser, real queue: minutes where the unit tests take seconds, so they run on their own. */
const base = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = {
	...base,
	testMatch: ['<rootDir>/test/e2e/**/*.test.ts'],
	testEnvironment: '<rootDir>/test/e2e/environment.ts',
	setupFilesAfterEnv: [],
	// The first run on a machine installs n8n itself.
	testTimeout: 120_000,
};
