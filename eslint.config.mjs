import { config, configWithoutCloudSupport } from '@n8n/node-cli/eslint';

const published = ['nodes/**', 'credentials/**', 'package.json'];

/** n8n's own rules for what is published; for the rest the same, without those about n8n Cloud. */
export default [
	{ ignores: ['dist/', '.cache/', 'demo-output/', 'test-output/'] },
	...config.map((entry) => ({ ...entry, ignores: [...(entry.ignores ?? [])] })),
];
