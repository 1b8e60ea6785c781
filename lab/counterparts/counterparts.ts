/** What the examples speak to besides AILabTools: a mailbox and a storage on this computer, and the credentials for them. */
import type { Credential } from '../n8n/n8n';
import { startMailbox, type Message } from './mailbox';
import { startStorage } from './storage';

/** The name of the storage's one bucket, as the examples have it. */
export const BUCKET = 'portraits';

/** What chunks of a large batch are handed over with. */
export const CHUNK_KEY: Credential = {
	id: 'exampleChunkKey',
	name: 'Key for chunks',
	type: 'httpHeaderAuth',
	data: { name: 'x-chunk-key', value: 'chunk-key' },
};

export type Counterparts = Awaited<ReturnType<typeof startCounterparts>>;

/** Starts both. The storage keeps its objects in `folder`, emptied first; `onMessage` gets each e-mail that arrives. */
export async function startCounterparts(folder: string, onMessage?: (message: Message) => void) {
	const storage = await startStorage({ folder, bucket: BUCKET });
	const mailbox = await startMailbox(onMessage);
	const credentials: Credential[] = [
		{ id: 'exampleStorage', name: 'S3', type: 's3', data: storage.credential },
		{ id: 'exampleMailbox', name: 'SMTP', type: 'smtp', data: mailbox.credential },
		CHUNK_KEY,
	];
	return {
		storage,
		mailbox,
		/** By the names under which the examples ask for them. */
		credentials,
		async close(): Promise<void> {
			await mailbox.close();
			await storage.close();
		},
	};
}
