/** Scoring activities of a batch that have no result yet, as Temporal knows them now: waiting, or on which worker. */
import type { Client } from '@temporalio/client';

export interface Pending {
  /** Identity of the worker that has begun it; absent while it waits. */
  readonly worker?: string;
}

/** temporal.api.enums.v1.PendingActivityState */
const STARTED = 2;

export async function pendingChunks(client: Client, batchId: string): Promise<Pending[]> {
  const found: Pending[] = [];
  for await (const child of client.workflow.list({
    query: `WorkflowType = 'scoreSensors' AND WorkflowId STARTS_WITH '${batchId}/' AND ExecutionStatus = 'Running'`,
  })) {
    const { raw } = await client.workflow.getHandle(child.workflowId, child.runId).describe();
    for (const { activityType, state, lastWorkerIdentity } of raw.pendingActivities ?? [])
      if (activityType?.name === 'scoreChunk')
        found.push(state === STARTED && lastWorkerIdentity ? { worker: lastWorkerIdentity } : {});
  }
  return found;
}
