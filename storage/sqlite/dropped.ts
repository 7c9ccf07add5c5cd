/** Files of the drop. */
import { claimDrop, type HeldDrop } from '../../domain/drop.ts';
import { DROPPED_COLUMNS, dropCounts, dropKey, readersText, toDropped, type DroppedRow } from '../dropped-rows.ts';
import type { DropStore } from '../store.ts';
import type { Connection } from './connection.ts';

export const DROPPED_SQL = {
  list: `SELECT ${DROPPED_COLUMNS} FROM dropped_files ORDER BY first_seq DESC LIMIT ?`,
  listState: `SELECT ${DROPPED_COLUMNS} FROM dropped_files WHERE state = ? ORDER BY first_seq DESC LIMIT ?`,
  count: 'SELECT state, count(*) AS n FROM dropped_files GROUP BY state',
  highest: 'SELECT max(first_seq) AS seq FROM dropped_files',
  applied: 'SELECT max(applied_seq) AS seq FROM partition_progress WHERE source = ?',
  put: `
    INSERT OR REPLACE INTO dropped_files
      (id, name, etag, form, bytes, state, first_seq, send_id, holder, held_until_ms, begun_ms, ended_ms, result)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)`,
  hold: `UPDATE dropped_files SET held_until_ms = ? WHERE id = ? AND holder = ? AND state = 'reading'`,
  end: `
    UPDATE dropped_files SET state = ?, ended_ms = ?, result = ?, held_until_ms = 0
    WHERE id = ? AND holder = ? AND state = 'reading'`,
  forget: `DELETE FROM dropped_files WHERE id = ? AND state <> 'reading'`,
} as const;

const ALL = -1;

export function droppedMethods(db: Connection): DropStore {
  const seqOf = (row: { readonly seq: number | null } | undefined): number => row?.seq ?? -1;
  const put = (file: HeldDrop): void => {
    const { name, etag, form, bytes, state, firstSeq, sendId, holder, heldUntilMs, begunMs } = file;
    const place = [dropKey(name), name, etag, form, bytes, state, firstSeq, sendId];
    db.run(DROPPED_SQL.put, ...place, holder, heldUntilMs, begunMs, readersText(file));
  };
  return {
    listDropped: ({ state, limit = ALL } = {}) =>
      db.read(() =>
        (state === undefined
          ? db.all<DroppedRow>(DROPPED_SQL.list, limit)
          : db.all<DroppedRow>(DROPPED_SQL.listState, state, limit)
        ).map(toDropped),
      ),
    countDropped: () => db.read(() => dropCounts(db.all(DROPPED_SQL.count))),
    claimDropped: (version, claim) =>
      db.write(() => {
        const claimed = claimDrop(version, claim, {
          open: db.all<DroppedRow>(DROPPED_SQL.listState, 'reading', ALL).map(toDropped),
          highestFirst: seqOf(db.get(DROPPED_SQL.highest)),
          appliedSeq: seqOf(db.get(DROPPED_SQL.applied, claim.source)),
        });
        if (claimed) put(claimed);
        return claimed;
      }),
    holdDropped: (name, holder, untilMs) =>
      db.write(() => db.run(DROPPED_SQL.hold, untilMs, dropKey(name), holder) > 0),
    endDropped: (name, holder, { state, endedMs, result }) =>
      db.write(() => db.run(DROPPED_SQL.end, state, endedMs, JSON.stringify(result), dropKey(name), holder) > 0),
    forgetDropped: (name) => db.write(() => db.run(DROPPED_SQL.forget, dropKey(name)) > 0),
  };
}
