/**
 * One connection to the SQLite file. node:sqlite is synchronous, so a transaction never mixes with another
 * of this process; other processes are waited for in short naps, so that heartbeats and timers go on.
 * Writes take the lock at once (BEGIN IMMEDIATE): a transaction that has begun cannot be refused later.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { AUTO_PAGES, checkpointer, type Checkpointer } from './checkpoint.ts';
import { isBusy, storeError } from './errors.ts';

/** How long a transaction waits for other processes before `STORE_UNAVAILABLE`. */
const LOCK_WAIT_MS = 10_000;
/** Longest nap inside SQLite; it blocks the thread. */
const BUSY_TIMEOUT_MS = 50;

export interface Connection {
  /** File of the database, for messages. */
  readonly path: string;
  /** A prepared statement, kept for the next call. Rows are objects. */
  statement(sql: string): StatementSync;
  /** As `statement`, rows are arrays: several times faster for many rows. */
  arrays(sql: string): StatementSync;
  all<Row>(sql: string, ...params: SQLInputValue[]): Row[];
  get<Row>(sql: string, ...params: SQLInputValue[]): Row | undefined;
  run(sql: string, ...params: SQLInputValue[]): number;
  /** Runs SQL that is not worth keeping. */
  exec(sql: string): void;
  /** A consistent view of the database for all of `work`. */
  read<T>(work: () => T): Promise<T>;
  /** All of `work` or nothing. `work` may run again after a wait for the lock: no side effects. */
  write<T>(work: () => T): Promise<T>;
  close(): void;
}

/** MiB of pages that a connection keeps: a day of small batches, and the inner pages of a year. */
const CACHE_MIB = 64;

/**
 * @param cacheMiB pages kept in memory; the system keeps them too, so whoever reads each page once needs few
 * @throws FleetscoreError `STORE_ERROR` when the file cannot be opened or is no database
 */
export async function connect(path: string, cacheMiB = CACHE_MIB, lockWaitMs = LOCK_WAIT_MS): Promise<Connection> {
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw storeError(error, path);
  }
  const patiently = <T>(work: () => T): Promise<T> => untilFree(path, lockWaitMs, work);
  const log = checkpointer(path, (pages) => db.exec(`PRAGMA wal_autocheckpoint = ${pages}`));
  const connection = wrap(db, path, patiently, log);
  try {
    // Reads the header, so a file that is no database is found here. Switching to WAL needs the file for a moment.
    const mode = await patiently(() => db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string });
    if (mode.journal_mode !== 'wal' && path !== ':memory:')
      throw new Error(
        `the file system cannot share it between processes (journal mode ${mode.journal_mode}); use a local disk`,
      );
    db.exec(`PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${cacheMiB * 1024}`);
    // A commit of 10,000 windows is some 1,000 pages: checkpoint every few commits, give the room back after a burst.
    db.exec(`PRAGMA wal_autocheckpoint = ${AUTO_PAGES}; PRAGMA journal_size_limit = 67108864`);
    return connection;
  } catch (error) {
    db.close();
    throw storeError(error, path);
  }
}

function wrap(
  db: DatabaseSync,
  path: string,
  patiently: <T>(work: () => T) => Promise<T>,
  log: Checkpointer,
): Connection {
  const objects = new Map<string, StatementSync>();
  const rows = new Map<string, StatementSync>();
  const prepare = (kept: Map<string, StatementSync>, sql: string, asArrays: boolean): StatementSync => {
    let statement = kept.get(sql);
    if (!statement) {
      statement = db.prepare(sql);
      statement.setReturnArrays(asArrays);
      kept.set(sql, statement);
    }
    return statement;
  };
  const statement = (sql: string): StatementSync => prepare(objects, sql, false);

  const transaction = <T>(begin: string, work: () => T): T => {
    db.exec(begin);
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after a full disk or an I/O error.
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };

  return {
    path,
    statement,
    arrays: (sql) => prepare(rows, sql, true),
    all: <Row>(sql: string, ...params: SQLInputValue[]) => statement(sql).all(...params) as Row[],
    get: <Row>(sql: string, ...params: SQLInputValue[]) => statement(sql).get(...params) as Row | undefined,
    run: (sql, ...params) => Number(statement(sql).run(...params).changes),
    exec: (sql) => db.exec(sql),
    read: (work) => patiently(() => transaction('BEGIN', work)),
    write: (work) =>
      patiently(() => {
        log.beforeCommit();
        return transaction('BEGIN IMMEDIATE', work);
      }),
    close: () => {
      log.close();
      if (db.isOpen) db.close();
    },
  };
}

/** Runs `work` until the database is not locked by others; what it throws otherwise becomes a FleetscoreError. */
async function untilFree<T>(path: string, lockWaitMs: number, work: () => T): Promise<T> {
  const deadline = performance.now() + lockWaitMs;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw storeError(error, path);
    }
    await sleep(1 + Math.random() * 10);
  }
}
