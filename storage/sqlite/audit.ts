/** The log of what people did. */
import { auditTexts } from '../rows.ts';
import type { AuditEntry, AuditStore } from '../store.ts';
import type { Connection } from './connection.ts';

const COLUMNS = 'id, at_ms AS atMs, by_whom AS "by", action, target, detail, result';

export const AUDIT_SQL = {
  add: `
    INSERT INTO audit (at_ms, by_whom, action, target, detail, result) VALUES (?, ?, ?, ?, ?, ?) RETURNING ${COLUMNS}`,
  list: `SELECT ${COLUMNS} FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?`,
  ofTarget: `SELECT ${COLUMNS} FROM audit WHERE target = ? AND id < ? ORDER BY id DESC LIMIT ?`,
} as const;

export function auditMethods(db: Connection): AuditStore {
  return {
    addAudit: (entry) =>
      db.write(() => ({ ...db.get<AuditEntry>(AUDIT_SQL.add, entry.atMs, ...Object.values(auditTexts(entry)))! })),
    listAudit: ({ before = Number.MAX_SAFE_INTEGER, target, limit = 100 } = {}) =>
      db.read(() =>
        (target === undefined
          ? db.all<AuditEntry>(AUDIT_SQL.list, before, limit)
          : db.all<AuditEntry>(AUDIT_SQL.ofTarget, target, before, limit)
        ).map((row) => ({ ...row })),
      ),
  };
}
