/**
 * Bytes that are not UTF-8, told so that people can mend them: where, and what they look like. Replacing them would
 * turn the names of two devices into one.
 */

const SHOWN_BEFORE = 12;

/** By its byte order mark, or by the NUL in every other byte of plain letters; undefined when neither is there. */
export function looksLikeUtf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes.length < 4) return undefined;
  if (bytes[0] !== 0 && bytes[1] === 0 && bytes[2] !== 0 && bytes[3] === 0) return 'utf-16le';
  return bytes[0] === 0 && bytes[1] !== 0 && bytes[2] === 0 && bytes[3] !== 0 ? 'utf-16be' : undefined;
}

/** `byte 0xFC at position 17, an "ü" in windows-1252 (Latin-1), after "K"` of bytes that are not UTF-8. */
export function encodingProblem(bytes: Uint8Array): string {
  const utf16 = looksLikeUtf16(bytes);
  if (utf16) return `it looks like ${utf16}`;
  const at = firstBad(bytes);
  const byte = bytes[at] ?? 0;
  const before = Buffer.from(bytes.subarray(Math.max(0, at - SHOWN_BEFORE), at))
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');
  const letter = new TextDecoder('windows-1252').decode(bytes.subarray(at, at + 1));
  const after = before === '' ? '' : `, after ${JSON.stringify(before)}`;
  return (
    `byte 0x${byte.toString(16).toUpperCase().padStart(2, '0')} at position ${at}${after}; ` +
    `in windows-1252 (Latin-1) it is ${JSON.stringify(letter)}`
  );
}

/** Position of the first byte that is no part of a whole UTF-8 character. */
function firstBad(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at]!);
    const part = bytes.subarray(at, at + length);
    if (length === 0 || part.length < length || !decodes(part)) return at;
    // A run of ASCII needs no decoder.
    at += length;
    while (at < bytes.length && bytes[at]! < 0x80) at++;
  }
  return at;
}

/** Bytes of the character that begins so; 0 when none does. */
export function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first >= 0xf5) return 0;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

function decodes(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
