/** The checker on the services of a context, and what Blob has of the newest batches. */
import { mendHoles, type Mended } from '../../batches/holes.ts';
import { messageOf } from '../../domain/errors.ts';
import { hasEnded } from '../../storage/store.ts';
import { verifyBatch, type VerifyReport } from '../../verify/verify-batch.ts';
import { workflowEnd, type WorkflowEnd } from '../../verify/workflow-end.ts';
import type { Context } from '../frame/context.ts';

/** Looks at the newest batches, and mends what can be mended without scoring. */
export async function newestHoles(context: Context, newest: number): Promise<Mended> {
  const store = await context.store();
  return mendHoles({ store, blobs: context.blobs() }, await store.listBatches({ limit: newest }));
}

/** @throws FleetscoreError `BATCH_UNKNOWN`, `BATCH_RUNNING` */
export async function verify(context: Context, id: string): Promise<VerifyReport> {
  return verifyBatch(
    {
      store: await context.store(),
      blobs: context.blobs(),
      windows: context.config.ingest,
      workflowEnd: async (batch): Promise<WorkflowEnd> => {
        try {
          return await workflowEnd(await context.client(), batch.workflowId, batch.runId, hasEnded(batch));
        } catch (error) {
          return { state: 'unknown', reason: `Temporal was not asked (${messageOf(error)})` };
        }
      },
    },
    id,
  );
}
