/**
 * Numbered plain .sql files per engine, applied in order and recorded with a checksum. A file that has
 * been applied somewhere never changes: what follows is a new file. A database that is ahead of the code
 * is refused, because old code would write rows that the new schema does not mean.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { FleetscoreError } from '../domain/errors.ts';
import type { MigrationState } from './store.ts';

export interface Migration {
  readonly version: number;
  /** File name without `.sql`: `001-core`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with \n line ends, hex. */
  readonly checksum: string;
}

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly appliedAtMs: number;
}

/** The migrations shipped for an engine, by version. They lie beside this module, in dist/ too. */
export function loadMigrations(engine: 'sqlite' | 'mssql'): Migration[] {
  const folder = new URL(`./migrations/${engine}/`, import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^\d+-.+\.sql$/.test(file))
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
      const checksum = createHash('sha256').update(sql).digest('hex');
      return { version: Number.parseInt(file, 10), name: file.slice(0, -4), sql, checksum };
    })
    .sort((a, b) => a.version - b.version);
}

/**
 * What is left to apply.
 * @throws FleetscoreError `SCHEMA_TOO_NEW`, or `SCHEMA_CHANGED` when an applied file is not the one we ship
 */
export function pendingMigrations(
  available: readonly Migration[],
  applied: readonly AppliedMigration[],
  where: string,
): Migration[] {
  checkNotNewer(available, applied, where);
  for (const done of applied) {
    const shipped = available.find((migration) => migration.version === done.version);
    if (shipped && shipped.checksum !== done.checksum)
      throw new FleetscoreError(
        'SCHEMA_CHANGED',
        `${where} was set up with another text of migration ${done.name} (checksum ${done.checksum.slice(0, 12)}, ` +
          `here ${shipped.checksum.slice(0, 12)}). Use the version of fleetscore that set it up, or a fresh database.`,
      );
  }
  const versions = new Set(applied.map((done) => done.version));
  return available.filter((migration) => !versions.has(migration.version));
}

/** @throws FleetscoreError `SCHEMA_TOO_NEW` */
export function checkNotNewer(
  available: readonly Migration[],
  applied: readonly { readonly version: number; readonly name: string }[],
  where: string,
): void {
  const ours = available.at(-1)?.version ?? 0;
  const newest = applied.reduce((max, done) => Math.max(max, done.version), 0);
  if (newest > ours)
    throw new FleetscoreError(
      'SCHEMA_TOO_NEW',
      `${where} has schema version ${newest}, this fleetscore knows versions up to ${ours}. ` +
        `Install a fleetscore that knows version ${newest}, or point this one to another database.`,
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
