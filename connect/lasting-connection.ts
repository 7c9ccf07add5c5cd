/**
 * A client's connection to Temporal that outlives a network which takes everything and answers nothing. Left alone, a
 * connection that was made in such a time is waited for without end: @grpc/grpc-js 1.14.7 waits for the first settings
 * of the server without a limit (`transport.js`), so every later call ends by its deadline. Here a call that waits for
 * long has the server asked; when it leaves that unanswered, and answers over a fresh connection, that one takes over.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Connection, ConnectionLike } from '@temporalio/client';
import { GRPC } from '../domain/temporal-service.ts';

export interface LastingTimes {
  /** Between two looks at calls that wait, ms. */
  readonly everyMs: number;
  /** A call that waits for so long has the server asked. */
  readonly longMs: number;
  /** For an answer, ms. */
  readonly answerMs: number;
  /** Until it is asked again after it answered: some calls are meant to wait. */
  readonly restMs: number;
}

const TIMES: LastingTimes = { everyMs: 1_000, longMs: 4_000, answerMs: 4_000, restMs: 15_000 };

export interface Reached {
  open(): Promise<Connection>;
  /** Whether the address answers, over a connection of its own. */
  reachable(): Promise<boolean>;
}

/** A call under way. */
interface Waiting {
  readonly on: Connection;
  readonly sinceMs: number;
}

export function lastingConnection(
  first: Connection,
  { open, reachable }: Reached,
  times: LastingTimes = TIMES,
): ConnectionLike {
  let current = first;
  // A look is not part of the call that began to wait: neither its deadline nor its end is for it.
  const apart = AsyncLocalStorage.snapshot();
  let closed = false;
  let looking = false;
  let restUntilMs = 0;
  const waiting = new Set<Waiting>();
  let timer: NodeJS.Timeout | undefined;
  /** A retry of the SDK on a closed connection throws where nobody catches: it is closed when its last call is over. */
  const closeUnused = async (connection: Connection): Promise<void> => {
    if (connection !== current && ![...waiting].some(({ on }) => on === connection)) await connection.close();
  };

  const look = async (): Promise<void> => {
    if (await answers(current, times.answerMs)) restUntilMs = performance.now() + times.restMs;
    else if (await reachable()) {
      const [dead, fresh] = [current, await open()];
      if (closed) return fresh.close();
      current = fresh;
      await closeUnused(dead);
    }
  };
  const atTimer = (): void => {
    const nowMs = performance.now();
    const long = [...waiting].some(({ on, sinceMs }) => on === current && nowMs - sinceMs >= times.longMs);
    if (looking || nowMs < restUntilMs || !long) return;
    looking = true;
    apart(look)
      .catch(() => {})
      .finally(() => (looking = false));
  };
  const began = (call: Promise<unknown>): void => {
    const one = { on: current, sinceMs: performance.now() };
    waiting.add(one);
    timer ??= setInterval(atTimer, times.everyMs).unref();
    const over = (): void => {
      waiting.delete(one);
      void closeUnused(one.on).catch(() => {});
      if (waiting.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
    call.then(over, over);
  };
  const watch = callWatcher(began);
  return {
    get workflowService() {
      return watch(current.workflowService);
    },
    get operatorService() {
      return watch(current.operatorService);
    },
    plugins: first.plugins,
    ensureConnected: () => current.ensureConnected(),
    withDeadline: (deadline, fn) => current.withDeadline(deadline, fn),
    withMetadata: (metadata, fn) => current.withMetadata(metadata, fn),
    withAbortSignal: (signal, fn) => current.withAbortSignal(signal, fn),
    async close() {
      closed = true;
      clearInterval(timer);
      await current.close();
    },
  };
}

/** Services whose calls are told when they begin; each is made once. */
function callWatcher(began: (call: Promise<unknown>) => void): <T extends object>(service: T) => T {
  const watched = new WeakMap<object, object>();
  return <T extends object>(service: T): T => {
    const known = watched.get(service) as T | undefined;
    if (known) return known;
    const made = new Proxy(service, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const answer: unknown = Reflect.apply(value as (...all: unknown[]) => unknown, target, args);
          if (answer instanceof Promise) began(answer);
          return answer;
        };
      },
    });
    watched.set(service, made);
    return made;
  };
}

/** What the client ended itself. */
const NO_ANSWER: ReadonlySet<unknown> = new Set([GRPC.CANCELLED, GRPC.DEADLINE_EXCEEDED, GRPC.UNAVAILABLE]);

/**
 * Whether anything comes back over a connection in time; a refusal does. Asks what every server answers to everybody
 * who connects.
 */
export async function answers(
  connection: Pick<ConnectionLike, 'withDeadline' | 'workflowService'>,
  answerMs: number,
): Promise<boolean> {
  try {
    await connection.withDeadline(Date.now() + answerMs, () => connection.workflowService.getSystemInfo({}));
    return true;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    return typeof code === 'number' && !NO_ANSWER.has(code);
  }
}
