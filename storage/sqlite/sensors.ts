/** Settings and the sensor list. Sensor ids are the highest one plus one, under the write lock: dense. */
import { keyOf, type Sensor } from '../../domain/sensor.ts';
import type { SensorStore, SettingStore } from '../store.ts';
import type { Connection } from './connection.ts';

export const SENSOR_SQL = {
  addSetting: 'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING',
  setting: 'SELECT value FROM settings WHERE name = ?',
  find: 'SELECT id, device, sensor, unit FROM sensors WHERE device = ? AND sensor = ?',
  count: 'SELECT COUNT(*) AS n FROM sensors',
  countDevice: 'SELECT COUNT(*) AS n FROM sensors WHERE device = ?',
  maxId: 'SELECT COALESCE(MAX(id), 0) AS id FROM sensors',
  add: 'INSERT INTO sensors (id, device, sensor, unit) VALUES (?, ?, ?, ?)',
  setUnit: `UPDATE sensors SET unit = ? WHERE id = ? AND unit = ''`,
  list: 'SELECT id, device, sensor, unit FROM sensors WHERE id > ? ORDER BY id LIMIT ?',
  listDevice: 'SELECT id, device, sensor, unit FROM sensors WHERE device = ? AND id > ? ORDER BY id LIMIT ?',
} as const;

/** LIMIT of a list without one. */
export const ALL = -1;

/** The highest sensor id, 0 when there are none. */
export function maxSensorId(db: Connection): number {
  return db.get<{ id: number }>(SENSOR_SQL.maxId)!.id;
}

export function sensorMethods(db: Connection): SensorStore & SettingStore {
  const find = (device: string, sensor: string): Sensor | undefined => db.get<Sensor>(SENSOR_SQL.find, device, sensor);

  return {
    async claimSetting(key, value) {
      const kept = await db.read(() => db.get<{ value: string }>(SENSOR_SQL.setting, key));
      if (kept) return kept.value;
      return db.write(() => {
        db.run(SENSOR_SQL.addSetting, key, value);
        return db.get<{ value: string }>(SENSOR_SQL.setting, key)!.value;
      });
    },

    findSetting: (key) => db.read(() => db.get<{ value: string }>(SENSOR_SQL.setting, key)?.value),

    async registerSensors(sensors) {
      // Nearly always all are known: then no lock is taken.
      const known = await db.read(() => sensors.map((key) => find(key.device, key.sensor)));
      const done = known.every((sensor, i) => sensor && (sensor.unit !== '' || !sensors[i]!.unit));
      if (done) return known.map((sensor) => sensor!.id);

      return db.write(() => {
        let next = maxSensorId(db) + 1;
        const seen = new Map<string, Sensor>();
        return sensors.map((key) => {
          const sensor = seen.get(keyOf(key)) ?? find(key.device, key.sensor);
          const unit = sensor?.unit || key.unit || '';
          const id = sensor?.id ?? next++;
          if (!sensor) db.run(SENSOR_SQL.add, id, key.device, key.sensor, unit);
          else if (unit !== sensor.unit) db.run(SENSOR_SQL.setUnit, unit, id);
          seen.set(keyOf(key), { id, device: key.device, sensor: key.sensor, unit });
          return id;
        });
      });
    },

    async admitSensors(sensors, quota) {
      const known = await db.read(() => sensors.map((key) => find(key.device, key.sensor)?.id));
      if (!known.includes(undefined)) return known;
      return db.write(() => {
        // Ids are dense: the highest one is how many there are.
        let last = maxSensorId(db);
        const ofDevice = new Map<string, number>();
        return sensors.map(({ device, sensor }) => {
          const found = find(device, sensor);
          if (found) return found.id;
          const count = ofDevice.get(device) ?? db.get<{ n: number }>(SENSOR_SQL.countDevice, device)!.n;
          const admitted = count < quota.perDevice && last < quota.fleet;
          ofDevice.set(device, count + (admitted ? 1 : 0));
          if (!admitted) return undefined;
          db.run(SENSOR_SQL.add, ++last, device, sensor, '');
          return last;
        });
      });
    },

    listSensors: ({ after = 0, limit = ALL, device } = {}) =>
      db
        .read(() =>
          device === undefined
            ? db.all<Sensor>(SENSOR_SQL.list, after, limit)
            : db.all<Sensor>(SENSOR_SQL.listDevice, device, after, limit),
        )
        .then((rows) => rows.map((row) => ({ ...row }))),

    findSensor: (key) => db.read(() => find(key.device, key.sensor)).then((row) => row && { ...row }),

    countSensors: () => db.read(() => db.get<{ n: number }>(SENSOR_SQL.count)!.n),
  };
}
