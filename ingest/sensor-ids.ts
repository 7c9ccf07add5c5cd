/**
 * Ids of sensors, asked from the store once per sensor: ids never change and are never reused. Names come from
 * devices, so what is remembered is bounded, and so is what they may register: a sensor stays in the store for good
 * and is planned in every batch.
 */
import { keyOf, type SensorKey } from '../domain/sensor.ts';
import type { SensorQuota, Store } from '../storage/store.ts';
import { generations } from './bounded-map.ts';

export interface SensorIds {
  /** Undefined when the sensor was not registered through this cache yet, or was refused. */
  find(device: string, sensor: string): number | undefined;
  /** Makes every one of these findable, but those that the quota refuses; unknown sensors are added to the store. */
  register(keys: Iterable<SensorKey>): Promise<void>;
  /** Why a sensor that was registered cannot be found. */
  refusal(key: SensorKey): string;
}

/** Sensors remembered at the most, and surely half of them: more than a commit holds. Some 200 bytes each. */
const REMEMBERED = 2_000_000;

export const SENSOR_QUOTA: SensorQuota = { perDevice: 1_000, fleet: 2_000_000 };

type ByDevice = Map<string, Map<string, number>>;

export function createSensorIds(
  store: Pick<Store, 'admitSensors'>,
  quota: SensorQuota = SENSOR_QUOTA,
  remembered = REMEMBERED,
): SensorIds {
  // By device and sensor, so that a reading costs no text that joins both.
  const both = generations<ByDevice>(remembered, () => new Map());
  const set = (device: string, sensor: string, id: number): void => {
    both.room();
    const sensors = both.young.get(device);
    if (sensors) sensors.set(sensor, id);
    else both.young.set(device, new Map([[sensor, id]]));
  };
  const find = (device: string, sensor: string): number | undefined => {
    const id = both.young.get(device)?.get(sensor);
    if (id !== undefined) return id;
    const before = both.old.get(device)?.get(sensor);
    if (before !== undefined) set(device, sensor, before);
    return before;
  };
  return {
    find,
    async register(keys) {
      const missing = new Map<string, SensorKey>();
      for (const { device, sensor } of keys)
        if (find(device, sensor) === undefined) missing.set(keyOf({ device, sensor }), { device, sensor });
      if (missing.size === 0) return;
      const list = [...missing.values()];
      const found = await store.admitSensors(list, quota);
      list.forEach(({ device, sensor }, i) => {
        const id = found[i];
        if (id !== undefined) set(device, sensor, id);
      });
    },
    refusal: ({ device, sensor }) =>
      `sensor ${JSON.stringify(sensor)} of device ${JSON.stringify(device)} is new, and no more are ` +
      `registered: a device may have ${quota.perDevice} (FLEETSCORE_MAX_SENSORS_PER_DEVICE), the fleet ` +
      `${quota.fleet} (FLEETSCORE_MAX_SENSORS). Raise the limit, then send it again`,
  };
}
