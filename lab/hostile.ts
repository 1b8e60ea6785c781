/** What a hostile visitor uploads: files that have an image tool read others, and few bytes that take it gigabytes. */
import { crc32, deflateSync, gzipSync } from 'node:zlib';

/**
 * Files that are no pictures, under the names of some, by what they are. GraphicsMagick goes by the content, and would read
 * what they name into the picture that comes out.
 * @param wanted a path or an address
 */
export function readers(wanted: string): Record<string, Buffer> {
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="300" height="300"><image xlink:href="${wanted}" width="300" height="300"/></svg>`;
	const texts = {
		'an SVG': svg,
		'an SVG with a declaration': `<?xml version="1.0" encoding="UTF-8"?>\n${svg}`,
		'an SVG behind a byte order mark': `\uFEFF${svg}`,
		'an SVG behind blanks': `\n\n  ${svg}`,
		'drawing commands': `push graphic-context\nviewbox 0 0 300 300\nimage Over 0,0 300,300 '${wanted}'\npop graphic-context\n`,
		'a script of Magick': `<?xml version="1.0"?><image><read filename="${wanted}"/><write filename="png:-"/></image>`,
		'a list of files': `@${wanted}`,
		'a name with a format': `msl:${wanted}`,
		'a page of HTML': `<!doctype html><img src="${wanted}">`,
		'a video playlist': `#EXTM3U\n#EXTINF:1,\n${wanted}\n`,
		PostScript: `%!PS\n(${wanted}) (r) file\nshowpage\n`,
		'a GIF with an SVG in it': `GIF89a${svg}`,
		'a bitmap with an SVG in it': `BM${svg}`,
		'a JPEG with an SVG in it': `\xff\xd8\xff\xe0${svg}`,
		'a HEIC with an SVG in it': `\0\0\0\x18ftypheic${svg}`,
	};
	const files = Object.entries(texts).map(([what, text]) => [
		what,
		Buffer.from(text, what.startsWith('a JPEG') ? 'latin1' : 'utf8'),
	]);
	return { ...Object.fromEntries(files), 'a zipped SVG': gzipSync(svg) };
}

/** Whole pictures of few bytes, by what they are. GraphicsMagick takes 2 to 5 GB to decode each. */
export const BOMBS: Record<string, () => Buffer> = {
	'a PNG of 20,000 × 20,000 px': () => png(20_000, 20_000),
	'a GIF of one frame of 20,000 × 20,000 px on a page of 300 × 300': () => gif(300, 20_000, 1),
	'a GIF of 20 frames of 5,000 × 5,000 px': () => gif(5000, 5000, 20),
	'a GIF of 200 frames of 1,000 × 1,000 px': () => gif(1000, 1000, 200),
	'a WebP of 16,000 × 16,000 px': () => Buffer.from('UklGRh4AAABXRUJQVlA4TBEAAAAvf/6fDwdQxmrVt/+BiOh/AAA=', 'base64'),
};

/** A palette of one colour, one bit a pixel. */
function png(width: number, height: number): Buffer {
	const chunk = (type: string, data: Buffer) => {
		const typeAndData = Buffer.concat([Buffer.from(type), data]);
		const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
		length.writeUInt32BE(data.length);
		checksum.writeUInt32BE(crc32(typeAndData));
		return Buffer.concat([length, typeAndData, checksum]);
	};
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header.set([1, 3], 8);
	const rows = deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))));
	const chunks = [chunk('IHDR', header), chunk('PLTE', Buffer.from([90, 140, 190])), chunk('IDAT', rows)];
	return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks, chunk('IEND', Buffer.alloc(0))]);
}

/** Equal frames of one colour. @param page the side that the file claims for itself */
function gif(page: number, side: number, frames: number): Buffer {
	const head = Buffer.alloc(19);
	head.write('GIF89a');
	head.writeUInt16LE(page, 6);
	head.writeUInt16LE(page, 8);
	head.set([0x80, 0, 0, 90, 140, 190], 10);
	const place = Buffer.alloc(10);
	place.writeUInt8(0x2c);
	place.writeUInt16LE(side, 5);
	place.writeUInt16LE(side, 7);
	const data = lzwOfZeros(side * side);
	const pieces: Buffer[] = [];
	for (let at = 0; at < data.length; at += 255) {
		const piece = data.subarray(at, at + 255);
		pieces.push(Buffer.from([piece.length]), piece);
	}
	const frame = Buffer.concat([place, Buffer.from([2]), ...pieces, Buffer.from([0])]);
	return Buffer.concat([head, ...Array<Buffer>(frames).fill(frame), Buffer.from([0x3b])]);
}

/** So many zeros in GIF's compression: each code stands for one zero more than the one before it. */
function lzwOfZeros(count: number): Buffer {
	const [CLEAR, END, FIRST] = [4, 5, 6];
	const bytes: number[] = [];
	let [bits, held] = [0, 0];
	const put = (code: number, size: number) => {
		bits |= code << held;
		for (held += size; held >= 8; held -= 8) {
			bytes.push(bits & 0xff);
			bits >>>= 8;
		}
	};
	let [size, next, run] = [3, FIRST, 1];
	put(CLEAR, size);
	for (let left = count; left > 0; ) {
		const length = Math.min(run, left);
		put(length === 1 ? 0 : FIRST + length - 2, size);
		left -= length;
		run++;
		if (++next > 1 << size && size < 12) size++;
		if (next < 4000) continue;
		put(CLEAR, size);
		[size, next, run] = [3, FIRST, 1];
	}
	put(END, size);
	put(0, 8);
	return Buffer.from(bytes);
}
