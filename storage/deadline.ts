/**
 * Every call to a service ends by itself: when whoever it is made for is called off (an activity, a worker that ends),
 * or when nothing moves for a while. A request that is never answered would otherwise be waited for as long as its
 * connection stands, and with it a partition, a start, or every chunk that shares a fetch.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const scopes = new AsyncLocalStorage<AbortSignal>();

/** Aborted when what runs now is called off; undefined where nothing can call it off. */
export const callSignal = (): AbortSignal | undefined => scopes.getStore();

/** Runs `work`; calls made inside end when `signal` is aborted, or when what is around it is called off. */
export function endingWith<T>(signal: AbortSignal, work: () => T): T {
  const outer = scopes.getStore();
  return scopes.run(outer ? AbortSignal.any([outer, signal]) : signal, work);
}

/** Runs `work` for several callers: it ends with `scope` (where it was begun for all), not with the caller of now. */
export function sharedBy<T>(scope: AbortSignal | undefined, work: () => T): T {
  return scope ? scopes.run(scope, work) : scopes.exit(work);
}

/** Resolves as `work` does, or rejects with the signal's reason: `work` itself may go on for others. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined = callSignal()): Promise<T> {
  if (!signal) return work;
  // Nobody may be left to hear of its failure.
  work.catch(() => {});
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * As `work`; but where it has not ended `graceMs` after `signal` was aborted, it is left behind and the signal's reason
 * is thrown: what it holds (a budget, a turn) is given back although something in it does not heed the signal.
 */
export async function orLeft<T>(work: Promise<T>, signal: AbortSignal, graceMs: number): Promise<T> {
  const left = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = setTimeout(() => left.abort(signal.reason), graceMs);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await orAborted(work, left.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Fewer bytes than this between two looks are no progress: a body that drips in byte by byte is as good as none. */
export const PROGRESS_BYTES = 16 * 1024;

export interface CallWatch {
  /** Aborted when the call has to end. */
  readonly signal: AbortSignal;
  /** Bytes that moved since the call began, in both directions; waits anew once enough of them came. */
  moved(bytes: number): void;
  /** No progress is waited for any more: only the other signals end it. */
  waitNoMore(): void;
  /** True when it ended for want of progress. */
  readonly stalled: boolean;
  /** The call is over: lets go of the timer and of the other signals. */
  done(): void;
}

/** Aborts `controller` with what aborts one of `sources`. Returns what lets go of them. */
function follow(controller: AbortController, sources: readonly (AbortSignal | undefined)[]): () => void {
  const followed = sources.filter((signal) => signal !== undefined);
  const letGo = (): void => {
    for (const source of followed) source.removeEventListener('abort', onAbort);
  };
  function onAbort(this: AbortSignal): void {
    letGo();
    controller.abort(this.reason);
  }
  for (const source of followed) source.addEventListener('abort', onAbort, { once: true });
  const first = followed.find((source) => source.aborted);
  if (first) onAbort.call(first);
  return letGo;
}

/**
 * Watches one call.
 * @param limitMs without progress
 * @param others signals that end it too; that of {@link callSignal} always does
 */
export function watchCall(limitMs: number, ...others: readonly (AbortSignal | undefined)[]): CallWatch {
  const controller = new AbortController();
  const { signal } = controller;
  const letGo = follow(controller, [callSignal(), ...others]);
  let counted = 0;
  let stalled = false;
  let timer: NodeJS.Timeout | undefined;
  const waitNoMore = (): void => clearTimeout(timer);
  const done = (): void => {
    waitNoMore();
    letGo();
  };
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      stalled = true;
      letGo();
      controller.abort(stalledError(limitMs));
    }, limitMs);
  };
  signal.addEventListener('abort', waitNoMore, { once: true });
  if (!signal.aborted) wait();
  return {
    signal,
    moved(bytes) {
      if (bytes - counted < PROGRESS_BYTES || signal.aborted) return;
      counted = bytes;
      wait();
    },
    waitNoMore,
    get stalled() {
      return stalled;
    },
    done,
  };
}

/** Waits, unless what it is for is called off. @throws the reason of the signal */
export async function pauseFor(ms: number, ...others: readonly (AbortSignal | undefined)[]): Promise<void> {
  const controller = new AbortController();
  const letGo = follow(controller, [callSignal(), ...others]);
  try {
    await sleep(ms, undefined, { signal: controller.signal });
  } catch (error) {
    throw controller.signal.reason ?? error;
  } finally {
    letGo();
  }
}

/** `code` of the error of a call that ended for want of progress. */
export const STALLED = 'STALLED';

/** @param limitMs without progress */
export const stalledError = (limitMs: number): Error =>
  Object.assign(new Error(`no answer, or no more of it, for ${limitMs / 1000} s`), { code: STALLED });

/**
 * Runs a call that has no signal of its own, or does not heed it; for clients that know deadlines better, use those.
 * @throws what `work` throws, the reason of the signal, or an Error that nothing came for `limitMs`
 */
export async function withinLimit<T>(limitMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const watch = watchCall(limitMs);
  try {
    return await orAborted(work(watch.signal), watch.signal);
  } finally {
    watch.done();
  }
}
