/** A picture format that a file's first bytes reveal. */
export interface ImageFormat {
	name: 'JPEG' | 'PNG' | 'BMP' | 'WebP' | 'GIF' | 'HEIC' | 'AVIF' | 'TIFF';
	mimeType: string;
	/** Without a dot. */
	extension: string;
}

/** What a picture file says about itself before its pixels. What the bytes at hand do not tell is undefined. */
export interface ImageHeader {
	format: ImageFormat;
	/** Of the pixels as they are stored, before `orientation`. */
	width?: number;
	height?: number;
	/** How many a decoder may have to hold: of all frames of a GIF, of a HEIC's or AVIF's largest picture; unknown of other files with several. */
	pixels?: number;
	/** Whether the file stores brightness only: a JPEG with one component, a PNG of colour type 0 or 4. */
	greyscale: boolean;
	/** EXIF's, 1 to 8, of a JPEG, PNG or TIFF; 1 where there is none. */
	orientation: number;
	/** Whether the pixels are stored the way up in which they are shown; one that is only mirrored counts as upright. */
	upright: boolean;
}

/**
 * How many of a file's first bytes are nearly always enough. Where `pixels` is undefined, a header may still be found in
 * more: colour profiles for print and depth maps of phones stand before a JPEG's size, and a TIFF's size may stand last.
 */
export const HEAD_BYTES = 256 * 1024;

type Measures = Partial<Omit<ImageHeader, 'format' | 'upright'>>;

interface ReadableFormat extends ImageFormat {
	start: RegExp;
	/** May throw where the bytes end too early. Takes at most one step per byte. */
	measure: (view: DataView) => Measures | undefined;
}

const formats: readonly ReadableFormat[] = [
	{ name: 'JPEG', mimeType: 'image/jpeg', extension: 'jpg', start: /^\xff\xd8\xff/, measure: measureJpeg },
	{ name: 'PNG', mimeType: 'image/png', extension: 'png', start: /^\x89PNG\r\n/, measure: measurePng },
	{ name: 'BMP', mimeType: 'image/bmp', extension: 'bmp', start: /^BM/, measure: measureBmp },
	{ name: 'WebP', mimeType: 'image/webp', extension: 'webp', start: /^RIFF[^]{4}WEBP/, measure: measureWebp },
	{ name: 'GIF', mimeType: 'image/gif', extension: 'gif', start: /^GIF8[79]a/, measure: measureGif },
	{ name: 'AVIF', mimeType: 'image/avif', extension: 'avif', start: /^[^]{4}ftypavif/, measure: measureHeif },
	{
		name: 'HEIC',
		mimeType: 'image/heic',
		extension: 'heic',
		start: /^[^]{4}ftyp(hei[cx]|mif1)/,
		measure: measureHeif,
	},
	{ name: 'TIFF', mimeType: 'image/tiff', extension: 'tif', start: /^(II[*+]\0|MM\0[*+])/, measure: measureTiff },
];

/** The format of a picture by its first bytes, whatever its name or declared type; undefined when unknown. */
export function imageFormat(bytes: Buffer): ReadableFormat | undefined {
	const head = bytes.toString('latin1', 0, 12);
	return formats.find(({ start }) => start.test(head));
}

/**
 * Reads a picture's header. Never throws, and takes at most one step per byte even of a hostile file.
 * @param bytes the file, or its first `HEAD_BYTES`
 * @returns undefined when the format is unknown; without width and height when the header is cut short or contradicts itself
 */
export function readImageHeader(bytes: Buffer): ImageHeader | undefined {
	const format = imageFormat(bytes);
	if (format === undefined) return undefined;
	const { greyscale = false, orientation = 1, ...measured } = attempt(() => format.measure(part(bytes))) ?? {};
	const { width = 0, height = 0 } = measured;
	const isMeasured = width > 0 && height > 0;
	const size: Measures = isMeasured ? { pixels: width * height, ...measured } : {};
	// An image tool that takes it for something else decodes as much as that says.
	if (OTHER_FORMATS.some(([at, sign]) => bytes.toString('latin1', at, at + sign.length) === sign))
		size.pixels = undefined;
	return { format, ...size, greyscale, orientation, upright: orientation <= 2 };
}

/** What GraphicsMagick knows by bytes that may stand in a picture of another format, and looks for first: `gm convert -list magic`. */
const OTHER_FORMATS: ReadonlyArray<[at: number, sign: string]> = [
	[8, 'rorient:'],
	[9, 'srcdocid:'],
	[21, 'version: MIL-STD-1840'],
	[40, ' EMF'],
	[60, 'vIMGView'],
	[128, 'DICM'],
	[522, '\0\x11\x02\xff\x0c\0'],
	[2048, 'PCD_'],
];

/** What is read, undefined where the bytes end too early for it. */
function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}

type Range = [from: number, to: number];

const part = ({ buffer, byteOffset, byteLength }: Buffer | DataView, from = 0, to = byteLength) =>
	new DataView(buffer, byteOffset + from, Math.min(to, byteLength) - from);

/** Four letters that say what a part of a file is, as the number that they are there. */
const fourCC = (letters: string) => Buffer.from(letters, 'latin1').readUInt32BE();

const EXIF = fourCC('Exif');

/**
 * Goes from marker to marker to the frame header, as libjpeg does: what is no marker between two segments is skipped, because
 * cameras and editors write wrong lengths; a marker that has no place before the frame ends the search. ITU-T T.81, annex B.
 */
function measureJpeg(view: DataView): Measures | undefined {
	let exif: Range | undefined;
	for (let at = 2; ; ) {
		while (view.getUint8(at) !== 0xff) at++;
		while (view.getUint8(at) === 0xff) at++;
		const marker = view.getUint8(at++);
		if (standsAlone(marker)) continue;
		const length = view.getUint16(at);
		if (marker >= 0xc0 && marker <= 0xc2) {
			const components = view.getUint8(at + 7);
			if (length !== 8 + 3 * components) return undefined;
			const [height, width] = [view.getUint16(at + 3), view.getUint16(at + 5)];
			return { width, height, greyscale: components === 1, orientation: orientationIn(view, exif) };
		}
		if (!hasSegment(marker)) return undefined;
		const isExif = marker === 0xe1 && view.getUint32(at + 2) === EXIF && view.getUint16(at + 6) === 0;
		if (isExif) exif ??= [at + 8, at + length];
		at += length;
	}
}

/** A stuffed zero, TEM, or a restart. */
const standsAlone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** Application data, tables or a comment: APPn, DHT, DAC, DQT, DNL, DRI and COM. */
const hasSegment = (marker: number) =>
	(marker >= 0xe0 && marker <= 0xef) || [0xc4, 0xcc, 0xdb, 0xdc, 0xdd, 0xfe].includes(marker);

const [IHDR, PNG_EXIF] = ['IHDR', 'eXIf'].map(fourCC);

/** PNG specification, 5.3 and 11.2.1: each chunk has its length (4), its type (4), its data and a checksum (4). */
function measurePng(view: DataView): Measures | undefined {
	if (view.getUint32(12) !== IHDR) return undefined;
	let exif: Range | undefined;
	for (let at = 33; at + 8 <= view.byteLength; at += 12 + view.getUint32(at)) {
		if (view.getUint32(at + 4) === PNG_EXIF) exif ??= [at + 8, at + 8 + view.getUint32(at)];
	}
	const [width, height] = [view.getUint32(16), view.getUint32(20)];
	const greyscale = [0, 4].includes(view.getUint8(25));
	return { width, height, greyscale, orientation: orientationIn(view, exif) };
}

/** The header that OS/2 began with has 12 bytes, Windows' and its successors have 16 to 124; a negative height is top down. */
function measureBmp(view: DataView): Measures | undefined {
	const headerBytes = view.getUint32(14, true);
	if (headerBytes === 12) return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
	if (headerBytes < 16 || headerBytes > 124) return undefined;
	return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}

const [LOSSY, LOSSLESS, EXTENDED] = ['VP8 ', 'VP8L', 'VP8X'].map(fourCC);

/** WebP container specification, RFC 9649: sizes are stored less one, but not those of a lossy picture. */
function measureWebp(view: DataView): Measures | undefined {
	const u24 = (at: number) => view.getUint16(at, true) + view.getUint8(at + 2) * 2 ** 16;
	switch (view.getUint32(12)) {
		case LOSSY:
			return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
		case LOSSLESS: {
			const sides = view.getUint32(21, true);
			return { width: 1 + (sides & 0x3fff), height: 1 + ((sides >> 14) & 0x3fff) };
		}
		case EXTENDED: {
			const isAnimated = (view.getUint8(20) & 0x02) !== 0;
			return { width: 1 + u24(24), height: 1 + u24(27), ...(isAnimated ? { pixels: undefined } : {}) };
		}
		default:
			return undefined;
	}
}

/** A GIF's frames may be larger than what it says of itself: GIF89a specification, 18 and 20. */
function measureGif(view: DataView): Measures {
	const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
	return { width, height, pixels: attempt(() => framePixels(view, width, height)) || undefined };
}

const [GIF_FRAME, GIF_EXTENSION, GIF_END] = [0x2c, 0x21, 0x3b];

function framePixels(view: DataView, width: number, height: number): number {
	const tableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);
	let pixels = 0;
	let at = 13 + tableBytes(view.getUint8(10));
	for (let block = view.getUint8(at); block !== GIF_END; block = view.getUint8(at)) {
		if (block === GIF_FRAME) {
			const frame = [view.getUint16(at + 5, true), view.getUint16(at + 7, true)] as const;
			// An image tool makes a picture of the first frame alone.
			if (pixels === 0 && (frame[0] !== width || frame[1] !== height)) return 0;
			pixels += frame[0] * frame[1];
			at += 11 + tableBytes(view.getUint8(at + 9));
		} else if (block === GIF_EXTENSION) at += 2;
		else {
			at++;
			continue;
		}
		// Data comes in pieces with their lengths, of which the last is zero.
		for (let length = -1; length !== 0; at += 1 + length) length = view.getUint8(at);
	}
	return pixels;
}

const [META, IPRP, IPCO, ISPE] = ['meta', 'iprp', 'ipco', 'ispe'].map(fourCC);

/** The largest of a file's pictures: thumbnails and tiles have sizes too. ISO/IEC 14496-12, 4.2; ISO/IEC 23008-12, 6.5.3. */
function measureHeif(view: DataView): Measures | undefined {
	let largest: Measures | undefined;
	for (let at = 0; at + 20 <= view.byteLength; ) {
		const [size, type] = [view.getUint32(at), view.getUint32(at + 4)];
		if (type === ISPE) {
			const [width, height] = [view.getUint32(at + 12), view.getUint32(at + 16)];
			if (width * height > (largest?.pixels ?? 0)) largest = { width, height, pixels: width * height };
		}
		// 1: the size follows in 64 bits. 0: it goes on to the end.
		const whole = size === 1 ? Number(view.getBigUint64(at + 8)) : size || view.byteLength - at;
		if (whole < 8) return undefined;
		// The boxes that lead to a size stand within these three; the first has a version and flags.
		const header = size === 1 ? 16 : 8;
		at += type === META ? header + 4 : type === IPRP || type === IPCO ? header : whole;
		// Where the bytes at hand end, more sizes may follow.
		if (at > view.byteLength && largest) largest.pixels = undefined;
	}
	return largest;
}

function measureTiff(view: DataView): Measures {
	const { width, height, orientation, greyscale, isLast } = readDirectory(view);
	return { width, height, orientation, greyscale, ...(isLast ? {} : { pixels: undefined }) };
}

const [SHORT, LONG] = [3, 4];

const orientationIn = (view: DataView, exif: Range | undefined) =>
	attempt(() => exif && readDirectory(part(view, ...exif)).orientation);

/** The first directory of a TIFF, which EXIF has as well. TIFF 6.0, section 2. */
function readDirectory(view: DataView) {
	const isLittleEndian = view.getUint8(0) === 0x49;
	const u16 = (at: number) => view.getUint16(at, isLittleEndian);
	const u32 = (at: number) => view.getUint32(at, isLittleEndian);
	// BigTIFF has another number here, and another layout.
	if (u16(2) !== 42) return {};
	const start = u32(4);
	const end = start + 2 + 12 * u16(start);
	const values = new Map<number, number>();
	for (let at = start + 2; at + 12 <= Math.min(end, view.byteLength); at += 12) {
		const [tag, type, count] = [u16(at), u16(at + 2), u32(at + 4)];
		const value = type === SHORT ? u16(at + 8) : type === LONG ? u32(at + 8) : 0;
		// libtiff takes the first of several, too.
		if (!values.has(tag)) values.set(tag, count === 1 ? value : 0);
	}
	const [width, height, given = 0] = [256, 257, 274].map((tag) => values.get(tag));
	const orientation = given >= 1 && given <= 8 ? given : undefined;
	const isLast = end + 4 <= view.byteLength && u32(end) === 0;
	// White is zero, or black is.
	const greyscale = values.get(262) === 0 || values.get(262) === 1;
	return { width, height, orientation, greyscale, isLast };
}
