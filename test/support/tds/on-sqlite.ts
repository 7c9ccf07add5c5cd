/**
 * What the TDS server of the tests does with statements: they run on a file of SQLite, translated one construct at a
 * time (test/storage/tsql-on-sqlite.ts). So the whole product can talk to "SQL Server" through the real driver, and
 * through a network that breaks. One transaction at a time, as its locks would have it; locks, plans and isolation it
 * does not show.
 */
import { DatabaseSync } from 'node:sqlite';
import { BIGINTS, BITS, translate, translateDdl } from '../../storage/tsql-on-sqlite.ts';
import { NEXT } from '../../../storage/mssql/statement.ts';
import * as tokens from './tokens.ts';
import { columnsToken, readBulk, readCall, rowToken, type Column, type ColumnKind } from './values.ts';

/** One connection of a client. Bodies are those of messages and answers. */
export interface TdsSession {
  /** Resolves when the transaction is open. */
  begin(): Promise<void>;
  /** Ends the transaction that is open, if there is one. */
  end(commit: boolean): void;
  call(body: Buffer): Buffer;
  batch(text: string): Buffer;
  /** Rows for the table that the last `insert bulk` named. */
  bulk(body: Buffer): Buffer;
  close(): void;
}

export interface TdsEngine {
  open(): TdsSession;
}

/** @param file of SQLite; is made when it is not there */
export function onSqlite(file: string): TdsEngine {
  let turn: Promise<void> = Promise.resolve();
  /** Resolves with what gives the turn back. */
  const nextTurn = async (): Promise<() => void> => {
    const before = turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    turn = promise;
    await before;
    return resolve;
  };
  return { open: () => openSession(file, nextTurn) };
}

function openSession(file: string, nextTurn: () => Promise<() => void>): TdsSession {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000');
  let giveBack: (() => void) | undefined;
  let closed = false;
  let bulkTable = '';
  const end = (commit: boolean): void => {
    if (!giveBack) return;
    try {
      db.exec(commit ? 'COMMIT' : 'ROLLBACK');
    } finally {
      giveBack();
      giveBack = undefined;
    }
  };
  return {
    async begin() {
      const mine = await nextTurn();
      if (closed || giveBack) return mine();
      db.exec('BEGIN IMMEDIATE');
      giveBack = mine;
    },
    end,
    call(body) {
      const { procedure, params } = readCall(body);
      if (procedure === 'sp_getapplock') return Buffer.concat([tokens.returnStatus(0), tokens.doneProc()]);
      if (procedure !== 'sp_executesql') throw new Error(`no procedure ${procedure} here`);
      const [text, , ...values] = params;
      const bound = Object.fromEntries(values.map(({ name, value }) => [name, value]));
      const answers = String(text!.value)
        .split(NEXT)
        .map((one) => execute(db, one, bound));
      return Buffer.concat([...answers, tokens.doneProc()]);
    },
    batch(text) {
      const announced = /^\s*insert bulk\s+\[?(#?\w+)\]?/i.exec(text);
      if (announced) bulkTable = announced[1]!;
      else if (!/^\s*set /i.test(text)) {
        db.exec(translateDdl(translate(text)).replace(/CREATE TABLE (?="?#)/, 'CREATE TEMP TABLE '));
      }
      return tokens.done();
    },
    bulk(body) {
      const rows = readBulk(body);
      const marks = rows[0]?.map(() => '?').join(', ');
      const insert = marks === undefined ? undefined : db.prepare(`INSERT INTO "${bulkTable}" VALUES (${marks})`);
      for (const row of rows) insert!.run(...row);
      return tokens.done(tokens.DONE.count, rows.length);
    },
    close() {
      if (closed) return;
      closed = true;
      end(false);
      db.close();
    },
  };
}

function execute(
  db: DatabaseSync,
  text: string,
  values: Parameters<ReturnType<DatabaseSync['prepare']>['all']>[0],
): Buffer {
  const statement = db.prepare(translate(text));
  statement.setAllowUnknownNamedParameters(true);
  const selected = statement.columns();
  if (selected.length === 0) return tokens.doneInProc(Number(statement.run(values as never).changes));
  statement.setReturnArrays(true);
  const rows = statement.all(values as never) as unknown as unknown[][];
  const columns = selected.map((column, i) => columnOf(db, column, rows, i));
  return Buffer.concat([
    columnsToken(columns),
    ...rows.map((row) => rowToken(columns, row)),
    tokens.doneInProc(rows.length),
  ]);
}

type Selected = ReturnType<ReturnType<DatabaseSync['prepare']>['columns']>[number];

/** As the schema declares it, or what it is computed from; NOT NULL has a shorter form. */
function columnOf(db: DatabaseSync, { name, type, table, column }: Selected, rows: unknown[][], i: number): Column {
  const value = rows.find((row) => row[i] !== null)?.[i];
  const kind = BITS.test(name) ? 'bit' : (declaredKind(type) ?? computedKind(name, value));
  const characters = kind === 'text' ? Number(/\((\d+)\)/.exec(type ?? '')?.[1]) || undefined : undefined;
  const whole =
    table !== null && column !== null && rows.every((row) => row[i] !== null) && isNotNull(db, table, column);
  return { name, kind, whole, ...(characters === undefined ? {} : { characters }) };
}

function declaredKind(type: string | null): ColumnKind | undefined {
  if (type === null) return undefined;
  if (/^INT(EGER)?$/.test(type)) return 'int';
  if (type === 'BIGINT') return 'bigint';
  if (type === 'FLOAT') return 'float';
  return /^(TEXT$|NVARCHAR)/.test(type) ? 'text' : undefined;
}

function isNotNull(db: DatabaseSync, table: string, column: string): boolean {
  const found = db.prepare('SELECT "notnull" AS n FROM pragma_table_info(?) WHERE name = ?').get(table, column);
  return found?.n === 1;
}

/** SQLite does not tell the types of what it computes: the names do, as in the schema. */
function computedKind(name: string, value: unknown): ColumnKind {
  if (typeof value === 'number' || typeof value === 'bigint') return BIGINTS.test(name) ? 'bigint' : 'float';
  return value instanceof Uint8Array ? 'bytes' : 'text';
}

/** The number that SQL Server has for an error of SQLite. */
export function errorOf(error: unknown): { readonly number: number; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { number: /UNIQUE constraint/.test(message) ? 2627 : 50_000, message };
}
