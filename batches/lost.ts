/**
 * Batches that are lost: open on record, while their workflow was terminated, timed out, or ended without closing them.
 * Until they are closed (abandoned.ts) the record alone says that they run, so whoever shows an open batch asks here.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { HOUR_MS } from '../domain/time.ts';
import { hasEnded, type Batch, type Store } from '../storage/store.ts';

/** Temporal keeps workflows for a day at least; who does not know a younger one may be another Temporal. */
const UNKNOWN_MS = HOUR_MS;
/** Open batches that one look asks for, and how many of them at once. */
const MOST = 200;
const AT_ONCE = 8;

/** How the workflow of a batch ended, in words; undefined while it runs, or when nobody knows. */
export type WorkflowsEnd = (batch: Batch) => Promise<string | undefined>;

export interface LostBatch {
  /** How its workflow ended: `terminated`. */
  readonly end: string;
  /** What is so of it, and who closes it. */
  readonly text: string;
}

/** By id of the batch. */
export type LostBatches = ReadonlyMap<string, LostBatch>;

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
 * Those of some batches that are lost, of the first {@link MOST} that are open. One that was closed meanwhile is none.
 * @throws as `endOf`
 */
export async function lostBatches(
  store: Pick<Store, 'findBatch'>,
  endOf: WorkflowsEnd,
  batches: readonly Batch[],
): Promise<LostBatches> {
  const lost = new Map<string, LostBatch>();
  const open = batches.filter((batch) => !hasEnded(batch)).slice(0, MOST);
  const next = open.values();
  const look = async (): Promise<void> => {
    for (const batch of next) {
      const end = await endOf(batch);
      const now = end === undefined ? undefined : await store.findBatch(batch.id);
      if (end !== undefined && now && !hasEnded(now)) lost.set(batch.id, { end, text: lostText(batch.id, end) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  return lost;
}

const lostText = (id: string, end: string): string =>
  `its workflow is ${end}, and nothing goes on with it. A control worker closes it on record within minutes; ` +
  `\`fleetscore batch cancel ${id}\` closes it at once`;
