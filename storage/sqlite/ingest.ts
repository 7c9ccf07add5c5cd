/**
 * Readings into windows. The progress of a partition moves in the same transaction as its windows, and only
 * from the value the caller saw: that makes at-least-once delivery count once, and shuts out a worker that
 * has lost its partition. A window that does not change is not written, so its change number keeps telling
 * when it last did.
 */
import { addTallies, EMPTY_TALLY, sendCut, sendSetting, tallyOf, tallyText } from '../../domain/send-tally.ts';
import type { WindowUpdate } from '../../domain/window.ts';
import { progressConflict } from '../failures.ts';
import { lateMinutes, progressOf, type ProgressRow } from '../progress-rows.ts';
import type { IngestCommit, IngestStore, SendOutcome } from '../store.ts';
import { countDuplicates, mergedWindow, newWindow, readingsOf, type StoredWindow } from '../window-merge.ts';
import type { Connection } from './connection.ts';
import { reserveGuard } from './disk-reserve.ts';
import { reusableBytes } from './file.ts';
import { checkStillFits } from './schema.ts';

export const INGEST_SQL = {
  changeId: 'SELECT value FROM change_counter WHERE id = 1',
  setChangeId: 'UPDATE change_counter SET value = ? WHERE id = 1',
  addWindow: `
    INSERT INTO windows (sensor_id, start_ms, count, mean, min, max, last, last_ts, change_id, readings)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (sensor_id, start_ms) DO NOTHING`,
  window: `
    SELECT count, mean, min, max, last, last_ts AS lastTs, readings
    FROM windows WHERE sensor_id = ? AND start_ms = ?`,
  setWindow: `
    UPDATE windows SET count = ?, mean = ?, min = ?, max = ?, last = ?, last_ts = ?, change_id = ?, readings = ?
    WHERE sensor_id = ? AND start_ms = ?`,
  // Up to where batches were planned: what changes before it is late for one of them.
  plannedUpTo: 'SELECT MAX(to_ms) AS endMs FROM batches WHERE release_key > 0',
  markLate: `
    INSERT INTO late_minutes (start_ms, changed_at_ms) VALUES (?, ?)
    ON CONFLICT (start_ms) DO UPDATE SET changed_at_ms = excluded.changed_at_ms`,
  progress: 'SELECT applied_seq AS seq FROM partition_progress WHERE source = ? AND partition_id = ?',
  addProgress: `
    INSERT INTO partition_progress
      (source, partition_id, applied_seq, captured_seq, watermark_ms, readings, late, dead, updated_at_ms)
    VALUES (?, ?, -1, -1, -1, 0, 0, 0, ?)
    ON CONFLICT (source, partition_id) DO NOTHING`,
  moveProgress: `
    UPDATE partition_progress
    SET applied_seq = ?, watermark_ms = MAX(watermark_ms, ?), readings = readings + ?, late = late + ?,
        dead = dead + ?, updated_at_ms = ?, last_seq = CASE WHEN ? IS NULL THEN last_seq ELSE ? END,
        last_offset = COALESCE(?, last_offset), last_enqueued_ms = COALESCE(?, last_enqueued_ms)
    WHERE source = ? AND partition_id = ?`,
  noteHub: `
    UPDATE partition_progress SET hub_created_ms = ?, problem = ? WHERE source = ? AND partition_id = ?`,
  beginHub: `
    UPDATE partition_progress
    SET applied_seq = -1, captured_seq = -1, hub_created_ms = ?, problem = NULL, last_seq = NULL, last_offset = NULL,
        last_enqueued_ms = NULL, updated_at_ms = ?
    WHERE source = ? AND partition_id = ? AND applied_seq = ?`,
  moveCapture: `
    UPDATE partition_progress SET captured_seq = ?, updated_at_ms = ?
    WHERE source = ? AND partition_id = ? AND captured_seq < ?`,
  openSend: 'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING',
  send: 'SELECT value FROM settings WHERE name = ?',
  addToSend: 'UPDATE settings SET value = ? WHERE name = ?',
  closeSend: `DELETE FROM settings WHERE name = ? OR (name >= 'send:' AND name < ?)`,
  rewindCapture: `
    UPDATE partition_progress SET captured_seq = ? WHERE source = ? AND partition_id = ? AND captured_seq > ?`,
  listProgress: `
    SELECT source, partition_id AS "partition", applied_seq AS appliedSeq, captured_seq AS capturedSeq,
           watermark_ms AS watermarkMs, readings, late, dead, updated_at_ms AS updatedAtMs,
           hub_created_ms AS hubCreatedMs, last_seq AS lastSeq, last_offset AS lastOffset,
           last_enqueued_ms AS lastEnqueuedMs, problem
    FROM partition_progress WHERE ? IS NULL OR source = ? ORDER BY source, partition_id`,
} as const;

export function ingestMethods(db: Connection): IngestStore {
  const leaveRoom = reserveGuard(db.path, () => reusableBytes(db));
  return {
    async commitReadings(commit) {
      leaveRoom();
      // In the order of the table: neighbours share pages. The sort is stable, arrivals keep their order.
      const updates = commit.updates.toSorted((a, b) => a.sensorId - b.sensorId || a.startMs - b.startMs);
      await db.write(() => {
        checkStillFits(db);
        moveProgress(db, commit);
        writeWindows(db, (changeId) => {
          const duplicates: number[] = [];
          const changed = updates.filter((update) => applyUpdate(db, update, changeId, duplicates) > 0);
          markLate(db, changed);
          commit.sends?.forEach((outcome, i) => addToSend(db, outcome, duplicates[i] ?? 0));
          return changed.length;
        });
      });
    },

    openSend: (id) => db.write(() => void db.run(INGEST_SQL.openSend, sendSetting(id), tallyText(EMPTY_TALLY))),

    readSend: (id) =>
      db.read(() => {
        const row = db.get<{ value: string }>(INGEST_SQL.send, sendSetting(id));
        return row && tallyOf(row.value);
      }),

    closeSend: (id) => db.write(() => void db.run(INGEST_SQL.closeSend, sendSetting(id), sendCut(Date.now()))),

    commitCapture: (source, partition, capturedSeq) =>
      db.write(() => {
        const now = Date.now();
        db.run(INGEST_SQL.addProgress, source, partition, now);
        db.run(INGEST_SQL.moveCapture, capturedSeq, now, source, partition, capturedSeq);
      }),

    rewindCapture: async (source, partition, capturedSeq) => {
      await db.write(() => db.run(INGEST_SQL.rewindCapture, capturedSeq, source, partition, capturedSeq));
    },

    listProgress: (source) =>
      db
        .read(() => db.all<ProgressRow>(INGEST_SQL.listProgress, source ?? null, source ?? null))
        .then((rows) => rows.map(progressOf)),

    noteHub: (source, partition, hubCreatedMs, problem) =>
      db.write(() => {
        db.run(INGEST_SQL.addProgress, source, partition, Date.now());
        db.run(INGEST_SQL.noteHub, hubCreatedMs, problem ?? null, source, partition);
      }),

    beginHub: (source, partition, expectedSeq, hubCreatedMs) =>
      db.write(() => db.run(INGEST_SQL.beginHub, hubCreatedMs, Date.now(), source, partition, expectedSeq) === 1),
  };
}

/** Number of the newest commit that changed windows. */
export function currentChangeId(db: Connection): number {
  return db.get<{ value: number }>(INGEST_SQL.changeId)!.value;
}

/** Gives `work` the number of this commit; it is used up only when work reports a change. */
export function writeWindows(db: Connection, work: (changeId: number) => number): number {
  const changeId = currentChangeId(db) + 1;
  const changed = work(changeId);
  if (changed > 0) db.run(INGEST_SQL.setChangeId, changeId);
  return changed;
}

function markLate(db: Connection, changed: readonly WindowUpdate[]): void {
  const { endMs } = db.get<{ endMs: number | null }>(INGEST_SQL.plannedUpTo)!;
  if (endMs === null) return;
  for (const minute of lateMinutes(
    changed.map(({ startMs }) => startMs),
    endMs,
  ))
    db.run(INGEST_SQL.markLate, minute, Date.now());
}

function moveProgress(db: Connection, commit: IngestCommit): void {
  const { source, partition, expectedSeq } = commit;
  const now = Date.now();
  db.run(INGEST_SQL.addProgress, source, partition, now);
  const { seq } = db.get<{ seq: number }>(INGEST_SQL.progress, source, partition)!;
  if (seq !== expectedSeq) throw progressConflict(commit, seq);
  db.run(
    INGEST_SQL.moveProgress,
    commit.throughSeq,
    commit.watermarkMs,
    commit.readings,
    commit.late,
    commit.dead,
    now,
    commit.last?.offset ?? null,
    commit.throughSeq,
    commit.last?.offset ?? null,
    commit.last?.enqueuedMs ?? null,
    source,
    partition,
  );
}

/** Nothing where nobody waits for the send. */
function addToSend(db: Connection, { id, tally }: SendOutcome, duplicates: number): void {
  const row = db.get<{ value: string }>(INGEST_SQL.send, sendSetting(id));
  if (!row) return;
  const sum = addTallies(tallyOf(row.value), { ...tally, duplicates });
  db.run(INGEST_SQL.addToSend, tallyText(sum), sendSetting(id));
}

/** 1 when the window changed, 0 when it already held these readings. */
function applyUpdate(db: Connection, update: WindowUpdate, changeId: number, duplicates: number[]): number {
  const { sensorId, startMs } = update;
  // Most windows are new: try that first, it is one statement.
  const fresh = newWindow(update);
  if (!fresh) return 0;
  const added = db.run(
    INGEST_SQL.addWindow,
    sensorId,
    startMs,
    fresh.count,
    fresh.mean,
    fresh.min,
    fresh.max,
    fresh.last,
    fresh.lastTs,
    changeId,
    fresh.readings,
  );
  if (added === 1) {
    countDuplicates(update, undefined, duplicates);
    return 1;
  }
  const stored = db.get<StoredWindow>(INGEST_SQL.window, sensorId, startMs)!;
  if (update.from) countDuplicates(update, readingsOf(stored, startMs), duplicates);
  const next = mergedWindow(stored, update);
  if (!next) return 0;
  return db.run(
    INGEST_SQL.setWindow,
    next.count,
    next.mean,
    next.min,
    next.max,
    next.last,
    next.lastTs,
    changeId,
    next.readings,
    sensorId,
    startMs,
  );
}
