/** Files of the drop: as in the embedded store. */
import { claimDrop, type HeldDrop } from '../../domain/drop.ts';
import { DROPPED_COLUMNS, dropCounts, dropKey, readersText, toDropped, type DroppedRow } from '../dropped-rows.ts';
import type { DropStore } from '../store.ts';
import type { Database, Transaction } from './connection.ts';
import { tsql } from './statement.ts';

const ID = { id: 'NVARCHAR(128)' } as const;
const HOLDER = { holder: 'NVARCHAR(128)' } as const;
const STATE = { state: 'NVARCHAR(32)' } as const;

export const DROPPED_SQL = {
  list: tsql({ limit: 'INT' }, `SELECT TOP (@limit) ${DROPPED_COLUMNS} FROM dropped_files ORDER BY first_seq DESC`),
  listState: tsql(
    { limit: 'INT', ...STATE },
    `SELECT TOP (@limit) ${DROPPED_COLUMNS} FROM dropped_files WHERE state = @state ORDER BY first_seq DESC`,
  ),
  count: tsql({}, 'SELECT state, COUNT(*) AS n FROM dropped_files GROUP BY state'),
  highest: tsql({}, 'SELECT MAX(first_seq) AS seq FROM dropped_files'),
  applied: tsql(
    { source: 'NVARCHAR(400)' },
    'SELECT MAX(applied_seq) AS seq FROM partition_progress WHERE source = @source',
  ),
  take: tsql(ID, 'DELETE FROM dropped_files WHERE id = @id'),
  put: tsql(
    {
      ...ID,
      name: 'NVARCHAR(MAX)',
      etag: 'NVARCHAR(128)',
      form: 'NVARCHAR(128)',
      bytes: 'BIGINT',
      ...STATE,
      firstSeq: 'BIGINT',
      sendId: 'NVARCHAR(128)',
      ...HOLDER,
      heldUntilMs: 'BIGINT',
      begunMs: 'BIGINT',
      result: 'NVARCHAR(MAX)',
    },
    `
    INSERT INTO dropped_files
      (id, name, etag, form, bytes, state, first_seq, send_id, holder, held_until_ms, begun_ms, result)
    VALUES (@id, @name, @etag, @form, @bytes, @state, @firstSeq, @sendId, @holder, @heldUntilMs, @begunMs, @result)`,
  ),
  hold: tsql(
    { untilMs: 'BIGINT', ...ID, ...HOLDER },
    `UPDATE dropped_files SET held_until_ms = @untilMs
    WHERE id = @id AND holder = @holder AND state = N'reading'`,
  ),
  end: tsql(
    { ...STATE, endedMs: 'BIGINT', result: 'NVARCHAR(MAX)', ...ID, ...HOLDER },
    `UPDATE dropped_files SET state = @state, ended_ms = @endedMs, result = @result, held_until_ms = 0
    WHERE id = @id AND holder = @holder AND state = N'reading'`,
  ),
  forget: tsql(ID, `DELETE FROM dropped_files WHERE id = @id AND state <> N'reading'`),
} as const;

const LOCK = 'fleetscore-drop';
const ALL = 2 ** 31 - 1;

export function droppedMethods(db: Database): DropStore {
  return {
    listDropped: ({ state, limit = ALL } = {}) =>
      db.read(async (session) =>
        (state === undefined
          ? await session.query<DroppedRow>(DROPPED_SQL.list, { limit })
          : await session.query<DroppedRow>(DROPPED_SQL.listState, { limit, state })
        ).map(toDropped),
      ),
    countDropped: () => db.read(async (session) => dropCounts(await session.query(DROPPED_SQL.count, {}))),
    claimDropped: (version, claim) =>
      db.write(async (tx) => {
        // One claim at a time: what it decides on is true until it is written.
        await tx.lock(LOCK);
        const open = await tx.query<DroppedRow>(DROPPED_SQL.listState, { limit: ALL, state: 'reading' });
        const claimed = claimDrop(version, claim, {
          open: open.map(toDropped),
          highestFirst: seqOf(await tx.query(DROPPED_SQL.highest, {})),
          appliedSeq: seqOf(await tx.query(DROPPED_SQL.applied, { source: claim.source })),
        });
        if (claimed) await put(tx, claimed);
        return claimed;
      }),
    holdDropped: (name, holder, untilMs) =>
      db.write(async (tx) => (await tx.run(DROPPED_SQL.hold, { untilMs, id: dropKey(name), holder })) > 0),
    endDropped: (name, holder, { state, endedMs, result }) =>
      db.write(
        async (tx) =>
          (await tx.run(DROPPED_SQL.end, {
            state,
            endedMs,
            result: JSON.stringify(result),
            id: dropKey(name),
            holder,
          })) > 0,
      ),
    forgetDropped: (name) => db.write(async (tx) => (await tx.run(DROPPED_SQL.forget, { id: dropKey(name) })) > 0),
  };
}

/** A BIGINT comes as text. */
const seqOf = ([row]: readonly { readonly seq: string | number | null }[]): number => Number(row?.seq ?? -1);

async function put(tx: Transaction, file: HeldDrop): Promise<void> {
  const { name, etag, form, bytes, state, firstSeq, sendId, holder, heldUntilMs, begunMs } = file;
  const id = dropKey(name);
  await tx.run(DROPPED_SQL.take, { id });
  await tx.run(DROPPED_SQL.put, {
    id,
    name,
    etag,
    form,
    bytes,
    state,
    firstSeq,
    sendId,
    holder,
    heldUntilMs,
    begunMs,
    result: readersText(file),
  });
}
