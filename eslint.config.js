/**
 * For `eslint`, editors and the git hook, which find this file before `eslint.config.mjs`. That one is n8n's own, letter for
 * letter, and `npm run lint` holds what is published to it alone. Here are the rules for the code around it, which runs on a
 * developer's machine and never in n8n Cloud: Node's own modules, globals and console are its tools.
 */
const js = require('@eslint/js');
const { config } = require('@n8n/node-cli/eslint');

module.exports = [
	{ ignores: ['.cache/', 'demo-output/', 'test-output/'] },
	...config,
	{
		files: ['lab/**', 'test/**', 'demo/**', 'bench/**', '*.ts'],
		rules: {
			'@n8n/community-nodes/no-dangerous-functions': 'off',
			'@n8n/community-nodes/node-usable-as-tool': 'off',
			'@n8n/community-nodes/no-restricted-globals': 'off',
			'@n8n/community-nodes/no-restricted-imports': 'off',
			'@n8n/community-nodes/require-node-api-error': 'off',
			'no-console': 'off',
		},
	},
	{
		files: ['*.js'],
		...js.configs.recommended,
		languageOptions: {
			sourceType: 'commonjs',
			globals: { module: false, process: false, require: false, exports: false },
		},
	},
];
