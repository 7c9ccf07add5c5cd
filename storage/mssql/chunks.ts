/**
 * The record of one chunk: its row, and the commit of a chunk of one sensor. Fleets of a child per sensor have nothing
 * else, and there each round trip counts: no temporary table, and one look for all that has to be known.
 */
import { addCounts, countOutcomes, NO_OUTCOMES, type OutcomeCounts } from '../../domain/outcome.ts';
import { batchClosed, batchUnknown, clipMessage } from '../failures.ts';
import { recordedCounts, statusCode, type Recorded } from '../outcome-rows.ts';
import type { ChunkResult } from '../store.ts';
import { addSignals } from './alarm-work.ts';
import { COUNTS } from './batch-sql.ts';
import type { Transaction } from './connection.ts';
import { tsql } from './statement.ts';
import { LostRace } from './transient.ts';

const KEY = { batchKey: 'INT' } as const;
export const FILE = { blob: 'NVARCHAR(1000)', rowCount: 'BIGINT', bytes: 'BIGINT', sha256: 'NVARCHAR(128)' } as const;
export const CHUNK_SQL = {
  addChunk: tsql(
    { ...KEY, name: 'NVARCHAR(800)', ...FILE, ...COUNTS, pool: 'NVARCHAR(128)' },
    `
    INSERT INTO chunks (batch_key, name, blob, row_count, bytes, sha256, scored, skipped, failed,
                        cancelled, windows, anomalies, pool)
    VALUES (@batchKey, @name, @blob, @rowCount, @bytes, @sha256, @scored, @skipped, @failed,
            @cancelled, @windows, @anomalies, @pool)`,
  ),
  // In one UPDATE every expression sees the old row: a file that is there stays, all of it.
  addToChunk: tsql(
    { chunkKey: 'INT', ...FILE, ...COUNTS },
    `
    UPDATE chunks SET
      row_count = CASE WHEN blob IS NULL THEN @rowCount ELSE row_count END,
      bytes = CASE WHEN blob IS NULL THEN @bytes ELSE bytes END,
      sha256 = CASE WHEN blob IS NULL THEN @sha256 ELSE sha256 END,
      blob = CASE WHEN blob IS NULL THEN @blob ELSE blob END,
      scored = scored + @scored, skipped = skipped + @skipped, failed = failed + @failed,
      cancelled = cancelled + @cancelled, windows = windows + @windows, anomalies = anomalies + @anomalies
    WHERE chunk_key = @chunkKey`,
  ),
  // A chunk of one sensor: all that a commit has to know, in one round trip, under the lock of BATCH_SQL.share.
  lookOne: tsql(
    { id: 'NVARCHAR(128)', sensorId: 'INT', chunk: 'NVARCHAR(800)', model: 'NVARCHAR(128)' },
    `
    SELECT b.batch_key AS batchKey, b.status AS batchStatus, c.chunk_key AS chunkKey, a.id AS modelId,
           o.status AS status, o.windows AS windows, o.anomalies AS anomalies
    FROM batches b WITH (HOLDLOCK, ROWLOCK)
    LEFT JOIN chunks c ON c.batch_key = b.batch_key AND c.name = @chunk
    LEFT JOIN outcomes o ON o.batch_key = b.batch_key AND o.sensor_id = @sensorId
    LEFT JOIN artifacts a ON a.name = @model
    WHERE b.id = @id`,
  ),
  addArtifact: tsql({ model: 'NVARCHAR(128)' }, 'INSERT INTO artifacts (name) VALUES (@model)'),
  addOneFailedBy: tsql(
    { ...KEY, sensorId: 'INT', worker: 'NVARCHAR(400)' },
    'INSERT INTO failed_by (batch_key, sensor_id, worker) VALUES (@batchKey, @sensorId, @worker)',
  ),
  addOne: tsql(
    {
      ...KEY,
      sensorId: 'INT',
      chunk: 'NVARCHAR(800)',
      status: 'TINYINT',
      class: 'NVARCHAR(32)',
      message: 'NVARCHAR(1000)',
      windows: 'BIGINT',
      anomalies: 'BIGINT',
      model: 'NVARCHAR(128)',
      attempt: 'INT',
      changeId: 'BIGINT',
    },
    `
    INSERT INTO outcomes (batch_key, sensor_id, chunk_key, status, class, message, windows, anomalies, model_id,
                          attempt, change_id)
    SELECT c.batch_key, @sensorId, c.chunk_key, @status, @class, @message, @windows, @anomalies, a.id, @attempt,
           @changeId
    FROM chunks c LEFT JOIN artifacts a ON a.name = @model
    WHERE c.batch_key = @batchKey AND c.name = @chunk
      AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.batch_key = @batchKey AND o.sensor_id = @sensorId)`,
  ),
} as const;

interface LookedAt {
  readonly batchKey: number;
  readonly batchStatus: string;
  readonly chunkKey: number | null;
  readonly modelId: number | null;
  /** Null: not decided yet. */
  readonly status: number | null;
  readonly windows: string | number | null;
  readonly anomalies: string | number | null;
}

/** As `commitChunk` of outcomes.ts, of a chunk of one sensor: without temporary tables, in three round trips. */
export async function commitOne(tx: Transaction, result: ChunkResult): Promise<OutcomeCounts> {
  const { batchId: id, chunk, changeId } = result;
  const [outcome] = result.outcomes;
  const { sensorId, windows, anomalies, attempt, status, class: why = null, worker } = outcome!;
  const model = outcome!.model ?? null;
  const [look] = await tx.query<LookedAt>(CHUNK_SQL.lookOne, { id, sensorId, chunk, model });
  if (!look) throw batchUnknown(id);
  const { batchKey, batchStatus, chunkKey, modelId } = look;
  if (look.status !== null) return addCounts(NO_OUTCOMES, recordedCounts(look as Recorded));
  if (batchStatus !== 'running') throw batchClosed(id, batchStatus);

  const added = countOutcomes(result.outcomes);
  if (chunkKey === null)
    await tx.run(CHUNK_SQL.addChunk, {
      batchKey,
      name: chunk,
      ...fileValues(result, added),
      pool: result.pool || null,
    });
  else await tx.run(CHUNK_SQL.addToChunk, { chunkKey, ...fileValues(result, added) });
  if (model !== null && modelId === null) await tx.run(CHUNK_SQL.addArtifact, { model });
  const inserted = await tx.run(CHUNK_SQL.addOne, {
    batchKey,
    sensorId,
    chunk,
    status: statusCode(status),
    class: why,
    message: clipMessage(outcome!.message),
    windows,
    anomalies,
    model,
    attempt,
    changeId,
  });
  if (inserted !== 1) throw new LostRace('the outcome was added by another commit');
  if (worker !== undefined) await tx.run(CHUNK_SQL.addOneFailedBy, { batchKey, sensorId, worker });
  await addSignals(tx, batchKey, result.signals ?? []);
  return added;
}

/** Columns of a chunk: its file, and what its outcomes add. */
export const fileValues = ({ file }: Pick<ChunkResult, 'file'>, added: OutcomeCounts) => ({
  blob: file?.blob ?? null,
  rowCount: file?.rows ?? null,
  bytes: file?.bytes ?? null,
  sha256: file?.sha256 ?? null,
  ...added,
});
