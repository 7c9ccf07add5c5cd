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
  const models = new Map<number, Pick<PlannedSensor, 'model' | 'pack' | 'packRow' | 'threshold'>>();
  for (let at = 0; at < sensors.length;) {
    const first = sensors[at]!.id;
    let last = first;
    for (; at < sensors.length && sensors[at]!.id - last <= GAP && sensors[at]!.id - first < PAGE; at++)
      last = sensors[at]!.id;
    for (const { sensorId, model, pack, packRow, threshold } of await store.listReleaseModels(release, {
      after: first - 1,
      limit: last - first + 1,
    }))
      models.set(sensorId, { model, ...defined({ pack, packRow, threshold }) });
  }
  return sensors.map(({ id, device, sensor, unit }) => ({ id, device, sensor, unit, ...models.get(id) }));
}

/** By sensor: the windows that both results predict, by their labels. */
export function compareLabels(
  { length, sensorId }: SeriesBlock,
  base: ScoreResult,
  challenger: ScoreResult,
): Map<number, LabelCounts> {
  const tallies = new Map<number, { -readonly [Key in keyof LabelCounts]: number }>();
  for (let row = 0; row < length; row++) {
    if (base.scored[row] !== 1 || challenger.scored[row] !== 1) continue;
    const id = sensorId[row]!;
    let tally = tallies.get(id);
    if (!tally) tallies.set(id, (tally = { windows: 0, both: 0, onlyBase: 0, onlyChallenger: 0 }));
    tally.windows += 1;
    const [a, b] = [base.anomaly[row] === 1, challenger.anomaly[row] === 1];
    if (a && b) tally.both += 1;
    else if (a) tally.onlyBase += 1;
    else if (b) tally.onlyChallenger += 1;
  }
  return tallies;
}
