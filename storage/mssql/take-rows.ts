/**
 * Puts {@link rowReader} between a connection and the driver's reader of its answers, for requests that take their rows
 * one by one. Whether both make the same of the same bytes is tried first, with an answer of all types that
 * are read here: where they differ, or the driver is built otherwise, its own reader keeps the rows.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once, type EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { rowReader, TOKEN, TYPE, type OnRow } from './quick-rows.ts';
import type { SqlValue } from './statement.ts';

/** Bytes of an answer, as packets come. */
type Answer = AsyncIterable<Buffer> | Iterable<Buffer>;

/** Told of each token of an answer; of a request, but for those of logins. */
interface Handler {
  readonly request?: object;
}

/** Members of tedious' connection that its types leave out, or keep for itself. */
interface Inner {
  execSql(request: object): void;
  createTokenStreamParser(answer: Answer, handler: Handler): EventEmitter;
}

const takers = new AsyncLocalStorage<OnRow>();

/** Rows of the request that is made within `work` go to `onRow`, where they can be read in place. */
export const takingRows = <T>(onRow: OnRow, work: () => T): T => takers.run(onRow, work);

/** By the reader of the driver, which all connections share. */
const checked = new WeakMap<object, Promise<boolean>>();

/** Resolves to whether rows are read in place from now on. */
export async function takeRows(connection: object): Promise<boolean> {
  const inner = connection as Partial<Inner>;
  const { execSql, createTokenStreamParser } = inner;
  if (!execSql || !createTokenStreamParser) return false;
  let agreed = checked.get(createTokenStreamParser);
  if (!agreed) checked.set(createTokenStreamParser, (agreed = agrees(inner as Inner)));
  if (!(await agreed)) return false;
  const taken = new WeakMap<object, OnRow>();
  inner.execSql = (request) => {
    const onRow = takers.getStore();
    if (onRow) taken.set(request, onRow);
    execSql.call(connection, request);
  };
  inner.createTokenStreamParser = (answer, handler) => {
    const onRow = handler.request && taken.get(handler.request);
    const whole = !onRow || !(Symbol.asyncIterator in answer);
    return createTokenStreamParser.call(connection, whole ? answer : withoutRows(answer, onRow), handler);
  };
  return true;
}

/** What the driver has still to read of an answer. */
function withoutRows(answer: AsyncIterable<Buffer>, onRow: OnRow): AsyncIterable<Buffer> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = answer[Symbol.asyncIterator]();
      const reader = rowReader(onRow);
      return {
        async next() {
          for (;;) {
            const { done, value } = await chunks.next();
            const left = done ? reader.rest() : reader.pass(value);
            if (left.length > 0) return { done: false, value: left };
            if (done) return { done: true, value: undefined };
          }
        },
      };
    },
  };
}

const int = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
const long = (value: bigint): Buffer => Buffer.from(BigInt64Array.of(value).buffer);
const double = (value: number): Buffer => Buffer.from(Float64Array.of(value).buffer);
const TEXT = Buffer.from('m\u00e9\u20ac', 'utf16le');

const COLUMN_TYPES: readonly (readonly number[])[] = [
  [TYPE.int],
  [TYPE.bigint],
  [TYPE.float],
  [TYPE.intN, 4],
  [TYPE.intN, 8],
  [TYPE.floatN, 8],
  [TYPE.bitN, 1],
  [TYPE.nvarchar, 20, 0, 9, 4, 0xd0, 0, 0x34],
];
const ALWAYS = [...int(-5), ...long(-(2n ** 60n) - 1n), ...double(-0.1)];
const VALUES = [4, ...int(70_000), 8, ...long(2n ** 60n + 1n), 8, ...double(1e-300), 1, 1, TEXT.length, 0, ...TEXT];

const NOTHING = [0, 0, 0, 0, 0xff, 0xff];

/** Of all types that are read in place: with values, without, and without in the shorter form. */
const SAMPLE = Buffer.from([
  TOKEN.columns,
  COLUMN_TYPES.length,
  0,
  ...COLUMN_TYPES.flatMap((type, i) => [0, 0, 0, 0, 0, 0, ...type, 1, 0x61 + i, 0]),
  TOKEN.row,
  ...ALWAYS,
  ...VALUES,
  TOKEN.row,
  ...ALWAYS,
  ...NOTHING,
  TOKEN.rowWithNulls,
  0b1111_1000,
  ...ALWAYS,
  TOKEN.done,
  ...Array<number>(12).fill(0),
]);

/** Whether the driver makes of the answer what {@link rowReader} does, and takes what that leaves of it. */
async function agrees(connection: Inner): Promise<boolean> {
  const read = async (answer: Answer): Promise<SqlValue[][]> => {
    const rows: SqlValue[][] = [];
    const onRow = (token: { readonly columns: readonly { readonly value: SqlValue }[] }): void =>
      void rows.push(token.columns.map(({ value }) => value));
    const handler = { onColMetadata: () => {}, onDone: () => {}, onRow };
    await once(connection.createTokenStreamParser(answer, handler as Handler), 'end');
    return rows;
  };
  try {
    const found: SqlValue[][] = [];
    const left = await read(withoutRows(Readable.from([SAMPLE]), (row) => found.push([...row])));
    return found.length === 3 && left.length === 0 && isDeepStrictEqual(await read([SAMPLE]), found);
  } catch {
    return false;
  }
}
