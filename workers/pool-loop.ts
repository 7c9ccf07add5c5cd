/**
 * Starts the loop of a pool, or hands it the settings of now when it runs already, and starts it again when somebody
 * ended it: nobody else would, and batches would wait without an end. The loop is addressed by its id:
 * the handle that a start gives back names the run of now as the first of its chain, and after a continue-as-new
 * the server finds no such chain (temporalio/temporal issue 8537).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowIdConflictPolicy, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import { configurePoolUpdate } from '../workflows/pool-messages.ts';
import type { scalePool } from '../workflows/scale-pool.ts';
import { messageOf } from '../domain/errors.ts';
import { checkLimits, poolWorkflowId, type PoolSettings } from '../pool/settings.ts';

export const SCALE_POOL = 'scalePool';

/** A loop that ended between the start and the update is started once more; it does not end that often. */
const TRIES = 3;

/**
 * Needs a control worker that polls: the loop answers. Limits set by hand stay, except those that `settings` changed
 * since the loop saw them last.
 * @throws FleetscoreError `INVALID_LIMITS`; and what the client throws
 */
export async function ensurePoolLoop(client: Client, settings: PoolSettings): Promise<void> {
  checkLimits(settings);
  const workflowId = poolWorkflowId(settings.name);
  for (let tries = 1; ; tries += 1) {
    await client.workflow.start<typeof scalePool>(SCALE_POOL, {
      taskQueue: CONTROL_QUEUE,
      workflowId,
      args: [settings],
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      staticSummary: `scales pool ${settings.name}`,
    });
    try {
      // One that this call has started takes it too: it changes nothing there.
      return await configure(client, settings);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError) || tries >= TRIES) throw error;
    }
  }
}

/** A loop that runs looks at its pool now, instead of at its next look; one that does not run is left alone. */
export async function wakePoolLoop(client: Client, settings: PoolSettings): Promise<void> {
  try {
    await configure(client, settings);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Settings that it has already change nothing. */
async function configure(client: Client, settings: PoolSettings): Promise<void> {
  await client.workflow
    .getHandle(poolWorkflowId(settings.name))
    .startUpdate(configurePoolUpdate, { args: [settings], waitForStage: 'ACCEPTED' });
}

const RETRY_MS = 5_000;
const MAX_RETRY_MS = 60_000;
/** An update waits for a worker of the loop: longer than this nobody answers. */
const ANSWER_MS = 60_000;

/** Where trouble is told. */
export interface PoolLog {
  error(details: object, message: string): void;
  info(details: object, message: string): void;
}

/**
 * As {@link ensurePoolLoop}, tried until the loop has the settings or `ending` is aborted. Until then the pool is
 * scaled by the settings it had before, which costs money or time: every failure is an error in the log.
 */
export async function keepPoolLoop(
  client: Client,
  settings: PoolSettings,
  log: PoolLog,
  ending: AbortSignal,
): Promise<void> {
  for (let delay = RETRY_MS; !ending.aborted; delay = Math.min(delay * 2, MAX_RETRY_MS)) {
    const signal = AbortSignal.any([ending, AbortSignal.timeout(ANSWER_MS)]);
    try {
      await client.withAbortSignal(signal, () => ensurePoolLoop(client, settings));
      log.info({ pool: settings.name }, 'the loop of the pool has the settings of this worker');
      return;
    } catch (error) {
      if (ending.aborted) return;
      log.error(
        { err: error, pool: settings.name },
        `the loop of pool ${settings.name} did not take the settings of this worker (${messageOf(error)}): ` +
          `it goes on with those it had, if it runs; trying again in ${delay / 1000} s`,
      );
    }
    await sleep(delay, undefined, { signal: ending, ref: false }).catch(() => {});
  }
}

/**
 * Looks every so often whether the loop still runs, until `ending` is aborted, and starts it again when it does not:
 * terminated, cancelled or deleted by hand. The new one begins with these settings; `pool set` and `pool pause` of the
 * old one are gone with it.
 */
export async function watchPoolLoop(
  client: Client,
  settings: PoolSettings,
  log: PoolLog,
  { everyMs, ending }: { readonly everyMs: number; readonly ending: AbortSignal },
): Promise<void> {
  for (;;) {
    await sleep(everyMs, undefined, { signal: ending, ref: false }).catch(() => {});
    if (ending.aborted) return;
    const end = await endOf(client, settings);
    if (end === undefined) continue;
    log.error(
      { pool: settings.name, end },
      `the loop of pool ${settings.name} is ${end}: it is started again with the settings of the configuration ` +
        '(`fleetscore pool pause` and `pool drain` are the ways to hold a pool)',
    );
    await keepPoolLoop(client, settings, log, ending);
  }
}

/** How the loop came to its end; undefined while it runs, and while Temporal does not answer. */
async function endOf(client: Client, { name }: PoolSettings): Promise<string | undefined> {
  try {
    const { status } = await client.withDeadline(Date.now() + ANSWER_MS, () =>
      client.workflow.getHandle(poolWorkflowId(name)).describe(),
    );
    return status.name === 'RUNNING' ? undefined : status.name.toLowerCase();
  } catch (error) {
    return error instanceof WorkflowNotFoundError ? 'gone' : undefined;
  }
}
