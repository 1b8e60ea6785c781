import type { ICredentialType, INodeType } from 'n8n-workflow';

export const AiLabToolsApi: new () => ICredentialType;
export const MergePortraits: new () => INodeType;
