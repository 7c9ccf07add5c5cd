/** Migrations of the SQLite file: the write lock keeps several processes from applying one twice. */
import {
  checkNotNewer,
  loadMigrations,
  migrationStates,
  pendingMigrations,
  type AppliedMigration,
} from '../migrations.ts';
import type { Store } from '../store.ts';
import type { Connection } from './connection.ts';

const CREATE_LOG = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at_ms INTEGER NOT NULL
  ) STRICT`;
const HAS_LOG = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`;
const APPLIED = 'SELECT version, name, checksum, applied_at_ms AS appliedAtMs FROM schema_migrations ORDER BY version';
const RECORD = 'INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (?, ?, ?, ?)';

export function schemaMethods(db: Connection): Pick<Store, 'migrate' | 'migrationStatus'> {
  const where = `The SQLite store ${db.path}`;
  return {
    async migrate() {
      const available = loadMigrations('sqlite');
      // Look before locking: the schema is nearly always up to date, and writers need not wait for that.
      const applied = await db.read(() => appliedMigrations(db));
      if (pendingMigrations(available, applied, where).length === 0) return;
      await db.write(() => {
        db.exec(CREATE_LOG);
        for (const migration of pendingMigrations(available, appliedMigrations(db), where)) {
          db.exec(migration.sql);
          db.run(RECORD, migration.version, migration.name, migration.checksum, Date.now());
        }
      });
    },
    migrationStatus: () => db.read(() => migrationStates(loadMigrations('sqlite'), appliedMigrations(db))),
  };
}

/** @throws FleetscoreError `SCHEMA_TOO_NEW` */
export async function checkSchema(db: Connection): Promise<void> {
  const applied = await db.read(() => appliedMigrations(db));
  checkNotNewer(loadMigrations('sqlite'), applied, `The SQLite store ${db.path}`);
}

function appliedMigrations(db: Connection): AppliedMigration[] {
  return db.get(HAS_LOG) ? db.all<AppliedMigration>(APPLIED) : [];
}
