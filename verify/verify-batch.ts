/**
 * The checker: reads everything a batch left (SQL, manifest, files, workflow) and holds it to what this
 * project promises. It only reads, needs no memory that grows with the fleet, and is the judge of every
 * fault test.
 */
import type { BatchResult } from '../workflows/activities.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Manifest } from '../domain/manifest.ts';
import { decided, type OutcomeCounts } from '../domain/outcome.ts';
import { isoTime } from '../domain/time.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { hasEnded, type Batch, type Store } from '../storage/store.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { checkAlarms } from './alarms.ts';
import { noteOrphans, openFiles, readManifest } from './batch-files.ts';
import { noteMissingLogs } from './error-logs.ts';
import { createFindings, type CheckName, type Finding, type Findings } from './findings.ts';
import { checkSensors, type SensorTotals } from './sensors.ts';
import type { WorkflowEnd } from './workflow-end.ts';

export interface VerifyDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** How the workflow of the batch ended; `unknown` where nobody can say. */
  readonly workflowEnd: (batch: Batch) => Promise<WorkflowEnd>;
  /** Windows as they are configured; absent: alarms are not compared. */
  readonly windows?: WindowShape;
  /** Epoch ms. @default the clock */
  readonly now?: () => number;
}

export interface VerifyReport {
  readonly batch: string;
  readonly status: Batch['status'];
  readonly planned: number;
  readonly outcomes: number;
  readonly files: number;
  readonly rows: number;
  /** All, by check; 0 everywhere means that every promise holds. */
  readonly found: Readonly<Record<CheckName, number>>;
  /** The first of each check. */
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
}

export const foundIn = (report: VerifyReport): number =>
  Object.values(report.found).reduce((sum, count) => sum + count, 0);

/** @throws FleetscoreError `BATCH_UNKNOWN`, `BATCH_RUNNING`, and what store and Blob throw when they are unavailable */
export async function verifyBatch(deps: VerifyDeps, batchId: string): Promise<VerifyReport> {
  const { store } = deps;
  const batch = await store.findBatch(batchId);
  if (!batch)
    throw new FleetscoreError(
      'BATCH_UNKNOWN',
      `there is no batch ${JSON.stringify(batchId)}. \`fleetscore batch list\` shows those there are.`,
    );
  const end = await deps.workflowEnd(batch);
  const findings = createFindings();
  checkClosed(batch, end, findings);

  const manifest = await readManifest(deps, batch, findings);
  const files = await openFiles(deps, batch, manifest, findings);
  const totals = await checkSensors(store, batch, files, findings);
  checkTotals(batch, totals, await store.countOutcomes(batchId), findings);
  if (manifest) checkManifest(batch, manifest, files.rows, findings);
  checkWorkflow(batch, files.count, end, findings);
  await noteOrphans(deps, batch, manifest, findings);
  await noteMissingLogs(deps, batch, findings);
  const { windows, now = Date.now } = deps;
  if (windows && hasEnded(batch)) await checkAlarms({ ...deps, windows }, batch, findings, now());
  return {
    batch: batch.id,
    status: batch.status,
    planned: totals.planned,
    outcomes: totals.outcomes,
    files: files.count,
    rows: files.rows,
    found: findings.counts,
    findings: findings.list,
    notes: findings.notes,
  };
}

/**
 * A batch that runs is refused: nothing of it is to be trusted yet. One whose workflow is gone will never be closed.
 */
function checkClosed(batch: Batch, end: WorkflowEnd, findings: Findings): void {
  if (hasEnded(batch)) return;
  if (end.state === 'unknown' || end.state === 'running')
    throw new FleetscoreError(
      'BATCH_RUNNING',
      `batch ${batch.id} still runs (${decided(batch.counts)} of ${batch.planned} sensors have an outcome): ` +
        'verify it when it has ended.' +
        (end.state === 'unknown' ? ` ${end.reason}, so nobody can tell whether it ever will.` : ''),
    );
  findings.found(
    'closed',
    `SQL says that it runs, but its workflow is ${end.name}: a control worker that runs closes it within ` +
      `minutes. Then score the period again: fleetscore batch run --from ${isoTime(batch.fromMs)} --to ` +
      isoTime(batch.toMs),
  );
}

const COUNTS = [
  'scored',
  'skipped',
  'failed',
  'cancelled',
  'windows',
  'anomalies',
] as const satisfies readonly (keyof OutcomeCounts)[];

function compareCounts(what: string, there: OutcomeCounts, counted: OutcomeCounts, findings: Findings): void {
  for (const name of COUNTS)
    if (there[name] !== counted[name])
      findings.found('totals', `${what}: ${name} is ${there[name]}, the outcomes add up to ${counted[name]}`);
}

function checkTotals(batch: Batch, totals: SensorTotals, recorded: OutcomeCounts, findings: Findings): void {
  if (totals.planned !== batch.planned)
    findings.found('totals', `the batch says ${batch.planned} planned sensors, ${totals.planned} are listed`);
  if (totals.outcomes !== batch.planned)
    findings.found('outcomes', `${totals.outcomes} outcomes for ${batch.planned} planned sensors`);
  compareCounts('the batch', batch.counts, totals.counts, findings);
  compareCounts('the sums of the chunks', recorded, totals.counts, findings);
}

function checkManifest(batch: Batch, manifest: Manifest, rows: number, findings: Findings): void {
  const expected: Partial<Record<keyof Manifest, unknown>> = {
    batch: batch.id,
    kind: batch.kind,
    from: isoTime(batch.fromMs),
    to: isoTime(batch.toMs),
    release: batch.release,
    status: batch.status,
    supersedes: batch.supersedes,
    codeVersion: batch.codeVersion,
    planned: batch.planned,
    rows,
  };
  for (const [name, value] of Object.entries(expected)) {
    const there = manifest[name as keyof Manifest];
    if (there !== value)
      findings.found(
        'totals',
        `the manifest: ${name} is ${JSON.stringify(there)}, it should be ${JSON.stringify(value)}`,
      );
  }
  compareCounts('the manifest', manifest.outcomes, batch.counts, findings);
}

function checkWorkflow(batch: Batch, files: number, end: WorkflowEnd, findings: Findings): void {
  if (!hasEnded(batch)) return;
  if (end.state === 'unknown') {
    findings.note(`the workflow was not compared: ${end.reason}`);
    return;
  }
  if (end.state === 'running') findings.note('the workflow has not ended yet');
  else if (end.state === 'other') findings.note(`the workflow is ${end.name}; the batch was closed before that`);
  else if (end.state !== batch.status)
    findings.found('totals', `the workflow is ${end.name}, the batch ${batch.status}`);
  if (!end.result) return;
  const { result } = end;
  const expected: Partial<Record<keyof BatchResult, unknown>> = {
    batchId: batch.id,
    status: batch.status,
    release: batch.release,
    planned: batch.planned,
    files,
    manifest: batch.manifest ?? '',
  };
  for (const [name, value] of Object.entries(expected)) {
    const there = result[name as keyof BatchResult];
    if (there !== value)
      findings.found(
        'totals',
        `the workflow's result: ${name} is ${JSON.stringify(there)}, it should be ${JSON.stringify(value)}`,
      );
  }
  compareCounts("the workflow's result", result.counts, batch.counts, findings);
}
