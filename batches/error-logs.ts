/**
 * A log for each failed sensor, in Blob: `logs/errors/BATCH/DEVICE.SENSOR.json`. SQL has the same facts and
 * is the truth; the log is for tools that read files, so trouble with writing it never fails a batch. The
 * first log of a sensor in a batch stays, as its first outcome does.
 */
import { failureClassOf, type FailureClass } from '../domain/outcome.ts';
import { Context } from '@temporalio/activity';
import { CONTAINERS, errorLogBlob } from '../domain/blob-names.ts';
import { isoTime } from '../domain/time.ts';
import { mapLimit } from '../scoring/concurrency.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { OutcomeRow, Store } from '../storage/store.ts';
import type { SensorRange } from '../workflows/activities.ts';
import { defined } from '../domain/defined.ts';

export interface SensorErrorLog {
  readonly batch: string;
  readonly device: string;
  readonly sensor: string;
  readonly class: FailureClass;
  readonly message: string;
  /** Attempt of the activity that decided it, from 1. */
  readonly attempt: number;
  /** SHA-256 of the model, when there was one. */
  readonly model?: string;
  /** Process that recorded the failure: its name, as Temporal shows it. */
  readonly worker: string;
  readonly workflowId?: string;
  readonly runId?: string;
  readonly loggedAt: string;
}

/** Logs of one call: where everything fails for one reason, SQL has the rest. */
const MOST = 1_000;
const WRITES = 8;
/** Blob does not answer: the rest of the call would not fare better. */
const GIVE_UP_AFTER = 3;

/** Writes the logs of the failed sensors of a range (of the batch when undefined). Returns how many are missing. */
export async function writeErrorLogs(
  deps: { readonly store: Store; readonly blobs: BlobStore; readonly nowMs: number; readonly worker: string },
  batchId: string,
  range?: SensorRange,
): Promise<number> {
  try {
    const after = range ? range.from - 1 : -1;
    const failed = (await deps.store.listOutcomes(batchId, { status: 'failed', after, limit: MOST })).filter(
      (outcome) => !range || outcome.sensorId < range.to,
    );
    let missing = 0;
    await mapLimit(failed, WRITES, async (outcome) => {
      if (missing >= GIVE_UP_AFTER) missing += 1;
      else if (!(await write(deps.blobs, logOf(outcome, deps)))) missing += 1;
    });
    return missing;
  } catch {
    return 1; // the store is in trouble: its outcomes say what failed
  }
}

function logOf(
  outcome: OutcomeRow,
  { worker, nowMs }: { readonly worker: string; readonly nowMs: number },
): SensorErrorLog {
  const { workflowExecution } = Context.current().info;
  return {
    batch: outcome.batchId,
    device: outcome.device,
    sensor: outcome.sensor,
    class: failureClassOf(outcome),
    message: outcome.message ?? '',
    attempt: outcome.attempt,
    ...defined({ model: outcome.model }),
    worker: outcome.worker ?? worker,
    ...(workflowExecution ? { workflowId: workflowExecution.workflowId, runId: workflowExecution.runId } : {}),
    loggedAt: isoTime(nowMs),
  };
}

async function write(blobs: BlobStore, log: SensorErrorLog): Promise<boolean> {
  try {
    await blobs.putIfAbsent(
      CONTAINERS.logs,
      errorLogBlob(log.batch, log),
      Buffer.from(`${JSON.stringify(log, null, 1)}\n`),
      'application/json',
    );
    return true;
  } catch {
    return false;
  }
}
