/** A whole n8n with the package and the examples in it. */
import { resolve } from 'node:path';

import { applyCredentials } from '../lab/n8n/examples';
import { installShown, NEWEST_N8N } from '../lab/n8n/installation';
import { createN8n, type Credential, type N8n } from '../lab/n8n/n8n';
import { packTarball } from '../lab/n8n/pack';
import { runProcess } from '../lab/n8n/processes';
import { GRAPHICS_MAGICK_LOCK } from '../lab/n8n/services';
import { CREDENTIAL } from '../lab/n8n/workflows';
import { OUTPUT_FOLDER, step, usesRealService, type Stage } from './stage';

export interface PreparedN8n {
	n8n: N8n;
	/** The ids in n8n of the workflows in `examples`, by file name without extension. */
	workflows: Partial<Record<string, string>>;
}

/**
 * @param userFolder n8n keeps all in it
 * @param credentials what the examples need besides that of AILabTools
 */
export async function prepareN8n(
	{ service, examples }: Stage,
	userFolder: string,
	credentials: Credential[] = [],
): Promise<PreparedN8n> {
	step(`Installing n8n ${NEWEST_N8N}, unless it is there: the first time takes five to ten minutes and 3 GB`);
	const installation = await installShown(NEWEST_N8N);

	step('Building this package, packing it as npm would, and installing it in n8n as a community node');
	const cwd = resolve(__dirname, '..');
	const { exitCode, stdout, stderr } = await runProcess('npm', ['run', 'build'], { cwd, env: process.env });
	if (exitCode !== 0) throw new Error(`npm run build did not work:\n${stdout}${stderr}`);
	const { baseUrl } = service;
	const env = {
		...GRAPHICS_MAGICK_LOCK,
		N8N_RESTRICT_FILE_ACCESS_TO: OUTPUT_FOLDER,
		// A new credential is for the simulator too: its dialog then asks for the key alone.
		...(!usesRealService && { CREDENTIALS_OVERWRITE_DATA: JSON.stringify({ aiLabToolsApi: { baseUrl } }) }),
	};
	const n8n = await createN8n({ installation, userFolder, tarball: await packTarball(), env });

	step('Importing credentials and the example workflows');
	await n8n.importCredentials({ ...CREDENTIAL, data: service }, ...credentials);
	const ids = await n8n.importWorkflows(
		...[...examples.values()].map((example) => applyCredentials(example, credentials)),
	);
	return { n8n, workflows: Object.fromEntries([...examples.keys()].map((key, index) => [key, ids[index]])) };
}
