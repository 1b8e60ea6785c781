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
	/** How many a decoder may have to hold: of all frames of a GIF, and unknown of other files with several pictures. */
	pixels?: number;
	/** Whether the file stores brightness only: a JPEG with one component, a PNG of colour type 0 or 4. */
	greyscale: boolean;
	/** EXIF's, 1 to 8, of a JPEG, PNG or TIFF. */
	orientation?: number;
	/** Whether the pixels are stored the way up in which they are shown; one that is only mirrored counts as upright. */
	upright: boolean;
}

/**
 * How many of a file's first bytes are nearly always enough. Where `pixels` is undefined, a header may still be found in
 * more: colour profiles for print and depth maps of phones stand before a JPEG's size, and a TIFF's size may stand last.
 */
export const HEAD_BYTES = 256 * 1024;

type Measures = Omit<ImageHeader, 'format' | 'greyscale' | 'upright'> & { greyscale?: boolean };

interface ReadableFormat extends ImageFormat {
	start: RegExp;
	/** May throw where the bytes end too early. Takes at most one step per byte. */
	measure: (bytes: Buffer) => Measures | undefined;
}

const formats: readonly ReadableFormat[] = [
	{ name: 'JPEG', mimeType: 'image/jpeg', extension: 'jpg', start: /^\xff\xd8\xff/, measure: measureJpeg },
	{ name: 'PNG', mimeType: 'image/png', extension: 'png', start: /^\x89PNG\r\n\x1a\n/, measure: measurePng },
	{ name: 'BMP', mimeType: 'image/bmp', extension: 'bmp', start: /^BM/, measure: measureBmp },
	{ name: 'WebP', mimeType: 'image/webp', extension: 'webp', start: /^RIFF[^]{4}WEBP/, measure: measureWebp },
	{ name: 'GIF', mimeType: 'image/gif', extension: 'gif', start: /^GIF8[79]a/, measure: measureGif },
	{ name: 'AVIF', mimeType: 'image/avif', extension: 'avif', start: /^[^]{4}ftypavi[fs]/, measure: measureHeif },
	{
		name: 'HEIC',
		mimeType: 'image/heic',
		extension: 'heic',
		start: /^[^]{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)/,
		measure: measureHeif,
	},
	{ name: 'TIFF', mimeType: 'image/tiff', extension: 'tif', start: /^(II[*+]\0|MM\0[*+])/, measure: measureTiff },
];

function recognise(bytes: Buffer): ReadableFormat | undefined {
	const head = bytes.toString('latin1', 0, 12);
	return formats.find(({ start }) => start.test(head));
}

/** The format of a picture by its first bytes, whatever its name or declared type; undefined when unknown. */
export function imageFormat(bytes: Buffer): ImageFormat | undefined {
	return recognise(bytes);
}

/**
 * Reads a picture's header. Never throws, and takes at most one step per byte even of a hostile file.
 * @param bytes the file, or its first `HEAD_BYTES`
 * @returns undefined when the format is unknown; without width and height when the header is cut short or contradicts itself
 */
export function readImageHeader(bytes: Buffer): ImageHeader | undefined {
	const format = recognise(bytes);
	if (format === undefined) return undefined;
	const { greyscale = false, orientation = 1, ...measured } = attempt(() => format.measure(bytes)) ?? {};
	const { width = 0, height = 0 } = measured;
	const isMeasured = width > 0 && height > 0;
	const size = isMeasured ? { pixels: width * height, ...measured } : {};
	return { format, ...size, greyscale, orientation, upright: orientation <= 2 };
}

/** What is read, undefined where the bytes end too early for it. */
function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}

/**
 * Goes from marker to marker to the frame header, as libjpeg does: what is no marker between two segments is skipped, because
 * cameras and editors write wrong lengths; a marker that has no place before the frame ends the search. ITU-T T.81, annex B.
 */
function measureJpeg(bytes: Buffer): Measures | undefined {
	let exif: Buffer | undefined;
	for (let at = bytes.indexOf(0xff, 2); at >= 0; at = bytes.indexOf(0xff, at)) {
		let marker = bytes.readUInt8(++at);
		while (marker === 0xff) marker = bytes.readUInt8(++at);
		at++;
		if (STANDS_ALONE(marker)) continue;
		const length = bytes.readUInt16BE(at);
		if (marker >= 0xc0 && marker <= 0xc2) {
			const components = bytes.readUInt8(at + 7);
			if (length !== 8 + 3 * components) return undefined;
			const orientation = attempt(() => exif && readDirectory(exif).orientation);
			const [height, width] = [bytes.readUInt16BE(at + 3), bytes.readUInt16BE(at + 5)];
			return { width, height, greyscale: components === 1, orientation };
		}
		if (!HAS_SEGMENT(marker)) return undefined;
		const isExif = marker === 0xe1 && bytes.toString('latin1', at + 2, at + 8) === 'Exif\0\0';
		if (isExif) exif ??= bytes.subarray(at + 8, at + length);
		at += Math.max(2, length);
	}
	return undefined;
}

/** A stuffed zero, TEM, or a restart. */
const STANDS_ALONE = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** Tables, application data or a comment: DHT, DAC, DQT, DNL, DRI, APPn and COM. */
const HAS_SEGMENT = (marker: number) =>
	[0xc4, 0xcc, 0xdb, 0xdc, 0xdd, 0xfe].includes(marker) || (marker >= 0xe0 && marker <= 0xef);

/** PNG specification, 5.3 and 11.2.1: each chunk has its length (4), its type (4), its data and a checksum (4). */
function measurePng(bytes: Buffer): Measures | undefined {
	if (bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
	const colourType = bytes.readUInt8(25);
	let orientation: number | undefined;
	for (let at = 33; at + 8 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
		const type = bytes.toString('latin1', at + 4, at + 8);
		if (type === 'eXIf') orientation = attempt(() => readDirectory(bytes.subarray(at + 8)).orientation);
		if (type === 'eXIf' || type === 'IDAT') break;
	}
	const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
	return { width, height, greyscale: colourType === 0 || colourType === 4, orientation };
}

/** The header that OS/2 began with has 12 bytes, Windows' and its successors have 16 to 124; a negative height is top down. */
function measureBmp(bytes: Buffer): Measures | undefined {
	const headerBytes = bytes.readUInt32LE(14);
	if (headerBytes === 12) return { width: bytes.readUInt16LE(18), height: bytes.readUInt16LE(20) };
	if (headerBytes < 16 || headerBytes > 124) return undefined;
	return { width: bytes.readInt32LE(18), height: Math.abs(bytes.readInt32LE(22)) };
}

/** WebP container specification, RFC 9649: sizes are stored less one, but not those of a lossy picture. */
function measureWebp(bytes: Buffer): Measures | undefined {
	switch (bytes.toString('latin1', 12, 16)) {
		case 'VP8 ':
			return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
		case 'VP8L': {
			const sides = bytes.readUInt32LE(21);
			return { width: 1 + (sides & 0x3fff), height: 1 + ((sides >> 14) & 0x3fff) };
		}
		case 'VP8X': {
			const [width, height] = [1 + bytes.readUIntLE(24, 3), 1 + bytes.readUIntLE(27, 3)];
			const isAnimated = (bytes.readUInt8(20) & 0x02) !== 0;
			return isAnimated ? { width, height, pixels: undefined } : { width, height };
		}
		default:
			return undefined;
	}
}

/** A GIF's frames may be larger than what it says of itself: GIF89a specification, 18 and 20. */
function measureGif(bytes: Buffer): Measures {
	const [width, height] = [bytes.readUInt16LE(6), bytes.readUInt16LE(8)];
	return { width, height, pixels: attempt(() => framePixels(bytes)) };
}

function framePixels(bytes: Buffer): number {
	const tableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);
	let pixels = 0;
	let at = 13 + tableBytes(bytes.readUInt8(10));
	for (let block = bytes.readUInt8(at); block !== GIF_END; block = bytes.readUInt8(at)) {
		if (block === GIF_FRAME) {
			pixels += bytes.readUInt16LE(at + 5) * bytes.readUInt16LE(at + 7);
			at += 11 + tableBytes(bytes.readUInt8(at + 9));
		} else if (block === GIF_EXTENSION) at += 2;
		else {
			at++;
			continue;
		}
		// Data comes in pieces with their lengths, of which the last is zero.
		for (let length = -1; length !== 0; at += 1 + length) length = bytes.readUInt8(at);
	}
	return pixels;
}

const [GIF_FRAME, GIF_EXTENSION, GIF_END] = [0x2c, 0x21, 0x3b];

/** Boxes that hold the others which lead to a size, and how many bytes come before those. */
const HEIF_CONTAINERS: Record<string, number> = { meta: 12, iprp: 8, ipco: 8 };

/** The largest of a file's pictures: thumbnails and tiles have sizes too. ISO/IEC 14496-12, 4.2; ISO/IEC 23008-12, 6.5.3. */
function measureHeif(bytes: Buffer): Measures | undefined {
	let largest: Measures | undefined;
	for (let at = 0; at + 20 <= bytes.length; ) {
		const [size, type] = [bytes.readUInt32BE(at), bytes.toString('latin1', at + 4, at + 8)];
		if (type === 'ispe') {
			const [width, height] = [bytes.readUInt32BE(at + 12), bytes.readUInt32BE(at + 16)];
			if (width * height > (largest?.pixels ?? 0)) largest = { width, height, pixels: width * height };
		}
		// Shorter ones than their own head go on to the end, or are longer than anything that can be taken.
		if (size < 8) break;
		at += HEIF_CONTAINERS[type] ?? size;
	}
	return largest;
}

function measureTiff(bytes: Buffer): Measures {
	const { width, height, orientation, isLast } = readDirectory(bytes);
	return { width, height, orientation, ...(isLast ? {} : { pixels: undefined }) };
}

/** The first directory of a TIFF, which EXIF has as well. TIFF 6.0, section 2. */
function readDirectory(bytes: Buffer) {
	const isLittleEndian = bytes.toString('latin1', 0, 2) === 'II';
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	const u16 = (at: number) => view.getUint16(at, isLittleEndian);
	const u32 = (at: number) => view.getUint32(at, isLittleEndian);
	// BigTIFF has another number here, and another layout.
	const start = u16(2) === 42 ? u32(4) : bytes.length;
	const end = start + 2 + 12 * u16(start);
	const values = new Map<number, number>();
	for (let at = start + 2; at + 12 <= Math.min(end, bytes.length); at += 12) {
		const [tag, type, count] = [u16(at), u16(at + 2), u32(at + 4)];
		const value = count !== 1 ? 0 : type === SHORT ? u16(at + 8) : type === LONG ? u32(at + 8) : 0;
		// libtiff takes the first of several, too.
		if (!values.has(tag)) values.set(tag, value);
	}
	const isLast = end + 4 <= bytes.length && u32(end) === 0;
	const orientation = values.get(274);
	const isOrientation = orientation !== undefined && orientation >= 1 && orientation <= 8;
	return {
		width: values.get(256),
		height: values.get(257),
		orientation: isOrientation ? orientation : undefined,
		isLast,
	};
}

const [SHORT, LONG] = [3, 4];
