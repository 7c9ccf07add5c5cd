/** Settings and the sensor list. New ids are given under an application lock, so they are dense. */
import { keyOf, type Sensor } from '../../domain/sensor.ts';
import type { SensorStore, SettingStore } from '../store.ts';
import type { Database, Session } from './connection.ts';
import { tsql, type StageTable } from './statement.ts';

/** TOP of a list without a limit. */
export const ALL = 2_147_483_647;

export const NAMES: StageTable = {
  name: '#names',
  columns: [
    { name: 'position', type: 'INT' },
    { name: 'device', type: 'NVARCHAR(128)', of: 'sensors.device' },
    { name: 'sensor', type: 'NVARCHAR(128)', of: 'sensors.sensor' },
    { name: 'unit', type: 'NVARCHAR(128)', of: 'sensors.unit' },
  ],
  key: ['position'],
};

const NAME = 'NVARCHAR(128)';

export const SENSOR_SQL = {
  setting: tsql({ name: NAME }, 'SELECT value FROM settings WHERE name = @name'),
  addSetting: tsql(
    { name: NAME, value: 'NVARCHAR(1000)' },
    `
    INSERT INTO settings (name, value)
    SELECT @name, @value WHERE NOT EXISTS (SELECT 1 FROM settings WHERE name = @name)`,
  ),
  find: tsql(
    { device: NAME, sensor: NAME },
    'SELECT id, device, sensor, unit FROM sensors WHERE device = @device AND sensor = @sensor',
  ),
  count: tsql({}, 'SELECT COUNT(*) AS n FROM sensors'),
  maxId: tsql({}, 'SELECT ISNULL(MAX(id), 0) AS id FROM sensors'),
  list: tsql(
    { after: 'INT', limit: 'INT' },
    `
    SELECT TOP (@limit) id, device, sensor, unit FROM sensors WHERE id > @after ORDER BY id`,
  ),
  listDevice: tsql(
    { device: NAME, after: 'INT', limit: 'INT' },
    `
    SELECT TOP (@limit) id, device, sensor, unit FROM sensors WHERE device = @device AND id > @after ORDER BY id`,
  ),
  missing: tsql(
    {},
    `
    SELECT COUNT(*) AS n FROM #names n
    LEFT JOIN sensors s ON s.device = n.device AND s.sensor = n.sensor WHERE s.id IS NULL`,
  ),
  addMissing: tsql(
    { maxId: 'INT' },
    `
    INSERT INTO sensors (id, device, sensor, unit)
    SELECT @maxId + ROW_NUMBER() OVER (ORDER BY n.position), n.device, n.sensor, n.unit
    FROM #names n LEFT JOIN sensors s ON s.device = n.device AND s.sensor = n.sensor WHERE s.id IS NULL`,
  ),
  addWithin: tsql(
    { maxId: 'INT', perDevice: 'INT', room: 'INT' },
    `
    INSERT INTO sensors (id, device, sensor, unit)
    SELECT @maxId + m.nth, m.device, m.sensor, m.unit
    FROM (
      SELECT p.device, p.sensor, p.unit, ROW_NUMBER() OVER (ORDER BY p.position) AS nth
      FROM (
        SELECT n.position, n.device, n.sensor, n.unit,
               (SELECT COUNT(*) FROM sensors d WHERE d.device = n.device)
                 + ROW_NUMBER() OVER (PARTITION BY n.device ORDER BY n.position) AS place
        FROM #names n LEFT JOIN sensors s ON s.device = n.device AND s.sensor = n.sensor WHERE s.id IS NULL
      ) p WHERE p.place <= @perDevice
    ) m WHERE m.nth <= @room`,
  ),
  setUnits: tsql(
    {},
    `
    UPDATE s SET s.unit = n.unit
    FROM sensors s INNER JOIN #names n ON n.device = s.device AND n.sensor = s.sensor
    WHERE s.unit = N'' AND n.unit <> N''`,
  ),
  ids: tsql(
    {},
    `
    SELECT n.position, s.id FROM #names n INNER JOIN sensors s ON s.device = n.device AND s.sensor = n.sensor
    ORDER BY n.position`,
  ),
} as const;

export function sensorMethods(db: Database): SensorStore & SettingStore {
  const setting = async (session: Session, name: string): Promise<string | undefined> =>
    (await session.query<{ value: string }>(SENSOR_SQL.setting, { name }))[0]?.value;
  const findSetting = (key: string): Promise<string | undefined> => db.read((session) => setting(session, key));

  return {
    async claimSetting(key, value) {
      const kept = await findSetting(key);
      if (kept !== undefined) return kept;
      return db.write(async (tx) => {
        await tx.run(SENSOR_SQL.addSetting, { name: key, value });
        return (await setting(tx, key))!;
      });
    },

    findSetting,

    async registerSensors(sensors) {
      if (sensors.length === 0) return [];
      const positions = new Map<string, number>();
      const names: { device: string; sensor: string; unit: string }[] = [];
      for (const key of sensors) {
        const at = positions.get(keyOf(key));
        if (at === undefined) {
          positions.set(keyOf(key), names.length);
          names.push({ device: key.device, sensor: key.sensor, unit: key.unit ?? '' });
        } else if (names[at]!.unit === '') names[at]!.unit = key.unit ?? '';
      }
      const ids = await db.write(async (tx) => {
        await tx.stage(
          NAMES,
          names.map(({ device, sensor, unit }, i) => [i, device, sensor, unit]),
        );
        const [missing] = await tx.query<{ n: number }>(SENSOR_SQL.missing, {});
        if (missing!.n > 0) {
          await tx.lock('fleetscore-sensors');
          await tx.run(SENSOR_SQL.addMissing, { maxId: await maxSensorId(tx) });
        }
        if (names.some(({ unit }) => unit !== '')) await tx.run(SENSOR_SQL.setUnits, {});
        return tx.query<{ id: number }>(SENSOR_SQL.ids, {});
      });
      return sensors.map((key) => ids[positions.get(keyOf(key))!]!.id);
    },

    async admitSensors(sensors, quota) {
      if (sensors.length === 0) return [];
      const unique = [...new Map(sensors.map((key) => [keyOf(key), key])).values()];
      const positions = new Map(unique.map((key, i) => [keyOf(key), i]));
      const found = await db.write(async (tx) => {
        await tx.stage(
          NAMES,
          unique.map(({ device, sensor }, i) => [i, device, sensor, '']),
        );
        const [missing] = await tx.query<{ n: number }>(SENSOR_SQL.missing, {});
        if (missing!.n > 0) {
          await tx.lock('fleetscore-sensors');
          // Ids are dense: the highest one is how many there are.
          const maxId = await maxSensorId(tx);
          const room = Math.max(0, quota.fleet - maxId);
          await tx.run(SENSOR_SQL.addWithin, { maxId, perDevice: quota.perDevice, room });
        }
        return tx.query<{ position: number; id: number }>(SENSOR_SQL.ids, {});
      });
      const ids = new Map(found.map(({ position, id }) => [position, id]));
      return sensors.map((key) => ids.get(positions.get(keyOf(key))!));
    },

    listSensors: ({ after = 0, limit = ALL, device } = {}) =>
      db.read((session) =>
        device === undefined
          ? session.query<Sensor>(SENSOR_SQL.list, { after, limit })
          : session.query<Sensor>(SENSOR_SQL.listDevice, { device, after, limit }),
      ),

    findSensor: ({ device, sensor }) =>
      db.read(async (session) => {
        const rows: Sensor[] = await session.query(SENSOR_SQL.find, { device, sensor });
        return rows[0];
      }),

    countSensors: () =>
      db.read(async (session) => {
        const rows: { n: number }[] = await session.query(SENSOR_SQL.count, {});
        return rows[0]!.n;
      }),
  };
}

/** The highest sensor id, 0 when there are none. */
export async function maxSensorId(session: Session): Promise<number> {
  const rows: { id: number }[] = await session.query(SENSOR_SQL.maxId, {});
  return rows[0]!.id;
}
