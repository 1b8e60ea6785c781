/**
 * An S3-compatible storage on this computer. @20minutes/s3rver is the fork of s3rver (unchanged since 2021) that is kept
 * up; 4.0.4 is of July 2026 and its last version for Node.js 20. It checks signatures, and keeps objects as files.
 */
import { mkdir, rm } from 'node:fs/promises';

import S3rver from '@20minutes/s3rver';

/** Starts a storage with one empty bucket. */
export async function startStorage({ folder, bucket }: { folder: string; bucket: string }) {
	await rm(folder, { recursive: true, force: true });
	await mkdir(folder, { recursive: true });
	const server = new S3rver({
		address: '127.0.0.1',
		port: 0,
		silent: true,
		directory: folder,
		configureBuckets: [{ name: bucket, configs: [] }],
	});
	const { port } = await server.run();
	const endpoint = `http://127.0.0.1:${port}`;
	const get = async (path: string) => {
		// Only what is signed has its signature checked; reading needs none.
		const answer = await fetch(`${endpoint}/${bucket}${path}`);
		if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
		return answer;
	};
	return {
		/** For n8n's S3 credential: the one account that this server knows. */
		credential: {
			endpoint,
			region: 'us-east-1',
			accessKeyId: 'S3RVER',
			secretAccessKey: 'S3RVER',
			forcePathStyle: true,
		},

		async keys(): Promise<string[]> {
			const listing = await (await get('?list-type=2')).text();
			return [...listing.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
		},

		async object(key: string) {
			const answer = await get(`/${key}`);
			return { bytes: Buffer.from(await answer.arrayBuffer()), contentType: answer.headers.get('content-type') };
		},

		close: async () => await server.close(),
	};
}
