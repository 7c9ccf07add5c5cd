/**
 * The index of the Blob server: one SQLite file. A write is answered only after its transaction is on disk
 * (WAL, synchronous = FULL), so that nothing that a client was told is lost by a kill or a power cut. Writes that
 * wait at the same time share one transaction, and with it one sync; one that throws undoes only itself.
 */
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS containers (
    name TEXT PRIMARY KEY,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    metadata TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS blobs (
    blob_id INTEGER PRIMARY KEY,
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    metadata TEXT NOT NULL,
    blocks INTEGER NOT NULL,
    lease TEXT,
    UNIQUE (container, name)
  ) STRICT;
  -- The bytes of a blob, by where they begin.
  CREATE TABLE IF NOT EXISTS parts (
    blob_id INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    block TEXT NOT NULL,
    piece_id INTEGER NOT NULL,
    PRIMARY KEY (blob_id, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS parts_piece ON parts (piece_id);
  -- Blocks that no list has committed yet.
  CREATE TABLE IF NOT EXISTS staged (
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    block TEXT NOT NULL,
    piece_id INTEGER NOT NULL,
    staged_ms INTEGER NOT NULL,
    PRIMARY KEY (container, name, block)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS staged_time ON staged (staged_ms);
  -- Content: small in the row, large in a file of its own.
  CREATE TABLE IF NOT EXISTS pieces (
    piece_id INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    body BLOB,
    file TEXT
  ) STRICT;
  -- Files that are being written or deleted: what a kill leaves of them is removed at the next start.
  CREATE TABLE IF NOT EXISTS pending_files (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`;
const FORMAT = 1;
/** Room is given back to the file system in steps of so many pages, when at least so many are free. */
const GIVE_BACK_PAGES = 2_000;

export interface IndexDb {
  get<T>(sql: string, ...params: SQLInputValue[]): T | undefined;
  all<T>(sql: string, ...params: SQLInputValue[]): T[];
  /** Only inside {@link IndexDb.write}. */
  run(sql: string, ...params: SQLInputValue[]): { readonly changes: number; readonly id: number };
  /** Runs `work` in a transaction and answers when it is on disk. What it throws undoes it. */
  write<T>(work: () => T): Promise<T>;
  close(): void;
}

interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function openIndex(dir: string): IndexDb {
  const db = new DatabaseSync(join(dir, 'index.db'));
  // Must come before the first table.
  db.exec('PRAGMA auto_vacuum = INCREMENTAL');
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
  const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (format > FORMAT) {
    db.close();
    throw new Error(
      `the blobs in ${dir} were written by a newer fleetscore (format ${format}; ` +
        `this one reads up to ${FORMAT}): upgrade`,
    );
  }
  db.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${FORMAT}; COMMIT`);

  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (!statement) statements.set(sql, (statement = db.prepare(sql)));
    return statement;
  };
  let waiting: Waiting[] = [];
  let scheduled = false;

  const flush = (): void => {
    scheduled = false;
    const group = waiting;
    waiting = [];
    if (group.length === 0 || !db.isOpen) return;
    const settle: (() => void)[] = [];
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const one of group) {
        db.exec('SAVEPOINT one');
        try {
          const value = one.work();
          db.exec('RELEASE one');
          settle.push(() => one.resolve(value));
        } catch (error) {
          db.exec('ROLLBACK TO one; RELEASE one');
          settle.push(() => one.reject(error));
        }
      }
      db.exec('COMMIT');
    } catch (error) {
      // The disk, not a request: none of them is stored.
      if (db.isTransaction) db.exec('ROLLBACK');
      for (const one of group) one.reject(error);
      return;
    }
    for (const tell of settle) tell();
  };

  const giveBack = setInterval(() => {
    const { freelist_count: free } = db.prepare('PRAGMA freelist_count').get() as { freelist_count: number };
    if (free < 4 * GIVE_BACK_PAGES) return;
    try {
      db.exec(`PRAGMA incremental_vacuum(${GIVE_BACK_PAGES})`);
    } catch {
      // Full disk: it is tried again.
    }
  }, 1_000);
  giveBack.unref();

  return {
    get: <T>(sql: string, ...params: SQLInputValue[]) => prepare(sql).get(...params) as T | undefined,
    all: <T>(sql: string, ...params: SQLInputValue[]) => prepare(sql).all(...params) as T[],
    run: (sql, ...params) => {
      const { changes, lastInsertRowid } = prepare(sql).run(...params);
      return { changes: Number(changes), id: Number(lastInsertRowid) };
    },
    write: <T>(work: () => T) =>
      new Promise<T>((resolve, reject) => {
        // What tidies up after an answer may come after the end: a start finds it in `pending_files`.
        if (!db.isOpen) return reject(new Error('the index is closed'));
        waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
        if (scheduled) return;
        scheduled = true;
        setImmediate(flush);
      }),
    close: () => {
      clearInterval(giveBack);
      flush();
      db.close();
    },
  };
}
