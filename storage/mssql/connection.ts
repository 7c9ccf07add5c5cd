/**
 * The pool of connections. Every piece of work is done again, as a whole, after an error that passes by
 * itself (deadlock, failover, lost connection), so work must be such that doing it twice is doing it once. Nothing
 * waits without an end: each request has a limit, trying again has a time, and both end with whoever they are for.
 */
import sql from 'mssql';
import { callSignal, orAborted, pauseFor } from '../deadline.ts';
import { mssqlConfig } from './config.ts';
import type { OnRow } from './quick-rows.ts';
import { takingRows } from './take-rows.ts';
import { storeError, waitingText } from './errors.ts';
import {
  after,
  createStage,
  dropStage,
  fit,
  SQL_TYPES,
  type SqlValue,
  type StageTable,
  type Statement,
} from './statement.ts';
import { verdictOn } from './transient.ts';
import { SESSION_SQL, watchConnections, type Sessions } from './watch-connections.ts';
import { HOUR_MS } from '../../domain/time.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 4_000;
/** Shorter than the limit of a request, so that the server answers. */
const LOCK_TIMEOUT_MS = 45_000;
/** A login takes a fraction of a second where the network is there. */
const ASK_MS = 4_000;
/** A migration may build an index over all windows. */
const SCRIPT_TIMEOUT_MS = HOUR_MS;

/** How long work is tried again while its trouble can pass; a request that is under way is not cut. */
export interface Patience {
  readonly forMs: number;
  /** Trouble that a wrong setting causes as well: a name that does not resolve, nobody who listens. */
  readonly briefMs: number;
  /** Told once, when the first try was in vain. */
  readonly onWait?: (text: string) => void;
}

/** A failover takes seconds; who called (Temporal, ingest) tries again after longer trouble. */
const WORK: Patience = { forMs: 30_000, briefMs: 10_000 };

/** A paused database of Azure SQL takes up to about a minute to wake up, and so does one that is scaled. */
export const FIRST_CONNECTION: Patience = { forMs: 75_000, briefMs: 10_000 };

/**
 * Held by who plans a batch, and shared by commits of readings while they look up to where batches are planned: the one
 * or the other comes first, so a reading is in what the batch reads, or marked as late for it.
 */
export const PLANS_LOCK = 'fleetscore-plans';

/** A value for every parameter of the statement; others are not sent. */
type Bound = Readonly<Record<string, SqlValue>>;

/** One connection, or one transaction. */
export interface Session {
  query<Row>(statement: Statement, values: Bound): Promise<Row[]>;
  /** Rows affected. */
  run(statement: Statement, values: Bound): Promise<number>;
}

export interface Transaction extends Session {
  /** 1 for the first try of this work. Above 1 an earlier try may have been committed though its answer was lost. */
  readonly attempt: number;
  /** Creates the temporary table anew and fills it by bulk copy. */
  stage(table: StageTable, rows: readonly (readonly SqlValue[])[]): Promise<void>;
  /** Holds an application lock until the transaction ends; any number hold it `shared` at once. */
  lock(resource: string, mode?: 'Exclusive' | 'Shared'): Promise<void>;
  /** Runs a migration: several statements in one batch. */
  script(text: string): Promise<void>;
}

export interface Database {
  /** Server and database, for messages. */
  readonly where: string;
  read<T>(work: (session: Session) => Promise<T>): Promise<T>;
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /**
   * Hands over each row as it arrives, as an array that the next one may be read into. A new try begins with a new
   * collector.
   * @param before asked in the same round trip, and answered before the other is looked at: its rows come first
   */
  stream(statement: Statement, values: Bound, collect: () => OnRow, before?: Statement): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param patience with the first connection
 * @throws FleetscoreError `STORE_URL_INVALID`, `STORE_UNAVAILABLE`, `STORE_ERROR`
 */
export async function connect(url: string, patience: Patience = FIRST_CONNECTION): Promise<Database> {
  const asked = mssqlConfig(url);
  const config = { ...asked, connectionTimeout: Math.min(asked.connectionTimeout ?? Infinity, patience.forMs) };
  const where = `The SQL Server store ${config.database} on ${config.server}`;
  const watch = watchConnections((pool) => askSessions(config, pool));
  const pool = new sql.ConnectionPool({
    ...config,
    beforeConnect: (connection) => {
      config.beforeConnect?.(connection);
      watch.add(connection);
    },
  });
  // Each failed call says so itself; without a listener the pool would end the process too.
  pool.on('error', () => {});
  try {
    await patiently(where, () => pool.connect(), patience);
  } catch (error) {
    watch.stop();
    throw error;
  }
  return {
    where,
    read: (work) => patiently(where, () => work(sessionOf(() => new sql.Request(pool)))),
    write: (work) => patiently(where, (attempt) => transact(pool, attempt, work)),
    stream: (statement, values, collect, before) => {
      const both = before === undefined ? statement : after(before, statement);
      return patiently(where, () => streamRows(new sql.Request(pool), both, values, collect()));
    },
    close: () => {
      watch.stop();
      return pool.close();
    },
  };
}

/**
 * Logs in over a connection of its own, and asks what the pool's sessions do. Empty where the user may not know.
 * @throws when the server does not answer in a few seconds
 */
export async function askSessions(config: sql.config, pool: string, limitMs = ASK_MS): Promise<Sessions> {
  const limits = { connectionTimeout: limitMs, requestTimeout: limitMs, pool: { min: 0, max: 1 } };
  const fresh = new sql.ConnectionPool({ ...config, ...limits });
  fresh.on('error', () => {});
  await fresh.connect();
  try {
    const rows = await sessionOf(() => new sql.Request(fresh)).query<{ name: string; status: string }>(
      SESSION_SQL.list,
      { Pool: pool },
    );
    return new Map(rows.map(({ name, status }) => [name, status]));
  } catch {
    // Answered all the same: it is a right that is missing, or a view.
    return new Map();
  } finally {
    await fresh.close();
  }
}

/** Does `work` until it succeeds, fails for good, its trouble lasted too long, or whoever it is for is called off. */
export function patiently<T>(where: string, work: (attempt: number) => Promise<T>, patience?: Patience): Promise<T> {
  return orAborted(persist(where, work, patience));
}

async function persist<T>(
  where: string,
  work: (attempt: number) => Promise<T>,
  { forMs, briefMs, onWait }: Patience = WORK,
): Promise<T> {
  const since = performance.now();
  for (let attempt = 1; ; attempt++) {
    // Jitter: two that met in a deadlock should not meet again.
    const pauseMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 3 ** (attempt - 1)) * (0.5 + Math.random() / 2);
    try {
      return await work(attempt);
    } catch (error) {
      callSignal()?.throwIfAborted();
      const verdict = verdictOn(error);
      const limitMs = verdict === 'brief' ? Math.min(briefMs, forMs) : forMs;
      if (verdict === 'final' || performance.now() - since + pauseMs > limitMs) throw storeError(error, where);
      if (attempt === 1) onWait?.(waitingText(error, where, limitMs));
    }
    await pauseFor(pauseMs);
  }
}

/** Runs one request, which is cancelled when whoever it is for is called off. */
async function ending<T>(request: sql.Request, run: (request: sql.Request) => Promise<T>): Promise<T> {
  const signal = callSignal();
  signal?.throwIfAborted();
  const cancel = (): void => request.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await run(request);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

function sessionOf(request: () => sql.Request): Session {
  return {
    query: async <Row>(statement: Statement, values: Bound) =>
      (await ending(bind(request(), statement, values), (one) => one.query<Row>(statement.text))).recordset,
    run: async (statement, values) => {
      const { rowsAffected } = await ending(bind(request(), statement, values), (one) => one.query(statement.text));
      return rowsAffected[0] ?? 0;
    },
  };
}

function bind(request: sql.Request, statement: Statement, values: Bound): sql.Request {
  for (const [name, type] of Object.entries(statement.params)) {
    const value = values[name];
    if (value === undefined) throw new TypeError(`no value for @${name}`);
    request.input(name, SQL_TYPES[type](), fit(name, type)?.(value) ?? value);
  }
  return request;
}

async function transact<T>(
  pool: sql.ConnectionPool,
  attempt: number,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const transaction = new sql.Transaction(pool);
  await transaction.begin(sql.ISOLATION_LEVEL.READ_COMMITTED);
  const request = (): sql.Request => new sql.Request(transaction);
  try {
    const result = await work({
      ...sessionOf(request),
      attempt,
      stage: (table, rows) => stage(request, table, rows),
      lock: (resource, mode = 'Exclusive') => lock(request(), resource, mode),
      script: async (text) => void (await ending(longRequest(transaction), (one) => one.batch(text))),
    });
    await transaction.commit();
    return result;
  } catch (error) {
    // After a deadlock or a lost connection the server has rolled back already.
    await transaction.rollback().catch(() => {});
    throw error;
  }
}

/** mssql 12.3 and later take a limit for one request; its types do not say so yet. */
function longRequest(transaction: sql.Transaction): sql.Request {
  const Long = sql.Request as new (parent: sql.Transaction, overrides: { requestTimeout: number }) => sql.Request;
  return new Long(transaction, { requestTimeout: SCRIPT_TIMEOUT_MS });
}

async function stage(
  request: () => sql.Request,
  table: StageTable,
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  // As a batch: a temporary table made inside sp_executesql would vanish with it. In one round trip.
  await ending(request(), (one) => one.batch(`${dropStage(table)};\n${createStage(table)}`));
  if (rows.length > 0) await ending(request(), (one) => one.bulk(stageRows(table, rows)));
}

/** The staging table as the driver's bulk copy takes it. */
export function stageRows(table: StageTable, rows: readonly (readonly SqlValue[])[]): sql.Table {
  const bulk = new sql.Table(table.name);
  for (const { name, type, nullable } of table.columns)
    bulk.columns.add(name, SQL_TYPES[type](), { nullable: nullable ?? false });
  const fits = table.columns.map(({ name, type }) => fit(name, type));
  for (const row of rows) bulk.rows.push(row.map((value, i) => fits[i]?.(value) ?? value) as sql.IRow);
  return bulk;
}

async function lock(request: sql.Request, resource: string, mode: 'Exclusive' | 'Shared'): Promise<void> {
  request.input('Resource', sql.NVarChar(255), resource);
  request.input('LockMode', sql.VarChar(32), mode);
  request.input('LockOwner', sql.VarChar(32), 'Transaction');
  request.input('LockTimeout', sql.Int(), LOCK_TIMEOUT_MS);
  const { returnValue } = await ending(request, (one) => one.execute('sp_getapplock'));
  // 0 granted, 1 granted after waiting; -1 timed out, -3 deadlock victim.
  if ((returnValue as number) < 0)
    throw Object.assign(new Error(`the lock ${resource} was not granted (${String(returnValue)})`), {
      code: 'ETIMEOUT',
    });
}

function streamRows(asked: sql.Request, statement: Statement, values: Bound, onRow: OnRow): Promise<void> {
  return ending(asked, (request) => streamed(request, statement, values, onRow));
}

function streamed(request: sql.Request, statement: Statement, values: Bound, onRow: OnRow): Promise<void> {
  return new Promise((resolve, reject) => {
    request.stream = true;
    request.arrayRowMode = true;
    let failure: Error | undefined;
    // What is thrown amid an answer would take the connection along.
    const take = (row: readonly SqlValue[]): void => {
      try {
        if (failure === undefined) onRow(row);
      } catch (error) {
        failure = error as Error;
      }
    };
    request.on('row', take);
    request.on('error', (error: Error) => (failure ??= error));
    request.on('done', () => (failure === undefined ? resolve() : reject(failure)));
    // In stream mode errors are events and the promise says nothing; should it reject all the same, take it.
    const asked = takingRows(take, () => bind(request, statement, values).query(statement.text));
    Promise.resolve(asked).catch(reject);
  });
}
