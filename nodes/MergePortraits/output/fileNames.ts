import type { IContextObject } from 'n8n-workflow';

/** At most 100 characters with a number and an extension; and bytes, because file systems count those. */
const MOST_CHARACTERS = 88;
const MOST_BYTES = 200;

/**
 * The output's file name without path and extension: the given one, or the target's with `-merged`; without characters that
 * stores refuse, which are control characters and halves of a character.
 */
export function outputBaseName(given: string, targetName = ''): string {
	return (
		shorten(given.replace(/\.(jpe?g|png|bmp|webp)$/i, '')) || `${shorten(targetName, '-merged') || 'portrait'}-merged`
	);
}

function shorten(path: string, ending = ''): string {
	const name = path
		.replace(/^.*[\\/]/s, '')
		.slice(0, MOST_CHARACTERS - ending.length)
		.replace(/[\p{Cc}\p{Cs}]/gu, '');
	let characters = [...name];
	while (Buffer.byteLength(characters.join('')) > MOST_BYTES) characters = characters.slice(0, -1);
	return characters.join('').trim();
}

/**
 * The file names of one execution's pictures. No two different pictures have one name, which storage would keep one of: the
 * second is given the number 2. Upper and lower case count as the same, as on some disks.
 */
class FileNames {
	private readonly given = new Map<string, string>();
	private readonly taken = new Set<string>();
	private readonly numbers = new Map<string, number>();

	/** @param picture what tells different pictures apart */
	nameFor(picture: string, baseName: string, extension: string): string {
		const same = (name: string) => name.normalize().toLowerCase();
		const wanted = same(`${baseName}.${extension}`);
		const key = `${picture} ${wanted}`;
		let name = this.given.get(key);
		for (let number = this.numbers.get(wanted) ?? 1; name === undefined; number++) {
			const numbered = `${baseName}${number > 1 ? `-${number}` : ''}.${extension}`;
			this.numbers.set(wanted, number + 1);
			if (!this.taken.has(same(numbered))) name = numbered;
		}
		this.given.set(key, name);
		this.taken.add(same(name));
		return name;
	}
}

const ofExecutions = new WeakMap<IContextObject, FileNames>();

/** @param execution the context that n8n has once for all nodes of an execution */
export function fileNamesOf(execution: IContextObject): FileNames {
	const names = ofExecutions.get(execution) ?? new FileNames();
	ofExecutions.set(execution, names);
	return names;
}
