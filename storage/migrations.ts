/**
 * Numbered plain .sql files per engine, applied in order and recorded with a checksum. A file that has been applied
 * somewhere never changes: what follows is a new file. Each says in a line `-- compatible-from: N` the oldest schema
 * version whose code can still work beside it, loses nothing and misreads nothing. The highest of them is kept in the
 * store, so that code which is older than the schema knows whether it may go on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import type { MigrationState } from './store.ts';
import { sha256Of } from '../domain/sha256.ts';

export interface Migration {
  readonly version: number;
  /** File name without `.sql`: `001-core`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with \n line ends, hex. */
  readonly checksum: string;
  /** Code that knows this schema version, or a later one, works on a store that has this migration. */
  readonly compatibleFrom: number;
}

/** Setting of the store: the highest `compatibleFrom` of the migrations that were applied. */
export const COMPATIBLE_FROM_SETTING = 'schema.compatibleFrom';

/**
 * Of the files from before they said it themselves. Code from before 003 marks no late minutes, so what comes late
 * while it ingests is not scored again by itself.
 */
const UNSAID: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 3, 4: 3 };

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly appliedAtMs: number;
}

const known = new Map<string, number>();

/**
 * A worker that was running when the store was migrated must not commit readings that the new schema would take
 * otherwise: they would never be read again. It looks in the same transaction, so none slips through.
 * @param compatibleFrom value of {@link COMPATIBLE_FROM_SETTING}
 * @throws FleetscoreError `SCHEMA_TOO_NEW`
 */
export function checkOutgrown(engine: 'sqlite' | 'mssql', compatibleFrom: string | undefined, where: string): void {
  if (compatibleFrom === undefined) return;
  if (!known.has(engine)) known.set(engine, newestOf(loadMigrations(engine)));
  const ours = known.get(engine)!;
  if (Number(compatibleFrom) > ours) throw tooNew(where, undefined, ours, compatibleFrom);
}

function tooNew(
  where: string,
  newest: number | undefined,
  ours: number,
  compatibleFrom: number | string,
): FleetscoreError {
  return new FleetscoreError(
    'SCHEMA_TOO_NEW',
    `${where} was changed by a newer ` +
      `fleetscore${newest === undefined ? '' : ` to schema version ${newest}`}. ` +
      `This one knows versions up to ${ours}, ` +
      `and only one that knows version ${compatibleFrom} can work with it. ` +
      'Upgrade this fleetscore, or point it to another store.',
  );
}

/** The migrations shipped for an engine, by version. They lie beside this module, in dist/ too. */
export function loadMigrations(engine: 'sqlite' | 'mssql'): Migration[] {
  const folder = new URL(`./migrations/${engine}/`, import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^\d+-.+\.sql$/.test(file))
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
      const checksum = sha256Of(sql);
      const version = Number.parseInt(file, 10);
      // One that says nothing is compatible with nobody: the safe answer.
      const compatibleFrom = Number(/^-- compatible-from: (\d+)$/m.exec(sql)?.[1] ?? UNSAID[version] ?? version);
      return { version, name: file.slice(0, -4), sql, checksum, compatibleFrom };
    })
    .sort((a, b) => a.version - b.version);
}

/** What is applied to a store, as it says itself. */
export interface AppliedSchema {
  readonly migrations: readonly AppliedMigration[];
  /** Value of {@link COMPATIBLE_FROM_SETTING}; absent where versions from before it set the store up. */
  readonly compatibleFrom?: number;
}

const newestOf = (migrations: readonly { readonly version: number }[]): number =>
  migrations.reduce((max, { version }) => Math.max(max, version), 0);

/** For {@link COMPATIBLE_FROM_SETTING}. */
export const compatibleFromOf = (migrations: readonly Migration[]): number =>
  migrations.reduce((max, { compatibleFrom }) => Math.max(max, compatibleFrom), 0);

/**
 * What is left to apply.
 * @throws FleetscoreError `SCHEMA_TOO_NEW`, or `SCHEMA_CHANGED` when an applied file is not the one we ship
 */
export function pendingMigrations(available: readonly Migration[], applied: AppliedSchema, where: string): Migration[] {
  checkNotNewer(available, applied, where);
  for (const done of applied.migrations) {
    const shipped = available.find((migration) => migration.version === done.version);
    if (shipped && shipped.checksum !== done.checksum)
      throw new FleetscoreError(
        'SCHEMA_CHANGED',
        `${where} was set up with another text of migration ${done.name} (checksum ${done.checksum.slice(0, 12)}, ` +
          `here ${shipped.checksum.slice(0, 12)}). Use the version of fleetscore that set it up, or a fresh database.`,
      );
  }
  const versions = new Set(applied.migrations.map((done) => done.version));
  return available.filter((migration) => !versions.has(migration.version));
}

/**
 * A schema that is newer than the code is fine as long as its migrations say so. @throws FleetscoreError
 * `SCHEMA_TOO_NEW`
 */
export function checkNotNewer(available: readonly Migration[], applied: AppliedSchema, where: string): void {
  const ours = newestOf(available);
  const newest = newestOf(applied.migrations);
  const { compatibleFrom = newest } = applied;
  if (newest > ours && compatibleFrom > ours) throw tooNew(where, newest, ours, compatibleFrom);
}

/**
 * For whoever does not migrate.
 * @throws FleetscoreError `SCHEMA_TOO_NEW`, `SCHEMA_OLD` when migrations are pending
 */
export function checkCurrent(available: readonly Migration[], applied: AppliedSchema, where: string): void {
  const pending = pendingMigrations(available, applied, where);
  if (pending.length === 0) return;
  const newest = newestOf(applied.migrations);
  const had = newest === 0 ? 'has no schema yet' : `has schema version ${newest}`;
  const others =
    newest === 0
      ? ''
      : ` Afterwards only versions of fleetscore that know schema version ${compatibleFromOf(available)} or ` +
        'later work with it.';
  throw new FleetscoreError(
    'SCHEMA_OLD',
    `${where} ${had}; this fleetscore needs version ${newestOf(available)}. ` +
      `Nothing was changed: run \`fleetscore db migrate\` when it may be.${others}`,
  );
}

/** Words of SQLite and of SQL Server (errors 2705 and 2714) for what is there already. */
const THERE_ALREADY = /already exists|duplicate column name|already an object named|must be unique/i;

/**
 * Why a migration could not be applied; its transaction is rolled back. A row that was lost from the log shows itself
 * here: its migration is applied again, and finds its own tables.
 */
export function migrationFailed(migration: Migration, where: string, error: unknown): FleetscoreError {
  const message = messageOf(error);
  const remedy = THERE_ALREADY.test(message)
    ? ' What it makes is there already, so its row is missing in the table schema_migrations. ' +
      'Restore that table from a ' +
      'backup; or, when the store was in use with this migration, put the row back: INSERT INTO schema_migrations ' +
      `(version, name, checksum, applied_at_ms) VALUES (${migration.version}, '${migration.name}', ` +
      `'${migration.checksum}', 0). Then run this again.`
    : '';
  return new FleetscoreError(
    'MIGRATION_FAILED',
    `${where}: migration ${migration.name} cannot be applied: ${message}. Nothing was changed.${remedy}`,
    { cause: error, retryable: error instanceof FleetscoreError && error.retryable },
  );
}

/** Both lists as one, by version. */
export function migrationStates(
  available: readonly Migration[],
  applied: readonly AppliedMigration[],
): MigrationState[] {
  const states = new Map<number, MigrationState>();
  for (const { version, name } of available) states.set(version, { version, name, available: true });
  for (const { version, name, appliedAtMs } of applied)
    states.set(version, { version, name, available: states.has(version), appliedAtMs });
  return [...states.values()].sort((a, b) => a.version - b.version);
}
