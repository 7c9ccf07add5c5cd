/**
 * A network that takes everything and answers nothing leaves each request that is under way waiting for its limit of a
 * minute, also when the server is long back: nothing more comes over those connections. Here a request that waits for
 * long has the server asked over a fresh connection. When that was in vain for a while and then is answered, all
 * connections from before are cut, and what was under way on them is done again. A statement that is only slow is left
 * alone.
 */
import type sql from 'mssql';

type Connection = Parameters<NonNullable<sql.config['beforeConnect']>>[0];

/** Members of tedious' connection that its types leave out. */
interface Inner {
  /** The request that is under way. */
  readonly request?: object;
  readonly socket?: { destroy(error: Error): void };
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
 * @param asks resolves when the server answers over a fresh connection, and rejects when it does not in a few seconds
 */
export function watchConnections(asks: () => Promise<void>, times: WatchTimes = TIMES): ConnectionWatch {
  const open = new Map<Connection, { request: object | undefined; sinceMs: number }>();
  let dark = false;
  let asking = false;
  let restUntilMs = 0;
  const waitsLong = (nowMs: number): boolean => {
    let longest = 0;
    for (const [connection, seen] of open) {
      const { request } = connection as unknown as Inner;
      if (seen.request !== request) open.set(connection, { request, sinceMs: nowMs });
      else if (request) longest = Math.max(longest, nowMs - seen.sinceMs);
    }
    return longest >= times.longMs;
  };
  const ask = async (nowMs: number): Promise<void> => {
    const before = [...open.keys()];
    try {
      await asks();
    } catch {
      dark = true;
      return;
    }
    restUntilMs = nowMs + times.restMs;
    if (!dark) return;
    dark = false;
    for (const connection of before)
      (connection as unknown as Inner).socket?.destroy(
        Object.assign(new Error('the network was away: nothing more comes over this connection'), {
          code: 'ECONNRESET',
        }),
      );
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const long = waitsLong(nowMs);
    if (asking || !(dark || (long && nowMs >= restUntilMs))) return;
    asking = true;
    void ask(nowMs).finally(() => (asking = false));
  }, times.everyMs);
  timer.unref();
  return {
    add(connection) {
      open.set(connection, { request: undefined, sinceMs: performance.now() });
      connection.once('end', () => open.delete(connection));
    },
    stop: () => clearInterval(timer),
  };
}
