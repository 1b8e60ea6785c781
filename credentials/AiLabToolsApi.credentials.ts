import type {
	Icon,
	ICredentialDataDecryptedObject,
	ICredentialTestRequest,
	ICredentialType,
	IHttpRequestOptions,
	INodeProperties,
} from 'n8n-workflow';

const keyRefused =
	'AILabTools did not accept the API key. Copy it again from the developer console: https://www.ailabtools.com/developer.';

const failWhen = (key: string, value: unknown, message: string) => ({
	type: 'responseSuccessBody' as const,
	properties: { key, value, message },
});

/** How a request to AILabTools is signed, and how a key is tried out without spending credits. */
export class AiLabToolsApi implements ICredentialType {
	name = 'aiLabToolsApi';

	displayName = 'AILabTools API';

	icon: Icon = { light: 'file:../icons/mergePortraits.svg', dark: 'file:../icons/mergePortraits.dark.svg' };

	// The page where keys are created: what somebody looking at this dialog needs.
	documentationUrl = 'https://www.ailabtools.com/developer';

	properties: INodeProperties[] = [
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			required: true,
			hint: 'Create it in the AILabTools developer console: https://www.ailabtools.com/developer',
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
		// What is copied from a page may hold characters that cannot be seen.
		const apiKey = String(credentials.apiKey).replace(/[^\x21-\x7e]/g, '');
		return { ...requestOptions, headers: { ...requestOptions.headers, 'ailabapi-api-key': apiKey } };
	}

	/**
	 * Asks for the balance, which is free. A page that answers 200 is not enough: the rules look for AILabTools' envelope
	 * with its list of balances, whatever the status, since n8n 1 has its own messages for statuses. A rule fails the test
	 * when its field has the value, or with `undefined` when the field is absent; the first one that fails is shown.
	 */
	test: ICredentialTestRequest = {
		request: {
			baseURL: '={{ $credentials.baseUrl.trim().replace(/\\/+$/, "") }}',
			url: '/api/common/query-credits',
			// Another host must not get the key.
			disableFollowRedirect: true,
			ignoreHttpStatusErrors: true,
		},
		rules: [
			failWhen('error_detail.code', 'ERROR_USER_NOT_EXISTS', keyRefused),
			failWhen('error_detail.code', 'ERROR_APPLICATIONS_NOT_EXISTS', keyRefused),
			failWhen(
				'error_detail.code',
				'ERROR_USER_LOCKED',
				'This AILabTools account is locked. Contact AILabTools support, then test the credential again.',
			),
			failWhen(
				'request_id',
				undefined,
				'No AILabTools API answers at this address. Check the Base URL: its default is https://www.ailabapi.com.',
			),
			failWhen('data.length', 0, 'AILabTools lists no credits for this key. Buy some, then test the credential again.'),
			failWhen(
				'data[0].balance',
				undefined,
				'AILabTools did not report the balance of this key. Test the credential again later. If it stays like this, contact AILabTools support.',
			),
		],
	};
}
