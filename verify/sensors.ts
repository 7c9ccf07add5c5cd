/**
 * Planned sensors against outcomes against rows, as all three stream by in the order of sensor ids.
 */
import { NO_OUTCOMES, type OutcomeCounts } from '../domain/outcome.ts';
import { keyOf } from '../domain/sensor.ts';
import type { Batch, OutcomeRow, PlannedSensor, Store } from '../storage/store.ts';
import type { BatchFiles } from './batch-files.ts';
import type { Findings } from './findings.ts';

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
  const counts = { ...NO_OUTCOMES } as { -readonly [K in keyof OutcomeCounts]: number };
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
  if ((outcome.status === 'failed' || outcome.status === 'skipped') && outcome.class === undefined)
    findings.found('outcomes', `${name} ${outcome.status} without a class`);
  if (outcome.status === 'failed' && !outcome.message) findings.found('outcomes', `${name} failed without a message`);
  if (outcome.model !== sensor.model)
    findings.found(
      'outcomes',
      `${name} has the model ${outcome.model ?? 'none'} on record, release ${batch.release} gives it ${sensor.model ?? 'none'}`,
    );

  const tally = await files.tally(outcome.chunk);
  const rows = tally?.sensors.get(keyOf(outcome));
  if (rows) files.matched(outcome.chunk);
  if (outcome.status !== 'scored') {
    if (rows)
      findings.found('rows', `${name} ${outcome.status} and has ${rows.rows} rows in the file of ${outcome.chunk}`);
    if (outcome.anomalies > 0) findings.found('rows', `${name} ${outcome.status} with ${outcome.anomalies} anomalies`);
    return;
  }
  if (!files.has(outcome.chunk)) {
    findings.found('rows', `${name} was scored, but its chunk ${outcome.chunk} has no file`);
    return;
  }
  if (!tally) return; // the file is a finding already
  const held = rows ?? { rows: 0, anomalies: 0 };
  if (held.anomalies !== outcome.anomalies)
    findings.found('rows', `${name} has ${outcome.anomalies} anomalies on record, ${held.anomalies} in its file`);
  if (held.rows === outcome.windows) return;
  // A model that looks back predicts only windows that have their earlier ones.
  if (held.rows > 0 && held.rows < outcome.windows && (await looksBack(store, batch, sensor.id))) return;
  findings.found('rows', `${name} had ${outcome.windows} windows read and has ${held.rows} predictions`);
}

async function looksBack(store: Store, batch: Batch, sensorId: number): Promise<boolean> {
  const [model] = await store.listReleaseModels(batch.release, { after: sensorId - 1, limit: 1 });
  return model?.sensorId === sensorId && model.features.some((feature) => feature.endsWith(']'));
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
  for (let after = -1; ;) {
    const page = await store.listOutcomes(batchId, { after, limit: PAGE });
    yield* page;
    if (page.length === 0) return undefined;
    after = page.at(-1)!.sensorId;
  }
}

const nameOf = ({ device, sensor }: { readonly device: string; readonly sensor: string }): string =>
  `${device} / ${sensor}`;
