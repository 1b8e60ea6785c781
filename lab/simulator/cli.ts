/** `npm run simulator`: a simulator to try the node against by hand, without an account and without paying. */
import { parseArgs } from 'node:util';
import { CREDITS_PATH, MERGE_PATH, requestLine, SIMULATOR_KEY, startSimulator } from './simulator';

const HELP = `A stand-in for the AILabTools service on this machine.

  npm run simulator -- [options]

  --port <n>            port to listen on (8717)
  --key <text>          the API key it knows (${SIMULATOR_KEY})
  --credits <n>         the account's balance; a merge costs 8 (unlimited)
  --max-concurrent <n>  requests at a time (unlimited)
  --per-second <n>      requests per second (unlimited)
  --latency <ms>        least time that a merge takes (0)
  --fail-rate <0..1>    share of requests answered with 502 (0)
  --escape-slashes      write slashes in Base64 as \\/
  --help                this text
`;

/** A flag's number, from 0 to `most`; undefined when the flag was not given. */
function amount(flag: string, text: string | undefined, most = Infinity): number | undefined {
	if (text === undefined) return undefined;
	const number = text.trim() === '' ? NaN : Number(text);
	if (number >= 0 && number <= most) return number;
	throw new RangeError(`--${flag} takes a number from 0${most < Infinity ? ` to ${most}` : ' up'}, not '${text}'`);
}

async function main(): Promise<void> {
	const text = { type: 'string' } as const;
	const { values } = parseArgs({
		options: {
			port: { ...text, default: '8717' },
			key: { ...text, default: SIMULATOR_KEY },
			credits: text,
			'max-concurrent': text,
			'per-second': text,
			latency: text,
			'fail-rate': text,
			'escape-slashes': { type: 'boolean' },
			help: { type: 'boolean' },
		},
	});
	if (values.help) {
		process.stdout.write(HELP);
		return;
	}
	const { key } = values;
	const failRate = amount('fail-rate', values['fail-rate'], 1) ?? 0;
	const simulator = await startSimulator({
		port: amount('port', values.port, 65535),
		accounts: [
			{
				key,
				credits: amount('credits', values.credits),
				maxConcurrentRequests: amount('max-concurrent', values['max-concurrent']),
				maxRequestsPerSecond: amount('per-second', values['per-second']),
			},
		],
		latencyMs: amount('latency', values.latency),
		escapeSlashes: values['escape-slashes'],
		keepBytes: false,
		fault: () => (Math.random() < failRate ? { kind: 'status', status: 502 } : undefined),
		onRequest: (request) => {
			console.log(requestLine(request));
			// It may run for hours, and must not remember every request.
			simulator.requests.length = 0;
			simulator.creditRequests.length = 0;
		},
	});
	const { baseUrl } = simulator;
	console.log(`Simulator of AILabTools at ${baseUrl}, API key ${key}

In n8n: credential "AILabTools API", API Key ${key}, Base URL ${baseUrl}
By hand: curl -H 'ailabapi-api-key: ${key}' -F image_target=@target.jpg -F image_template=@template.jpg \\
              -F source_similarity=0.5 ${baseUrl}${MERGE_PATH}
         curl -H 'ailabapi-api-key: ${key}' ${baseUrl}${CREDITS_PATH}
Ctrl+C stops it.
`);
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void simulator.close());
}

main().catch((error: unknown) => {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 1;
});
