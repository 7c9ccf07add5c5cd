/** Batches that are open on record while their workflow was terminated: the record says that they run, and is late. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { lostBatches, workflowsEnd, type LostBatches } from '../../batches/lost.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { withinLimit } from '../../storage/deadline.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import type { Context } from '../frame/context.ts';

/** The record is shown all the same where Temporal does not answer. */
const PATIENCE_MS = 5_000;

const NONE: LostBatches = new Map();

/** Those of some batches whose workflow has ended; none when Temporal does not say. */
export async function lostAmong(context: Context, batches: readonly Batch[]): Promise<LostBatches> {
  if (batches.every(hasEnded)) return NONE;
  const asked = async (): Promise<LostBatches> =>
    lostBatches(await context.store(), workflowsEnd(await context.client()), batches);
  return withinLimit(PATIENCE_MS, asked).catch(() => NONE);
}

/** What is so of a batch that is open on record; undefined while its workflow runs, or when Temporal does not say. */
export async function lostBatch(context: Context, batch: Batch): Promise<string | undefined> {
  return (await lostAmong(context, [batch])).get(batch.id)?.text;
}

/** @throws FleetscoreError `BATCH_RUNNING` where its workflow has ended, and the record has yet to follow */
export async function refuseLost(context: Context, batch: Batch): Promise<void> {
  const lost = await lostBatch(context, batch);
  if (lost !== undefined)
    throw new FleetscoreError('BATCH_RUNNING', `batch ${batch.id} is not closed yet: ${lost}. Redrive it then.`);
}

/** What cannot be asked of a workflow that has ended. */
export function goneOr(error: unknown, id: string): unknown {
  if (!(error instanceof WorkflowNotFoundError)) return error;
  return new FleetscoreError(
    'BATCH_ENDED',
    `the workflow of batch ${id} has ended. Where the batch is still open on record, a control worker closes it ` +
      `within minutes, and \`fleetscore batch cancel ${id}\` at once.`,
    { cause: error },
  );
}
