/** A worker whose activity runs past every limit that the server has for it is stuck: nobody waits for it any more. */
import type { ActivityCount } from './activity-count.ts';
import { watch, type Watch } from './watch.ts';

/** Past the time limit of an activity: what it does may take a while to end. */
const GRACE_MS = 2 * 60_000;
const EVERY_MS = 10_000;

export interface StuckOptions {
  readonly activities: Pick<ActivityCount, 'longestMs'>;
  /** Longest time the server gives an activity, ms. */
  readonly limitMs: number;
  readonly everyMs?: number;
  readonly graceMs?: number;
}

export function watchStuck({ activities, limitMs, everyMs = EVERY_MS, graceMs = GRACE_MS }: StuckOptions): Watch {
  return watch(everyMs, async () => {
    const ms = activities.longestMs();
    if (ms < limitMs + graceMs) return undefined;
    return {
      kind: 'stuck',
      text:
        `an activity runs for ${Math.round(ms / 1_000)} s, longer than the ${Math.round(limitMs / 1_000)} s ` +
        'that Temporal waits for it',
    };
  });
}
