/**
 * A connection to Temporal that takes everything and answers nothing is given up by the SDK's own keep-alive after up
 * to 45 s, for which there is no setting (@temporalio/worker 1.24.0 hands none on, so its core takes 30 s and 15 s).
 * Here the server is asked over the worker's connection all the while: when it leaves questions unanswered there, and
 * answers over a fresh connection, the worker is told. A server that is away, or slow for everybody, is no reason.
 */
import type { NativeConnection } from '@temporalio/worker';
import { answers } from '../connect/lasting-connection.ts';
import { withinLimit } from '../storage/deadline.ts';

export interface WatchTimes {
  /** Between two looks, ms. */
  readonly everyMs: number;
  /** For an answer, ms. */
  readonly answerMs: number;
}

const TIMES: WatchTimes = { everyMs: 4_000, answerMs: 4_000 };
/** Questions in a row without an answer. */
const UNANSWERED = 2;
/** The call's own limit counts outside of this thread; this one is for a call that does not heed it. */
const GRACE_MS = 2_000;

export interface Asked {
  /** That of the worker now. */
  own(): NativeConnection;
  /** Whether the address answers, over a connection of its own. */
  reachable(): Promise<boolean>;
  /** Called when the worker's connection is dead and a fresh one is not; looks again when it resolves. */
  onDead(): Promise<void>;
}

/** Returns what ends it. */
export function watchTemporal({ own, reachable, onDead }: Asked, times: WatchTimes = TIMES): () => void {
  let unanswered = 0;
  let looking = false;
  const isAnswered = (): Promise<boolean> =>
    withinLimit(times.answerMs + GRACE_MS, () => answers(own(), times.answerMs)).catch(() => false);
  const look = async (): Promise<void> => {
    if (unanswered < UNANSWERED) {
      unanswered = (await isAnswered()) ? 0 : unanswered + 1;
      if (unanswered < UNANSWERED) return;
    }
    if (!(await reachable())) return;
    if (await isAnswered()) unanswered = 0;
    else {
      await onDead();
      unanswered = 0;
    }
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch(() => {})
      .finally(() => (looking = false));
  }, times.everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
