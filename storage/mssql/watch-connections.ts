/**
 * A network that takes everything and answers nothing leaves each request that is under way waiting for its limit of a
 * minute, also when the server is long back: nothing more comes over those connections. Here a request that waits for
 * long has the server asked over a fresh connection. A connection is cut, and what was under way on it done again, when
 * the server did not answer for a while and then does, or when it says twice that it runs nothing for that session: the
 * statement, or its answer, was lost on the way. A statement that is only slow is left alone.
 */
import { hostname } from 'node:os';
import type sql from 'mssql';
import { tsql } from './statement.ts';

type Connection = Parameters<NonNullable<sql.config['beforeConnect']>>[0];

/** Members of tedious' connection that its types leave out. */
interface Inner {
  readonly config: { readonly options: { workstationId?: string } };
  /** The request that is under way. */
  readonly request?: object;
  /** Set until the first bytes of an answer. */
  readonly requestTimer?: unknown;
  readonly socket?: { readonly bytesWritten: number; destroy(error: Error): void };
}

export interface ConnectionWatch {
  add(connection: Connection): void;
  stop(): void;
}

export interface WatchTimes {
  /** Between two looks, ms. */
  readonly everyMs: number;
  /** A request that waits for so long has the server asked. */
  readonly longMs: number;
  /** Until it is asked again after it answered. */
  readonly restMs: number;
}

const TIMES: WatchTimes = { everyMs: 500, longMs: 1_000, restMs: 15_000 };

/**
 * A session's status is `sleeping` when it runs nothing; one that waits for a lock, a grant or the log is `running`
 * (`sys.dm_exec_sessions`). Others than one's own are shown with VIEW DATABASE STATE on Azure SQL, VIEW SERVER STATE
 * (PERFORMANCE STATE from 2022 on) on SQL Server: without it the list is empty, and says nothing of anybody.
 */
export const SESSION_SQL = {
  list: tsql(
    { Pool: 'NVARCHAR(128)' },
    'SELECT host_name AS name, status FROM sys.dm_exec_sessions WHERE LEFT(host_name, LEN(@Pool)) = @Pool',
  ),
} as const;

/** Status of the sessions of a pool that the server tells of, by the name of their connection. */
export type Sessions = ReadonlyMap<string, string>;

interface Seen {
  readonly name: string;
  request: object | undefined;
  written: number;
  sinceMs: number;
  /** The server said once that it runs nothing for this session. */
  doubted: boolean;
}

let pools = 0;

/** @param asks what the server says over a fresh connection; rejects when it does not answer in a few seconds */
export function watchConnections(
  asks: (pool: string) => Promise<Sessions>,
  times: WatchTimes = TIMES,
): ConnectionWatch {
  const pool = `${hostname().slice(0, 60)}/${process.pid}.${++pools}.${Date.now().toString(36)}#`;
  const open = new Map<Connection, Seen>();
  let made = 0;
  let dark = false;
  let asking = false;
  let restUntilMs = 0;

  /** Connections whose request has waited for long, without a byte either way. */
  const waiting = (nowMs: number): Connection[] =>
    [...open].flatMap(([connection, seen]) => {
      const { request, socket } = connection as unknown as Inner;
      const written = socket?.bytesWritten ?? 0;
      if (seen.request !== request || seen.written !== written)
        Object.assign(seen, { request, written, sinceMs: nowMs, doubted: false });
      return request && nowMs - seen.sinceMs >= times.longMs ? [connection] : [];
    });

  const ask = async (nowMs: number): Promise<void> => {
    const before = [...open.keys()];
    let sessions: Sessions;
    try {
      sessions = await asks(pool);
    } catch {
      dark = true;
      return;
    }
    const lost = dark ? before : waiting(performance.now()).filter((connection) => isLost(connection, sessions));
    dark = false;
    for (const connection of lost) cut(connection);
    const doubts = [...open.values()].some(({ doubted }) => doubted);
    restUntilMs = nowMs + Math.min(times.restMs, doubts ? times.longMs : Infinity);
  };
  const isLost = (connection: Connection, sessions: Sessions): boolean => {
    const seen = open.get(connection)!;
    const begun = (connection as unknown as Inner).requestTimer === undefined;
    const status = sessions.get(seen.name) ?? 'gone';
    const before = seen.doubted;
    seen.doubted = sessions.size > 0 && !begun && (status === 'sleeping' || status === 'gone');
    return before && seen.doubted;
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const long = waiting(nowMs).length > 0;
    if (asking || !(dark || (long && nowMs >= restUntilMs))) return;
    asking = true;
    void ask(nowMs).finally(() => (asking = false));
  }, times.everyMs);
  timer.unref();
  return {
    add(connection) {
      const name = `${pool}${++made}`;
      // What the server shows as `host_name`.
      (connection as unknown as Inner).config.options.workstationId = name;
      open.set(connection, { name, request: undefined, written: 0, sinceMs: performance.now(), doubted: false });
      connection.once('end', () => open.delete(connection));
    },
    stop: () => clearInterval(timer),
  };
}

function cut(connection: Connection): void {
  const lost = new Error('the network was away: nothing more comes over this connection');
  (connection as unknown as Inner).socket?.destroy(Object.assign(lost, { code: 'ECONNRESET' }));
}
