import type {
	Icon,
	ICredentialDataDecryptedObject,
	ICredentialTestRequest,
	ICredentialType,
	IHttpRequestOptions,
	INodeProperties,
} from 'n8n-workflow';

/** How a request to AILabTools is signed, and how a key is tried out without spending credits. */
export class AiLabToolsApi implements ICredentialType {
	name = 'aiLabToolsApi';

	displayName = 'AILabTools API';

	icon: Icon = { light: 'file:../icons/mergePortraits.svg', dark: 'file:../icons/mergePortraits.dark.svg' };

	documentationUrl = 'https://www.ailabtools.com/docs/ai-portrait/effects/face-fusion/api';

	properties: INodeProperties[] = [
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			required: true,
			description: 'The key that your AILabTools account shows in its developer console',
		},
		{
			displayName: 'Base URL',
			name: 'baseUrl',
			type: 'string',
			default: 'https://www.ailabapi.com',
			required: true,
			description: 'Address of the AILabTools API, to be changed only for a proxy or a test server',
		},
	];

	// A function, because n8n 2.x cannot evaluate an `authenticate` expression in workflows with `binaryMode: combined`.
	async authenticate(
		credentials: ICredentialDataDecryptedObject,
		requestOptions: IHttpRequestOptions,
	): Promise<IHttpRequestOptions> {
		const apiKey = String(credentials.apiKey).trim();
		return { ...requestOptions, headers: { ...requestOptions.headers, 'ailabapi-api-key': apiKey } };
	}

	test: ICredentialTestRequest = {
		request: {
			baseURL: '={{ $credentials.baseUrl.trim().replace(/\\/+$/, "") }}',
			url: '/api/common/query-credits',
			disableFollowRedirect: true,
		},
		rules: [
			{
				type: 'responseCode',
				properties: {
					value: 401,
					message: 'AILabTools did not accept the API key. Copy it again from the developer console of your account.',
				},
			},
			{
				type: 'responseCode',
				properties: { value: 403, message: 'This AILabTools account is locked. Please contact AILabTools support.' },
			},
			{
				type: 'responseCode',
				properties: { value: 404, message: 'No AILabTools API answers at this address. Check the Base URL.' },
			},
		],
	};
}
