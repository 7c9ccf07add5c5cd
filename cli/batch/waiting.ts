/**
 * A batch that waits: what its workflow says of itself, which the store does not know. Also where it is not on record
 * yet, because no control worker took it up.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { isoTime } from '../../domain/time.ts';
import { ATTRIBUTES } from '../../workflows/attributes.ts';
import { readingsText, type BatchProgress } from '../../workflows/details.ts';
import { progressQuery } from '../../workflows/messages.ts';
import type { Output } from '../frame/command.ts';
import type { Context } from '../frame/context.ts';
import { facts, when } from '../frame/text.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';

export interface WaitingBatch {
  readonly workflowId: string;
  readonly runId: string;
  readonly handle: WorkflowHandle;
}

/** What ids are made of: nothing else may get into the query. */
const ID = /^[0-9A-Za-z.-]+$/;

/** The running workflow of a batch. @throws what the Temporal client throws */
export async function findWaiting(context: Context, id: string): Promise<WaitingBatch | undefined> {
  if (!ID.test(id)) return undefined;
  const client = await context.client();
  const query = `WorkflowType = '${SCORE_BATCH}' AND ExecutionStatus = 'Running' AND ${ATTRIBUTES.batch.name} = '${id}'`;
  for await (const { workflowId, runId } of client.workflow.list({ query, pageSize: 1 }))
    return { workflowId, runId, handle: client.workflow.getHandle(workflowId, runId) };
  return undefined;
}

/** As `fleetscore batch show` tells it; undefined when no batch of this id waits, or Temporal cannot say so. */
export async function showWaiting(context: Context, id: string): Promise<Output | undefined> {
  try {
    const waiting = await findWaiting(context, id);
    return waiting && describe(context, waiting, await waiting.handle.query(progressQuery));
  } catch {
    return undefined;
  }
}

function describe(context: Context, { workflowId, runId }: WaitingBatch, progress: BatchProgress): Output {
  const { batchId, fromMs, toMs, phase, watermarkMs, neededMs } = progress;
  const iso = (ms: number | undefined): string | null => (ms === undefined ? null : isoTime(ms));
  const webUi = context.uiLink(workflowId, runId);
  return {
    data: {
      id: batchId,
      workflowId,
      runId,
      from: isoTime(fromMs),
      to: isoTime(toMs),
      status: 'waiting',
      phase,
      readingsUpTo: iso(watermarkMs),
      readingsNeededUpTo: iso(neededMs),
      webUi,
    },
    text: facts([
      ['Batch', batchId],
      ['Period', `${when(fromMs)} to ${when(toMs)} UTC`],
      ['Status', phase],
      ['Readings', neededMs === undefined ? undefined : readingsText(progress)],
      ['Web UI', webUi],
    ]),
  };
}
