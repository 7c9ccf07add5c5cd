/**
 * Lines of a file with their numbers, decoded strictly. Lines are cut in bytes where the encoding leaves ASCII alone,
 * so that a line that does not decode costs itself; others are decoded as a whole and end at what does not fit.
 */
import { TextDecoder } from 'node:util';
import { FleetscoreError } from '../../domain/errors.ts';
import { encodingProblem } from '../parse/utf8.ts';
import { checkBeginning, type Encoding } from './encoding.ts';

export type Line =
  | { readonly line: number; readonly text: string }
  | { readonly line: number; readonly problem: string };

const MAX_ROW_LENGTH = 64 * 1024;
/** Enough to tell what a file is. */
const BEGINNING_BYTES = 64 * 1024;
const LF = 0x0a;
const CR = 0x0d;

/** @param most bytes of a line @throws FleetscoreError `CSV_FILE`, `CSV_ENCODING` */
export async function* readLines(
  input: AsyncIterable<Buffer | string>,
  encoding: Encoding,
  most = MAX_ROW_LENGTH,
): AsyncGenerator<Line> {
  const wide = encoding.name.startsWith('utf-16');
  const decoder = wide ? new TextDecoder('utf-8', { fatal: true }) : encoding.decoder;
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let begun = false;
  let tooLong = false;
  const cut = (bytes: Buffer): Line => {
    if (tooLong || bytes.length > most) return { line, problem: `the row is longer than ${most} bytes` };
    const end = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length;
    try {
      return { line, text: decoder.decode(bytes.subarray(0, end)) };
    } catch {
      const problem = decoder.encoding === 'utf-8' ? encodingProblem(bytes) : 'a byte stands for nothing there';
      return { line, problem: `the row is not ${decoder.encoding}: ${problem}; --encoding says what it is` };
    }
  };
  for await (const chunk of fromBeginning(input)) {
    if (!begun) checkBeginning(chunk.subarray(0, BEGINNING_BYTES), encoding);
    begun = true;
    const bytes = wide ? toUtf8(encoding, chunk) : chunk;
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let from = 0;
    for (let at = all.indexOf(LF); at >= 0; at = all.indexOf(LF, from)) {
      yield cut(all.subarray(from, at));
      tooLong = false;
      line++;
      from = at + 1;
    }
    rest = all.subarray(from);
    if (rest.length > most) {
      tooLong = true;
      rest = Buffer.alloc(0);
    }
  }
  if (wide) toUtf8(encoding);
  if (rest.length > 0 || tooLong) yield cut(rest);
}

/** Bytes in pieces, the first of which is long enough to tell what the file is. */
async function* fromBeginning(input: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
  let held: Buffer[] | undefined = [];
  let bytes = 0;
  for await (const chunk of input) {
    const piece = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (!held) {
      yield piece;
      continue;
    }
    held.push(piece);
    bytes += piece.length;
    if (bytes < BEGINNING_BYTES) continue;
    yield Buffer.concat(held);
    held = undefined;
  }
  if (held && bytes > 0) yield Buffer.concat(held);
}

/** UTF-16 as UTF-8: the next piece, or what is left at the end. */
function toUtf8({ name, decoder }: Encoding, bytes?: Buffer): Buffer {
  try {
    return Buffer.from(bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode());
  } catch (error) {
    throw new FleetscoreError('CSV_ENCODING', `the file is not ${name} throughout. Export it again as UTF-8.`, {
      cause: error,
    });
  }
}
