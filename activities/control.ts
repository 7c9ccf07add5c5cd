/**
 * Activities of the control worker: planning, waiting for readings, recording what no scoring worker could,
 * closing. Each can run any number of times with the same end.
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { OutcomeStatus, SensorOutcome } from '../domain/outcome.ts';
import { parseSensorName } from '../domain/sensor.ts';
import { isoTime, type Period } from '../domain/time.ts';
import { lastWindowEnd } from '../domain/windowing.ts';
import { checkWindows } from '../ingest/settings.ts';
import { lagOf } from '../scoring/features.ts';
import type { NewBatch, PlannedSensor, Store } from '../storage/store.ts';
import { decideRest } from '../batches/undecided.ts';
import { asActivity } from './failures.ts';
import { finishBatch } from '../batches/finish.ts';
import { withHeartbeat } from './heartbeat.ts';
import { cutMessage, failureNotes } from '../batches/failures.ts';
import { planGroups } from '../batches/plan.ts';
import type { BatchDeps } from '../batches/deps.ts';
import { workerName, writeErrorLogs } from '../batches/error-logs.ts';
import type { BatchPlan, ControlActivities, LateInput, PlanInput, ReadingsState } from '../workflows/activities.ts';

/** Rows of one page of ids. */
const PAGE = 5_000;

export function createControlActivities(deps: BatchDeps): ControlActivities {
  const { store } = deps;
  const run = <T>(work: () => Promise<T>): Promise<T> => withHeartbeat(() => asActivity(work));
  return {
    readingsReady: (input) => run(() => readingsReady(deps, input, input.waitUntilMs)),
    latePeriods: (input) => run(() => latePeriods(deps, input)),
    planBatch: (input) => run(() => planBatch(deps, input)),
    planGroup: ({ batchId, range, sensorsPerActivity }) =>
      run(() => store.planRanges(batchId, sensorsPerActivity, range)),
    failRange: (input) =>
      run(async () => {
        const decide = (sensor: PlannedSensor): SensorOutcome => ({
          sensorId: sensor.id,
          status: 'failed',
          class: input.class,
          message: cutMessage(input.message),
          windows: 0,
          anomalies: 0,
          attempt: input.attempt,
          worker: workerName('control'),
          ...(sensor.model === undefined ? {} : { model: sensor.model }),
        });
        await decideRest(store, input.batchId, input.range, decide);
        await writeErrorLogs({ store, blobs: deps.blobs, nowMs: deps.now() }, 'control', input.batchId, input.range);
        return {
          counts: await store.countOutcomes(input.batchId, input.range),
          failures: await failureNotes(store, input.batchId, input.range),
        };
      }),
    finishBatch: (input) => run(() => finishBatch(deps, input)),
  };
}

async function planBatch(deps: BatchDeps, input: PlanInput): Promise<BatchPlan> {
  const { store } = deps;
  if (deps.windows) await checkWindows(store, deps.windows);
  const release = input.release ?? (await store.currentRelease());
  if (release === undefined)
    throw new FleetscoreError(
      'NO_RELEASE',
      'no models are published yet, so there is nothing to score with. Run `fleetscore models publish DIR`.',
    );
  const batch = await store.createBatch({
    id: input.batchId,
    workflowId: input.workflowId,
    runId: input.runId,
    ...(await selectSensors(deps, input, release)),
    release,
    fromMs: input.fromMs,
    toMs: input.toMs,
    codeVersion: deps.codeVersion,
    startedAtMs: deps.now(),
    ...(input.schedule === undefined ? {} : { schedule: input.schedule }),
  });
  return {
    release,
    planned: batch.planned,
    ...(await planGroups(deps, batch, input)),
    ...(deps.unnamedChildren ? { unnamedChildren: true } : {}),
  };
}

/** Which sensors a batch is for: all, those that failed in another batch, or those whose readings changed since. */
async function selectSensors(
  deps: BatchDeps,
  input: PlanInput,
  release: string,
): Promise<Pick<NewBatch, 'kind' | 'sensorIds' | 'supersedes'>> {
  const { store } = deps;
  if (input.redrive !== undefined) {
    const base = await store.findBatch(input.redrive);
    if (!base)
      throw new FleetscoreError('BATCH_UNKNOWN', `there is no batch ${JSON.stringify(input.redrive)} to redrive.`);
    if (base.status === 'running')
      throw new FleetscoreError('BATCH_RUNNING', `batch ${base.id} still runs: redrive it when it has ended.`);
    if (base.fromMs !== input.fromMs || base.toMs !== input.toMs)
      throw new FleetscoreError(
        'INVALID_REQUEST',
        `from and to of a redrive must be the period of batch ${base.id}: ${isoTime(base.fromMs)} to ${isoTime(base.toMs)}.`,
      );
    if (input.sensors)
      return { kind: 'redrive', supersedes: base.id, sensorIds: await chosenIds(store, input.sensors) };
    const failed = await outcomeIds(store, base.id, 'failed');
    return {
      kind: 'redrive',
      supersedes: base.id,
      sensorIds: [...failed, ...(await outcomeIds(store, base.id, 'cancelled'))],
    };
  }
  if (input.rescore) {
    const { fromMs, toMs } = input;
    // Several may have scored it: the newest is what readers saw until now.
    const before = (await store.listBatches({ period: { fromMs, toMs } })).find(
      (batch) => batch.manifest !== undefined,
    );
    const supersedes = before === undefined ? {} : { supersedes: before.id };
    const lookbackMs = await lookbackOf(deps, release);
    const sensorIds: number[] = [];
    for (let after = -1; ; after = sensorIds[sensorIds.length - 1]!) {
      const page = await store.changedSensors({ fromMs, toMs }, { after, limit: PAGE, lookbackMs });
      if (page.length === 0) return { kind: 'rescore', ...supersedes, sensorIds };
      sensorIds.push(...page);
    }
  }
  return { kind: 'score' };
}

async function chosenIds(store: Store, names: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const name of names) {
    const sensor = await store.findSensor(parseSensorName(name));
    if (!sensor)
      throw new FleetscoreError(
        'SENSOR_UNKNOWN',
        `there is no sensor ${JSON.stringify(name)}. Names are DEVICE/SENSOR; \`fleetscore sensors list\` shows those there are.`,
      );
    ids.push(sensor.id);
  }
  return [...new Set(ids)].sort((a, b) => a - b);
}

/** How far before a period the models of a release look, ms: what changed there changes predictions of the period. */
async function lookbackOf({ store, windows }: BatchDeps, release: string | undefined): Promise<number> {
  if (windows === undefined || release === undefined) return 0;
  return Math.max(0, ...(await store.releaseFeatures(release)).map(lagOf)) * windows.hopMs;
}

/** More wait for the next batch: each is a batch of its own. */
const LATE_PERIODS = 50;

async function latePeriods(deps: BatchDeps, { fromMs, toMs, schedule }: LateInput): Promise<Period[]> {
  const { store } = deps;
  const lookbackMs = await lookbackOf(deps, await store.currentRelease());
  const late: Period[] = [];
  for (const period of await store.latePeriods(
    { fromMs, toMs },
    { lookbackMs, ...(schedule === undefined ? {} : { schedule }) },
  )) {
    if (late.length < LATE_PERIODS && (await store.changedSensors(period, { limit: 1, lookbackMs })).length > 0)
      late.push(period);
  }
  return late;
}

async function outcomeIds(store: Store, batchId: string, status: OutcomeStatus): Promise<number[]> {
  const ids: number[] = [];
  for (let after = -1; ; after = ids[ids.length - 1]!) {
    const page = await store.listOutcomes(batchId, { status, after, limit: PAGE });
    if (page.length === 0) return ids;
    ids.push(...page.map((outcome) => outcome.sensorId));
  }
}

/**
 * Ready when every partition has passed the end of the period's last window, or none ever will (nothing ingests
 * here). A partition that was silent through the whole period holds nothing up once another has passed that end. The
 * limit of the wait counts from there too: overlapping windows end after their period.
 */
async function readingsReady(deps: BatchDeps, period: Period, waitUntilMs: number): Promise<ReadingsState> {
  const { fromMs, toMs } = period;
  const neededMs = deps.windows === undefined ? toMs : lastWindowEnd(period, deps.windows);
  const watermarks = (await deps.store.listProgress()).map((partition) => partition.watermarkMs);
  if (watermarks.length === 0) return { ready: true };
  const flowing = watermarks.filter((watermark) => watermark >= fromMs);
  // A partition that never had a reading, or none that passed the filter, says nothing.
  const known = watermarks.filter((watermark) => watermark >= 0);
  const watermarkMs = Math.min(...(flowing.length > 0 ? flowing : known.length > 0 ? known : watermarks));
  return {
    ready: watermarkMs >= neededMs || deps.now() >= waitUntilMs + (neededMs - toMs),
    neededMs,
    ...(watermarkMs < 0 ? {} : { watermarkMs }),
  };
}
