/** Ids of sensors, asked from the store once per sensor: ids never change and are never reused. */
import type { SensorKey } from '../domain/sensor.ts';
import type { Store } from '../storage/store.ts';

export interface SensorIds {
  /** Undefined when the sensor was not registered through this cache yet. */
  find(device: string, sensor: string): number | undefined;
  /** Makes every one of these findable; unknown sensors are added to the store. */
  register(keys: Iterable<SensorKey>): Promise<void>;
}

export function createSensorIds(store: Store): SensorIds {
  const ids = new Map<string, Map<string, number>>();
  const find = (device: string, sensor: string): number | undefined => ids.get(device)?.get(sensor);
  return {
    find,
    async register(keys) {
      const missing = new Map<string, Set<string>>();
      for (const { device, sensor } of keys) {
        if (find(device, sensor) !== undefined) continue;
        const sensors = missing.get(device);
        if (sensors) sensors.add(sensor);
        else missing.set(device, new Set([sensor]));
      }
      const list = [...missing].flatMap(([device, sensors]) => [...sensors].map((sensor) => ({ device, sensor })));
      if (list.length === 0) return;
      const found = await store.registerSensors(list);
      list.forEach(({ device, sensor }, i) => {
        const known = ids.get(device);
        if (known) known.set(sensor, found[i]!);
        else ids.set(device, new Map([[sensor, found[i]!]]));
      });
    },
  };
}
