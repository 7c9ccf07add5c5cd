/**
 * Migrations of the SQL Server schema, in one transaction under an application lock: applied once, whoever starts
 * first.
 */
import {
  checkCurrent,
  checkNotNewer,
  checkOutgrown,
  COMPATIBLE_FROM_SETTING,
  compatibleFromOf,
  loadMigrations,
  migrationFailed,
  migrationStates,
  pendingMigrations,
  type AppliedMigration,
  type AppliedSchema,
  type Migration,
} from '../migrations.ts';
import { formatBytes } from '../../domain/bytes.ts';
import type { SchemaStore } from '../store.ts';
import type { Database, Session, Transaction } from './connection.ts';
import { isTransient } from './transient.ts';
import { tsql } from './statement.ts';

export const SCHEMA_SQL = {
  /** Everybody may see the row of the database that they are in. Azure SQL has it on. */
  withoutSnapshot: tsql(
    {},
    'SELECT COUNT(*) AS n FROM sys.databases WHERE database_id = DB_ID() AND is_read_committed_snapshot_on = 0',
  ),
  /**
   * Null where there is no maximum but the disk, -1 on Hyperscale. Everybody may ask.
   * https://learn.microsoft.com/en-us/sql/t-sql/functions/databasepropertyex-transact-sql
   */
  sizes: tsql(
    {},
    `
    SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'MaxSizeInBytes') AS BIGINT) AS maxBytes,
           SUM(CAST(FILEPROPERTY(name, 'SpaceUsed') AS BIGINT)) * 8192 AS usedBytes
    FROM sys.database_files WHERE type = 0`,
  ),
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
  compatibleFrom: tsql({ name: 'NVARCHAR(128)' }, 'SELECT value FROM settings WHERE name = @name'),
  /** Waits for a migration that is under way, and has it wait. */
  stillFits: tsql({ name: 'NVARCHAR(128)' }, 'SELECT value FROM settings WITH (HOLDLOCK) WHERE name = @name'),
  setCompatibleFrom: tsql(
    { name: 'NVARCHAR(128)', value: 'NVARCHAR(1000)' },
    'UPDATE settings SET value = @value WHERE name = @name',
  ),
  addCompatibleFrom: tsql(
    { name: 'NVARCHAR(128)', value: 'NVARCHAR(1000)' },
    'INSERT INTO settings (name, value) VALUES (@name, @value)',
  ),
  record: tsql(
    { version: 'INT', name: 'NVARCHAR(128)', checksum: 'NVARCHAR(128)', now: 'BIGINT' },
    'INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (@version, @name, @checksum, @now)',
  ),
} as const;

const LOCK = 'fleetscore-migrations';

/** Of the maximum size: from here on it is told, while there is time to do something. */
const NEARLY_FULL = 0.85;

interface Sizes {
  readonly maxBytes: number | string | null;
  readonly usedBytes: number | string | null;
}

/** What {@link FileStore.advice} says of a server. */
export async function serverAdvice(db: Database): Promise<string[]> {
  return db.read(async (session) => {
    const [snapshot] = await session.query<{ n: number }>(SCHEMA_SQL.withoutSnapshot, {});
    const [sizes] = await session.query<Sizes>(SCHEMA_SQL.sizes, {});
    const advice = [];
    if (snapshot?.n === 1)
      advice.push(
        'READ_COMMITTED_SNAPSHOT is off: readers of windows wait for ingest, and ingest for them. As an ' +
          'administrator, while no worker runs: ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON',
      );
    const [maxBytes, usedBytes] = [Number(sizes?.maxBytes ?? 0), Number(sizes?.usedBytes ?? 0)];
    if (maxBytes > 0 && usedBytes >= NEARLY_FULL * maxBytes)
      advice.push(
        `the database is nearly full: ${formatBytes(usedBytes)} of ${formatBytes(maxBytes)}. At its maximum nothing ` +
          'is written any more, and readings wait in Event Hubs. Make room with `fleetscore db prune`, or give the ' +
          'database a larger maximum size.',
      );
    return advice;
  });
}

export function schemaMethods(db: Database): SchemaStore {
  return {
    async migrate() {
      const available = loadMigrations('mssql');
      const applied = await db.read(appliedSchema);
      if (pendingMigrations(available, applied, db.where).length === 0) return [];
      return db.write(async (tx) => {
        await tx.lock(LOCK);
        const hasLog = (await tx.query(SCHEMA_SQL.hasLog, {})).length > 0;
        if (!hasLog) await tx.script(SCHEMA_SQL.createLog.text);
        const pending = pendingMigrations(available, await appliedSchema(tx), db.where);
        for (const migration of pending) await apply(tx, migration, db.where);
        if (pending.length > 0) {
          const setting = { name: COMPATIBLE_FROM_SETTING, value: String(compatibleFromOf(available)) };
          if ((await tx.run(SCHEMA_SQL.setCompatibleFrom, setting)) === 0)
            await tx.run(SCHEMA_SQL.addCompatibleFrom, setting);
        }
        return pending.map(({ name }) => name);
      });
    },
    migrationStatus: async () => migrationStates(loadMigrations('mssql'), (await db.read(appliedSchema)).migrations),
    checkSchema: async () => checkCurrent(loadMigrations('mssql'), await db.read(appliedSchema), db.where),
  };
}

async function apply(tx: Transaction, migration: Migration, where: string): Promise<void> {
  const { version, name, checksum, sql } = migration;
  try {
    await tx.script(sql);
    await tx.run(SCHEMA_SQL.record, { version, name, checksum, now: Date.now() });
  } catch (error) {
    throw isTransient(error) ? error : migrationFailed(migration, where, error);
  }
}

/** @throws FleetscoreError `SCHEMA_TOO_NEW` */
export async function checkSchema(db: Database): Promise<void> {
  checkNotNewer(loadMigrations('mssql'), await db.read(appliedSchema), db.where);
}

/** For whoever commits readings, in that transaction: see checkOutgrown. @throws FleetscoreError `SCHEMA_TOO_NEW` */
export async function checkStillFits(tx: Transaction, where: string): Promise<void> {
  const [said] = await tx.query<{ value: string }>(SCHEMA_SQL.stillFits, { name: COMPATIBLE_FROM_SETTING });
  checkOutgrown('mssql', said?.value, where);
}

async function appliedSchema(session: Session): Promise<AppliedSchema> {
  if ((await session.query(SCHEMA_SQL.hasLog, {})).length === 0) return { migrations: [] };
  const rows = await session.query<AppliedMigration>(SCHEMA_SQL.applied, {});
  const migrations = rows.map((row) => ({ ...row, appliedAtMs: Number(row.appliedAtMs) }));
  if (migrations.length === 0) return { migrations };
  const [said] = await session.query<{ value: string }>(SCHEMA_SQL.compatibleFrom, { name: COMPATIBLE_FROM_SETTING });
  return { migrations, ...(said ? { compatibleFrom: Number(said.value) } : {}) };
}
