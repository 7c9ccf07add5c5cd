/**
 * Closes a batch: every planned sensor gets an outcome, the manifest is written, then the row in SQL turns
 * to its end, in this order. Run again after a crash it does what is left; a closed batch stays as it is.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { ManifestFile } from '../domain/manifest.ts';
import { decided, failedOutcome, type SensorOutcome } from '../domain/outcome.ts';
import { hasEnded, type Batch, type BatchEnd, type PlannedSensor } from '../storage/store.ts';
import type { BatchResult, FinishInput } from '../workflows/activities.ts';
import { alertsOf, postAlert } from './alerts.ts';
import type { BatchDeps, ClosedBatch } from './deps.ts';
import { writeErrorLogs } from './error-logs.ts';
import { checkDecided, failureCauses } from './failures.ts';
import { filesOf } from './holes.ts';
import { manifestOf, versionOf, writeManifest } from './manifest.ts';
import { dropReplaced, mergeFiles } from './merge-files.ts';
import { decideRest } from './undecided.ts';
import { judge, type Verdict } from './verdict.ts';

export async function finishBatch(deps: BatchDeps, input: FinishInput): Promise<BatchResult | null> {
  const { store, blobs } = deps;
  const batch = await store.findBatch(input.batchId);
  if (!batch) return null;
  if (hasEnded(batch)) {
    // Closed by an attempt that did not live to say so: nor, perhaps, to tell anyone.
    const files = await filesOf(store, batch.id);
    await tell(deps, batch, files);
    await publish(deps, batch);
    return resultOf(batch, files);
  }

  if ((await store.undecidedSensors(batch.id, undefined, 1)).length > 0) {
    await decideRest(store, batch.id, undefined, (sensor) => leftOver(sensor, input, deps.worker));
    await writeErrorLogs({ store, blobs, nowMs: deps.now(), worker: deps.worker }, batch.id);
  }
  const counts = await store.countOutcomes(batch.id);
  checkDecided(decided(counts), batch.planned, batch.id);

  const causes = counts.failed > 0 ? await failureCauses(store, batch.id) : [];
  const { files, replaced } = await whole(deps, batch);
  const end = await recorded(deps, { ...batch, counts }, judge(input, batch.planned, counts, causes), files);
  const closed = await store.finishBatch(batch.id, { ...end, finishedAtMs: deps.now() });
  await dropReplaced(blobs, replaced);
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  deps.onClosed?.({ batch: closed, rows, causes, ...(await challengeIn(deps, batch.id)) });
  await tell(deps, closed, files);
  await publish(deps, closed);
  return resultOf(closed, files);
}

/** The files for the manifest: one for many sensors, where nobody asked for one a sensor. */
async function whole(deps: BatchDeps, batch: Batch): ReturnType<typeof mergeFiles> {
  const files = await filesOf(deps.store, batch.id);
  return deps.filePerSensor === true ? { files, replaced: [] } : mergeFiles(deps, batch, files);
}

/**
 * The verdict with the name of the manifest. A batch that was never planned has none: there is nothing in it. One
 * that Blob does not take for good (a quota, an archived blob) has none either, and fails by that: left open it would
 * be in the way for ever.
 */
async function recorded(
  { store, blobs }: BatchDeps,
  batch: Batch,
  verdict: Verdict,
  files: readonly ManifestFile[],
): Promise<Verdict & { readonly manifest?: string }> {
  if (batch.status === 'waiting') return verdict;
  try {
    const manifest = manifestOf(batch, verdict.status, files, await versionOf(store, batch));
    return { ...verdict, manifest: await writeManifest(blobs, batch, manifest) };
  } catch (error) {
    if (!(error instanceof FleetscoreError) || error.retryable) throw error;
    const message = `its manifest cannot be written, so its predictions are in no reader's sight: ${error.message}`;
    return { status: 'failed', class: 'blob_error', message };
  }
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

function leftOver(sensor: PlannedSensor, input: FinishInput, worker: string): SensorOutcome {
  const { id: sensorId, model } = sensor;
  if (input.ending === 'cancelled')
    return { sensorId, status: 'cancelled', windows: 0, anomalies: 0, attempt: 1, ...defined({ model }) };
  const message = input.message ?? 'no outcome was recorded for this sensor';
  return failedOutcome({ sensorId, model, class: 'internal', message, attempt: 1, worker });
}

function resultOf(batch: Batch, files: readonly ManifestFile[]): BatchResult {
  return {
    batchId: batch.id,
    status: endOf(batch),
    release: batch.release,
    planned: batch.planned,
    counts: batch.counts,
    files: files.length,
    manifest: batch.manifest ?? '',
    ...defined({ class: batch.class, message: batch.message }),
  };
}

/** One that is open was not closed by what called itself its end. */
function endOf({ status }: Batch): BatchEnd {
  return status === 'waiting' || status === 'running' ? 'failed' : status;
}
