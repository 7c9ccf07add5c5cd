/**
 * Outcomes of sensors and the files of chunks. The first outcome of a sensor in a batch stays: a chunk that
 * is tried twice, or in halves, is counted once.
 */
import { addCounts, countOutcomes, NO_OUTCOMES, type OutcomeCounts, type SensorOutcome } from '../../domain/outcome.ts';
import { batchClosed, clipMessage } from '../failures.ts';
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
import type { ChunkResult, OutcomeStore } from '../store.ts';
import { addSignals } from './alarm-work.ts';
import { outcomeKeys } from './artifacts.ts';
import { batchCounts, batchRow } from './batches.ts';
import type { Connection } from './connection.ts';
import { ALL } from './sensors.ts';

const outcomes = (index: string): string => `
  SELECT o.sensor_id AS sensorId, s.device, s.sensor, c.name AS chunk, o.status, o.class, o.message,
         o.windows, o.anomalies, a.name AS model, o.attempt, f.worker
  FROM outcomes o ${index}
  CROSS JOIN sensors s ON s.id = o.sensor_id
  CROSS JOIN chunks c ON c.chunk_key = o.chunk_key
  LEFT JOIN artifacts a ON a.id = o.model_id
  LEFT JOIN failed_by f ON f.batch_key = o.batch_key AND f.sensor_id = o.sensor_id`;

const FILE = 'c.name AS chunk, c.blob, c.row_count AS "rows", c.bytes, c.sha256';

/** Outcomes of one statement: a call of each costs as much as the row. */
const SCORED_AT_ONCE = 50;

export const OUTCOME_SQL = {
  // Nearly always none: one look at the range instead of one at every sensor.
  recorded: `
    SELECT sensor_id AS sensorId, status, windows, anomalies FROM outcomes
    WHERE batch_key = ? AND sensor_id >= ? AND sensor_id <= ?`,
  addChunk: `
    INSERT INTO chunks (batch_key, name, blob, row_count, bytes, sha256,
                        scored, skipped, failed, cancelled, windows, anomalies, pool)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (batch_key, name) DO UPDATE SET
      row_count = CASE WHEN blob IS NULL THEN excluded.row_count ELSE row_count END,
      bytes = CASE WHEN blob IS NULL THEN excluded.bytes ELSE bytes END,
      sha256 = CASE WHEN blob IS NULL THEN excluded.sha256 ELSE sha256 END,
      blob = COALESCE(blob, excluded.blob),
      scored = scored + excluded.scored,
      skipped = skipped + excluded.skipped,
      failed = failed + excluded.failed,
      cancelled = cancelled + excluded.cancelled,
      windows = windows + excluded.windows,
      anomalies = anomalies + excluded.anomalies`,
  chunkKey: 'SELECT chunk_key AS "key" FROM chunks WHERE batch_key = ? AND name = ?',
  add: `
    INSERT INTO outcomes (batch_key, sensor_id, chunk_key, status, class, message, windows, anomalies, model_id, attempt, change_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  addScored: `
    INSERT INTO outcomes (batch_key, chunk_key, change_id, status, sensor_id, windows, anomalies, model_id, attempt)
    VALUES ${Array.from({ length: SCORED_AT_ONCE }, () => '(?1, ?2, ?3, 0, ?, ?, ?, ?, ?)').join(', ')}`,
  addFailedBy: 'INSERT INTO failed_by (batch_key, sensor_id, worker) VALUES (?, ?, ?)',
  mergeChunks: `
    INSERT INTO chunks (batch_key, name, blob, row_count, bytes, sha256,
                        scored, skipped, failed, cancelled, windows, anomalies, pool)
    SELECT batch_key, ?3, ?4, ?5, ?6, ?7, SUM(scored), SUM(skipped), SUM(failed), SUM(cancelled), SUM(windows), SUM(anomalies), MIN(pool)
    FROM chunks WHERE batch_key = ?1 AND name IN (SELECT value FROM json_each(?2)) GROUP BY batch_key`,
  moveOutcomes: `
    UPDATE outcomes SET chunk_key = ?3
    WHERE batch_key = ?1 AND chunk_key IN (
      SELECT chunk_key FROM chunks WHERE batch_key = ?1 AND name IN (SELECT value FROM json_each(?2)))`,
  dropChunks: 'DELETE FROM chunks WHERE batch_key = ?1 AND name IN (SELECT value FROM json_each(?2))',
  countOfPool: `
    SELECT SUM(status = 0) AS scored, SUM(status = 1) AS skipped, SUM(status = 2) AS failed,
           SUM(status = 3) AS cancelled, SUM(windows) AS windows, SUM(anomalies) AS anomalies
    FROM outcomes o WHERE batch_key = ? AND sensor_id >= ? AND sensor_id < ?
      AND COALESCE((SELECT q.pool FROM release_models q WHERE q.release_key = ? AND q.sensor_id = o.sensor_id), '') = ?`,
  count: `
    SELECT SUM(status = 0) AS scored, SUM(status = 1) AS skipped, SUM(status = 2) AS failed,
           SUM(status = 3) AS cancelled, SUM(windows) AS windows, SUM(anomalies) AS anomalies
    FROM outcomes WHERE batch_key = ? AND sensor_id >= ? AND sensor_id < ?`,
  list: `${outcomes('')} WHERE o.batch_key = ? AND o.sensor_id > ? ORDER BY o.sensor_id LIMIT ?`,
  listScored: `${outcomes('')} WHERE o.batch_key = ? AND o.status = 0 AND o.sensor_id > ? ORDER BY o.sensor_id LIMIT ?`,
  // status > 0 is what the index outcomes_unscored is limited to.
  listUnscored: `
    ${outcomes('INDEXED BY outcomes_unscored')} WHERE o.batch_key = ? AND o.status > 0 AND o.status = ? AND o.sensor_id > ?
    ORDER BY o.sensor_id LIMIT ?`,
  files: `
    SELECT ${FILE} FROM chunks c
    WHERE c.batch_key = ? AND c.name > ? AND c.blob IS NOT NULL ORDER BY c.name LIMIT ?`,
  // By the end of the period: what is asked for is new, and then few batches end after it.
  sources: `
    SELECT b.id AS batchId, r.name AS releaseName, a.name AS model, b.from_ms AS fromMs, b.to_ms AS toMs,
           b.finished_at_ms AS finishedAtMs, m.window_ms AS windowMs, ${FILE}
    FROM batches b
    CROSS JOIN outcomes o ON o.batch_key = b.batch_key AND o.sensor_id = ?1
    CROSS JOIN chunks c ON c.chunk_key = o.chunk_key
    CROSS JOIN releases r ON r.release_key = b.release_key
    LEFT JOIN artifacts a ON a.id = o.model_id
    LEFT JOIN release_models m ON m.release_key = b.release_key AND m.sensor_id = ?1
    WHERE +b.from_ms < ?3 AND b.to_ms > ?2 AND b.release_key > 0 AND b.manifest IS NOT NULL AND o.status = 0 AND c.blob IS NOT NULL
    ORDER BY b.started_at_ms, b.id`,
  history: `
    SELECT b.id AS batchId, b.kind, r.name AS releaseName, b.from_ms AS fromMs, b.to_ms AS toMs,
           o.status, o.class, o.windows, o.anomalies
    FROM batches b
    CROSS JOIN outcomes o ON o.batch_key = b.batch_key AND o.sensor_id = ?1
    LEFT JOIN releases r ON r.release_key = b.release_key
    WHERE +b.from_ms < ?3 AND b.to_ms > ?2 AND b.release_key > 0 AND b.finished_at_ms IS NOT NULL
    ORDER BY +b.started_at_ms DESC, b.batch_key DESC LIMIT ?4`,
} as const;

export function outcomeMethods(db: Connection): OutcomeStore {
  return {
    commitChunk: (result) => db.write(() => commitChunk(db, result)),

    mergeChunks: (batchId, chunks, file) =>
      db.write(() => {
        const { batchKey, status } = batchRow(db, batchId);
        if (status !== 'running') throw batchClosed(batchId, status);
        const names = JSON.stringify(chunks.filter((name) => name !== file.chunk));
        const { chunk, blob, rows, bytes, sha256 } = file;
        if (db.run(OUTCOME_SQL.mergeChunks, batchKey, names, chunk, blob, rows, bytes, sha256) === 0) return;
        const { key } = db.get<{ key: number }>(OUTCOME_SQL.chunkKey, batchKey, chunk)!;
        db.run(OUTCOME_SQL.moveOutcomes, batchKey, names, key);
        db.run(OUTCOME_SQL.dropChunks, batchKey, names);
      }),

    countOutcomes: (batchId, range) =>
      db.read(() => {
        const batch = batchRow(db, batchId);
        if (!range) return batchCounts(db, batch.batchKey);
        const { from, to, pool } = plannedRange(batch, range);
        if (pool === undefined) return toCounts(db.get<CountsRow>(OUTCOME_SQL.count, batch.batchKey, from, to));
        return toCounts(db.get<CountsRow>(OUTCOME_SQL.countOfPool, batch.batchKey, from, to, batch.releaseKey, pool));
      }),

    listOutcomes: (batchId, { status, after = 0, limit = ALL } = {}) =>
      db.read(() => {
        const { batchKey } = batchRow(db, batchId);
        const list = (): readonly OutcomeRecord[] => {
          if (status === undefined) return db.all<OutcomeRecord>(OUTCOME_SQL.list, batchKey, after, limit);
          if (status === 'scored') return db.all<OutcomeRecord>(OUTCOME_SQL.listScored, batchKey, after, limit);
          return db.all<OutcomeRecord>(OUTCOME_SQL.listUnscored, batchKey, statusCode(status), after, limit);
        };
        return list().map((row) => toOutcome(batchId, row));
      }),

    listFiles: (batchId, { after = '', limit = ALL } = {}) =>
      db.read(() => {
        const { batchKey } = batchRow(db, batchId);
        return db.all<FileRow>(OUTCOME_SQL.files, batchKey, after, limit).map(toFile);
      }),

    predictionSources: (sensorId, { fromMs, toMs }) =>
      db.read(() => db.all<SourceRow>(OUTCOME_SQL.sources, sensorId, fromMs, toMs).map(toSource)),

    sensorHistory: (sensorId, { fromMs, toMs }, limit) =>
      db.read(() => db.all<HistoryRow>(OUTCOME_SQL.history, sensorId, fromMs, toMs, limit).map(toHistory).reverse()),
  };
}

function commitChunk(db: Connection, result: ChunkResult): OutcomeCounts {
  const batch = batchRow(db, result.batchId);
  const { batchKey } = batch;
  if (result.outcomes.length === 0) return NO_OUTCOMES;
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { sensorId } of result.outcomes) {
    from = Math.min(from, sensorId);
    to = Math.max(to, sensorId);
  }
  const recorded = new Map(
    db.all<Recorded & { sensorId: number }>(OUTCOME_SQL.recorded, batchKey, from, to).map((old) => [old.sensorId, old]),
  );
  let kept = NO_OUTCOMES;
  const fresh = result.outcomes.filter(({ sensorId }) => {
    const old = recorded.get(sensorId);
    if (old) kept = addCounts(kept, recordedCounts(old));
    return !old;
  });
  if (fresh.length === 0) return kept;
  if (batch.status !== 'running') throw batchClosed(result.batchId, batch.status);

  const added = countOutcomes(fresh);
  const { chunk, file, changeId } = result;
  db.run(
    OUTCOME_SQL.addChunk,
    batchKey,
    chunk,
    file?.blob ?? null,
    file?.rows ?? null,
    file?.bytes ?? null,
    file?.sha256 ?? null,
    added.scored,
    added.skipped,
    added.failed,
    added.cancelled,
    added.windows,
    added.anomalies,
    result.pool || null,
  );
  const { key } = db.get<{ key: number }>(OUTCOME_SQL.chunkKey, batchKey, chunk)!;
  addOutcomes(db, { batchKey, chunkKey: key, changeId }, fresh, outcomeKeys(db, batchKey, from));
  const decidedNow = new Set(fresh.map(({ sensorId }) => sensorId));
  addSignals(
    db,
    batchKey,
    (result.signals ?? []).filter(({ sensorId }) => decidedNow.has(sensorId)),
  );
  return addCounts(kept, added);
}

/** Of sensors that have none yet. Those that were scored, nearly all, have nothing to say and are added together. */
function addOutcomes(
  db: Connection,
  { batchKey, chunkKey, changeId }: { readonly batchKey: number; readonly chunkKey: number; readonly changeId: number },
  outcomes: readonly SensorOutcome[],
  keyOf: (sensorId: number, model: string) => number,
): void {
  const scored = outcomes.filter(({ status }) => status === 'scored').length;
  let left = scored - (scored % SCORED_AT_ONCE);
  let values: (number | null)[] = [batchKey, chunkKey, changeId];
  for (const { sensorId, status, class: why, message, windows, anomalies, model, attempt, worker } of outcomes) {
    const key = model === undefined ? null : keyOf(sensorId, model);
    if (status === 'scored' && left > 0) {
      values.push(sensorId, windows, anomalies, key, attempt);
      if (--left % SCORED_AT_ONCE > 0) continue;
      db.run(OUTCOME_SQL.addScored, ...values);
      values = [batchKey, chunkKey, changeId];
      continue;
    }
    const told = [statusCode(status), why ?? null, clipMessage(message), windows, anomalies];
    db.run(OUTCOME_SQL.add, batchKey, sensorId, chunkKey, ...told, key, attempt, changeId);
    if (worker !== undefined) db.run(OUTCOME_SQL.addFailedBy, batchKey, sensorId, worker);
  }
}
