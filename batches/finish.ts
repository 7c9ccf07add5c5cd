/**
 * Closes a batch: every planned sensor gets an outcome, the manifest is written, then the row in SQL turns
 * to its end, in this order. Run again after a crash it does what is left; a closed batch stays as it is.
 */
import { batchFolder, CONTAINERS, manifestBlob } from '../domain/blob-names.ts';
import { messageOf } from '../domain/errors.ts';
import type { Manifest, ManifestFile } from '../domain/manifest.ts';
import { decided, type OutcomeCounts, type SensorOutcome } from '../domain/outcome.ts';
import { isoTime } from '../domain/time.ts';
import type { Batch, BatchFile, PlannedSensor, Store } from '../storage/store.ts';
import { alertsOf, postAlert } from './alerts.ts';
import type { ClosedBatch, BatchDeps } from './deps.ts';
import { decideRest } from './undecided.ts';
import { checkDecided, failureCauses, type Cause } from './failures.ts';
import { workerName, writeErrorLogs } from './error-logs.ts';
import type { BatchResult, FinishInput } from '../workflows/activities.ts';

export async function finishBatch(deps: BatchDeps, input: FinishInput): Promise<BatchResult | null> {
  const { store, blobs } = deps;
  const batch = await store.findBatch(input.batchId);
  if (!batch) return null;
  if (batch.status !== 'running') {
    // Closed by an attempt that did not live to say so: nor, perhaps, to tell anyone.
    const files = await allFiles(store, batch.id);
    await tell(deps, batch, files);
    await publish(deps, batch);
    return resultOf(batch, files);
  }

  if ((await store.undecidedSensors(batch.id, undefined, 1)).length > 0) {
    await decideRest(store, batch.id, undefined, (sensor) => leftOver(sensor, input));
    await writeErrorLogs({ store, blobs, nowMs: deps.now() }, 'control', batch.id);
  }
  const counts = await store.countOutcomes(batch.id);
  checkDecided(decided(counts), batch.planned, batch.id);

  const causes = counts.failed > 0 ? await failureCauses(store, batch.id) : [];
  const verdict = judge(input, batch.planned, counts, causes);
  const files = await allFiles(store, batch.id);
  const manifest: Manifest = {
    version: 1,
    batch: batch.id,
    kind: batch.kind,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    release: batch.release,
    status: verdict.status,
    ...(batch.supersedes === undefined ? {} : { supersedes: batch.supersedes }),
    codeVersion: batch.codeVersion,
    planned: batch.planned,
    outcomes: counts,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    files,
  };
  const name = manifestBlob(batchFolder(batch.fromMs, batch.id));
  await blobs.put(
    CONTAINERS.predictions,
    name,
    Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`),
    'application/json',
  );
  const closed = await store.finishBatch(batch.id, { ...verdict, manifest: name, finishedAtMs: deps.now() });
  deps.onClosed?.({ batch: closed, rows: manifest.rows, causes, ...(await challengeIn(deps, batch.id)) });
  await tell(deps, closed, files);
  await publish(deps, closed);
  return resultOf(closed, files);
}

/** Nothing about a challenger keeps a batch from its end. */
async function challengeIn({ store, warn }: BatchDeps, batchId: string): Promise<Pick<ClosedBatch, 'challenge'>> {
  try {
    if (!(await store.batchChallenger(batchId))) return {};
    const [challenge] = await store.challengeSummaries({ batchId });
    return challenge ? { challenge } : {};
  } catch (error) {
    warn?.(`what the challenger of batch ${batchId} recorded is in no metric: ${messageOf(error)}`);
    return {};
  }
}

/** Trouble with alerts is a warning: the batch is closed and stays so. */
async function tell(
  { store, alerts, warn = () => undefined }: BatchDeps,
  batch: Batch,
  files: readonly ManifestFile[],
): Promise<void> {
  if (!alerts) return;
  try {
    const causes = batch.counts.failed > 0 ? await failureCauses(store, batch.id) : [];
    for (const alert of alertsOf(
      batch,
      files.reduce((sum, file) => sum + file.rows, 0),
      causes,
      alerts,
    ))
      await postAlert(alert, alerts, warn);
  } catch (error) {
    warn(`batch ${batch.id} was not looked at for alerts: ${messageOf(error)}`);
  }
}

/** Pages are a help: without them the batch is as good as with them. */
async function publish({ publish: write, warn = () => undefined }: BatchDeps, batch: Batch): Promise<void> {
  if (!write) return;
  try {
    await write(batch.id);
  } catch (error) {
    warn(`batch ${batch.id} has no pages on the site: ${messageOf(error)}`);
  }
}

function leftOver(sensor: PlannedSensor, input: FinishInput): SensorOutcome {
  const base = {
    sensorId: sensor.id,
    windows: 0,
    anomalies: 0,
    attempt: 1,
    ...(sensor.model === undefined ? {} : { model: sensor.model }),
  };
  if (input.ending === 'cancelled') return { ...base, status: 'cancelled' };
  return {
    ...base,
    status: 'failed',
    class: 'internal',
    worker: workerName('control'),
    message: input.message ?? 'no outcome was recorded for this sensor',
  };
}

interface Verdict {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly message?: string;
}

/** Completed within the tolerated failures, failed past them, with the causes by name. */
export function judge(
  input: Pick<FinishInput, 'ending' | 'message' | 'toleratedFailurePercentage' | 'toleratedFailureCount'>,
  planned: number,
  counts: OutcomeCounts,
  causes: readonly Cause[],
): Verdict {
  if (input.ending === 'cancelled') return { status: 'cancelled', message: 'cancelled by request' };
  if (input.ending === 'aborted') return { status: 'failed', message: input.message ?? 'the workflow was aborted' };
  const byPercentage = counts.failed * 100 > input.toleratedFailurePercentage * planned;
  const byCount = input.toleratedFailureCount !== undefined && counts.failed > input.toleratedFailureCount;
  if (!byPercentage && !byCount) return { status: 'completed' };
  const limit = byCount ? `${input.toleratedFailureCount} sensors` : `${input.toleratedFailurePercentage} %`;
  const top = causes
    .slice(0, 5)
    .map(
      (cause) =>
        `${cause.count} x ${cause.class} (${cause.example.device} / ${cause.example.sensor}: ${cause.example.message})`,
    );
  return {
    status: 'failed',
    message: `${counts.failed} of ${planned} sensors failed, more than the tolerated ${limit}: ${top.join('; ')}`,
  };
}

async function allFiles(store: Store, batchId: string): Promise<ManifestFile[]> {
  const files: BatchFile[] = [];
  for (let page = await store.listFiles(batchId, { limit: 1_000 }); page.length > 0;) {
    files.push(...page);
    page = await store.listFiles(batchId, { after: page[page.length - 1]!.chunk, limit: 1_000 });
  }
  return files;
}

function resultOf(batch: Batch, files: readonly ManifestFile[]): BatchResult {
  return {
    batchId: batch.id,
    status: batch.status === 'running' ? 'failed' : batch.status,
    release: batch.release,
    planned: batch.planned,
    counts: batch.counts,
    files: files.length,
    manifest: batch.manifest ?? '',
    ...(batch.message === undefined ? {} : { message: batch.message }),
  };
}
