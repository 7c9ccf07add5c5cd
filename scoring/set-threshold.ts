/**
 * Another threshold for a sensor: a release of its own, with the models of the one before. Releases never change, so
 * the way back is `models rollback`, and every batch says by which thresholds it judged.
 */
import { defined } from '../domain/defined.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Sensor } from '../domain/sensor.ts';
import type { Threshold } from '../domain/threshold.ts';
import type { ReleaseModel, Store } from '../storage/store.ts';
import { modelOnly, modelsOfRelease } from './replaced-models.ts';

export interface ThresholdChange {
  readonly sensor: Sensor;
  /** Absent: the label of the model decides again. */
  readonly threshold?: Threshold;
  /** Name of the new release. */
  readonly name: string;
  readonly nowMs: number;
  /** The release whose models it has. */
  readonly from: string;
}

/** @throws FleetscoreError `NO_MODEL` when the sensor has none there, `RELEASE_EXISTS`, `RELEASE_UNKNOWN` */
export async function setThreshold(
  store: Store,
  { sensor, threshold, name, nowMs, from }: ThresholdChange,
): Promise<number> {
  const models: ReleaseModel[] = [];
  let found = false;
  for await (const { threshold: before, ...model } of modelsOfRelease(store, from)) {
    const isIt = model.sensorId === sensor.id;
    found ||= isIt;
    models.push({ ...modelOnly(model), ...defined({ threshold: isIt ? threshold : before }) });
  }
  if (!found)
    throw new FleetscoreError(
      'NO_MODEL',
      `${sensor.device} / ${sensor.sensor} has no model in release ${from}, so there is no score to set a ` +
        'threshold on. Publish one: fleetscore models publish DIR --merge',
    );
  await store.createRelease(name, nowMs, models, []);
  return models.length;
}
