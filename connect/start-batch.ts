/** Starts a batch by hand: the same way from the command line and from the web application. */
import { randomBytes } from 'node:crypto';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { batchIdOf } from '../domain/batch-id.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import { compactTime, isoTime, type Period } from '../domain/time.ts';
import type { scoreBatch } from '../workflows/index.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';
import { SCORE_BATCH } from '../workflows/names.ts';

export interface StartedBatch {
  readonly id: string;
  readonly runId: string;
  readonly handle: WorkflowHandleWithFirstExecutionRunId<typeof scoreBatch>;
}

/** @param prefix first part of the workflow's id: `by-hand`, `redrive`, `rescore` */
export async function startBatch(
  client: Client,
  prefix: string,
  period: Period,
  request: ScoreBatchRequest,
): Promise<StartedBatch> {
  const { fromMs, toMs } = period;
  const handle = await client.workflow.start<typeof scoreBatch>(SCORE_BATCH, {
    taskQueue: CONTROL_QUEUE,
    workflowId: `${prefix}-${compactTime(fromMs)}-${compactTime(toMs)}-${randomBytes(3).toString('hex')}`,
    args: [{ ...request, from: isoTime(fromMs), to: isoTime(toMs) }],
    staticSummary: `batch started by hand (${prefix})`,
  });
  return { id: batchIdOf(period, handle.firstExecutionRunId), runId: handle.firstExecutionRunId, handle };
}
