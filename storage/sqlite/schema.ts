/** Migrations of the SQLite file: the write lock keeps several processes from applying one twice. */
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
import type { SchemaStore } from '../store.ts';
import type { Connection } from './connection.ts';
import { isBusy } from './errors.ts';

const CREATE_LOG = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at_ms INTEGER NOT NULL
  ) STRICT`;
const HAS_LOG = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`;
const APPLIED = 'SELECT version, name, checksum, applied_at_ms AS appliedAtMs FROM schema_migrations ORDER BY version';
const COMPATIBLE_FROM = 'SELECT value FROM settings WHERE name = ?';
const SET_COMPATIBLE_FROM =
  'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value';
const RECORD = 'INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (?, ?, ?, ?)';

const whereOf = (db: Connection): string => `The SQLite store ${db.path}`;

export function schemaMethods(db: Connection): SchemaStore {
  const where = whereOf(db);
  return {
    async migrate() {
      const available = loadMigrations('sqlite');
      // Look before locking: the schema is nearly always up to date, and writers need not wait for that.
      const applied = await db.read(() => appliedSchema(db));
      if (pendingMigrations(available, applied, where).length === 0) return [];
      return db.write(() => {
        db.exec(CREATE_LOG);
        const pending = pendingMigrations(available, appliedSchema(db), where);
        for (const migration of pending) apply(db, migration, where);
        if (pending.length > 0)
          db.run(SET_COMPATIBLE_FROM, COMPATIBLE_FROM_SETTING, String(compatibleFromOf(available)));
        return pending.map(({ name }) => name);
      });
    },
    migrationStatus: () => db.read(() => migrationStates(loadMigrations('sqlite'), appliedSchema(db).migrations)),
    checkSchema: async () => checkCurrent(loadMigrations('sqlite'), await db.read(() => appliedSchema(db)), where),
  };
}

function apply(db: Connection, migration: Migration, where: string): void {
  try {
    db.exec(migration.sql);
    db.run(RECORD, migration.version, migration.name, migration.checksum, Date.now());
  } catch (error) {
    throw isBusy(error) ? error : migrationFailed(migration, where, error);
  }
}

/** @throws FleetscoreError `SCHEMA_TOO_NEW` */
export async function checkSchema(db: Connection): Promise<void> {
  const applied = await db.read(() => appliedSchema(db));
  checkNotNewer(loadMigrations('sqlite'), applied, whereOf(db));
}

/** For whoever commits readings, in that transaction: see checkOutgrown. @throws FleetscoreError `SCHEMA_TOO_NEW` */
export function checkStillFits(db: Connection): void {
  checkOutgrown('sqlite', db.get<{ value: string }>(COMPATIBLE_FROM, COMPATIBLE_FROM_SETTING)?.value, whereOf(db));
}

function appliedSchema(db: Connection): AppliedSchema {
  const migrations = db.get(HAS_LOG) ? db.all<AppliedMigration>(APPLIED) : [];
  const said = migrations.length > 0 ? db.get<{ value: string }>(COMPATIBLE_FROM, COMPATIBLE_FROM_SETTING) : undefined;
  return { migrations, ...(said ? { compatibleFrom: Number(said.value) } : {}) };
}
