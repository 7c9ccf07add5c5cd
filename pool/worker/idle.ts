/**
 * Ends a worker that its pool has let go, or that has had no work for long and hears nothing of its pool: a
 * forgotten machine must not be paid for ever. A pool that gives signs of life decides itself.
 */
import type { ActivityCount } from './activity-count.ts';
import { watch, type Watch } from './watch.ts';

export interface IdleOptions {
  readonly activities: Pick<ActivityCount, 'idleForMs'>;
  /** Never ends for being idle when absent. */
  readonly idleExitMs?: number | undefined;
  /** True when the pool lets this node go. */
  readonly released?: () => Promise<boolean>;
  /** When the pool last gave a sign of life, epoch ms. */
  readonly poolAlive?: () => Promise<number | undefined>;
  readonly everyMs?: number;
  readonly now?: () => number;
  readonly trouble?: (error: unknown) => void;
}

const EVERY_MS = 15_000;

export function watchIdle(options: IdleOptions): Watch {
  const now = options.now ?? Date.now;
  const { idleExitMs } = options;
  return watch(
    options.everyMs ?? EVERY_MS,
    async () => {
      if (await options.released?.()) return { kind: 'released', text: 'the pool lets this node go' };
      const idle = options.activities.idleForMs();
      if (idleExitMs === undefined || idle < idleExitMs) return undefined;
      // Without an answer the pool counts as silent: then idleness alone decides.
      const alive = await options.poolAlive?.().catch(() => undefined);
      if (alive !== undefined && now() - alive < idleExitMs) return undefined;
      return { kind: 'idle', text: `no work for ${Math.round(idle / 1_000)} s, and no sign of life of the pool` };
    },
    options.trouble,
  );
}
