/** What must be there, or is missed at once. */
import type { Server } from 'node:net';

/** The first of a list that must have one. @throws Error that says what is missing */
export function first<T>([element]: readonly T[], what: string): T {
	if (element === undefined) throw new Error(`There is no ${what}`);
	return element;
}

/** The port that a server listens at. */
export function portOf(server: Server): number {
	const address = server.address();
	if (address === null || typeof address === 'string') throw new Error('The server does not listen at a port');
	return address.port;
}
