import type { RecordedRequest } from './exchange';

/** One request as a line. A key may be a real one, sent here by mistake: only a few of its characters are shown. */
export function requestLine(request: RecordedRequest): string {
	const { files, fields, startedAt, finishedAt = startedAt } = request;
	const key = String(request.headers['ailabapi-api-key'] ?? '');
	const sent = Object.entries(files).map(([name, { size }]) => `${name} ${(size / 1024).toFixed(0)} kB`);
	if (fields.source_similarity !== undefined) sent.push(`similarity ${fields.source_similarity}`);
	return [
		`${request.method} ${request.path}`,
		request.aborted ? 'client gone' : [request.status, request.code].filter(Boolean).join(' '),
		`${(finishedAt - startedAt).toFixed(0)} ms`,
		key === '' ? 'no key' : `key ${key.slice(0, Math.min(4, key.length / 3))}…`,
		...sent,
	].join(', ');
}
