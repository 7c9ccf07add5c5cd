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
  });
  const applied = (version: number, checksum = `sum${version}`) => ({
    version,
    name: `00${version}-x`,
    checksum,
    appliedAtMs: 0,
  });
  const three = [1, 2, 3].map(migration);
  expect(pendingMigrations(three, [], 'db').map((m) => m.version)).toEqual([1, 2, 3]);
  expect(pendingMigrations(three, [applied(1), applied(2)], 'db').map((m) => m.version)).toEqual([3]);
  expect(() => pendingMigrations(three, [applied(1, 'other')], 'db')).toThrow(/another text of migration 001-x/);
  expect(() => pendingMigrations(three, [applied(4)], 'db')).toThrow(
    /db has schema version 4, this fleetscore knows versions up to 3/,
  );
});

test('a schema from the future is refused before anything is read or written', async () => {
  const store = await openStore(`sqlite:${file('future')}`);
  await store.migrate();
  const db = new DatabaseSync(file('future'));
  db.exec(`INSERT INTO schema_migrations VALUES (999, '999-later', 'x', 0)`);
  expect(await store.migrationStatus()).toContainEqual({
    version: 999,
    name: '999-later',
    available: false,
    appliedAtMs: 0,
  });
  expect(await codeOf(store.migrate())).toBe('SCHEMA_TOO_NEW');
  await store.close();
  expect(await codeOf(openStore(`sqlite:${file('future')}`))).toBe('SCHEMA_TOO_NEW');
  db.close();
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
