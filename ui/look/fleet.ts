/**
 * The list of sensors, held in memory: it only ever grows at its end, so a look reads what is new and nothing else.
 * Search, sort and paging over it then cost no statement.
 */
import type { Sensor } from '../../domain/sensor.ts';
import { compareNames } from '../../report/collect/batch-data.ts';
import type { Store } from '../../storage/store.ts';

export interface Fleet {
  readonly count: number;
  readonly sensor: (id: number) => Sensor | undefined;
  /** In natural order. */
  readonly devices: readonly string[];
  readonly ofDevice: (device: string) => readonly Sensor[];
}

/** Sensors read in one statement. */
const PAGE = 5_000;

export function openFleet(store: () => Promise<Pick<Store, 'listSensors'>>): () => Promise<Fleet> {
  const byId = new Map<number, Sensor>();
  const byDevice = new Map<string, Sensor[]>();
  let devices: readonly string[] | undefined;
  let last = 0;
  const add = (sensor: Sensor): void => {
    byId.set(sensor.id, sensor);
    const own = byDevice.get(sensor.device);
    if (own) own.push(sensor);
    else {
      byDevice.set(sensor.device, [sensor]);
      devices = undefined;
    }
    last = sensor.id;
  };
  const read = async (): Promise<void> => {
    for (;;) {
      const page = await (await store()).listSensors({ after: last, limit: PAGE });
      page.forEach(add);
      if (page.length < PAGE) return;
    }
  };
  // One reader at a time: two would take the same page twice.
  let reading: Promise<void> | undefined;
  return async () => {
    await (reading ??= read().finally(() => {
      reading = undefined;
    }));
    devices ??= [...byDevice.keys()].sort(compareNames);
    return {
      count: byId.size,
      sensor: (id) => byId.get(id),
      devices,
      ofDevice: (device) => (byDevice.get(device) ?? []).toSorted((a, b) => compareNames(a.sensor, b.sensor)),
    };
  };
}
