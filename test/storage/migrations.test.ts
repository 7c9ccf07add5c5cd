/** Migrations are applied in order, once, and never past what the code knows. */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { loadMigrations, pendingMigrations, type Migration } from '../../storage/migrations.ts';
import { openStore } from '../../storage/open-store.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('migrations');
const file = (name: string): string => join(dir, `${name}.db`);
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (e: { code?: unknown }) => e.code,
  );

test.each(['sqlite', 'mssql'] as const)('the files of %s are numbered from 1 without gaps', (engine) => {
  expect(loadMigrations(engine).map((m) => m.version)).toEqual(loadMigrations(engine).map((_, i) => i + 1));
});

test('both engines have the same migrations, tables and columns', () => {
  expect(loadMigrations('mssql').map((m) => m.name)).toEqual(loadMigrations('sqlite').map((m) => m.name));
  const columns = (engine: 'sqlite' | 'mssql'): string[] =>
    loadMigrations(engine).flatMap(({ sql }) =>
      [...sql.matchAll(/CREATE TABLE (\w+) \(\n([\s\S]*?)\n\)/g)]
        .flatMap(([, table, body]) =>
          [...body!.matchAll(/^ {2}\[?([a-z]\w*)\]? /gm)].map(([, column]) => `${table}.${column}`),
        )
        // A table of one column may stand on one line.
        .concat(
          [...sql.matchAll(/CREATE TABLE (\w+) \((\w+) [^\n]*\)/g)].map(([, table, column]) => `${table}.${column}`),
        )
        .concat(
          [...sql.matchAll(/ALTER TABLE (\w+) ADD (?:COLUMN )?(\w+) /g)].map(
            ([, table, column]) => `${table}.${column}`,
          ),
        ),
    );
  const own = (name: string): boolean => !name.startsWith('change_counter.');
  expect(columns('mssql').sort()).toEqual(columns('sqlite').filter(own).sort());
});

test('what is pending is what is not applied, in order', () => {
  const migration = (version: number): Migration => ({
    version,
    name: `00${version}-x`,
    sql: '',
    checksum: `sum${version}`,
    compatibleFrom: version,
  });
  const applied = (version: number, checksum = `sum${version}`) => ({
    version,
    name: `00${version}-x`,
    checksum,
    appliedAtMs: 0,
  });
  const three = [1, 2, 3].map(migration);
  const pending = (...migrations: ReturnType<typeof applied>[]): number[] =>
    pendingMigrations(three, { migrations }, 'db').map((m) => m.version);
  expect(pending()).toEqual([1, 2, 3]);
  expect(pending(applied(1), applied(2))).toEqual([3]);
  expect(() => pending(applied(1, 'other'))).toThrow(/another text of migration 001-x/);
  // Nobody said who may work with what is newer, so nobody may.
  expect(() => pending(applied(4))).toThrow(
    /db was changed by a newer fleetscore to schema version 4. This one knows versions up to 3/,
  );
  const newer = (compatibleFrom: number) => () =>
    pendingMigrations(three, { migrations: [1, 2, 3, 4].map((v) => applied(v)), compatibleFrom }, 'db');
  expect(newer(3)()).toEqual([]);
  expect(newer(4)).toThrow(/only one that knows version 4 can work with it/);
});

test.each(['sqlite', 'mssql'] as const)('each file of %s since 005 says who may work beside it', (engine) => {
  for (const { name, version, sql, compatibleFrom } of loadMigrations(engine)) {
    if (version > 4) expect([name, sql]).toEqual([name, expect.stringMatching(/^-- compatible-from: \d+$/m)]);
    expect(compatibleFrom).toBeLessThanOrEqual(version);
    expect(compatibleFrom).toBe(loadMigrations('sqlite').find((m) => m.version === version)?.compatibleFrom);
  }
});

/** As a later version would leave it, which says that only those who know `compatibleFrom` may go on. */
function migrateFurther(path: string, compatibleFrom: number): void {
  const db = new DatabaseSync(path);
  db.exec(`INSERT INTO schema_migrations VALUES (999, '999-later', 'x', 0);
    UPDATE settings SET value = '${compatibleFrom}' WHERE name = 'schema.compatibleFrom'`);
  db.close();
}

test('a schema that has become too new is refused before anything is read or written', async () => {
  const store = await openStore(`sqlite:${file('future')}`);
  await store.migrate();
  migrateFurther(file('future'), 999);
  expect(await store.migrationStatus()).toContainEqual({
    version: 999,
    name: '999-later',
    available: false,
    appliedAtMs: 0,
  });
  expect(await codeOf(store.migrate())).toBe('SCHEMA_TOO_NEW');
  expect(await codeOf(store.checkSchema())).toBe('SCHEMA_TOO_NEW');
  // A worker that was running all the time: its readings stay in the hub for one that knows the schema.
  const commit = { source: 'h', partition: '0', watermarkMs: 1, readings: 0, late: 0, dead: 0, updates: [] };
  expect(await codeOf(store.commitReadings({ ...commit, expectedSeq: -1, throughSeq: 3 }))).toBe('SCHEMA_TOO_NEW');
  expect(await store.listProgress()).toEqual([]);
  await store.close();
  expect(await codeOf(openStore(`sqlite:${file('future')}`))).toBe('SCHEMA_TOO_NEW');
});

test('a newer schema that only grew is worked with', async () => {
  const running = await openStore(`sqlite:${file('grown')}`);
  await running.migrate();
  migrateFurther(file('grown'), loadMigrations('sqlite').length);
  const started = await openStore(`sqlite:${file('grown')}`);
  for (const store of [running, started]) {
    await store.checkSchema();
    expect(await store.migrate()).toEqual([]);
    await store.registerSensors([{ device: 'd', sensor: 's' }]);
    await store.close();
  }
});

test('whoever does not migrate is told to, and changes nothing', async () => {
  const db = new DatabaseSync(file('old'));
  const first = loadMigrations('sqlite')[0]!;
  db.exec(first.sql);
  db.exec(`CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, checksum TEXT, applied_at_ms INTEGER);
    INSERT INTO schema_migrations VALUES (1, '${first.name}', '${first.checksum}', 0)`);
  const store = await openStore(`sqlite:${file('old')}`);
  await expect(store.checkSchema()).rejects.toMatchObject({
    code: 'SCHEMA_OLD',
    message: expect.stringMatching(
      /has schema version 1; this fleetscore needs version \d+\. Nothing was changed: run `fleetscore db migrate`/,
    ),
  });
  expect((await store.migrationStatus()).filter((m) => m.appliedAtMs !== undefined)).toHaveLength(1);
  const [one, other] = await Promise.all([store.migrate(), store.migrate()]);
  // Each says what it did itself.
  expect([...one, ...other]).toEqual(
    loadMigrations('sqlite')
      .slice(1)
      .map((m) => m.name),
  );
  await store.checkSchema();
  await store.close();
  db.close();
});

test('a row that was lost from the log of migrations is told, with the statement that puts it back', async () => {
  const store = await openStore(`sqlite:${file('lost')}`);
  await store.migrate();
  const db = new DatabaseSync(file('lost'));
  db.exec('DELETE FROM schema_migrations WHERE version = 2');
  const error = (await store.migrate().catch((e: unknown) => e)) as Error & { code: string };
  expect(error.code).toBe('MIGRATION_FAILED');
  expect(error.message).toContain('002-pools cannot be applied');
  db.exec(/INSERT INTO schema_migrations .*?\)(?=\. Then)/.exec(error.message)![0]);
  expect(await store.migrate()).toEqual([]);
  await store.checkSchema();
  db.close();
  await store.close();
});

test('a migration whose text changed after it was applied is refused', async () => {
  const store = await openStore(`sqlite:${file('changed')}`);
  await store.migrate();
  const db = new DatabaseSync(file('changed'));
  db.exec(`UPDATE schema_migrations SET checksum = 'other'`);
  expect(await codeOf(store.migrate())).toBe('SCHEMA_CHANGED');
  db.close();
  await store.close();
});

test('without its tables a store says what to run, and its status shows what is missing', async () => {
  const store = await openStore(`sqlite:${file('empty')}`);
  expect((await store.migrationStatus())[0]).toEqual({ version: 1, name: '001-core', available: true });
  await expect(store.countSensors()).rejects.toMatchObject({
    code: 'SCHEMA_MISSING',
    message: expect.stringContaining('fleetscore db migrate'),
  });
  await store.close();
});
