/**
 * What a worker writes, as lines of JSON. Its own log is JSON already and stays as it is; anything else (a native
 * library, Node's report of a crash) becomes the message of a line that says where it came from.
 */
import { StringDecoder } from 'node:string_decoder';
import { isoTime } from '../domain/time.ts';

export type Stream = 'stdout' | 'stderr';

/** A longer line is cut: nothing may fill the memory. UTF-16 code units. */
export const LONGEST_LINE = 64 * 1024;

export interface Splitter {
  /** Whole lines of a chunk. */
  push(chunk: Uint8Array): string[];
  /** What is left without a line end. */
  end(): string[];
}

export function splitLines(): Splitter {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const cut = (line: string): string =>
    line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE).toWellFormed()} [cut]` : line;
  return {
    push(chunk) {
      const parts = (rest + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))).split(
        /\r?\n/,
      );
      rest = parts.pop()!;
      // Of an endless line only its beginning is kept.
      if (rest.length > 2 * LONGEST_LINE) rest = rest.slice(0, LONGEST_LINE + 1);
      return parts.filter((line) => line !== '').map(cut);
    },
    end() {
      const last = rest + decoder.end();
      rest = '';
      return last === '' ? [] : [cut(last)];
    },
  };
}

/** Numbers of pino. */
const INFO = 30;
const ERROR = 50;

/** @param base fields of a line that has none of its own: role and process */
export function asJsonLine(
  line: string,
  stream: Stream,
  nowMs: number,
  base: Readonly<Record<string, unknown>>,
): string {
  // Workers log to stdout. On stderr models and native libraries write as well, and none may pass for a worker.
  if (stream === 'stdout' && line.startsWith('{') && line.endsWith('}')) {
    try {
      JSON.parse(line);
      return line;
    } catch {
      // Cut, or no JSON after all.
    }
  }
  return JSON.stringify({
    level: stream === 'stderr' ? ERROR : INFO,
    time: isoTime(nowMs),
    ...base,
    stream,
    msg: line,
  });
}
