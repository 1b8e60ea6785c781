import { isRecord } from './values';

/** How many characters of a value that a user gave stand in a message. */
const QUOTED_LENGTH = 60;

/** How many characters of a service's words are shown. */
const SAID_LENGTH = 120;

/** How many names of an object's fields are shown. */
const SHOWN_FIELDS = 5;

/** Base64 that is shorter may as well be a name. */
const BASE64_LENGTH = 1_000;

/**
 * How a value that a user gave stands in a message: a short text as JSON, anything else by what it is. Takes time linear in
 * the value's length.
 */
export function quote(value: unknown): string {
	if (typeof value === 'string') return quoteText(value);
	if (typeof value === 'function') return 'a function';
	if (!isRecord(value)) return cut(String(value), QUOTED_LENGTH);
	if (Array.isArray(value)) return `a list of ${amount(value)}`;
	// Every byte would be a field.
	if (ArrayBuffer.isView(value)) return `${value.byteLength.toLocaleString('en-US')} bytes`;
	const names = Object.keys(value);
	if (names.length === 0) return 'an object without fields';
	const shown = names.slice(0, SHOWN_FIELDS).map((name) => cut(name, QUOTED_LENGTH));
	const more = names.length > SHOWN_FIELDS ? ` and ${(names.length - SHOWN_FIELDS).toLocaleString('en-US')} more` : '';
	return `an object with the field${names.length > 1 ? 's' : ''} ${escaped(cut(shown.join(', '), QUOTED_LENGTH))}${more}`;
}

function quoteText(text: string): string {
	if (text.length <= QUOTED_LENGTH) return `"${escaped(text)}"`;
	const characters = `${amount(text)} characters`;
	if (/^\s*data:[^,]{0,100},/i.test(text.slice(0, 200))) return `a data URL of ${characters}`;
	const isBase64 = text.length >= BASE64_LENGTH && /^[\w+/=\r\n-]+$/.test(text.slice(0, BASE64_LENGTH));
	return isBase64 ? `Base64 text of ${characters}` : `"${escaped(cut(text, QUOTED_LENGTH))}" (${characters})`;
}

/**
 * The first characters of what a service says, without markup, control characters and runs of whitespace. Takes time linear
 * in the length that is shown.
 */
export function clean(said: string): string {
	const cleaned = said
		.slice(0, SAID_LENGTH * 20)
		.replace(/<(script|style)\b.*?(?:<\/\1[^<>]*>|$)|<[a-z/!?][^<>]*>?/gis, ' ')
		.replace(/[\p{C}\s]+/gu, ' ')
		.trim();
	return cut(cleaned, SAID_LENGTH);
}

/** A text's first characters, never half of one that takes two. */
const cut = (text: string, length: number) =>
	text.length > length ? `${text.slice(0, length).replace(/[\ud800-\udbff]$/, '')}…` : text;

/** As JSON has it, and so that characters without a shape of their own can be seen. */
const escaped = (text: string) =>
	JSON.stringify(text)
		.slice(1, -1)
		.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (hidden) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`);

const amount = ({ length }: { length: number }) => length.toLocaleString('en-US');

/** Names an item at the end of a message, if there are several. */
export const atItem = (itemIndex: number, itemCount: number) => (itemCount > 1 ? ` [item ${itemIndex}]` : '');
