/**
 * What a file is, by its first bytes: text in the encoding that was said (UTF-8 when none was), or something that
 * only looks like an answer to the wrong question. Decoding is strict: a byte that does not fit is told, never
 * replaced.
 */
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { FleetscoreError } from '../../domain/errors.ts';
import { encodingProblem, looksLikeUtf16, sequenceLength } from '../parse/utf8.ts';

const unpackedBy = (command: string): string =>
  `Only gzip is unpacked here: ${command} FILE | fleetscore send -, or write it as Parquet`;

/** Files that people take for CSV, by their first bytes. */
const KINDS: readonly (readonly [bytes: string, what: string, remedy?: string])[] = [
  ['PAR1', 'a Parquet file'],
  ['Obj\u0001', 'an Avro file'],
  ['PK\u0003\u0004', 'a workbook (XLSX) or another ZIP archive'],
  ['\u001f\u008b', 'a gzip file'],
  ['\u00d0\u00cf\u0011\u00e0', 'an old workbook (XLS)'],
  ['SQLite format 3\0', 'a SQLite database'],
  ['ARROW1', 'an Arrow file'],
  ['\u0089HDF', 'an HDF5 file'],
  ['%PDF', 'a PDF document'],
  ['BZh', 'compressed with bzip2', unpackedBy('bzcat')],
  ['\u0028\u00b5\u002f\u00fd', 'compressed with zstandard', unpackedBy('zstdcat')],
  ['\u00fd7zXZ\0', 'compressed with xz', unpackedBy('xzcat')],
  ...['\u0002', '\u0003', '\u0004', '\u0005'].map((protocol) => [`\u0080${protocol}`, 'a pickle of Python'] as const),
];

export interface Encoding {
  /** Label of the Encoding Standard, as `TextDecoder` names it. */
  readonly name: string;
  /** Strict; keeps what a chunk cuts in two. */
  readonly decoder: TextDecoder;
}

/** @throws FleetscoreError `INVALID_ARGUMENT` */
export function openEncoding(label = 'utf-8'): Encoding {
  try {
    const decoder = new TextDecoder(label, { fatal: true });
    return { name: decoder.encoding, decoder };
  } catch (error) {
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `there is no encoding ${JSON.stringify(label)}. Use utf-8, utf-16le, utf-16be, windows-1252 (Latin-1), ` +
        'or another label of the Encoding Standard.',
      { cause: error },
    );
  }
}

/** @param bytes the beginning of the file @throws FleetscoreError `CSV_FILE`, `CSV_ENCODING` */
export function checkBeginning(bytes: Uint8Array, encoding: Encoding): void {
  const beginning = Buffer.from(bytes.subarray(0, 20)).toString('latin1');
  const [, kind, remedy = 'Export it as CSV'] = KINDS.find(([signature]) => beginning.startsWith(signature)) ?? [];
  if (kind)
    throw new FleetscoreError(
      'CSV_FILE',
      `the file is ${kind}, and CSV is taken: text with the columns TS, Device, Sensor, Value. ${remedy}.`,
    );
  const utf16 = looksLikeUtf16(bytes);
  if (utf16 && encoding.name !== utf16)
    throw new FleetscoreError(
      'CSV_ENCODING',
      `the file looks like ${utf16}, and was read as ${encoding.name}. Say --encoding ${utf16}.`,
    );
  if (encoding.name === 'utf-8' && !isUtf8(wholeCharacters(bytes)))
    throw new FleetscoreError(
      'CSV_ENCODING',
      `the file is not UTF-8: ${encodingProblem(bytes)}. Say what it is, for example --encoding windows-1252.`,
    );
}

/** Without the beginning of a character at the end, which the next bytes may complete. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
