/** Releases: bulk copied and checked in one transaction, never changed afterwards. */
import type { SensorKey } from '../../domain/sensor.ts';
import { releaseExists, releaseInvalid, releaseUnknown } from '../failures.ts';
import { formatThreshold } from '../../domain/threshold.ts';
import { type LookRow, parseFeatures, toLook, toThreshold, toWindow } from '../rows.ts';
import type { ModelInfo, Release, ReleaseModel, ReleaseStore } from '../store.ts';
import type { Database, Session, Transaction } from './connection.ts';
import { ALL } from './sensors.ts';
import { tsql, type StageTable } from './statement.ts';

export const MODELS: StageTable = {
  name: '#models',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'release_models.sensor_id' },
    { name: 'model', type: 'NVARCHAR(128)', of: 'artifacts.name' },
    { name: 'pack', type: 'NVARCHAR(128)', nullable: true, of: 'artifacts.name' },
    { name: 'pack_row', type: 'INT', nullable: true, of: 'release_models.pack_row' },
    { name: 'pool', type: 'NVARCHAR(128)', nullable: true, of: 'release_models.pool' },
    { name: 'threshold', type: 'NVARCHAR(32)', nullable: true, of: 'release_models.threshold' },
    { name: 'window_ms', type: 'BIGINT', nullable: true, of: 'release_models.window_ms' },
  ],
  key: ['sensor_id'],
};

export const INFOS: StageTable = {
  name: '#infos',
  columns: [
    { name: 'model', type: 'NVARCHAR(128)', of: 'artifacts.name' },
    { name: 'bytes', type: 'BIGINT', of: 'models.bytes' },
    { name: 'kind', type: 'NVARCHAR(128)', of: 'models.kind' },
    { name: 'features', type: 'NVARCHAR(MAX)', of: 'models.features' },
  ],
  key: ['model'],
};

const KEY = { releaseKey: 'INT' } as const;

export const RELEASE_SQL = {
  byName: tsql(
    { name: 'NVARCHAR(128)' },
    'SELECT release_key AS releaseKey, created_at_ms AS createdAtMs, models FROM releases WHERE name = @name',
  ),
  add: tsql(
    { name: 'NVARCHAR(128)', createdAtMs: 'BIGINT', models: 'INT' },
    `
    INSERT INTO releases (name, created_at_ms, models) VALUES (@name, @createdAtMs, @models)`,
  ),
  addArtifacts: tsql(
    {},
    `
    INSERT INTO artifacts (name)
    SELECT DISTINCT n.name FROM (
      SELECT model AS name FROM #infos
      UNION ALL SELECT model FROM #models
      UNION ALL SELECT pack FROM #models WHERE pack IS NOT NULL
    ) n
    WHERE NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.name = n.name)`,
  ),
  updateInfos: tsql(
    {},
    `
    UPDATE m SET m.bytes = i.bytes, m.kind = i.kind, m.features = i.features
    FROM models m INNER JOIN artifacts a ON a.id = m.model_id INNER JOIN #infos i ON i.model = a.name`,
  ),
  addInfos: tsql(
    {},
    `
    INSERT INTO models (model_id, bytes, kind, features)
    SELECT a.id, i.bytes, i.kind, i.features FROM #infos i INNER JOIN artifacts a ON a.name = i.model
    WHERE NOT EXISTS (SELECT 1 FROM models m WHERE m.model_id = a.id)`,
  ),
  undescribed: tsql(
    {},
    `
    SELECT TOP (1) sensorId, model FROM (
      SELECT n.sensor_id AS sensorId, n.model AS model
      FROM #models n INNER JOIN artifacts a ON a.name = n.model
      WHERE NOT EXISTS (SELECT 1 FROM models m WHERE m.model_id = a.id)
    ) u ORDER BY sensorId`,
  ),
  unknownSensor: tsql(
    {},
    `
    SELECT TOP (1) id FROM (
      SELECT n.sensor_id AS id FROM #models n
      WHERE NOT EXISTS (SELECT 1 FROM sensors s WHERE s.id = n.sensor_id)
    ) u ORDER BY id`,
  ),
  addModels: tsql(
    KEY,
    `
    INSERT INTO release_models (release_key, sensor_id, model_id, pack_id, pack_row, pool, threshold, window_ms)
    SELECT @releaseKey, n.sensor_id, a.id, p.id, n.pack_row, n.pool, n.threshold, n.window_ms
    FROM #models n INNER JOIN artifacts a ON a.name = n.model LEFT JOIN artifacts p ON p.name = n.pack`,
  ),
  addPools: tsql(
    KEY,
    `
    INSERT INTO release_pools (release_key, pool, sensors)
    SELECT @releaseKey, n.pool, COUNT(*) FROM #models n WHERE n.pool IS NOT NULL GROUP BY n.pool`,
  ),
  pools: tsql(KEY, 'SELECT pool, sensors FROM release_pools WHERE release_key = @releaseKey ORDER BY pool'),
  list: tsql(
    {},
    `
    SELECT name, created_at_ms AS createdAtMs, models, is_current AS [current]
    FROM releases ORDER BY created_at_ms DESC, release_key DESC`,
  ),
  listModels: tsql(
    { ...KEY, after: 'INT', limit: 'INT' },
    `
    SELECT TOP (@limit) sensorId, device, sensor, model, pack, packRow, pool, threshold, windowMs, bytes, kind, features
    FROM (
      SELECT m.sensor_id AS sensorId, s.device AS device, s.sensor AS sensor, a.name AS model, p.name AS pack,
             m.pack_row AS packRow, m.pool AS pool, m.threshold AS threshold, m.window_ms AS windowMs,
             i.bytes AS bytes, i.kind AS kind, i.features AS features
      FROM release_models m
      INNER JOIN sensors s ON s.id = m.sensor_id
      INNER JOIN artifacts a ON a.id = m.model_id
      INNER JOIN models i ON i.model_id = m.model_id
      LEFT JOIN artifacts p ON p.id = m.pack_id
      WHERE m.release_key = @releaseKey AND m.sensor_id > @after
    ) page ORDER BY sensorId`,
  ),
  windows: tsql(
    KEY,
    `
    SELECT DISTINCT m.window_ms AS ms FROM release_models m
    WHERE m.release_key = @releaseKey AND m.window_ms IS NOT NULL ORDER BY ms`,
  ),
  longestWindow: tsql({}, 'SELECT MAX(m.window_ms) AS ms FROM release_models m WHERE m.window_ms IS NOT NULL'),
  windowsOfSensor: tsql(
    { sensorId: 'INT' },
    `
    SELECT DISTINCT m.window_ms AS ms FROM releases r
    INNER JOIN release_models m ON m.release_key = r.release_key AND m.sensor_id = @sensorId
    WHERE m.window_ms IS NOT NULL ORDER BY ms`,
  ),
  looks: tsql(
    KEY,
    `
    SELECT DISTINCT i.features AS features, m.window_ms AS windowMs
    FROM release_models m INNER JOIN models i ON i.model_id = m.model_id
    WHERE m.release_key = @releaseKey`,
  ),
} as const;

interface ModelRow extends SensorKey {
  readonly sensorId: number;
  readonly model: string;
  readonly pack: string | null;
  readonly packRow: number | null;
  readonly pool: string | null;
  readonly threshold: string | null;
  readonly windowMs: string | number | null;
  readonly bytes: string | number;
  readonly kind: string;
  readonly features: string;
}

export function releaseMethods(db: Database): ReleaseStore {
  return {
    createRelease: (name, createdAtMs, models, infos) => createRelease(db, name, createdAtMs, models, infos),

    listReleases: () =>
      db.read(async (session) => {
        const rows = await session.query<Release>(RELEASE_SQL.list, {});
        return rows.map((row) => ({ ...row, createdAtMs: Number(row.createdAtMs) }));
      }),

    listReleaseModels: (release, { after = 0, limit = ALL } = {}) =>
      db.read(async (session) => {
        const key = await releaseKey(session, release);
        const rows = await session.query<ModelRow>(RELEASE_SQL.listModels, { releaseKey: key, after, limit });
        return rows.map(({ pack, packRow, pool, threshold, windowMs, features, bytes, ...row }) => ({
          ...row,
          ...(pack === null ? {} : { pack }),
          ...(packRow === null ? {} : { packRow }),
          ...(pool === null ? {} : { pool }),
          ...toThreshold(threshold),
          ...toWindow(windowMs),
          bytes: Number(bytes),
          features: parseFeatures(features),
        }));
      }),

    releaseLooks: (release) =>
      db.read(async (session) => {
        const key = { releaseKey: await releaseKey(session, release) };
        return (await session.query<LookRow>(RELEASE_SQL.looks, key)).map(toLook);
      }),

    releaseWindows: (release) =>
      db.read(async (session) => {
        const key = { releaseKey: await releaseKey(session, release) };
        const rows = await session.query<{ ms: string | number }>(RELEASE_SQL.windows, key);
        return rows.map(({ ms }) => Number(ms));
      }),

    longestWindow: () =>
      db.read(async (session) => {
        const [row] = await session.query<{ ms: string | number | null }>(RELEASE_SQL.longestWindow, {});
        return Number(row?.ms ?? 0);
      }),

    windowsOfSensor: (sensorId) =>
      db.read(async (session) => {
        const rows = await session.query<{ ms: string | number }>(RELEASE_SQL.windowsOfSensor, { sensorId });
        return rows.map(({ ms }) => Number(ms));
      }),

    releasePools: (release) =>
      db.read(async (session) =>
        session.query<{ pool: string; sensors: number }>(RELEASE_SQL.pools, {
          releaseKey: await releaseKey(session, release),
        }),
      ),
  };
}

interface ReleaseRow {
  readonly releaseKey: number;
  readonly createdAtMs: string | number;
  readonly models: number;
}

async function findRelease(session: Session, name: string): Promise<ReleaseRow | undefined> {
  return (await session.query<ReleaseRow>(RELEASE_SQL.byName, { name }))[0];
}

/** @throws FleetscoreError `RELEASE_UNKNOWN` */
export async function releaseKey(session: Session, name: string): Promise<number> {
  const found = await findRelease(session, name);
  if (!found) throw releaseUnknown(name);
  return found.releaseKey;
}

async function createRelease(
  db: Database,
  name: string,
  createdAtMs: number,
  models: readonly ReleaseModel[],
  infos: readonly ModelInfo[],
): Promise<void> {
  const seen = new Set<number>();
  for (const { sensorId } of models) {
    if (seen.has(sensorId)) throw releaseInvalid(name, `sensor ${sensorId} has two models`);
    seen.add(sensorId);
  }
  const described = new Map(infos.map((info) => [info.model, info]));
  await db.write(async (tx) => {
    const existing = await findRelease(tx, name);
    if (existing) {
      // Our own, from a try whose answer was lost?
      if (tx.attempt > 1 && Number(existing.createdAtMs) === createdAtMs && existing.models === models.length) return;
      throw releaseExists(name);
    }
    await addRelease(tx, name, createdAtMs, models, [...described.values()]);
  });
}

async function addRelease(
  tx: Transaction,
  name: string,
  createdAtMs: number,
  models: readonly ReleaseModel[],
  infos: readonly ModelInfo[],
): Promise<void> {
  await tx.stage(
    INFOS,
    infos.map((info) => [info.model, info.bytes, info.kind, JSON.stringify(info.features)]),
  );
  await tx.stage(
    MODELS,
    models.map((m) => [
      m.sensorId,
      m.model,
      m.pack ?? null,
      m.packRow ?? null,
      m.pool ?? null,
      m.threshold ? formatThreshold(m.threshold) : null,
      m.windowMs ?? null,
    ]),
  );
  await tx.run(RELEASE_SQL.addArtifacts, {});
  await tx.run(RELEASE_SQL.updateInfos, {});
  await tx.run(RELEASE_SQL.addInfos, {});
  const [undescribed] = await tx.query<{ sensorId: number; model: string }>(RELEASE_SQL.undescribed, {});
  if (undescribed)
    throw releaseInvalid(name, `nothing describes model ${undescribed.model} of sensor ${undescribed.sensorId}`);
  const [unknown] = await tx.query<{ id: number }>(RELEASE_SQL.unknownSensor, {});
  if (unknown) throw releaseInvalid(name, `sensor id ${unknown.id} is not in the sensor list`);
  await tx.run(RELEASE_SQL.add, { name, createdAtMs, models: models.length });
  const key = { releaseKey: await releaseKey(tx, name) };
  await tx.run(RELEASE_SQL.addModels, key);
  if (models.some((model) => model.pool !== undefined)) await tx.run(RELEASE_SQL.addPools, key);
}
