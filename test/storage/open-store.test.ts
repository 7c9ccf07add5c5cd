/** Opening a store: what is refused says what was wrong and what to do, and never repeats a password. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { mssqlConfig } from '../../storage/mssql/config.ts';
import { openStore } from '../../storage/open-store.ts';
import { connect } from '../../storage/sqlite/connection.ts';
import { freePort } from '../../local/ports.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('open-store');
const failure = async (work: Promise<unknown>): Promise<FleetscoreError> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FleetscoreError);
  return error as FleetscoreError;
};

test.each(['', '   ', 'postgres://u:hunter2@h/db', 'fleet.db', 'sqlite:', 'mysql:hunter2'])(
  '%j is refused with the forms that are taken',
  async (url) => {
    const error = await failure(openStore(url));
    expect(error.code).toBe('STORE_URL_INVALID');
    expect(error.message).toMatch(/sqlite:PATH/);
    expect(error.message).not.toMatch(/hunter2/);
  },
);

test('a file is made with its folder, unless told not to', async () => {
  const path = join(dir, 'deep', 'er', 'fleet.db');
  expect((await failure(openStore(`sqlite:${path}`, { create: false }))).code).toBe('STORE_MISSING');
  expect(existsSync(join(dir, 'deep'))).toBe(false);
  const store = await openStore(`sqlite://${path}`);
  await store.migrate();
  expect(store.engine).toBe('sqlite');
  await store.close();
  await (await openStore(`sqlite:${path}`, { create: false })).close();
});

test('a file that is no database is refused and left alone', async () => {
  const path = join(dir, 'letter.txt');
  writeFileSync(path, 'Dear reader, this is not a database. '.repeat(100));
  const error = await failure(openStore(`sqlite:${path}`));
  expect(error).toMatchObject({ code: 'STORE_ERROR', retryable: false });
  expect(error.message).toContain(path);
  expect(error.message).toMatch(/not a SQLite database/);
});

test('a folder is refused', async () => {
  const path = join(dir, 'folder');
  mkdirSync(path);
  expect(await failure(openStore(`sqlite:${path}`))).toMatchObject({
    code: 'STORE_ERROR',
    message: expect.stringContaining(path),
  });
});

const asRoot = process.getuid?.() === 0;
(asRoot ? test.skip : test)(
  `a file without permission is refused${asRoot ? ' (not run as root, who may read all)' : ''}`,
  async () => {
    const path = join(dir, 'locked.db');
    writeFileSync(path, '');
    chmodSync(path, 0o000);
    expect(await failure(openStore(`sqlite:${path}`))).toMatchObject({
      code: 'STORE_ERROR',
      message: expect.stringContaining(path),
    });
  },
);

test('a closed store says so', async () => {
  const store = await openStore('sqlite::memory:');
  await store.migrate();
  await store.close();
  await store.close();
  expect((await failure(store.countSensors())).code).toBe('STORE_ERROR');
});

test('a file that another process holds for too long is unavailable, and the thread stays free', async () => {
  const path = join(dir, 'held.db');
  const db = await connect(path, 600);
  db.exec('CREATE TABLE t (a INTEGER)');
  const holder = new DatabaseSync(path);
  holder.exec('BEGIN IMMEDIATE');
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 5);
  const error = await failure(db.write(() => db.exec('INSERT INTO t VALUES (1)')));
  clearInterval(timer);
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true, message: expect.stringContaining(path) });
  expect(ticks).toBeGreaterThan(3);
  holder.exec('COMMIT');
  holder.close();
  await db.write(() => db.exec('INSERT INTO t VALUES (2)'));
  expect(await db.read(() => db.all('SELECT a FROM t').length)).toBe(1);
  db.close();
});

describe('SQL Server', () => {
  test('a connection string becomes a configuration with TLS and checked certificates', () => {
    const config = mssqlConfig(
      'Server=tcp:fleet.database.windows.net,1433;Initial Catalog=fleet;User ID=u;Password="p;w=1"',
    );
    expect(config).toMatchObject({
      server: 'fleet.database.windows.net',
      database: 'fleet',
      user: 'u',
      password: 'p;w=1',
    });
    expect(config.options).toMatchObject({ encrypt: true, trustServerCertificate: false });
  });

  test.each([
    ['Server=h;Database=d'],
    ['Server=h;Database=d;Authentication=Active Directory Default'],
    [
      'Server=h;Database=d;Authentication="Active Directory Managed Identity";User ' +
        'Id=11111111-2222-3333-4444-555555555555',
    ],
    ['Server=h;Database=d;Authentication=ActiveDirectoryServicePrincipal;User Id=app;Password=s;Tenant Id=t-1'],
    ['mssql://h/d?Authentication=Active%20Directory%20Default'],
  ])('%s takes its identity from Microsoft Entra', (text) => {
    const { authentication, password } = mssqlConfig(text);
    expect(authentication).toMatchObject({
      type: 'token-credential',
      options: { credential: { getToken: expect.any(Function) } },
    });
    expect(password).toBeUndefined();
  });

  test('a URL says the same as a connection string', () => {
    expect(
      mssqlConfig('mssql://sa:p%40ss%3Bword@db.example:14330/fleet?Encrypt=false&Application%20Name=100%25'),
    ).toMatchObject({
      server: 'db.example',
      port: 14330,
      database: 'fleet',
      user: 'sa',
      password: 'p@ss;word',
      options: { encrypt: false },
    });
    expect(
      mssqlConfig('Server=h;Database=d;User Id=u;Password=p;Encrypt=Strict;TrustServerCertificate=true').options,
    ).toMatchObject({
      encrypt: 'strict',
      trustServerCertificate: true,
    });
  });

  test('packets are as large as SQL Server advises at most, unless the text says otherwise', () => {
    const text = 'Server=h;Database=d;User Id=u;Password=p';
    expect(mssqlConfig(text).options).toMatchObject({ packetSize: 8000 });
    expect(mssqlConfig(`${text};Packet Size=4096`).options).toMatchObject({ packetSize: 4096 });
  });

  test.each([
    ['Server=h;User Id=u;Password=hunter2', /names no database/],
    ['Server=h;Database=d;User Id=u', /without a password/],
    ['Server=h;Database=d;Authentication=Kerberos;Password=hunter2', /Authentication=Kerberos/],
    [
      'Server=h;Database=d;Authentication=Active Directory Service Principal;User Id=u;Password=hunter2',
      /service principal|Tenant/i,
    ],
    ['mssql://u:hunter2@h', /names no database/],
    ['mssql://u:hunter2%zz@h/d', /%25/],
  ])('%s is refused', (text, problem) => {
    const tenant = process.env.AZURE_TENANT_ID;
    delete process.env.AZURE_TENANT_ID;
    try {
      mssqlConfig(text);
      throw new Error('was taken');
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORE_URL_INVALID', message: expect.stringMatching(problem) });
      expect((error as Error).message).not.toContain('hunter2');
    } finally {
      if (tenant !== undefined) process.env.AZURE_TENANT_ID = tenant;
    }
  });

  test('a server that does not answer is unavailable, named, and its password is not', async () => {
    const port = await freePort();
    const error = await failure(
      openStore(`Server=127.0.0.1,${port};Database=fleet;User Id=u;Password=hunter2;Connection Timeout=2`),
    );
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    expect(error.message).toMatch(/fleet on 127\.0\.0\.1/);
    expect(error.message).not.toContain('hunter2');
  }, 30_000);
});
