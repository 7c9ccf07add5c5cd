/** Outcomes of sensors and the files of chunks: bulk copied, and the first outcome of a sensor in a batch stays. */
import { addCounts, countOutcomes, NO_OUTCOMES, type OutcomeCounts } from '../../domain/outcome.ts';
import { batchClosed, batchUnknown, clipMessage } from '../failures.ts';
import { plannedRange } from '../batch-rows.ts';
import {
  recordedCounts,
  statusCode,
  toCounts,
  toFile,
  toHistory,
  toOutcome,
  toSource,
  type CountsRow,
  type FileRow,
  type HistoryRow,
  type OutcomeRecord,
  type Recorded,
  type SourceRow,
} from '../outcome-rows.ts';
import { plannedKeys } from '../planned-models.ts';
import type { ChunkResult, OutcomeStore } from '../store.ts';
import { addSignals } from './alarm-work.ts';
import { batchCounts, batchRow } from './batches.ts';
import { BATCH_SQL } from './batch-sql.ts';
import type { Database, Transaction } from './connection.ts';
import { CHUNK_SQL, commitOne, FILE, fileValues } from './chunks.ts';
import { LostRace } from './transient.ts';
import { ALL } from './sensors.ts';
import { tsql, type StageTable } from './statement.ts';

export const DECIDED: StageTable = {
  name: '#decided',
  columns: [
    { name: 'sensor_id', type: 'INT', of: 'outcomes.sensor_id' },
    { name: 'status', type: 'TINYINT', of: 'outcomes.status' },
    { name: 'class', type: 'NVARCHAR(32)', nullable: true, of: 'outcomes.class' },
    { name: 'message', type: 'NVARCHAR(1000)', nullable: true, of: 'outcomes.message' },
    { name: 'windows', type: 'BIGINT', of: 'outcomes.windows' },
    { name: 'anomalies', type: 'BIGINT', of: 'outcomes.anomalies' },
    { name: 'model_id', type: 'INT', nullable: true, of: 'outcomes.model_id' },
    // Where its key is not known.
    { name: 'model', type: 'NVARCHAR(128)', nullable: true, of: 'artifacts.name' },
    { name: 'attempt', type: 'INT', of: 'outcomes.attempt' },
    { name: 'worker', type: 'NVARCHAR(400)', nullable: true, of: 'failed_by.worker' },
  ],
  key: ['sensor_id'],
};

/** Names of chunks that become one. */
const MERGED: StageTable = {
  name: '#merged',
  columns: [{ name: 'name', type: 'NVARCHAR(800)', of: 'chunks.name' }],
  key: ['name'],
};

const KEY = { batchKey: 'INT' } as const;
const PAGE = { ...KEY, after: 'INT', limit: 'INT' } as const;

const outcomes = (where: string): string => `
    SELECT TOP (@limit) sensorId, device, sensor, chunk, status, class, message, windows, anomalies, model, attempt, worker FROM (
      SELECT o.sensor_id AS sensorId, s.device AS device, s.sensor AS sensor, c.name AS chunk, o.status AS status,
             o.class AS class, o.message AS message, o.windows AS windows, o.anomalies AS anomalies, a.name AS model,
             o.attempt AS attempt, f.worker AS worker
      FROM outcomes o
      INNER JOIN sensors s ON s.id = o.sensor_id
      INNER JOIN chunks c ON c.chunk_key = o.chunk_key
      LEFT JOIN artifacts a ON a.id = o.model_id
      LEFT JOIN failed_by f ON f.batch_key = o.batch_key AND f.sensor_id = o.sensor_id
      WHERE o.batch_key = @batchKey AND o.sensor_id > @after${where}
    ) page ORDER BY sensorId`;

export const OUTCOME_SQL = {
  recorded: tsql(
    KEY,
    `
    SELECT o.sensor_id AS sensorId, o.status AS status, o.windows AS windows, o.anomalies AS anomalies
    FROM #decided d INNER JOIN outcomes o ON o.batch_key = @batchKey AND o.sensor_id = d.sensor_id`,
  ),
  chunkKey: tsql(
    { ...KEY, name: 'NVARCHAR(800)' },
    `
    SELECT chunk_key AS chunkKey FROM chunks WHERE batch_key = @batchKey AND name = @name`,
  ),
  mergeChunks: tsql(
    { ...KEY, name: 'NVARCHAR(800)', ...FILE },
    `
    INSERT INTO chunks (batch_key, name, blob, row_count, bytes, sha256, scored, skipped, failed, cancelled, windows, anomalies, pool)
    SELECT c.batch_key, @name, @blob, @rowCount, @bytes, @sha256, SUM(c.scored), SUM(c.skipped), SUM(c.failed), SUM(c.cancelled),
           SUM(c.windows), SUM(c.anomalies), MIN(c.pool)
    FROM #merged m INNER JOIN chunks c ON c.batch_key = @batchKey AND c.name = m.name
    GROUP BY c.batch_key`,
  ),
  moveOutcomes: tsql(
    { ...KEY, chunkKey: 'INT' },
    `
    UPDATE o SET o.chunk_key = @chunkKey
    FROM outcomes o INNER JOIN chunks c ON c.chunk_key = o.chunk_key INNER JOIN #merged m ON m.name = c.name
    WHERE o.batch_key = @batchKey AND c.batch_key = @batchKey`,
  ),
  dropChunks: tsql(
    KEY,
    `
    DELETE FROM chunks WHERE batch_key = @batchKey AND name IN (SELECT m.name FROM #merged m)`,
  ),
  addArtifacts: tsql(
    {},
    `
    INSERT INTO artifacts (name)
    SELECT DISTINCT d.model FROM #decided d
    WHERE d.model IS NOT NULL AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.name = d.model)`,
  ),
  add: tsql(
    { ...KEY, chunkKey: 'INT', changeId: 'BIGINT' },
    `
    INSERT INTO outcomes (batch_key, sensor_id, chunk_key, status, class, message, windows, anomalies, model_id, attempt, change_id)
    SELECT @batchKey, d.sensor_id, @chunkKey, d.status, d.class, d.message, d.windows, d.anomalies, COALESCE(d.model_id, a.id), d.attempt, @changeId
    FROM #decided d LEFT JOIN artifacts a ON a.name = d.model
    WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.batch_key = @batchKey AND o.sensor_id = d.sensor_id)`,
  ),
  // Before `add`: only for sensors that have no outcome yet.
  addFailedBy: tsql(
    KEY,
    `
    INSERT INTO failed_by (batch_key, sensor_id, worker)
    SELECT @batchKey, d.sensor_id, d.worker FROM #decided d
    WHERE d.worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.batch_key = @batchKey AND o.sensor_id = d.sensor_id)`,
  ),
  count: tsql(
    { ...KEY, fromId: 'INT', toId: 'INT' },
    `
    SELECT SUM(CASE WHEN status = 0 THEN 1 ELSE 0 END) AS scored, SUM(CASE WHEN status = 1 THEN 1 ELSE 0 END) AS skipped,
           SUM(CASE WHEN status = 2 THEN 1 ELSE 0 END) AS failed, SUM(CASE WHEN status = 3 THEN 1 ELSE 0 END) AS cancelled,
           SUM(windows) AS windows, SUM(anomalies) AS anomalies
    FROM outcomes WHERE batch_key = @batchKey AND sensor_id >= @fromId AND sensor_id < @toId`,
  ),
  countOfPool: tsql(
    { ...KEY, fromId: 'INT', toId: 'INT', releaseKey: 'INT', pool: 'NVARCHAR(128)' },
    `
    SELECT SUM(CASE WHEN o.status = 0 THEN 1 ELSE 0 END) AS scored, SUM(CASE WHEN o.status = 1 THEN 1 ELSE 0 END) AS skipped,
           SUM(CASE WHEN o.status = 2 THEN 1 ELSE 0 END) AS failed, SUM(CASE WHEN o.status = 3 THEN 1 ELSE 0 END) AS cancelled,
           SUM(o.windows) AS windows, SUM(o.anomalies) AS anomalies
    FROM outcomes o LEFT JOIN release_models q ON q.release_key = @releaseKey AND q.sensor_id = o.sensor_id
    WHERE o.batch_key = @batchKey AND o.sensor_id >= @fromId AND o.sensor_id < @toId AND ISNULL(q.pool, N'') = @pool`,
  ),
  list: tsql(PAGE, outcomes('')),
  listScored: tsql(PAGE, outcomes(' AND o.status = 0')),
  // status > 0 is what the index outcomes_unscored is limited to.
  listUnscored: tsql({ ...PAGE, status: 'TINYINT' }, outcomes(' AND o.status > 0 AND o.status = @status')),
  files: tsql(
    { ...KEY, after: 'NVARCHAR(800)', limit: 'INT' },
    `
    SELECT TOP (@limit) chunk, blob, [rows], bytes, sha256 FROM (
      SELECT c.name AS chunk, c.blob AS blob, c.row_count AS [rows], c.bytes AS bytes, c.sha256 AS sha256
      FROM chunks c WHERE c.batch_key = @batchKey AND c.name > @after AND c.blob IS NOT NULL
    ) page ORDER BY chunk`,
  ),
  sources: tsql(
    { sensorId: 'INT', fromMs: 'BIGINT', toMs: 'BIGINT' },
    `
    SELECT b.id AS batchId, r.name AS releaseName, a.name AS model, b.from_ms AS fromMs, b.to_ms AS toMs,
           b.finished_at_ms AS finishedAtMs, c.name AS chunk, c.blob AS blob, c.row_count AS [rows], c.bytes AS bytes,
           c.sha256 AS sha256, m.window_ms AS windowMs
    FROM batches b
    INNER JOIN outcomes o WITH (FORCESEEK (pk_outcomes (batch_key, sensor_id)))
      ON o.batch_key = b.batch_key AND o.sensor_id = @sensorId
    INNER JOIN chunks c ON c.chunk_key = o.chunk_key
    INNER JOIN releases r ON r.release_key = b.release_key
    LEFT JOIN artifacts a ON a.id = o.model_id
    LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = @sensorId
    WHERE b.from_ms < @toMs AND b.to_ms > @fromMs AND b.manifest IS NOT NULL AND o.status = 0 AND c.blob IS NOT NULL
    ORDER BY b.started_at_ms, b.id`,
  ),
  history: tsql(
    { sensorId: 'INT', fromMs: 'BIGINT', toMs: 'BIGINT', limit: 'INT' },
    `
    SELECT TOP (@limit) batchId, kind, releaseName, fromMs, toMs, status, class, windows, anomalies FROM (
      SELECT b.id AS batchId, b.kind AS kind, r.name AS releaseName, b.from_ms AS fromMs, b.to_ms AS toMs,
             o.status AS status, o.class AS class, o.windows AS windows, o.anomalies AS anomalies,
             b.started_at_ms AS startedAtMs, b.batch_key AS batchKey
      FROM batches b
      INNER JOIN outcomes o WITH (FORCESEEK (pk_outcomes (batch_key, sensor_id)))
        ON o.batch_key = b.batch_key AND o.sensor_id = @sensorId
      LEFT JOIN releases r ON r.release_key = b.release_key
      WHERE b.from_ms < @toMs AND b.to_ms > @fromMs AND b.release_key > 0 AND b.finished_at_ms IS NOT NULL
    ) page ORDER BY startedAtMs DESC, batchKey DESC`,
  ),
} as const;

export function outcomeMethods(db: Database): OutcomeStore {
  return {
    commitChunk: (result) =>
      db.write((tx) => (result.outcomes.length === 1 ? commitOne(tx, result) : commitChunk(db, tx, result))),

    mergeChunks: (batchId, chunks, file) =>
      db.write(async (tx) => {
        const [batch] = await tx.query<{ batchKey: number; status: string }>(BATCH_SQL.share, { id: batchId });
        if (!batch) throw batchUnknown(batchId);
        if (batch.status !== 'running') throw batchClosed(batchId, batch.status);
        const { batchKey } = batch;
        const { chunk: name, blob, rows: rowCount, bytes, sha256 } = file;
        await tx.stage(
          MERGED,
          chunks.filter((one) => one !== name).map((one) => [one]),
        );
        const values = { batchKey, name, blob, rowCount, bytes, sha256 };
        if ((await tx.run(OUTCOME_SQL.mergeChunks, values)) === 0) return;
        const [row] = await tx.query<{ chunkKey: number }>(OUTCOME_SQL.chunkKey, { batchKey, name });
        await tx.run(OUTCOME_SQL.moveOutcomes, { batchKey, chunkKey: row!.chunkKey });
        await tx.run(OUTCOME_SQL.dropChunks, { batchKey });
      }),

    countOutcomes: (batchId, range) =>
      db.read(async (session) => {
        const batch = await batchRow(session, batchId);
        const { batchKey } = batch;
        if (!range) return batchCounts(session, batchKey);
        const { from, to, pool } = plannedRange(batch, range);
        const values = { batchKey, fromId: from, toId: to };
        const rows =
          pool === undefined
            ? await session.query<CountsRow>(OUTCOME_SQL.count, values)
            : await session.query<CountsRow>(OUTCOME_SQL.countOfPool, {
                ...values,
                releaseKey: batch.releaseKey,
                pool,
              });
        return toCounts(rows[0]);
      }),

    listOutcomes: (batchId, { status, after = 0, limit = ALL } = {}) =>
      db.read(async (session) => {
        const { batchKey } = await batchRow(session, batchId);
        const page = { batchKey, after, limit };
        const list = (): Promise<readonly OutcomeRecord[]> => {
          if (status === undefined) return session.query<OutcomeRecord>(OUTCOME_SQL.list, page);
          if (status === 'scored') return session.query<OutcomeRecord>(OUTCOME_SQL.listScored, page);
          return session.query<OutcomeRecord>(OUTCOME_SQL.listUnscored, { ...page, status: statusCode(status) });
        };
        return (await list()).map((row) => toOutcome(batchId, row));
      }),

    listFiles: (batchId, { after = '', limit = ALL } = {}) =>
      db.read(async (session) => {
        const { batchKey } = await batchRow(session, batchId);
        return (await session.query<FileRow>(OUTCOME_SQL.files, { batchKey, after, limit })).map(toFile);
      }),

    predictionSources: (sensorId, { fromMs, toMs }) =>
      db.read(async (session) =>
        (await session.query<SourceRow>(OUTCOME_SQL.sources, { sensorId, fromMs, toMs })).map(toSource),
      ),

    sensorHistory: (sensorId, { fromMs, toMs }, limit) =>
      db.read(async (session) =>
        (await session.query<HistoryRow>(OUTCOME_SQL.history, { sensorId, fromMs, toMs, limit }))
          .map(toHistory)
          .reverse(),
      ),
  };
}

async function commitChunk(db: Database, tx: Transaction, result: ChunkResult): Promise<OutcomeCounts> {
  const [batch] = await tx.query<{ batchKey: number; status: string }>(BATCH_SQL.share, { id: result.batchId });
  if (!batch) throw batchUnknown(result.batchId);
  const { batchKey } = batch;
  const keyOf = plannedKeys(db, batchKey, result.outcomes[0]?.sensorId ?? 0);
  let unknown = false;
  await tx.stage(
    DECIDED,
    result.outcomes.map((o) => {
      const key = o.model === undefined ? undefined : keyOf(o.sensorId, o.model);
      const model = key === undefined ? (o.model ?? null) : null;
      unknown ||= model !== null;
      return [
        o.sensorId,
        statusCode(o.status),
        o.class ?? null,
        clipMessage(o.message),
        o.windows,
        o.anomalies,
        key ?? null,
        model,
        o.attempt,
        o.worker ?? null,
      ];
    }),
  );
  const old = await tx.query<Recorded & { sensorId: number }>(OUTCOME_SQL.recorded, { batchKey });
  const kept = old.map(recordedCounts).reduce(addCounts, NO_OUTCOMES);
  const known = new Set(old.map(({ sensorId }) => sensorId));
  const fresh = result.outcomes.filter(({ sensorId }) => !known.has(sensorId));
  if (fresh.length === 0) return kept;
  if (batch.status !== 'running') throw batchClosed(result.batchId, batch.status);

  const added = countOutcomes(fresh);
  const chunkKey = await addChunk(tx, batchKey, result, added);
  if (unknown) await tx.run(OUTCOME_SQL.addArtifacts, {});
  if (fresh.some((o) => o.worker !== undefined)) await tx.run(OUTCOME_SQL.addFailedBy, { batchKey });
  const inserted = await tx.run(OUTCOME_SQL.add, { batchKey, chunkKey, changeId: result.changeId });
  // Another commit decided some of these sensors after we looked: begin again, now they are known.
  if (inserted !== fresh.length) throw new LostRace(`${fresh.length - inserted} outcomes were added by another commit`);
  const decidedNow = new Set(fresh.map(({ sensorId }) => sensorId));
  await addSignals(
    tx,
    batchKey,
    (result.signals ?? []).filter(({ sensorId }) => decidedNow.has(sensorId)),
  );
  return addCounts(kept, added);
}

async function addChunk(tx: Transaction, batchKey: number, result: ChunkResult, added: OutcomeCounts): Promise<number> {
  const { chunk, pool } = result;
  const values = fileValues(result, added);
  const find = async (): Promise<number | undefined> =>
    (await tx.query<{ chunkKey: number }>(OUTCOME_SQL.chunkKey, { batchKey, name: chunk }))[0]?.chunkKey;
  const existing = await find();
  if (existing !== undefined) {
    await tx.run(CHUNK_SQL.addToChunk, { chunkKey: existing, ...values });
    return existing;
  }
  await tx.run(CHUNK_SQL.addChunk, { batchKey, name: chunk, ...values, pool: pool || null });
  return (await find())!;
}
