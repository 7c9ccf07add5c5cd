/** Starts batches on a running stack, and looks at them as they go. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../cli/frame/context.ts';
import { verify } from '../../cli/batch/verify.ts';
import { decided } from '../../domain/outcome.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { isoTime, type Period } from '../../domain/time.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { batchIdOf } from '../../domain/batch-id.ts';
import type { ScoreBatchRequest } from '../../workflows/requests.ts';
import type { scoreBatch } from '../../workflows/score-batch.ts';
import { foundIn, type VerifyReport } from '../../verify/verify-batch.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';

export async function startBatch(context: Context, period: Period, request: ScoreBatchRequest = {}): Promise<string> {
  const client = await context.client();
  const handle = await client.workflow.start<typeof scoreBatch>(SCORE_BATCH, {
    taskQueue: CONTROL_QUEUE,
    workflowId: `test-${randomBytes(4).toString('hex')}`,
    args: [{ waitForReadings: '0s', ...request, from: isoTime(period.fromMs), to: isoTime(period.toMs) }],
  });
  return batchIdOf(period, handle.firstExecutionRunId);
}

/** Waits until at least `sensors` of a batch have an outcome, and says how many of how many do. */
export async function untilDecided(
  context: Context,
  id: string,
  sensors: number,
): Promise<{ readonly decided: number; readonly planned: number }> {
  const store = await context.store();
  for (;;) {
    const batch = await store.findBatch(id);
    const done = batch ? decided(batch.counts) : 0;
    if (batch && (done >= sensors || hasEnded(batch))) return { decided: done, planned: batch.planned };
    await sleep(20);
  }
}

/** Waits until a batch has ended. @throws when it takes longer */
export async function untilEnded(context: Context, id: string, withinMs = 240_000): Promise<Batch> {
  const store = await context.store();
  for (const end = Date.now() + withinMs; ;) {
    const batch = await store.findBatch(id);
    if (batch && hasEnded(batch)) return batch;
    if (Date.now() > end)
      throw new Error(`batch ${id} has not ended within ${withinMs / 1_000} s: ${JSON.stringify(batch?.counts)}`);
    await sleep(50);
  }
}

/** Alarms are raised after a batch has ended: its workflow goes on for that. */
async function untilWorkflowEnded(context: Context, { workflowId, runId }: Batch): Promise<void> {
  const handle = (await context.client()).workflow.getHandle(workflowId, runId);
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50))
    if ((await handle.describe()).status.name !== 'RUNNING') return;
}

/** The checker's word on an ended batch, in one text: empty when every check holds. */
export async function findings(
  context: Context,
  id: string,
): Promise<{ readonly text: string; readonly report: VerifyReport }> {
  const batch = await (await context.store()).findBatch(id);
  if (batch) await untilWorkflowEnded(context, batch);
  const report = await verify(context, id);
  return {
    report,
    text: foundIn(report) === 0 ? '' : report.findings.map(({ check, message }) => `${check}: ${message}`).join('\n'),
  };
}

/** Versions that ever ran a batch or one of its children. */
export async function versionsOf(context: Context, id: string): Promise<string[]> {
  const client = await context.client();
  const { workflowId } = (await (await context.store()).findBatch(id))!;
  const used = new Set<string>();
  for await (const run of client.workflow.list({
    query: `WorkflowId = '${workflowId}' OR WorkflowId STARTS_WITH '${id}/'`,
  }))
    for (const version of (run.searchAttributes.TemporalUsedWorkerDeploymentVersions ?? []) as string[])
      used.add(version.split(':')[1]!);
  return [...used].sort();
}
