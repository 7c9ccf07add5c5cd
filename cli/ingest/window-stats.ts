/** What is stored of sensors that are listed, in as few reads as their ids allow: those of a device may lie apart. */
import type { Sensor } from '../../domain/sensor.ts';
import type { Store, WindowStats } from '../../storage/store.ts';

/** Sensors whose ids follow each other, as ranges. */
function rangesOf(sensors: readonly Sensor[]): { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const { id } of sensors) {
    const last = ranges.at(-1);
    if (last?.to === id) last.to = id + 1;
    else ranges.push({ from: id, to: id + 1 });
  }
  return ranges;
}

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
