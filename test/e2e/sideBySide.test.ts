/**
 * AILabTools has an n8n package of its own, `n8n-nodes-ailabtools`. Here a stand-in with its names is installed beside this
 * one: a node "AILabTools", and a credential `ailabToolsApi` that is shown as "AILabTools API", as ours is.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { INodeTypeDescription } from 'n8n-workflow';

import { NEWEST_N8N } from '../../lab/n8n/installation';
import { openLab, type Lab } from '../../lab/n8n/lab';
import { runProcess } from '../../lab/n8n/processes';
import { portrait } from '../../lab/portraits';
import { sha256 } from '../../lab/simulator/exchange';
import { SIMULATOR_KEY } from '../../lab/simulator/simulator';
import { batch, CREDENTIAL, MERGE, node, to } from '../../lab/n8n/workflows';

const THEIR_KEY = 'their-key';

const STAND_IN = {
	'package.json': JSON.stringify({
		name: 'n8n-nodes-ailabtools',
		version: '0.0.0',
		n8n: {
			n8nNodesApiVersion: 1,
			credentials: ['AilabToolsApi.credentials.js'],
			nodes: ['AilabTools.node.js'],
		},
	}),
	'AilabToolsApi.credentials.js': `
		exports.AilabToolsApi = class {
			name = 'ailabToolsApi';
			displayName = 'AILabTools API';
			properties = [
				{ displayName: 'API Key', name: 'apiKey', type: 'string', default: '' },
				{ displayName: 'Address', name: 'address', type: 'string', default: '' },
			];
			authenticate = { type: 'generic', properties: { headers: { 'ailabapi-api-key': '={{ $credentials.apiKey }}' } } };
			test = { request: { baseURL: '={{ $credentials.address }}', url: '/api/common/query-credits' } };
		};`,
	'AilabTools.node.js': `
		exports.AilabTools = class {
			description = {
				displayName: 'AILabTools',
				name: 'ailabTools',
				group: ['transform'],
				version: 1,
				description: 'Sends any request',
				defaults: { name: 'AILabTools' },
				inputs: ['main'],
				outputs: ['main'],
				credentials: [{ name: 'ailabToolsApi', required: true }],
				properties: [],
			};
			async execute() {
				const { address } = await this.getCredentials('ailabToolsApi');
				const url = address + '/api/common/query-credits';
				const json = await this.helpers.httpRequestWithAuthentication.call(this, 'ailabToolsApi', { url });
				return [[{ json }]];
			}
		};`,
};

describe(`n8n ${NEWEST_N8N} with a package named as AILabTools' own beside ours`, () => {
	let lab: Lab;

	beforeAll(async () => {
		const accounts = [{ key: SIMULATOR_KEY }, { key: THEIR_KEY, credits: 77 }];
		lab = await openLab({ name: 'side-by-side', simulator: { accounts } });
		await lab.provide('template.jpg', await portrait('template', { format: 'jpeg' }));
		await lab.provide('one/anna.png', await portrait('anna'));
		await install(join(lab.folder, 'user/.n8n/nodes'));
		await lab.restart({});
	}, 900_000);
	afterAll(async () => await lab?.close());
	beforeEach(() => lab.simulator.reset());

	/** Packed and installed with npm, as n8n installs any community package. */
	async function install(nodes: string): Promise<void> {
		const source = join(lab.folder, 'stand-in');
		await mkdir(source, { recursive: true });
		for (const [name, content] of Object.entries(STAND_IN)) await writeFile(join(source, name), content);
		const npm = async (cwd: string, ...args: string[]) => {
			const { exitCode, stderr } = await runProcess('npm', args, { cwd, env: process.env });
			if (exitCode !== 0) throw new Error(`npm ${args.join(' ')} did not work:\n${stderr}`);
		};
		await npm(source, 'pack', '--pack-destination', lab.folder);
		const tarball = join(lab.folder, 'n8n-nodes-ailabtools-0.0.0.tgz');
		await npm(nodes, 'install', tarball, '--legacy-peer-deps', '--ignore-scripts', '--no-package-lock', '--no-audit');
	}

	/** Adds a credential of their type. */
	async function addTheirs() {
		const theirs = {
			name: 'Theirs',
			type: 'ailabToolsApi',
			data: { apiKey: THEIR_KEY, address: lab.simulator.baseUrl },
		};
		const { id } = await lab.call<{ id: string }>('POST', '/credentials', theirs);
		return { ...theirs, id };
	}
	const keys = (requests: typeof lab.simulator.requests) =>
		requests.map(({ headers, status }) => [headers['ailabapi-api-key'], status]);

	it('lists both nodes, each with a credential type of its own', async () => {
		const answer = await lab.get('/types/nodes.json');
		const types: INodeTypeDescription[] = JSON.parse(await answer.text());
		const ofAiLabTools = types.filter(({ name }) => /ailabtools|merge-portraits/i.test(name) && !/Tool$/.test(name));
		expect(ofAiLabTools.map(({ name, credentials = [] }) => [name, ...credentials.map((each) => each.name)])).toEqual(
			expect.arrayContaining([
				['n8n-nodes-merge-portraits.mergePortraits', 'aiLabToolsApi'],
				['n8n-nodes-ailabtools.ailabTools', 'ailabToolsApi'],
			]),
		);
		expect(ofAiLabTools).toHaveLength(2);
	});

	it('tests each credential as its own package says', async () => {
		const test = async (credentials: object) =>
			await lab.call<{ status: string }>('POST', '/credentials/test', { credentials });
		const data = { apiKey: SIMULATOR_KEY, baseUrl: lab.simulator.baseUrl };
		expect(await test({ ...CREDENTIAL, data })).toMatchObject({ status: 'OK' });
		expect(await test(await addTheirs())).toMatchObject({ status: 'OK' });
		expect(keys(lab.simulator.creditRequests)).toEqual([
			[SIMULATOR_KEY, 200],
			[THEIR_KEY, 200],
		]);
	});

	it('runs both nodes in one workflow, each with its own key', async () => {
		const workflow = batch(lab.files, 'one');
		const { id, name } = await addTheirs();
		workflow.nodes.push(
			node('AILabTools', 'n8n-nodes-ailabtools.ailabTools', { credentials: { ailabToolsApi: { id, name } } }),
		);
		Object.assign(workflow.connections, { After: to('AILabTools') });
		const execution = await lab.run(workflow);
		expect(execution.status).toBe('success');
		const [merged] = execution.items(MERGE);
		expect(sha256(await lab.read(merged?.binary?.data))).toBe(lab.simulator.requests[0]?.resultSha256);
		expect(keys(lab.simulator.requests)).toEqual([[SIMULATOR_KEY, 200]]);
		expect(execution.items('AILabTools')[0]?.json).toMatchObject({ data: [{ balance: 77 }] });
		expect(keys(lab.simulator.creditRequests)).toEqual([[THEIR_KEY, 200]]);
	});
});
