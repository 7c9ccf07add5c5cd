/**
 * The writer of rows.wat, with the tables it reads and the places of what it is given. One instance a thread, made when
 * it is first asked for; what it wrote is copied out before it writes again.
 */
import { readFileSync } from 'node:fs';

/** Rows of a piece at most, and bytes of its text. The same numbers stand in rows.wat. */
const PIECE_ROWS = 2_048;
const OUT = 2 * 65_536;
const OUT_BYTES = 16 * 65_536;
/** Bytes of a name, with its commas and quotes. */
const NAME_BYTES = 4_096;
const AT = { powers: 0, tens: 9_888, pairs: 10_048, name: 12_288, start: 16_384, mean: 32_768, score: 49_152 } as const;
const AT_SCORED = 65_536;
const AT_ANOMALY = 67_584;
/** Powers of ten of the table: 10^FIRST to 10^LAST. */
const [FIRST, LAST] = [-292, 324];
/** A row without its name: time, two numbers of at most 24 bytes, `,0,` and the line feed. */
const ROW_BYTES = 24 + 2 * 24 + 3 + 1;
/** What most rows take: room for longer ones is made when they come. */
const USUAL_BYTES = 76;

/** What is used of WebAssembly: @types/node 24 leaves its types to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly number: (value: number, at: number) => number;
  readonly rows: (from: number, to: number, nameBytes: number, at: number) => number;
}

/** Columns of rows that follow each other; those of one sensor stand together. */
export interface Columns {
  readonly sensorId: Float64Array;
  readonly startMs: Float64Array;
  readonly mean: Float64Array;
  readonly score: Float64Array;
  readonly scored: Uint8Array;
  readonly anomaly: Uint8Array;
}

export interface RowWriter {
  /** A number as `String(value)` gives it, in ASCII. */
  number(value: number): string;
  /**
   * The scored rows from `from` to before `to` as CSV, behind `head`.
   * @param nameOf `,device,sensor,` of a sensor id, quoted
   */
  text(
    columns: Columns,
    from: number,
    to: number,
    nameOf: (sensorId: number) => string,
    head?: Uint8Array,
  ): Uint8Array<ArrayBuffer>;
}

let writer: RowWriter | undefined;

export function rowWriter(): RowWriter {
  return (writer ??= createWriter());
}

function createWriter(): RowWriter {
  const module = new WebAssembly.Module(readFileSync(new URL('./rows.wasm', import.meta.url)));
  const { memory, number, rows } = new WebAssembly.Instance(module).exports as Exports;
  const bytes = new Uint8Array(memory.buffer);
  writeTables(bytes);
  const column = (at: number): Float64Array => new Float64Array(memory.buffer, at, PIECE_ROWS);
  const [start, mean, score] = [column(AT.start), column(AT.mean), column(AT.score)];
  const scored = bytes.subarray(AT_SCORED, AT_SCORED + PIECE_ROWS);
  const anomaly = bytes.subarray(AT_ANOMALY, AT_ANOMALY + PIECE_ROWS);
  const place = bytes.subarray(AT.name, AT.name + NAME_BYTES);
  const encoder = new TextEncoder();

  /** Rows of one piece, as far as they fit; gives the row behind them. */
  const writePiece = (columns: Columns, from: number, to: number, nameOf: (id: number) => string) => {
    const end = Math.min(to, from + PIECE_ROWS);
    start.set(columns.startMs.subarray(from, end));
    mean.set(columns.mean.subarray(from, end));
    score.set(columns.score.subarray(from, end));
    scored.set(columns.scored.subarray(from, end));
    anomaly.set(columns.anomaly.subarray(from, end));
    let at = OUT;
    let row = from;
    while (row < end) {
      const id = columns.sensorId[row]!;
      let next = row + 1;
      while (next < end && columns.sensorId[next] === id) next++;
      const name = nameOf(id);
      const { read, written } = encoder.encodeInto(name, place);
      if (read !== name.length) throw new Error(`a name of ${name.length} characters does not fit into a row`);
      const fits = Math.floor((OUT + OUT_BYTES - at) / (ROW_BYTES + written));
      if (fits === 0) break;
      next = Math.min(next, row + fits);
      at = rows(row - from, next - from, written, at);
      row = next;
    }
    return { row, text: bytes.subarray(OUT, at) };
  };

  return {
    number: (value) => Buffer.from(bytes.subarray(OUT, number(value, OUT))).toString('latin1'),
    text(columns, from, to, nameOf, head = new Uint8Array(0)) {
      // Copied once, into the buffer that leaves this thread.
      let all = new Uint8Array(head.length + (to - from) * USUAL_BYTES);
      all.set(head);
      let length = head.length;
      for (let row = from; row < to;) {
        const piece = writePiece(columns, row, to, nameOf);
        if (length + piece.text.length > all.length) {
          const each = (length + piece.text.length) / (piece.row - from);
          const more = new Uint8Array(Math.ceil(each * (to - from) * 1.02));
          more.set(all.subarray(0, length));
          all = more;
        }
        all.set(piece.text, length);
        length += piece.text.length;
        row = piece.row;
      }
      return all.subarray(0, length);
    },
  };
}

/** 128 bits of each power of ten, rounded up; powers as whole numbers; pairs of digits. */
function writeTables(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (let k = FIRST; k <= LAST; k++) {
    const power = topBits(k);
    const at = AT.powers + 16 * (k - FIRST);
    view.setBigUint64(at, power >> 64n, true);
    view.setBigUint64(at + 8, power & 0xffff_ffff_ffff_ffffn, true);
  }
  for (let n = 0; n < 20; n++) view.setBigUint64(AT.tens + 8 * n, 10n ** BigInt(n), true);
  for (let n = 0; n < 100; n++) bytes.set(Buffer.from(String(n).padStart(2, '0')), AT.pairs + 2 * n);
}

/** The first 128 bits of 10^k, rounded up. */
function topBits(k: number): bigint {
  const ten = 10n ** BigInt(Math.abs(k));
  const bits = ten.toString(2).length;
  if (k >= 0) return bits <= 128 ? ten << BigInt(128 - bits) : -(-ten >> BigInt(bits - 128));
  // 2^(bits + 127) / 10^|k| lies between 2^127 and 2^128.
  return ((1n << BigInt(bits + 127)) + ten - 1n) / ten;
}
