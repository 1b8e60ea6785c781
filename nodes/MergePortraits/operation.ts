import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import { Accounts } from './account/accounts';
import { systemClock } from './base/clock';
import { checkBatch } from './checkBatch';
import { mergeBatch } from './mergeBatch';
import type { Surroundings } from './mergePair';
import { PaidResults } from './paid/results';

const ofThisProcess: Surroundings = {
	clock: systemClock,
	random: Math.random,
	accounts: new Accounts(systemClock),
	results: new PaidResults(),
};

/** Runs the operation that the node is set to, with what this n8n process knows of accounts and paid pictures. */
export async function runOperation(
	context: IExecuteFunctions,
	surroundings: Surroundings = ofThisProcess,
): Promise<INodeExecutionData[]> {
	const batch = context.getNodeParameter('operation', 0, 'merge') === 'check' ? checkBatch : mergeBatch;
	return await batch(context, surroundings);
}
