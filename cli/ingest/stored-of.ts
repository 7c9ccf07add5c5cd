/** What is stored of sensors that are listed, in as few reads as their ids allow: those of a device may lie apart. */
import type { Sensor } from '../../domain/sensor.ts';
import type { RetiredSensor, Store, WindowStats } from '../../storage/store.ts';

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Sensors whose ids follow each other, as ranges. */
function rangesOf(sensors: readonly Sensor[]): readonly Range[] {
  const ranges: { from: number; to: number }[] = [];
  for (const { id } of sensors) {
    const last = ranges.at(-1);
    if (last?.to === id) last.to = id + 1;
    else ranges.push({ from: id, to: id + 1 });
  }
  return ranges;
}

/** The first rows of a range in a list by id: all that are in it are among them. */
const firstOf = ({ from, to }: Range): { readonly after: number; readonly limit: number } => ({
  after: from - 1,
  limit: to - from,
});

/**
 * Windows of sensors by id; sensors without any are left out.
 * @param sensors by id ascending
 * @param counted `countFromMs`: windows are counted from here on, epoch ms; without it none
 */
export async function statsOf(
  store: Pick<Store, 'windowStats'>,
  sensors: readonly Sensor[],
  counted: { readonly countFromMs?: number } = {},
): Promise<Map<number, WindowStats>> {
  const stats = new Map<number, WindowStats>();
  for (const range of rangesOf(sensors))
    for (const one of await store.windowStats(range, counted)) stats.set(one.sensorId, one);
  return stats;
}

/** SHA-256 of the models of sensors in a release, by id. @param sensors by id ascending */
export async function modelsOf(
  store: Pick<Store, 'listReleaseModels'>,
  sensors: readonly Sensor[],
  release: string,
): Promise<Map<number, string>> {
  const models = new Map<number, string>();
  for (const range of rangesOf(sensors))
    for (const { sensorId, model } of await store.listReleaseModels(release, firstOf(range)))
      models.set(sensorId, model);
  return models;
}

/** Those of the sensors that are out of service, by id. @param sensors by id ascending */
export async function retiredOf(
  store: Pick<Store, 'retiredSensors'>,
  sensors: readonly Sensor[],
): Promise<Map<number, RetiredSensor>> {
  const retired = new Map<number, RetiredSensor>();
  for (const range of rangesOf(sensors))
    for (const one of await store.retiredSensors(firstOf(range))) retired.set(one.id, one);
  return retired;
}
