/** `fleetscore db`: what it says of the schema, and what it changes. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { loadMigrations } from '../../storage/migrations.ts';
import { openStore } from '../../storage/open-store.ts';
import { runCli } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('cli-db');
const NEWEST = loadMigrations('sqlite').at(-1)!.version;
const NAMES = loadMigrations('sqlite').map((migration) => migration.name);

/** A store of its own for each test. */
function store(name: string): { file: string; cli: (...args: string[]) => ReturnType<typeof runCli> } {
  const file = join(home, name, 'fleet.db');
  return { file, cli: (...args) => runCli(home, args, { FLEETSCORE_SQL_URL: `sqlite:${file}` }) };
}

test('status of a store that is not there makes none', async () => {
  const { file, cli } = store('missing');
  const result = await cli('--json', 'db', 'status');
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse(result.stderr)).toEqual({
    error: { code: 'STORE_MISSING', message: expect.stringContaining('fleetscore db migrate') },
  });
  await expect(openStore(`sqlite:${file}`, { create: false })).rejects.toMatchObject({ code: 'STORE_MISSING' });
});

test('a store without a schema is pending, migrated once, then up to date', async () => {
  const { file, cli } = store('fresh');
  await (await openStore(`sqlite:${file}`)).close();
  const pending = await cli('--json', 'db', 'status');
  expect(pending.code).toBe(1);
  expect(pending.json()).toMatchObject({ engine: 'sqlite', version: 0, known: NEWEST, pending: NAMES });
  expect((await cli('db', 'status')).stdout).toMatch(/Schema version: +none yet[^]*pending: fleetscore db migrate/);

  expect((await cli('--json', 'db', 'migrate')).json()).toEqual({
    engine: 'sqlite',
    version: NEWEST,
    known: NEWEST,
    applied: NAMES,
  });
  expect((await cli('--json', 'db', 'migrate')).json()).toEqual({
    engine: 'sqlite',
    version: NEWEST,
    known: NEWEST,
    applied: [],
  });
  const done = await cli('--json', 'db', 'status');
  expect(done.code).toBe(0);
  expect(done.json()).toMatchObject({
    version: NEWEST,
    pending: [],
    migrations: NAMES.map((name) => ({ name, appliedAt: expect.stringMatching(/^\d{4}-.*Z$/) })),
  });
});

test('several processes migrate one store at the same time', async () => {
  const { cli } = store('shared');
  const results = await Promise.all([1, 2, 3].map(() => cli('--json', 'db', 'migrate')));
  expect(results.map((result) => [result.code, result.stderr])).toEqual([
    [0, ''],
    [0, ''],
    [0, ''],
  ]);
  // Each says what it applied itself.
  expect(results.flatMap((result) => (result.json() as { applied: string[] }).applied).sort()).toEqual(NAMES);
});

test('reading an empty store makes nothing in it', async () => {
  const { file, cli } = store('read');
  await (await openStore(`sqlite:${file}`)).close();
  const result = await cli('sensors', 'list');
  expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('fleetscore db migrate') });
  expect((await cli('--json', 'db', 'status')).json()).toMatchObject({ version: 0 });
});

test('a schema from a newer version is refused, unless it says that this one may go on', async () => {
  const { file, cli } = store('newer');
  const ours = await openStore(`sqlite:${file}`);
  await ours.migrate();
  await ours.close();
  const db = new DatabaseSync(file);
  db.prepare('INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES (?, ?, ?, ?)').run(
    999,
    '999-future',
    'x',
    0,
  );
  const grown = await cli('db', 'status');
  expect([grown.code, grown.stdout]).toEqual([0, expect.stringContaining('this one still works with it')]);
  expect((await cli('sensors', 'list')).code).toBe(0);
  db.exec(`UPDATE settings SET value = '999' WHERE name = 'schema.compatibleFrom'`);
  db.close();
  for (const result of await Promise.all([cli('db', 'status'), cli('db', 'migrate')])) {
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('to schema version 999');
  }
});

test('help is 0, a wrong call is 2', async () => {
  const { cli } = store('usage');
  const results = await Promise.all([
    cli('db', 'migrate', '--help'),
    cli('db', 'status', '--nope'),
    cli('db', 'upgrade'),
  ]);
  expect(results.map((result) => result.code)).toEqual([0, 2, 2]);
});
