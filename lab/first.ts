/** The first of a list that must have one. @throws Error that says what is missing */
export function first<T>([element]: readonly T[], what: string): T {
	if (element === undefined) throw new Error(`There is no ${what}`);
	return element;
}
