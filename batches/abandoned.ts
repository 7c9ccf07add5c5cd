/**
 * Batches that nobody closes any more: open on record, while their workflow was terminated, timed out, or could not
 * close them. Left open they would never be told about, their predictions never be read, and no redrive be possible.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { BatchDeps } from './deps.ts';
import { messageOf } from '../domain/errors.ts';
import { hasEnded, type Batch, type Store } from '../storage/store.ts';
import { finishBatch } from './finish.ts';
import { HOUR_MS } from '../domain/time.ts';

/** A batch is on record a moment before or after its workflow says so. */
const YOUNG_MS = 60_000;
/** Temporal keeps workflows for a day at least; who does not know a younger one may be another Temporal. */
const UNKNOWN_MS = HOUR_MS;
/** Looked at in one round; the oldest are the first to be closed. */
const MOST = 200;

/** How the workflow of a batch ended, in words; undefined while it runs, or when nobody knows. */
export type WorkflowsEnd = (batch: Batch) => Promise<string | undefined>;

/** @throws what the Temporal client throws when the server does not answer */
export function workflowsEnd(client: Client, nowMs: () => number = Date.now): WorkflowsEnd {
  return async ({ workflowId, runId, startedAtMs }) => {
    try {
      const { status } = await client.workflow.getHandle(workflowId, runId).describe();
      return status.name === 'RUNNING' ? undefined : status.name.toLowerCase().replaceAll('_', ' ');
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      return nowMs() - startedAtMs < UNKNOWN_MS ? undefined : 'lost';
    }
  };
}

/**
 * What is so of a batch that is open on record although its workflow has ended: until it is closed, the record alone
 * says that it runs. Undefined while the workflow runs, and where the batch was closed meanwhile. @throws as `endOf`
 */
export async function lostText(
  store: Pick<Store, 'findBatch'>,
  endOf: WorkflowsEnd,
  batch: Batch,
): Promise<string | undefined> {
  const end = hasEnded(batch) ? undefined : await endOf(batch);
  const now = end === undefined ? undefined : await store.findBatch(batch.id);
  if (!now || hasEnded(now)) return undefined;
  return (
    `its workflow is ${end}, and nothing goes on with it. A control worker closes it on record within minutes; ` +
    `\`fleetscore batch cancel ${batch.id}\` closes it at once`
  );
}

/** Closes what is abandoned, and says which batches. One that cannot be closed now is left to the next round. */
export async function closeAbandoned(deps: BatchDeps, endOf: WorkflowsEnd): Promise<string[]> {
  const { store, now, warn } = deps;
  const open = [
    ...(await store.listBatches({ status: 'waiting', limit: MOST })),
    ...(await store.listBatches({ status: 'running', limit: MOST })),
  ].filter(({ startedAtMs }) => now() - startedAtMs >= YOUNG_MS);
  const closed: string[] = [];
  for (const { id } of open.sort((a, b) => a.startedAtMs - b.startedAtMs)) {
    try {
      if (await closeOne(deps, id, endOf)) closed.push(id);
    } catch (error) {
      warn?.(`batch ${id} has no workflow any more and cannot be closed now: ${messageOf(error)}`);
    }
  }
  return closed;
}

async function closeOne(deps: BatchDeps, id: string, endOf: WorkflowsEnd): Promise<boolean> {
  const { store } = deps;
  const before = await store.findBatch(id);
  const end = before && !hasEnded(before) ? await endOf(before) : undefined;
  // A workflow that ended well closed its batch before: what is open after that look stays open.
  const batch = end === undefined ? undefined : await store.findBatch(id);
  if (!batch || hasEnded(batch)) return false;
  const { fromMs, toMs } = batch;
  const cancelled = end === 'cancelled';
  await finishBatch(deps, {
    batchId: id,
    fromMs,
    toMs,
    ending: cancelled ? 'cancelled' : 'aborted',
    ...(cancelled
      ? {}
      : {
          class: 'workflow_lost',
          message: `its workflow is ${end} and did not close it; what was scored before is kept`,
        }),
    toleratedFailurePercentage: 100,
  });
  return true;
}
