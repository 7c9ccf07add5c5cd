/**
 * Two releases over the same windows: which sensors are compared, with which models, and how their labels
 * agree. For batches that score a challenger beside their own release, and for `models compare`.
 */
import { defined } from '../domain/defined.ts';
import type { LabelCounts } from '../domain/challenge.ts';
import type { PlannedSensor, SeriesBlock, Store } from '../storage/store.ts';
import type { Sensor } from '../domain/sensor.ts';
import type { ScoreResult } from './score-result.ts';

/** Most ids of one query. */
const PAGE = 5_000;
/** Widest gap between two sensors of one query: those of a pool may lie far apart in a large fleet. */
const GAP = 50;

/** These sensors (by id ascending) with their models in a release. @throws FleetscoreError `RELEASE_UNKNOWN` */
export async function sensorsWithModels(
  store: Store,
  release: string,
  sensors: readonly Sensor[],
): Promise<PlannedSensor[]> {
  const models = new Map<number, Pick<PlannedSensor, 'model' | 'pack' | 'packRow' | 'threshold' | 'windowMs'>>();
  for (let at = 0; at < sensors.length;) {
    const first = sensors[at]!.id;
    let last = first;
    for (; at < sensors.length && sensors[at]!.id - last <= GAP && sensors[at]!.id - first < PAGE; at++)
      last = sensors[at]!.id;
    for (const { sensorId, model, pack, packRow, threshold, windowMs } of await store.listReleaseModels(release, {
      after: first - 1,
      limit: last - first + 1,
    }))
      models.set(sensorId, { model, ...defined({ pack, packRow, threshold, windowMs }) });
  }
  return sensors.map(({ id, device, sensor, unit }) => ({ id, device, sensor, unit, ...models.get(id) }));
}

/** A result with what it is of. */
export interface Labelled {
  readonly sensors: readonly PlannedSensor[];
  readonly series: SeriesBlock;
  readonly result: ScoreResult;
}

/** Whether two releases look at windows of the same lengths: then one series serves both. */
export function sameWindows(sensors: readonly PlannedSensor[], others: readonly PlannedSensor[]): boolean {
  const lengths = lengthsOf(sensors);
  return lengths.size === 0
    ? others.every(({ windowMs }) => windowMs === undefined)
    : others.every(({ id, windowMs }) => lengths.get(id) === windowMs);
}

/** Windows of their own, by sensor. */
const lengthsOf = (sensors: readonly PlannedSensor[]): ReadonlyMap<number, number> =>
  new Map(sensors.flatMap(({ id, windowMs }) => (windowMs === undefined ? [] : [[id, windowMs] as const])));

/**
 * By sensor: the windows that both results predict, by their labels. Windows of different lengths are not the same, and
 * are not compared.
 */
export function compareLabels(base: Labelled, challenger: Labelled): Map<number, LabelCounts> {
  const tallies = new Map<number, { -readonly [Key in keyof LabelCounts]: number }>();
  for (const [row, other] of sameRows(base, challenger)) {
    if (base.result.scored[row] !== 1 || challenger.result.scored[other] !== 1) continue;
    const id = base.series.sensorId[row]!;
    let tally = tallies.get(id);
    if (!tally) tallies.set(id, (tally = { windows: 0, both: 0, onlyBase: 0, onlyChallenger: 0 }));
    tally.windows += 1;
    const [a, b] = [base.result.anomaly[row] === 1, challenger.result.anomaly[other] === 1];
    if (a && b) tally.both += 1;
    else if (a) tally.onlyBase += 1;
    else if (b) tally.onlyChallenger += 1;
  }
  return tallies;
}

/** Rows of both that are the same window: of the same sensor, start and length. */
function* sameRows(base: Labelled, challenger: Labelled): Generator<readonly [number, number]> {
  const [one, other] = [base.series, challenger.series];
  if (one === other) {
    for (let row = 0; row < one.length; row++) yield [row, row];
    return;
  }
  const [lengths, others] = [lengthsOf(base.sensors), lengthsOf(challenger.sensors)];
  let at = 0;
  for (let row = 0; row < one.length; row++) {
    const [id, start] = [one.sensorId[row]!, one.startMs[row]!];
    if (lengths.get(id) !== others.get(id)) continue;
    while (at < other.length && (other.sensorId[at]! < id || (other.sensorId[at] === id && other.startMs[at]! < start)))
      at += 1;
    if (other.sensorId[at] === id && other.startMs[at] === start) yield [row, at];
  }
}
