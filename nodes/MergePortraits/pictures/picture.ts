/** A picture that is fit to be sent: its bytes, and its type and extension by its first bytes. */
export interface Picture {
	bytes: Buffer;
	mimeType: string;
	extension: string;
}
