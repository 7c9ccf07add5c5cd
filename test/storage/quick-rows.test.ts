/** Rows read in place are those that the driver reads; all else of an answer reaches it byte for byte. */
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { join } from 'node:path';
import sql from 'mssql';
import { endingWith } from '../../storage/deadline.ts';
import { mssqlConfig } from '../../storage/mssql/config.ts';
import { connect } from '../../storage/mssql/connection.ts';
import { rowReader } from '../../storage/mssql/quick-rows.ts';
import { tsql, type SqlValue } from '../../storage/mssql/statement.ts';
import { takeRows } from '../../storage/mssql/take-rows.ts';
import { onSqlite } from '../support/tds/on-sqlite.ts';
import { startTdsServer } from '../support/tds/server.ts';
import * as tokens from '../support/tds/tokens.ts';
import { columnsToken, rowToken, type Column } from '../support/tds/values.ts';
import { tempDir } from '../support/temp.ts';

const VALUES = {
  bit: fc.boolean(),
  int: fc.integer(),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  float: fc.double({ noNaN: true, noDefaultInfinity: true }),
  text: fc.string({ unit: 'grapheme', maxLength: 20 }),
} as const;

const column = fc.record({
  name: fc.string({ maxLength: 8 }),
  kind: fc.constantFrom('bit', 'int', 'bigint', 'float', 'text'),
  characters: fc.constant(100),
  whole: fc.boolean(),
});

const valueOf = ({ kind, whole }: Column): fc.Arbitrary<SqlValue> => {
  const some: fc.Arbitrary<SqlValue> = VALUES[kind as keyof typeof VALUES];
  return whole ? some : fc.oneof({ weight: 3, arbitrary: some }, { weight: 1, arbitrary: fc.constant(null) });
};

/** The same with a bit a column for what has no value: [MS-TDS] 2.2.7.13. */
function rowWithNulls(columns: readonly Column[], row: readonly SqlValue[]): Buffer {
  const nulls = Buffer.alloc(Math.ceil(columns.length / 8));
  row.forEach((value, i) => value === null && (nulls[i >> 3]! |= 1 << (i & 7)));
  const there = columns.filter((_, i) => row[i] !== null);
  const values = rowToken(
    there,
    row.filter((value) => value !== null),
  ).subarray(1);
  return Buffer.concat([Buffer.from([0xd2]), nulls, values]);
}

/** What comes of an answer that arrives in pieces of these sizes, again and again. */
function readIn(answer: Buffer, sizes: readonly number[]): { rows: SqlValue[][]; left: Buffer } {
  const rows: SqlValue[][] = [];
  const left: Buffer[] = [];
  const reader = rowReader((row) => rows.push([...row]));
  for (let at = 0, i = 0; at < answer.length; at += sizes[i++ % sizes.length]!)
    left.push(Buffer.from(reader.pass(answer.subarray(at, at + sizes[i % sizes.length]!))));
  left.push(reader.rest());
  return { rows, left: Buffer.concat(left) };
}

const table = fc
  .array(column, { minLength: 1, maxLength: 10 })
  .chain((columns) =>
    fc.record({ columns: fc.constant(columns), rows: fc.array(fc.tuple(...columns.map(valueOf)), { maxLength: 5 }) }),
  );
const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 });

test('rows of several result sets come out as they went in, however the answer is cut, and the rest is left', () => {
  fc.assert(
    fc.property(fc.array(table, { minLength: 1, maxLength: 3 }), sizes, fc.boolean(), (sets, cuts, short) => {
      const row = short ? rowWithNulls : rowToken;
      const parts = sets.flatMap(({ columns, rows }) => [
        { taken: false, bytes: tokens.collation() },
        { taken: false, bytes: columnsToken(columns) },
        ...rows.map((values) => ({ taken: true, bytes: row(columns, values) })),
        { taken: false, bytes: tokens.doneInProc(rows.length) },
      ]);
      const end = { taken: false, bytes: Buffer.concat([tokens.returnStatus(0), tokens.doneProc()]) };
      const all = [...parts, end];
      const found = readIn(Buffer.concat(all.map(({ bytes }) => bytes)), cuts);
      expect(found.rows).toEqual(sets.flatMap(({ rows }) => rows));
      expect(found.left).toEqual(Buffer.concat(all.filter(({ taken }) => !taken).map(({ bytes }) => bytes)));
    }),
    { numRuns: 300 },
  );
});

test('from a type or token that is not known on, everything is left to the driver', () => {
  const numbers = columnsToken([{ name: 'n', kind: 'int' }]);
  const known = Buffer.concat([numbers, rowToken([{ name: 'n', kind: 'int' }], [1]), tokens.doneInProc(1)]);
  const long: readonly Column[] = [
    { name: 'n', kind: 'int' },
    { name: 'long', kind: 'text' },
  ];
  const unknown = [
    Buffer.concat([columnsToken(long), rowToken(long, [2, 'x']), numbers, rowToken(long.slice(0, 1), [3])]),
    Buffer.concat([Buffer.from([0xac, 1, 2, 3]), numbers, rowToken(long.slice(0, 1), [3])]),
    // A row before its columns.
    rowToken(long.slice(0, 1), [3]),
  ];
  const ended = tokens.doneInProc(1);
  fc.assert(
    fc.property(fc.constantFrom(...unknown.slice(0, 2)), sizes, (rest, cuts) => {
      const { rows, left } = readIn(Buffer.concat([known, rest]), cuts);
      expect(rows).toEqual([[1]]);
      expect(left).toEqual(Buffer.concat([numbers, ended, rest]));
    }),
  );
  expect(readIn(unknown[2]!, [100])).toEqual({ rows: [], left: unknown[2] });
});

test('an answer that ends within a row leaves the driver to say so', () => {
  const columns: readonly Column[] = [{ name: 'n', kind: 'float' }];
  const answer = Buffer.concat([columnsToken(columns), rowToken(columns, [1.5]), rowToken(columns, [2.5])]);
  const { rows, left } = readIn(answer.subarray(0, -1), [7]);
  expect(rows).toEqual([[1.5]]);
  expect(left).toEqual(Buffer.concat([columnsToken(columns), rowToken(columns, [2.5]).subarray(0, -1)]));
});

test('through the driver: rows that are streamed are the rows of a query, and none of them is an event', async () => {
  const server = await startTdsServer({ tls: true, engine: onSqlite(join(tempDir('rows'), 'rows.db')) });
  const db = await connect(server.url());
  await db.write((tx) =>
    tx.script('CREATE TABLE t (id INT NOT NULL, at_ms BIGINT NOT NULL, mean FLOAT NOT NULL, name NVARCHAR(128) NULL)'),
  );
  const add = tsql(
    { n: 'INT' },
    `
    WITH RECURSIVE up (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < @n)
    INSERT INTO t SELECT i, 1700000000000 + i, 1.0 / i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i END FROM up`,
  );
  await db.write((tx) => tx.run(add, { n: 2000 }));
  const all = tsql({}, 'SELECT id, at_ms, CAST(at_ms AS FLOAT) AS startAt, mean, name FROM t ORDER BY id');
  const count = tsql({}, 'SELECT COUNT(*) AS n FROM t');
  const events = jest.spyOn(sql.Request.prototype, 'emit');
  let rows: SqlValue[][] = [];
  await db.stream(all, {}, () => ((rows = []), (row) => rows.push([...row])), count);
  expect(events.mock.calls.filter(([name]) => name === 'row')).toEqual([]);
  events.mockRestore();
  const asked = await db.read((session) => session.query<Record<string, SqlValue>>(all, {}));
  expect(asked).toHaveLength(2000);
  expect(rows).toEqual([[2000], ...asked.map((row) => Object.values(row))]);
  // What goes wrong with a row is told, and the connection stays.
  const broken = db.stream(all, {}, () => () => {
    throw new RangeError('no such row');
  });
  await expect(broken).rejects.toThrow('no such row');
  // One that is called off while its rows come ends there.
  const off = new AbortController();
  server.fail('query', { kind: 'stall' }, 1);
  const few = tsql({}, 'SELECT id FROM t WHERE id < 4');
  const calledOff = endingWith(off.signal, () => db.stream(few, {}, () => () => off.abort(new Error('called off'))));
  await expect(calledOff).rejects.toThrow('called off');
  expect((await db.read((session) => session.query(count, {})))[0]).toEqual({ n: 2000 });
  await db.close();
  await server.close();
});

test('a driver that reads values in another way, or is built otherwise, keeps its own reader', async () => {
  const server = await startTdsServer();
  interface Driver {
    execSql(request: object): void;
    createTokenStreamParser(answer: object, handler: Handler): object;
  }
  interface Handler {
    onRow(token: { readonly columns: readonly { readonly value: unknown }[] }): void;
  }
  let own: Driver | undefined;
  const beforeConnect = (connection: unknown): void => void (own ??= connection as Driver);
  const pool = await new sql.ConnectionPool({ ...mssqlConfig(server.url()), beforeConnect }).connect();
  const reading = (change: (value: unknown) => unknown): Driver => ({
    execSql: () => {},
    createTokenStreamParser: (answer, handler) =>
      own!.createTokenStreamParser(answer, {
        ...handler,
        onRow: ({ columns }) => handler.onRow({ columns: columns.map(({ value }) => ({ value: change(value) })) }),
      }),
  });
  const [same, other] = [reading((value) => value), reading((value) => (typeof value === 'string' ? 1n : value))];
  const { createTokenStreamParser } = other;
  expect(await takeRows(same)).toBe(true);
  expect(await takeRows(other)).toBe(false);
  expect(other.createTokenStreamParser).toBe(createTokenStreamParser);
  expect(await takeRows({ execSql: () => {} })).toBe(false);
  expect(await takeRows({ execSql: () => {}, createTokenStreamParser: () => ({ once: 1 }) })).toBe(false);
  await pool.close();
  await server.close();
});
