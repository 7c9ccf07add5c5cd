/** The loop of a pool as commands reach it: which one is meant, its state, and its answers in our words. */
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { FleetscoreError } from '../../domain/errors.ts';
import { SCORING_QUEUE } from '../../domain/queues.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { poolQuery, type PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';

export interface PoolOptions {
  readonly pool?: string;
}

/** The pool asked for; else the configured one, and of several the one for sensors that name none. */
export async function poolNameOf(context: Context, options: PoolOptions): Promise<string> {
  if (options.pool !== undefined) return options.pool;
  const queues = await poolQueues(context.config);
  if (queues.has(context.config.pool.name)) return context.config.pool.name;
  return [...queues].find(([, queue]) => queue === SCORING_QUEUE)?.[0] ?? context.config.pool.name;
}

export async function loopOf(context: Context, options: PoolOptions): Promise<WorkflowHandle> {
  return (await context.client()).workflow.getHandle(poolWorkflowId(await poolNameOf(context, options)));
}

/** Errors of the workflow's answer in our words. */
export async function inOurWords<T>(handle: WorkflowHandle, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new FleetscoreError(
        'POOL_UNKNOWN',
        `no pool runs under the workflow ${handle.workflowId}. It starts with the control worker; ` +
          `\`fleetscore up\` starts one on a laptop.`,
      );
    if (error instanceof WorkflowUpdateFailedError)
      throw new FleetscoreError('INVALID_LIMITS', error.cause?.message ?? error.message);
    throw error;
  }
}

export async function readLoop(context: Context, options: PoolOptions): Promise<PoolState> {
  const handle = await loopOf(context, options);
  return inOurWords(handle, () => handle.query(poolQuery));
}
