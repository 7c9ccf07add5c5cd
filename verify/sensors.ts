/**
 * Planned sensors against outcomes against rows, as all three stream by in the order of sensor ids.
 */
import { NO_OUTCOMES, type OutcomeCounts } from '../domain/outcome.ts';
import { keyOf } from '../domain/sensor.ts';
import { formatDuration } from '../domain/time.ts';
import { isDue, windowsOfSensor } from '../domain/windowing.ts';
import { INGEST_DEFAULTS, storedWindows } from '../ingest/settings.ts';
import type { Batch, OutcomeRow, PlannedSensor, Store } from '../storage/store.ts';
import type { BatchFiles } from './batch-files.ts';
import { dueWindows } from './due-windows.ts';
import type { Findings } from './findings.ts';
import { outcomePages } from '../storage/pages.ts';

const PAGE = 5_000;

export interface SensorTotals {
  readonly planned: number;
  readonly outcomes: number;
  readonly counts: OutcomeCounts;
}

export async function checkSensors(
  store: Store,
  batch: Batch,
  files: BatchFiles,
  findings: Findings,
): Promise<SensorTotals> {
  const outcomes = outcomesOf(store, batch.id);
  let next = await outcomes.next();
  const counts = { ...NO_OUTCOMES };
  let planned = 0;
  let recorded = 0;
  let last = -1;
  const take = async (): Promise<void> => {
    const { value } = next as { value: OutcomeRow };
    if (value.sensorId === last) findings.found('outcomes', `${nameOf(value)} has more than one outcome`);
    last = value.sensorId;
    recorded += 1;
    counts[value.status] += 1;
    counts.windows += value.windows;
    counts.anomalies += value.anomalies;
    next = await outcomes.next();
  };
  const stranger = async (): Promise<void> => {
    findings.found('outcomes', `${nameOf(next.value as OutcomeRow)} has an outcome and was not planned`);
    await take();
  };
  for await (const sensor of plannedOf(store, batch.id)) {
    planned += 1;
    while (!next.done && next.value.sensorId < sensor.id) await stranger();
    if (next.done || next.value.sensorId !== sensor.id) {
      findings.found('outcomes', `${nameOf(sensor)} was planned and has no outcome`);
      continue;
    }
    await checkSensor(store, batch, sensor, next.value, files, findings);
    while (!next.done && next.value.sensorId === sensor.id) await take();
  }
  while (!next.done) await stranger();
  await explainUnmatched(store, batch, files, findings);
  return { planned, outcomes: recorded, counts };
}

async function checkSensor(
  store: Store,
  batch: Batch,
  sensor: PlannedSensor,
  outcome: OutcomeRow,
  files: BatchFiles,
  findings: Findings,
): Promise<void> {
  const name = nameOf(outcome);
  checkOutcome(batch, sensor, outcome, findings);
  const tally = await files.tally(outcome.chunk);
  const rows = tally?.sensors.get(keyOf(outcome));
  if (rows) files.matched(outcome.chunk);
  if (outcome.status !== 'scored') {
    if (rows)
      findings.found('rows', `${name} ${outcome.status} and has ${rows.rows} rows in the file of ${outcome.chunk}`);
    if (outcome.anomalies > 0) findings.found('rows', `${name} ${outcome.status} with ${outcome.anomalies} anomalies`);
    // Skipped since no window had the earlier ones that the model looks at: is that so?
    if (outcome.status === 'skipped' && outcome.class === 'no_data' && outcome.windows > 0)
      await checkDue(store, batch, outcome, 0, findings);
    return;
  }
  if (sensor.windowMs !== undefined && outcome.windows === 0 && !rows) {
    await checkNoneDue(store, batch, sensor, findings);
    return;
  }
  if (!files.has(outcome.chunk)) {
    findings.found('rows', `${name} was scored, but its chunk ${outcome.chunk} has no file`);
    return;
  }
  if (!tally) return; // the file is a finding already
  const held = rows ?? { rows: 0, anomalies: 0 };
  if (rows && rows.windowMs !== sensor.windowMs)
    findings.found(
      'rows',
      `${name} has windows of ${lengthOf(rows.windowMs)}, release ${batch.release} gives it ` +
        lengthOf(sensor.windowMs),
    );
  if (held.anomalies !== outcome.anomalies)
    findings.found('rows', `${name} has ${outcome.anomalies} anomalies on record, ${held.anomalies} in its file`);
  if (held.rows === outcome.windows) return;
  await checkDue(store, batch, outcome, held.rows, findings);
}

const lengthOf = (windowMs: number | undefined): string =>
  windowMs === undefined ? 'the fleet' : formatDuration(windowMs);

/** Scored without a window: right where none of its own windows belongs to the period. */
async function checkNoneDue(store: Store, batch: Batch, sensor: PlannedSensor, findings: Findings): Promise<void> {
  const shape = windowsOfSensor(await storedWindows(store, INGEST_DEFAULTS), sensor.windowMs);
  if (isDue(batch, shape))
    findings.found(
      'rows',
      `${nameOf(sensor)} was scored without a window, but one of ${lengthOf(sensor.windowMs)} belongs to the period`,
    );
}

/** What is on record of it, without a look at its rows. */
function checkOutcome(batch: Batch, sensor: PlannedSensor, outcome: OutcomeRow, findings: Findings): void {
  const name = nameOf(outcome);
  // No version writes such outcomes; a store may have them all the same.
  const {
    status,
    class: why,
    message,
  }: Readonly<Record<'status' | 'class' | 'message', string | undefined>> = {
    class: undefined,
    message: undefined,
    ...outcome,
  };
  if ((status === 'failed' || status === 'skipped') && why === undefined)
    findings.found('outcomes', `${name} ${status} without a class`);
  if (status === 'failed' && !message) findings.found('outcomes', `${name} failed without a message`);
  if (outcome.model !== sensor.model)
    findings.found(
      'outcomes',
      `${name} has the model ${outcome.model ?? 'none'} on record, release ${batch.release} gives it ` +
        (sensor.model ?? 'none'),
    );
}

/** Fewer predictions than windows are right where the model looks back and the earlier windows are not there. */
async function checkDue(
  store: Store,
  batch: Batch,
  outcome: OutcomeRow,
  rows: number,
  findings: Findings,
): Promise<void> {
  const name = nameOf(outcome);
  const due = rows < outcome.windows ? await dueWindows(store, batch, outcome.sensorId) : undefined;
  if (!due) findings.found('rows', `${name} had ${outcome.windows} windows read and has ${rows} predictions`);
  else if (due.moved || due.windows !== outcome.windows)
    findings.note(
      `${name}: its readings changed since, so the windows left out (${outcome.windows - rows}) were not counted again`,
    );
  else if (due.due !== rows)
    findings.found(
      'rows',
      `${name} has ${rows} predictions, but ${due.due} of its ${due.windows} windows have all that its model ` +
        `looks at: ${due.due - rows} are missing`,
    );
}

/** Rows of a sensor whose outcome another chunk decided are not served; rows of a stranger are a finding. */
async function explainUnmatched(store: Store, batch: Batch, files: BatchFiles, findings: Findings): Promise<void> {
  for (const chunk of await files.unmatched()) {
    const tally = await files.tally(chunk);
    let elsewhere = 0;
    for (const key of tally?.sensors.keys() ?? []) {
      const [device, name] = key.split('\u0000') as [string, string];
      const sensor = await store.findSensor({ device, sensor: name });
      const [outcome] = sensor ? await store.listOutcomes(batch.id, { after: sensor.id - 1, limit: 1 }) : [];
      if (!sensor || outcome?.sensorId !== sensor.id)
        findings.found('rows', `the file of ${chunk} holds rows of ${device} / ${name}, which was not planned`);
      else if (outcome.chunk !== chunk) elsewhere += 1;
    }
    if (elsewhere > 0)
      findings.note(
        `the file of ${chunk} also holds rows of ${elsewhere} sensors that another chunk decided; they are not served`,
      );
  }
}

async function* plannedOf(store: Store, batchId: string): AsyncGenerator<PlannedSensor> {
  for (const range of await store.planRanges(batchId, PAGE)) yield* await store.plannedSensors(batchId, range);
}

async function* outcomesOf(store: Store, batchId: string): AsyncGenerator<OutcomeRow, undefined> {
  for await (const page of outcomePages(store, batchId, PAGE)) yield* page;
  return undefined;
}

const nameOf = ({ device, sensor }: { readonly device: string; readonly sensor: string }): string =>
  `${device} / ${sensor}`;
