/**
 * What came of what somebody sent and waits for: a count of events by their identifier, kept as a setting until it is
 * asked for no more. Commits of readings add to it in their own transaction, so it is never ahead of them or behind.
 */
import { addTallies, EMPTY_TALLY, sendCut, sendSetting, tallyOf, tallyText } from '../../domain/send-tally.ts';
import type { IngestCommit, IngestStore } from '../store.ts';
import type { Database, Transaction } from './connection.ts';
import { tsql } from './statement.ts';

export const SEND_SQL = {
  openSend: tsql(
    { name: 'NVARCHAR(128)', value: 'NVARCHAR(1000)' },
    `
    INSERT INTO settings (name, value)
    SELECT @name, @value WHERE NOT EXISTS (SELECT 1 FROM settings WHERE name = @name)`,
  ),
  send: tsql({ name: 'NVARCHAR(128)' }, 'SELECT value FROM settings WHERE name = @name'),
  sendToAdd: tsql({ name: 'NVARCHAR(128)' }, 'SELECT value FROM settings WITH (UPDLOCK, ROWLOCK) WHERE name = @name'),
  addToSend: tsql(
    { name: 'NVARCHAR(128)', value: 'NVARCHAR(1000)' },
    'UPDATE settings SET value = @value WHERE name = @name',
  ),
  closeSend: tsql(
    { name: 'NVARCHAR(128)', cut: 'NVARCHAR(128)' },
    `DELETE FROM settings WHERE name = @name OR (name >= N'send:' AND name < @cut)`,
  ),
} as const;

export function sendMethods(db: Database): Pick<IngestStore, 'openSend' | 'readSend' | 'closeSend'> {
  return {
    openSend: (id) =>
      db.write(async (tx) => {
        await tx.run(SEND_SQL.openSend, { name: sendSetting(id), value: tallyText(EMPTY_TALLY) });
      }),

    readSend: (id) =>
      db.read(async (session) => {
        const [row] = await session.query<{ value: string }>(SEND_SQL.send, { name: sendSetting(id) });
        return row && tallyOf(row.value);
      }),

    closeSend: (id) =>
      db.write(async (tx) => {
        await tx.run(SEND_SQL.closeSend, { name: sendSetting(id), cut: sendCut(Date.now()) });
      }),
  };
}

/** Nothing where nobody waits for the send. */
export async function addToSends(
  tx: Transaction,
  { sends = [] }: IngestCommit,
  duplicates: readonly number[],
): Promise<void> {
  for (const [i, { id, tally }] of sends.entries()) {
    const name = sendSetting(id);
    const [row] = await tx.query<{ value: string }>(SEND_SQL.sendToAdd, { name });
    if (!row) continue;
    const sum = addTallies(tallyOf(row.value), { ...tally, duplicates: duplicates[i] ?? 0 });
    await tx.run(SEND_SQL.addToSend, { name, value: tallyText(sum) });
  }
}
