/**
 * Activities of the control worker: planning, waiting for readings, recording what no scoring worker could,
 * closing. Each can run any number of times with the same end.
 */
import { failedOutcome, type SensorOutcome } from '../domain/outcome.ts';
import type { Period } from '../domain/time.ts';
import { lastWindowEnd } from '../domain/windowing.ts';
import { DROP_SOURCE } from '../ingest/drop/marks.ts';
import { checkWindows } from '../ingest/settings.ts';
import type { PlannedSensor } from '../storage/store.ts';
import { decideRest } from '../batches/undecided.ts';
import { appPage } from '../domain/app-page.ts';
import { asActivity } from './failures.ts';
import { announceBatch } from '../batches/announce.ts';
import { finishBatch } from '../batches/finish.ts';
import { raiseAlarms } from '../batches/raise-alarms.ts';
import { withHeartbeat } from './heartbeat.ts';
import { failureNotes } from '../batches/failures.ts';
import { schedulePeriod } from '../batches/schedule-period.ts';
import { planGroups } from '../batches/plan.ts';
import { lookbackOf, releaseFor, selectSensors } from '../batches/select.ts';
import type { BatchDeps } from '../batches/deps.ts';
import { writeErrorLogs } from '../batches/error-logs.ts';
import type {
  AnnounceInput,
  BatchPlan,
  ControlActivities,
  LateInput,
  PlanInput,
  ReadingsState,
} from '../workflows/activities.ts';
import { defined } from '../domain/defined.ts';

export function createControlActivities(deps: BatchDeps): ControlActivities {
  const { store } = deps;
  const run = <T>(work: () => Promise<T>): Promise<T> => withHeartbeat(() => asActivity(work));
  return {
    announceBatch: (input) => run(() => begin(deps, input)),
    schedulePeriod: (input) => run(() => schedulePeriod(deps, input)),
    readingsReady: (input) => run(() => readingsReady(deps, input, input.waitUntilMs)),
    latePeriods: (input) => run(() => latePeriods(deps, input)),
    planBatch: (input) => run(() => planBatch(deps, input)),
    planGroup: ({ batchId, range, sensorsPerActivity }) =>
      run(() => store.planRanges(batchId, sensorsPerActivity, range)),
    failRange: (input) =>
      run(async () => {
        const { class: cause, message, attempt } = input;
        const decide = ({ id: sensorId, model }: PlannedSensor): SensorOutcome =>
          failedOutcome({ sensorId, model, class: cause, message, attempt, worker: deps.worker });
        await decideRest(store, input.batchId, input.range, decide);
        await writeErrorLogs(
          { store, blobs: deps.blobs, nowMs: deps.now(), worker: deps.worker },
          input.batchId,
          input.range,
        );
        return {
          counts: await store.countOutcomes(input.batchId, input.range),
          failures: await failureNotes(store, input.batchId, input.range),
        };
      }),
    finishBatch: (input) => run(() => finishBatch(deps, input)),
    raiseAlarms: ({ batchId }) => run(() => raiseAlarms(deps, batchId)),
  };
}

/** On record whatever comes; a plan only where nothing has to be waited for and nothing is in its way. */
async function begin(deps: BatchDeps, input: AnnounceInput): Promise<BatchPlan | null> {
  await announceBatch(deps, input);
  const { waitUntilMs, toMs } = input;
  if (waitUntilMs === undefined || deps.now() < toMs) return null;
  try {
    const { ready } = await readingsReady(deps, input, waitUntilMs);
    return ready ? await planBatch(deps, input) : null;
  } catch {
    // The activities of their own meet the same trouble, with their own patience, and tell of it.
    return null;
  }
}

async function planBatch(deps: BatchDeps, input: PlanInput): Promise<BatchPlan> {
  const { store } = deps;
  if (deps.windows) await checkWindows(store, deps.windows);
  const release = await releaseFor(store, input.release);
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
    ...defined({ schedule: input.schedule }),
  });
  return {
    release,
    planned: batch.planned,
    ...(await planGroups(deps, batch, input)),
    ...(deps.unnamedChildren ? { unnamedChildren: true } : {}),
    ...(deps.appUrl === undefined ? {} : { page: appPage(deps.appUrl, 'batches', batch.id) }),
  };
}

/** Most late periods that are scored again after one batch; the rest waits for the next one. */
const LATE_PERIODS = 50;

async function latePeriods(deps: BatchDeps, { fromMs, toMs, schedule }: LateInput): Promise<Period[]> {
  const { store } = deps;
  const { furthestMs, changed } = await lookbackOf(deps, await store.currentRelease());
  const late: Period[] = [];
  for (const period of await store.latePeriods(
    { fromMs, toMs },
    { lookbackMs: furthestMs, ...defined({ schedule }) },
  )) {
    if (late.length < LATE_PERIODS && (await store.changedSensors(period, { limit: 1, ...changed })).length > 0)
      late.push(period);
  }
  return late;
}

/**
 * Ready when every partition has passed the end of the period's last window, or none ever will (nothing ingests
 * here). A partition that was silent through the whole period holds nothing up once another has passed that end. The
 * limit of the wait counts from there too: overlapping windows end after their period.
 */
async function readingsReady(deps: BatchDeps, period: Period, waitUntilMs: number): Promise<ReadingsState> {
  const { fromMs, toMs } = period;
  const neededMs = deps.windows === undefined ? toMs : lastWindowEnd(period, deps.windows);
  // A partition without an event only has a row that says of which hub it is. Files come when somebody brings them: no
  // batch waits for the next one.
  const read = (await deps.store.listProgress()).filter(
    ({ appliedSeq, source }) => appliedSeq >= 0 && source !== DROP_SOURCE,
  );
  const watermarks = read.map((partition) => partition.watermarkMs);
  if (watermarks.length === 0) return { ready: true };
  const flowing = watermarks.filter((watermark) => watermark >= fromMs);
  // A partition that never had a reading, or none that passed the filter, says nothing.
  const known = watermarks.filter((watermark) => watermark >= 0);
  const telling = [flowing, known, watermarks].find((some) => some.length > 0);
  const watermarkMs = Math.min(...(telling ?? watermarks));
  return {
    ready: watermarkMs >= neededMs || deps.now() >= waitUntilMs + (neededMs - toMs),
    neededMs,
    ...(watermarkMs < 0 ? {} : { watermarkMs }),
  };
}
