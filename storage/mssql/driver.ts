/**
 * What the driver (tedious 20 under mssql 12) leaves out, added to each connection before it connects: the number of
 * an error that answers a login, an end to answers that stop half-way, and that a connection whose transaction may
 * still be open is never lent again. Uses only events and methods of the connection, and reads its state.
 */
import type sql from 'mssql';
import { callSignal } from '../deadline.ts';
import { takeRows } from './take-rows.ts';

type Connection = Parameters<NonNullable<sql.config['beforeConnect']>>[0];

/** Members of tedious' connection that its types leave out; mssql reads the first three itself. */
interface Inner {
  readonly state: unknown;
  readonly STATE: { readonly SENT_CLIENT_REQUEST: unknown };
  readonly socket?: NodeJS.Socket & {
    setTimeout(ms: number, onTimeout: () => void): unknown;
    destroy(error: Error): void;
  };
  /** Set until the first bytes of an answer: the driver's own limit holds so long. */
  readonly requestTimer?: unknown;
}

type Done = (error?: Error | null) => void;

/** @param stallMs longest silence within an answer that has begun */
export function improveConnection(connection: Connection, stallMs: number): void {
  void takeRows(connection);
  keepLoginNumber(connection);
  connection.on('connect', (error) => {
    if (!error) endStalledAnswers(connection, stallMs);
  });
  dropUnended(connection);
}

/**
 * The driver makes a new error of what answers a login and drops its number (`token/handler.js`), so that a database
 * that wakes up looks like a wrong password. The token itself passes by as an event. The first one counts: 4060 is
 * followed by 18456.
 */
function keepLoginNumber(connection: Connection): void {
  let number: number | undefined;
  connection.on('errorMessage', (token: { readonly number?: number }) => (number ??= token.number));
  connection.prependListener('connect', (error?: Error & { number?: number }) => {
    if (error && number !== undefined) error.number ??= number;
    number = undefined;
  });
}

/** The driver's limit for a request ends with the first bytes of its answer; the rest may never come. */
function endStalledAnswers(connection: Connection, stallMs: number): void {
  const inner = connection as unknown as Inner;
  inner.socket?.setTimeout(stallMs, () => {
    if (inner.state !== inner.STATE.SENT_CLIENT_REQUEST || inner.requestTimer !== undefined) return;
    const silent = new Error(`nothing more of an answer came for ${Math.round(stallMs / 1000)} s`);
    inner.socket?.destroy(Object.assign(silent, { code: 'ETIMEDOUT' }));
  });
}

/**
 * After a commit or rollback without a good answer the transaction may be open still, with its locks: mssql lends such
 * a connection again, so it is closed here. A server that rolls back while it is asked to commit is an error, also
 * where it sends none; mssql would take it for its own abort and end the process on the answer.
 */
function dropUnended(connection: Connection): void {
  const begin = connection.beginTransaction.bind(connection);
  const commit = connection.commitTransaction.bind(connection);
  const rollback = connection.rollbackTransaction.bind(connection);
  connection.beginTransaction = (done, ...rest) => begin(endsWithCall(connection, done), ...rest);
  connection.commitTransaction = (given: Done, name?: string) => {
    const done = endsWithCall(connection, given);
    let rolledBack = false;
    connection.removeAllListeners('rollbackTransaction');
    connection.once('rollbackTransaction', () => (rolledBack = true));
    return commit((error) => {
      connection.removeAllListeners('rollbackTransaction');
      const lost = rolledBack
        ? Object.assign(new Error('the server rolled back instead of committing'), { code: 'EABORT' })
        : undefined;
      finish(connection, error ?? lost, done);
    }, name);
  };
  connection.rollbackTransaction = (done: Done, name?: string) =>
    rollback((error) => finish(connection, error, done), name);
}

/** Neither can be cancelled: the connection is closed when whoever it is for is called off. */
function endsWithCall<Said extends unknown[]>(
  connection: Connection,
  done: (...said: Said) => void,
): (...said: Said) => void {
  const signal = callSignal();
  if (!signal || signal.aborted) return done;
  const close = (): void => connection.close();
  signal.addEventListener('abort', close, { once: true });
  return (...said) => {
    signal.removeEventListener('abort', close);
    done(...said);
  };
}

function finish(connection: Connection, error: Error | null | undefined, done: Done): void {
  if (error) connection.close();
  done(error);
}
