/** Releases: written once, in one transaction, and never changed. Model names are kept once, by an integer key. */
import type { ModelInfo, Release, ReleaseModel, ReleaseStore } from '../store.ts';
import { releaseExists, releaseInvalid, releaseUnknown } from '../failures.ts';
import { type LookRow, parseFeatures, toLook, toThreshold, toWindow } from '../rows.ts';
import { formatThreshold } from '../../domain/threshold.ts';
import type { SensorKey } from '../../domain/sensor.ts';
import { artifactKeys } from './artifacts.ts';
import type { Connection } from './connection.ts';
import { ALL } from './sensors.ts';

export const RELEASE_SQL = {
  byName: 'SELECT release_key AS "key" FROM releases WHERE name = ?',
  add: 'INSERT INTO releases (name, created_at_ms, models) VALUES (?, ?, ?)',
  addInfo: `
    INSERT INTO models (model_id, bytes, kind, features) VALUES (?, ?, ?, ?)
    ON CONFLICT (model_id) DO UPDATE SET bytes = excluded.bytes, kind = excluded.kind, features = excluded.features`,
  info: 'SELECT 1 FROM models WHERE model_id = ?',
  addModel: `
    INSERT INTO release_models (release_key, sensor_id, model_id, pack_id, pack_row, pool, threshold, window_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (release_key, sensor_id) DO NOTHING`,
  addPools: `
    INSERT INTO release_pools (release_key, pool, sensors)
    SELECT release_key, pool, COUNT(*) FROM release_models WHERE release_key = ? AND pool IS NOT NULL GROUP BY release_key, pool`,
  pools: 'SELECT pool, sensors FROM release_pools WHERE release_key = ? ORDER BY pool',
  unknownSensor: `
    SELECT m.sensor_id AS id FROM release_models m LEFT JOIN sensors s ON s.id = m.sensor_id
    WHERE m.release_key = ? AND s.id IS NULL LIMIT 1`,
  list: `
    SELECT name, created_at_ms AS createdAtMs, models, is_current AS isCurrent
    FROM releases ORDER BY created_at_ms DESC, release_key DESC`,
  looks: `
    SELECT DISTINCT i.features, m.window_ms AS windowMs FROM release_models m CROSS JOIN models i ON i.model_id = m.model_id WHERE m.release_key = ?`,
  windows: `
    SELECT DISTINCT window_ms AS ms FROM release_models WHERE release_key = ? AND window_ms IS NOT NULL ORDER BY 1`,
  longestWindow: 'SELECT MAX(window_ms) AS ms FROM release_models WHERE window_ms IS NOT NULL',
  windowsOfSensor: `
    SELECT DISTINCT m.window_ms AS ms FROM releases r
    CROSS JOIN release_models m ON m.release_key = r.release_key AND m.sensor_id = ?
    WHERE m.window_ms IS NOT NULL ORDER BY 1`,
  listModels: `
    SELECT m.sensor_id AS sensorId, s.device, s.sensor, a.name AS model, p.name AS pack, m.pack_row AS packRow,
           m.pool, m.threshold, m.window_ms AS windowMs, i.bytes, i.kind, i.features
    FROM release_models m
    CROSS JOIN sensors s ON s.id = m.sensor_id
    CROSS JOIN artifacts a ON a.id = m.model_id
    CROSS JOIN models i ON i.model_id = m.model_id
    LEFT JOIN artifacts p ON p.id = m.pack_id
    WHERE m.release_key = ? AND m.sensor_id > ? ORDER BY m.sensor_id LIMIT ?`,
} as const;

interface ModelRow extends SensorKey {
  readonly sensorId: number;
  readonly model: string;
  readonly pack: string | null;
  readonly packRow: number | null;
  readonly pool: string | null;
  readonly threshold: string | null;
  readonly windowMs: number | null;
  readonly bytes: number;
  readonly kind: string;
  readonly features: string;
}

export function releaseMethods(db: Connection): ReleaseStore {
  return {
    createRelease: (name, createdAtMs, models, infos) =>
      db.write(() => createRelease(db, name, createdAtMs, models, infos)),

    listReleases: () =>
      db
        .read(() => db.all<Omit<Release, 'current'> & { isCurrent: number }>(RELEASE_SQL.list))
        .then((rows) => rows.map(({ isCurrent, ...row }) => ({ ...row, current: isCurrent === 1 }))),

    listReleaseModels: (release, { after = 0, limit = ALL } = {}) =>
      db
        .read(() => db.all<ModelRow>(RELEASE_SQL.listModels, releaseKey(db, release), after, limit))
        .then((rows) =>
          rows.map(({ pack, packRow, pool, threshold, windowMs, features, ...row }) => ({
            ...row,
            ...(pack === null ? {} : { pack }),
            ...(packRow === null ? {} : { packRow }),
            ...(pool === null ? {} : { pool }),
            ...toThreshold(threshold),
            ...toWindow(windowMs),
            features: parseFeatures(features),
          })),
        ),

    releaseLooks: (release) => db.read(() => db.all<LookRow>(RELEASE_SQL.looks, releaseKey(db, release)).map(toLook)),

    releaseWindows: (release) =>
      db.read(() => db.all<{ ms: number }>(RELEASE_SQL.windows, releaseKey(db, release)).map(({ ms }) => ms)),

    longestWindow: () => db.read(() => db.get<{ ms: number | null }>(RELEASE_SQL.longestWindow)?.ms ?? 0),

    windowsOfSensor: (sensorId) =>
      db.read(() => db.all<{ ms: number }>(RELEASE_SQL.windowsOfSensor, sensorId).map(({ ms }) => ms)),

    releasePools: (release) =>
      db
        .read(() => db.all<{ pool: string; sensors: number }>(RELEASE_SQL.pools, releaseKey(db, release)))
        .then((rows) => rows.map((row) => ({ ...row }))),
  };
}

/** @throws FleetscoreError `RELEASE_UNKNOWN` */
export function releaseKey(db: Connection, name: string): number {
  const found = db.get<{ key: number }>(RELEASE_SQL.byName, name);
  if (!found) throw releaseUnknown(name);
  return found.key;
}

function createRelease(
  db: Connection,
  name: string,
  createdAtMs: number,
  models: readonly ReleaseModel[],
  infos: readonly ModelInfo[],
): void {
  if (db.get(RELEASE_SQL.byName, name)) throw releaseExists(name);
  db.run(RELEASE_SQL.add, name, createdAtMs, models.length);
  const key = releaseKey(db, name);
  const keyOfArtifact = artifactKeys(db);
  const described = new Set<number>();
  for (const info of infos) {
    const id = keyOfArtifact(info.model);
    db.run(RELEASE_SQL.addInfo, id, info.bytes, info.kind, JSON.stringify(info.features));
    described.add(id);
  }
  for (const model of models) {
    const id = keyOfArtifact(model.model);
    if (!described.has(id)) {
      if (!db.get(RELEASE_SQL.info, id))
        throw releaseInvalid(name, `nothing describes model ${model.model} of sensor ${model.sensorId}`);
      described.add(id);
    }
    const pack = model.pack === undefined ? null : keyOfArtifact(model.pack);
    const added = db.run(
      RELEASE_SQL.addModel,
      key,
      model.sensorId,
      id,
      pack,
      model.packRow ?? null,
      model.pool ?? null,
      model.threshold ? formatThreshold(model.threshold) : null,
      model.windowMs ?? null,
    );
    if (added === 0) throw releaseInvalid(name, `sensor ${model.sensorId} has two models`);
  }
  if (models.some((model) => model.pool !== undefined)) db.run(RELEASE_SQL.addPools, key);
  const unknown = db.get<{ id: number }>(RELEASE_SQL.unknownSensor, key);
  if (unknown) throw releaseInvalid(name, `sensor id ${unknown.id} is not in the sensor list`);
}
