/** The log of what people did: as in the embedded store. */
import { auditTexts } from '../rows.ts';
import type { AuditEntry, AuditStore } from '../store.ts';
import type { Database } from './connection.ts';
import { tsql } from './statement.ts';

const COLUMNS = 'id, at_ms AS atMs, by_whom AS [by], action, target, detail, result';
const PAGE = { before: 'INT', limit: 'INT' } as const;

export const AUDIT_SQL = {
  add: tsql(
    {
      atMs: 'BIGINT',
      by: 'NVARCHAR(400)',
      action: 'NVARCHAR(32)',
      target: 'NVARCHAR(400)',
      detail: 'NVARCHAR(1000)',
      result: 'NVARCHAR(1000)',
    },
    `
    INSERT INTO audit (at_ms, by_whom, action, target, detail, result)
    VALUES (@atMs, @by, @action, @target, @detail, @result)`,
  ),
  list: tsql(PAGE, `SELECT TOP (@limit) ${COLUMNS} FROM audit WHERE id < @before ORDER BY id DESC`),
  ofTarget: tsql(
    { ...PAGE, target: 'NVARCHAR(400)' },
    `SELECT TOP (@limit) ${COLUMNS} FROM audit WHERE target = @target AND id < @before ORDER BY id DESC`,
  ),
} as const;

type AuditRow = Omit<AuditEntry, 'id' | 'atMs'> & { readonly id: string; readonly atMs: string };

const toEntry = (row: AuditRow): AuditEntry => ({ ...row, id: Number(row.id), atMs: Number(row.atMs) });

const LOCK = 'fleetscore-audit';
const MAX_ID = 2 ** 31 - 1;

export function auditMethods(db: Database): AuditStore {
  return {
    addAudit: (entry) =>
      db.write(async (tx) => {
        const texts = auditTexts(entry);
        // The newest entry is the one that was just added: nobody else adds one meanwhile.
        await tx.lock(LOCK);
        await tx.run(AUDIT_SQL.add, { atMs: entry.atMs, ...texts });
        const [row] = await tx.query<AuditRow>(AUDIT_SQL.list, { before: MAX_ID, limit: 1 });
        return toEntry(row!);
      }),
    listAudit: ({ before = MAX_ID, target, limit = 100 } = {}) =>
      db.read(async (session) =>
        (target === undefined
          ? await session.query<AuditRow>(AUDIT_SQL.list, { before, limit })
          : await session.query<AuditRow>(AUDIT_SQL.ofTarget, { before, limit, target })
        ).map(toEntry),
      ),
  };
}
