/** An SMTP server on this computer that keeps every message that it is sent, read as an e-mail program would read it. */
import { once } from 'node:events';

import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { portOf } from '../required';

export interface Message {
	/** Of the envelope: who really gets it. */
	recipients: string[];
	mail: ParsedMail;
}

const USER = 'mailbox';
const PASSWORD = 'mailbox-password';

/** `onMessage` gets each message when it has arrived. */
export async function startMailbox(onMessage?: (message: Message) => void) {
	const messages: Message[] = [];
	const refused = new Set<string>();
	const server = new SMTPServer({
		disabledCommands: ['STARTTLS'],
		onAuth({ username, password }, _session, callback) {
			if (username === USER && password === PASSWORD) callback(null, { user: username });
			else callback(new Error('Wrong user or password'));
		},
		onRcptTo({ address }, _session, callback) {
			callback(refused.has(address) ? new Error('No such mailbox') : null);
		},
		onData(stream, { envelope }, callback) {
			simpleParser(stream).then((mail) => {
				const message = { recipients: envelope.rcptTo.map(({ address }) => address), mail };
				messages.push(message);
				onMessage?.(message);
				callback();
			}, callback);
		},
	});
	server.listen(0, '127.0.0.1');
	await once(server.server, 'listening');
	return {
		/** For n8n's SMTP credential. */
		credential: {
			user: USER,
			password: PASSWORD,
			host: '127.0.0.1',
			port: portOf(server.server),
			secure: false,
			disableStartTls: true,
		},
		messages,
		/** Addresses that it has no mailbox for. */
		refused,
		close: async () => await new Promise<void>((resolve) => server.close(resolve)),
	};
}
