/** Migrations of the SQL Server schema, in one transaction under an application lock: applied once, whoever starts first. */
import {
  checkNotNewer,
  loadMigrations,
  migrationStates,
  pendingMigrations,
  type AppliedMigration,
} from '../migrations.ts';
import type { Store } from '../store.ts';
import type { Database, Session } from './connection.ts';
import { tsql } from './statement.ts';

export const SCHEMA_SQL = {
  hasLog: tsql({}, `SELECT 1 AS found FROM sys.tables WHERE name = N'schema_migrations' AND schema_id = SCHEMA_ID()`),
  createLog: tsql(
    {},
    `
    CREATE TABLE schema_migrations (
      version INT NOT NULL,
      name NVARCHAR(128) NOT NULL,
      checksum NVARCHAR(128) NOT NULL,
      applied_at_ms BIGINT NOT NULL,
      CONSTRAINT pk_schema_migrations PRIMARY KEY CLUSTERED (version)
    )`,
  ),
  applied: tsql(
    {},
    'SELECT version, name, checksum, applied_at_ms AS appliedAtMs FROM schema_migrations ORDER BY version',
  ),
  record: tsql(
    { version: 'INT', name: 'NVARCHAR(128)', checksum: 'NVARCHAR(128)', now: 'BIGINT' },
    'INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (@version, @name, @checksum, @now)',
  ),
} as const;

const LOCK = 'fleetscore-migrations';

export function schemaMethods(db: Database): Pick<Store, 'migrate' | 'migrationStatus'> {
  return {
    async migrate() {
      const available = loadMigrations('mssql');
      const applied = await db.read(appliedMigrations);
      if (pendingMigrations(available, applied, db.where).length === 0) return;
      await db.write(async (tx) => {
        await tx.lock(LOCK);
        const hasLog = (await tx.query(SCHEMA_SQL.hasLog, {})).length > 0;
        if (!hasLog) await tx.script(SCHEMA_SQL.createLog.text);
        for (const { version, name, checksum, sql } of pendingMigrations(
          available,
          await appliedMigrations(tx),
          db.where,
        )) {
          await tx.script(sql);
          await tx.run(SCHEMA_SQL.record, { version, name, checksum, now: Date.now() });
        }
      });
    },
    migrationStatus: async () => migrationStates(loadMigrations('mssql'), await db.read(appliedMigrations)),
  };
}

/** @throws FleetscoreError `SCHEMA_TOO_NEW` */
export async function checkSchema(db: Database): Promise<void> {
  checkNotNewer(loadMigrations('mssql'), await db.read(appliedMigrations), db.where);
}

async function appliedMigrations(session: Session): Promise<AppliedMigration[]> {
  if ((await session.query(SCHEMA_SQL.hasLog, {})).length === 0) return [];
  const rows = await session.query<AppliedMigration>(SCHEMA_SQL.applied, {});
  return rows.map((row) => ({ ...row, appliedAtMs: Number(row.appliedAtMs) }));
}
