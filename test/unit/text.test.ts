import { clean, quote } from '../../nodes/MergePortraits/base/text';

/** Enough for ten megabytes read once, on a busy machine too; read again and again, they would take hours. */
const LINEAR_MS = 2_000;

const megabytes = 'portrait'.repeat(1_250_000);
const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index]));

describe('a value that a user gave is told as what it is', () => {
	it.each<[what: string, value: unknown, told: string]>([
		['an empty text', '', '""'],
		['a short text', 'photo', '"photo"'],
		['a text with quotes and line breaks', 'a "b"\nc', String.raw`"a \"b\"\nc"`],
		['a text of sixty characters', 'x '.repeat(30), `"${'x '.repeat(30)}"`],
		['a longer text', 'x '.repeat(31), `"${'x '.repeat(30)}…" (62 characters)`],
		['a text cut within an emoji', `${'x'.repeat(59)}😀 and more`, `"${'x'.repeat(59)}…" (70 characters)`],
		['half an emoji', '\ud83d', String.raw`"\ud83d"`],
		['letters of any script', 'φωτογραφία, 照片', '"φωτογραφία, 照片"'],
		['a name with an invisible character', 'photo\u200b', String.raw`"photo\u{200b}"`],
		['a name that runs backwards', 'photo\u202egpj', String.raw`"photo\u{202e}gpj"`],
		['markup', '<b>photo</b>', '"<b>photo</b>"'],
		['Base64', megabytes, 'Base64 text of 10,000,000 characters'],
		['Base64 of URLs', '-_9j'.repeat(300), 'Base64 text of 1,200 characters'],
		['Base64 in lines', `${'A'.repeat(76)}\r\n`.repeat(20), 'Base64 text of 1,560 characters'],
		['damaged Base64', `${megabytes}*`, 'Base64 text of 10,000,001 characters'],
		['a long word', 'x'.repeat(999), `"${'x'.repeat(60)}…" (999 characters)`],
		['a data URL', `data:image/png;base64,${megabytes}`, 'a data URL of 10,000,022 characters'],
		['a data URL in capitals', `DATA:,${'x '.repeat(40)}`, 'a data URL of 86 characters'],
		['a text that begins like one', `data: ${'x '.repeat(100)}`, `"data: ${'x '.repeat(27)}…" (206 characters)`],
		['a long text that is neither', 'Ä'.repeat(10_000_000), `"${'Ä'.repeat(60)}…" (10,000,000 characters)`],
		['a number', 0.5, '0.5'],
		['no number', Number.NaN, 'NaN'],
		['a number of a hundred digits', 10n ** 100n, `1${'0'.repeat(59)}…`],
		['yes', true, 'true'],
		['nothing', undefined, 'undefined'],
		['null', null, 'null'],
		['a function', () => megabytes, 'a function'],
		['an empty list', [], 'a list of 0'],
		['a long list', Array.from({ length: 1_000_000 }), 'a list of 1,000,000'],
		['bytes', Buffer.alloc(10_000_000), '10,000,000 bytes'],
		['an object', { a: megabytes, b: 1 }, 'an object with the fields a, b'],
		['an object with one field', { data: 1 }, 'an object with the field data'],
		['an empty object', {}, 'an object without fields'],
		['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), 'an object with the field a'],
		['an object with many fields', fields(100_000), 'an object with the fields f0, f1, f2, f3, f4 and 99,995 more'],
		['an object with a long name', { [megabytes]: 1 }, `an object with the field ${megabytes.slice(0, 60)}…`],
		['an object with an odd name', { 'a\nb': 1 }, String.raw`an object with the field a\nb`],
	])('%s', (_what, value, told) => {
		const started = performance.now();
		expect(quote(value)).toBe(told);
		expect(performance.now() - started).toBeLessThan(LINEAR_MS);
	});
});

describe('what a service says is shown without', () => {
	it.each<[what: string, said: string, shown: string]>([
		['anything added, if it is short', 'No face: 3 < 4 > 2.', 'No face: 3 < 4 > 2.'],
		['tags', '<h1 class="x">502</h1><p>Bad gateway</p>', '502 Bad gateway'],
		['scripts and styles', 'a<style>p{}</style>b<SCRIPT src="x">alert(1)</SCRIPT >c', 'a b c'],
		['a script that does not end', 'a<script>alert(1)', 'a'],
		['tags made of tags', '<<b>script>x', '< script>x'],
		['control characters and line breaks', ' a\u0000\r\n\tb\u202ec ', 'a b c'],
		['half an emoji', `${'x'.repeat(119)}😀`, `${'x'.repeat(119)}…`],
		['what is beyond 120 characters', 'word '.repeat(2_000_000), `${'word '.repeat(24)}…`],
		['tags that fill megabytes', '<b>'.repeat(4_000_000), ''],
		['tags that never end', `a${'<b '.repeat(4_000_000)}`, 'a'],
		['scripts that never end', `a${'<script'.repeat(1_000_000)}`, 'a'],
		['white space that fills megabytes', `a${' '.repeat(10_000_000)}b`, 'a'],
	])('%s', (_what, said, shown) => {
		const started = performance.now();
		expect(clean(said)).toBe(shown);
		expect(performance.now() - started).toBeLessThan(LINEAR_MS);
	});
});
