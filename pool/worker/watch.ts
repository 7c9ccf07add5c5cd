/** A watch looks at something again and again until there is a reason for the worker to end, or it is stopped. */

import { setTimeout as sleep } from 'node:timers/promises';

export interface EndReason {
  readonly kind: 'idle' | 'released' | 'evicted' | 'memory' | 'stuck';
  /** For the log. */
  readonly text: string;
}

export interface Watch {
  /** Resolves when there is a reason; stays open for ever when there is none. */
  readonly reason: Promise<EndReason>;
  stop(): void;
}

/**
 * @param look gives a reason, undefined to look again, or `'give up'`; what it throws goes to `trouble` and it looks
 * again
 */
export function watch(
  everyMs: number,
  look: () => Promise<EndReason | 'give up' | undefined>,
  trouble: (error: unknown) => void = () => {},
): Watch {
  const stopped = new AbortController();
  const { signal } = stopped;
  const run = async (): Promise<EndReason> => {
    while (!signal.aborted) {
      // A sleep that is stopped throws: then nobody waits for a reason any more.
      await sleep(everyMs, undefined, { ref: false, signal }).catch(() => {});
      if (signal.aborted) break;
      try {
        const found = await look();
        if (found === 'give up') break;
        if (found) return found;
      } catch (error) {
        trouble(error);
      }
    }
    return new Promise(() => {});
  };
  return { reason: run(), stop: () => stopped.abort() };
}
