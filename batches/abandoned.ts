/**
 * Batches that nobody closes any more: open on record, while their workflow was terminated, timed out, or could not
 * close them. Left open they would never be told about, their predictions never be read, and no redrive be possible.
 */
import type { BatchDeps } from './deps.ts';
import { messageOf } from '../domain/errors.ts';
import { hasEnded } from '../storage/store.ts';
import { finishBatch } from './finish.ts';
import type { WorkflowsEnd } from './lost.ts';

/** A batch is on record a moment before or after its workflow says so. */
const YOUNG_MS = 60_000;
/** Looked at in one round; the oldest are the first to be closed. */
const MOST = 200;

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
