/**
 * How long an answer may take on this machine, now. The parts of a laptop stack run beside whoever asks them: where
 * fifteen processes want two processors, a server that is well takes seconds, and "no answer" would be wrong.
 */
import { availableParallelism, loadavg } from 'node:os';

/** Nobody waits longer than this many times as long. */
const MOST = 4;

export interface Load {
  /** Processes that run or want to, of the last minute; 0 where the system does not say (Windows). */
  readonly load: number;
  readonly processors: number;
}

export const loadNow = (): Load => ({ load: loadavg()[0]!, processors: availableParallelism() });

/** Processes for each processor, 1 to 4. */
export const slowness = ({ load, processors }: Load): number => Math.min(MOST, Math.max(1, load / processors));

/** A wait of an idle machine, ms, as long as it takes on this one. */
export const patience = (ms: number, load: Load = loadNow()): number => Math.round(ms * slowness(load));

/** `no answer within 24 s (this machine is busy: load 15.2 on 2 processors)`, of a wait that {@link patience} gave. */
export function noAnswer(waitedMs: number, load: Load = loadNow()): string {
  const busy =
    slowness(load) > 1 ? ` (this machine is busy: load ${load.load.toFixed(1)} on ${load.processors} processors)` : '';
  return `no answer within ${Math.round(waitedMs / 1000)} s${busy}`;
}

/** How often a wait is made longer because this process itself stood still. */
const AGAIN = 3;
/** A timer that fires so late was held up: by other processes, or by work of this one. */
const HELD_UP_MS = 100;

/**
 * What `work` gives, within a time in which this process runs: what it stood still is added, for an answer that has
 * come lies unread meanwhile. @throws Error {@link noAnswer} where there is none; what `work` throws
 */
export async function inTime<T>(work: () => Promise<T>, waitMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number, again: number): void => {
    const dueMs = performance.now() + ms;
    timer = setTimeout(() => {
      const heldUpMs = performance.now() - dueMs;
      if (heldUpMs > HELD_UP_MS && again > 0) wait(Math.min(heldUpMs, waitMs), again - 1);
      else reject(new Error(noAnswer(waitMs)));
    }, ms);
  };
  wait(waitMs, AGAIN);
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
