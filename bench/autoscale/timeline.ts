/** What the demo sees of a pool while it runs: a look every half second, kept for the page and the statements. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Context } from '../../cli/frame/context.ts';
import { decided } from '../../domain/outcome.ts';
import { isGone } from '../../pool/pool.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import type { PoolLook } from '../../report/pool/data.ts';
import type { Batch } from '../../storage/store.ts';
import { poolQuery, type PoolState } from '../../workflows/pool-messages.ts';
import { pendingChunks } from './pending.ts';

/** One look at everything, epoch ms. */
export interface Look extends PoolLook {
  readonly ready: number;
  readonly coming: number;
  readonly leaving: number;
  readonly reason: string;
  readonly batches: readonly Pick<Batch, 'id' | 'status'>[];
}

export interface Timeline {
  readonly looks: readonly Look[];
  /** Batches of the schedule, oldest first, as last seen. */
  readonly batches: readonly Batch[];
  stop(): Promise<void>;
}

const EVERY_MS = 500;

/** Looks until it is stopped; trouble of one look is the next one's to mend. */
export function watchPool(context: Context, schedule: string, onLook: (look: Look) => void): Timeline {
  const looks: Look[] = [];
  let batches: Batch[] = [];
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      try {
        const store = await context.store();
        batches = (await store.listBatches({ schedule, limit: 100 })).reverse();
        const look = await lookAt(context, batches);
        if (look) {
          looks.push(look);
          onLook(look);
        }
      } catch {
        // A server under load may miss one look.
      }
      await sleep(EVERY_MS);
    }
  })();
  return {
    looks,
    get batches() {
      return batches;
    },
    async stop() {
      stopped = true;
      await loop;
    },
  };
}

async function lookAt(context: Context, batches: readonly Batch[]): Promise<Look | undefined> {
  const client = await context.client();
  const state = await poolState(client, context.config.pool.name);
  if (!state?.seen) return undefined;
  const store = await context.store();
  const running = batches.filter((batch) => batch.status === 'running');
  const toGo = await Promise.all(
    running.map(async (batch) => batch.planned - decided(await store.countOutcomes(batch.id))),
  );
  const living = state.nodes.filter((node) => !isGone(node.state));
  const count = (...states: string[]): number => living.filter((node) => states.includes(node.state)).length;
  const pending = (await Promise.all(running.map((batch) => pendingChunks(client, batch.id)))).flat();
  const sensorsToGo = toGo.reduce((sum, n) => sum + n, 0);
  return {
    atMs: Date.now(),
    target: state.decision?.target ?? 0,
    busy: Math.min(state.seen.busy, count('ready')),
    ready: count('ready'),
    coming: count('queued', 'starting'),
    leaving: count('leaving'),
    // Counted one by one: the server's own count of the queue is some seconds old.
    tasks: pending.filter(({ worker }) => worker === undefined).length,
    sensorsToGo,
    reason: state.decision?.reason ?? '',
    batches: batches.map(({ id, status }) => ({ id, status })),
  };
}

/** The loop's own word; undefined before it runs. */
async function poolState(client: Client, pool: string): Promise<PoolState | undefined> {
  try {
    return await client.workflow.getHandle(poolWorkflowId(pool)).query(poolQuery);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
