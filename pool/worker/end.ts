/** All reasons for a scoring worker to end by itself, as one promise for the worker's life. */
import type { Config } from '../../config.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { isReleased, lastAlive } from '../lease.ts';
import type { ActivityCount } from './activity-count.ts';
import { watchIdle } from './idle.ts';
import { watchMemory } from './memory.ts';
import { watchScheduledEvents } from './scheduled-events.ts';
import { watchStuck } from './stuck.ts';
import type { EndReason, Watch } from './watch.ts';

export interface EndOptions {
  readonly config: Config;
  readonly blobs: BlobStore;
  readonly activities: ActivityCount;
  /** On a node of Azure: look for its scheduled events and for what the pool says in Blob. */
  readonly remote: boolean;
  readonly trouble?: (error: unknown) => void;
  /** Longest time the server gives an activity, ms. */
  readonly activityLimitMs: number;
}

/** `reason` resolves with the first reason; `stop` must be called at the end. */
export function watchForEnd({ config, blobs, activities, remote, trouble, activityLimitMs }: EndOptions): Watch {
  const { node, idleExitMs, recycleBytes } = config.worker;
  const pool = config.pool.name;
  const watches: Watch[] = [watchStuck({ activities, limitMs: activityLimitMs })];
  if (remote && node !== undefined)
    watches.push(
      watchIdle({
        activities,
        idleExitMs,
        released: () => isReleased(blobs, pool, node),
        poolAlive: () => lastAlive(blobs, pool),
        ...(trouble ? { trouble } : {}),
      }),
    );
  else if (idleExitMs !== undefined) watches.push(watchIdle({ activities, idleExitMs }));
  if (remote) watches.push(watchScheduledEvents());
  if (recycleBytes > 0) watches.push(watchMemory({ limitBytes: recycleBytes }));
  return {
    reason: Promise.race([new Promise<EndReason>(() => {}), ...watches.map((one) => one.reason)]),
    stop: () => watches.forEach((one) => one.stop()),
  };
}
