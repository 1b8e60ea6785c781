/** What is used of a package that has no types of its own. */
declare module '@20minutes/s3rver' {
	interface Options {
		address: string;
		port: number;
		silent: boolean;
		directory: string;
		configureBuckets: Array<{ name: string; configs: string[] }>;
	}

	export default class S3rver {
		constructor(options: Options);
		run(): Promise<{ address: string; port: number }>;
		close(): Promise<void>;
	}
}
