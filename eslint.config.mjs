import js from '@eslint/js';
import { config } from '@n8n/node-cli/eslint';

export default [
	{ ignores: ['dist/', '.cache/', 'demo-output/', 'test-output/'] },
	...config,
	{
		// Runs on a developer's machine and never in n8n Cloud: Node's own modules, globals and console are its tools.
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
