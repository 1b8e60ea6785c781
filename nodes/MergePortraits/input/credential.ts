import { NodeOperationError, type IExecuteFunctions } from 'n8n-workflow';

/** The node's credential, ready for use. */
export interface Credential {
	/** Without a trailing slash. */
	baseUrl: string;
	apiKey: string;
}

/**
 * Reads the node's credential.
 * @throws NodeOperationError that quotes the label of the field that is wrong
 */
export async function readCredential(context: IExecuteFunctions): Promise<Credential> {
	const { baseUrl, apiKey } = await context.getCredentials<{ baseUrl: string; apiKey: string }>('aiLabToolsApi');
	const credential = {
		baseUrl: String(baseUrl ?? '')
			.trim()
			.replace(/\/+$/, ''),
		apiKey: String(apiKey ?? '').replace(/[^\x21-\x7e]/g, ''),
	};
	if (!/^https?:\/\/\S+$/.test(credential.baseUrl) || !URL.canParse(credential.baseUrl)) {
		throw new NodeOperationError(context.getNode(), "'Base URL' of the credential is not an address", {
			description: 'Open the credential and enter an address such as https://www.ailabapi.com.',
		});
	}
	if (credential.apiKey === '') {
		throw new NodeOperationError(context.getNode(), "'API Key' of the credential is empty", {
			description: 'Open the credential and enter the key that the developer console of your AILabTools account shows.',
		});
	}
	return credential;
}
