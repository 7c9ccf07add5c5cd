/** The image: its recipe, and the programs that run in it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { basename, dirname, normalize } from 'node:path';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fc, test as propertyTest } from '@fast-check/jest';
import { baseImages } from '../../deploy/check/base-images.js';
import { readUsers, sidOf, userScript } from '../../deploy/container/database-users.js';
import { connectionsOf, establishedInodes } from '../../deploy/container/healthcheck.js';
import { fetchSecrets, secretUrl } from '../../deploy/container/key-vault.js';
import { PROGRAMS, readCommand } from '../../deploy/container/start.js';
import { filesIn, matches, read, readJson, root, runTool, toolTest } from './support.ts';

const DOCKERFILE = read('deploy/Dockerfile');

toolTest('the Dockerfile has no lint', () => {
  const { status, stdout } = runTool(['hadolint', 'deploy/Dockerfile', 'deploy/node-image/Dockerfile']);
  expect([status, stdout]).toEqual([0, '']);
});

test('Node is the version that the project is pinned to', () => {
  const { optionalDependencies } = readJson<{ optionalDependencies: { node: string } }>('package.json');
  expect(/^ARG BASE_IMAGE=.+:([\d.]+)-bookworm-slim$/m.exec(DOCKERFILE)![1]).toBe(optionalDependencies.node);
  expect(matches(DOCKERFILE, /^FROM (.+)$/gm)).toEqual(['${BASE_IMAGE} AS build', '${BASE_IMAGE}']);
});

test.each(['deploy/Dockerfile', 'deploy/node-image/Dockerfile'])(
  'a registry that expands ARGs once finds every base image of %s',
  (file) => {
    const { images, trouble } = baseImages(
      read(file),
      file.includes('node-image') ? { IMAGE: 'cr.azurecr.io/a:1' } : {},
    );
    expect([trouble, images.length]).toEqual([[], file.includes('node-image') ? 1 : 2]);
  },
);

test('ARGs in ARGs, and ARGs without a value, are told as the registry would refuse them', () => {
  const nested = 'ARG V=24\nARG BASE=docker.io/library/node:${V}-slim\nFROM ${BASE} AS build\nFROM build\n';
  expect(baseImages(nested)).toEqual({
    images: ['docker.io/library/node:${V}-slim'],
    trouble: [expect.stringMatching(/^docker\.io\/library\/node:\$\{V\}-slim is not the name of an image/)],
  });
  expect(baseImages('ARG BASE\nFROM $BASE\n').trouble).toHaveLength(1);
  expect(baseImages(nested, { BASE: 'node:24' })).toEqual({ images: ['node:24'], trouble: [] });
});

test('all that the build compiles is sent to it, and nothing else', () => {
  const { include } = readJson<{ include: string[] }>('tsconfig.build.json');
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines[0]).toBe('*');
  for (const room of include.filter((name) => name !== '*.ts')) expect(lines).toContain(`!${room}`);
  for (const room of ['test', 'node_modules', '.git', '.fleetscore', 'deploy', 'deploy/bicep'])
    expect(lines).not.toContain(`!${room}`);
  for (const source of matches(DOCKERFILE, /mv ([^&\\]+?) \/out/g)
    .flatMap((text) => text.split(' '))
    .filter((path) => path.startsWith('deploy/')))
    expect(lines).toContain(`!${source}`);
  for (const file of filesIn('.', '.ts')) expect(lines).toContain(file.replace('./', '!'));
});

test('it runs as nobody in particular, as process 1, and can be asked whether it is well', () => {
  expect(DOCKERFILE).toMatch(/^USER \d{5}:\d{5}$/m);
  expect(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(DOCKERFILE)![1]!)).toEqual([
    'node',
    '--disable-warning=ExperimentalWarning',
    '/app/deploy/container/start.js',
  ]);
  expect(DOCKERFILE).toContain('STOPSIGNAL SIGTERM');
  expect(JSON.parse(/^ {2}CMD (\[.+\])$/m.exec(DOCKERFILE)![1]!)).toEqual([
    'node',
    '/app/deploy/container/healthcheck.js',
  ]);
});

test('each program that can be started is there', () => {
  const workers = filesIn('workers', '.ts');
  for (const [name, path] of Object.entries(PROGRAMS)) {
    if (path.startsWith('./'))
      expect(filesIn('deploy/container', '.js')).toContain(`deploy/container/${path.slice(2)}`);
    else expect(workers).toContain(`workers/${name}.ts`);
  }
  for (const args of [
    ...matches(read('deploy/bicep/workers.bicep'), /args: \[\s+'([\w-]+)'/g),
    ...matches(read('deploy/bicep/workers.bicep'), /name: 'WORKER', value: '(\w+)'/g),
  ])
    expect(Object.keys(PROGRAMS)).toContain(args);
});

test('what the programs of the image load of ours is built into it', () => {
  const loaded = filesIn('deploy/container', '.js').flatMap((file) =>
    matches(read(file), /dist\/([\w/-]+)\.js/g).map((module) => `${module}.ts`),
  );
  expect(loaded).toContain('workers/foreground.ts');
  for (const file of loaded.filter((name) => !name.startsWith('workflow-bundle')))
    expect(filesIn(dirname(file), '.ts').map(normalize)).toContain(file);
});

test('the command says which worker and which secrets', () => {
  expect(readCommand(['scoring', '--secret', 'TEMPORAL_API_KEY=https://v-1.vault.azure.net/secrets/k=1'], {})).toEqual({
    role: 'scoring',
    program: PROGRAMS.scoring,
    secrets: [{ name: 'TEMPORAL_API_KEY', url: 'https://v-1.vault.azure.net/secrets/k=1' }],
  });
  expect(readCommand([], { WORKER: 'ingest' }).role).toBe('ingest');
  expect(readCommand(['control'], { WORKER: 'ingest' }).role).toBe('control');
  for (const args of [
    [],
    ['constructor'],
    ['control', 'ingest'],
    ['../../x'],
    ['control', '--secret', 'x'],
    ['control', '--secret', '=y'],
    ['control', '--other'],
  ])
    expect(() => readCommand(args, {})).toThrow(/takes|Unknown option/);
});

test('a token goes to the key vault only, and a value is all that comes back', async () => {
  const seen: { url?: string | undefined; authorization?: string | undefined }[] = [];
  const server: Server = createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    if (request.url?.startsWith('/secrets/gone'))
      response.writeHead(404).end('{"error":{"message":"token-1 is wrong"}}');
    else response.end(JSON.stringify({ value: 'the-value' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const scopes: string[] = [];
  const how = {
    getToken: async (scope: string) => (scopes.push(scope), 'token-1'),
    fetch: (url: URL, init: RequestInit) => fetch(`http://127.0.0.1:${port}${url.pathname}${url.search}`, init),
  };
  try {
    expect(
      await fetchSecrets([{ name: 'A', url: 'https://kv-x.vault.azure.net/secrets/temporal-api-key' }], how),
    ).toEqual({ A: 'the-value' });
    expect(scopes).toEqual(['https://vault.azure.net/.default']);
    expect(seen).toEqual([{ url: '/secrets/temporal-api-key?api-version=7.4', authorization: 'Bearer token-1' }]);
    const error = await fetchSecrets([{ name: 'A', url: 'https://kv-x.vault.azure.net/secrets/gone' }], how).catch(
      (e: Error) => e,
    );
    expect(String(error)).toContain('404 for kv-x.vault.azure.net/secrets/gone');
    expect(String(error)).not.toContain('token-1');
  } finally {
    server.close();
  }
});

test.each([
  'http://kv-x.vault.azure.net/secrets/a',
  'https://kv-x.vault.azure.net.evil.example/secrets/a',
  'https://evil.example/secrets/a',
  'https://u:p@kv-x.vault.azure.net/secrets/a',
  'https://kv-x.vault.azure.net:8443/secrets/a',
  'https://kv-x.vault.azure.net/keys/a',
  'https://kv-x.vault.azure.net/secrets/../keys/a',
  'nonsense',
])('%s is no address of a secret', (url) => {
  expect(() => secretUrl(url)).toThrow('is not the address of a secret');
});

async function started(script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function health(pid: number): Promise<number | null> {
  const check = spawn(process.execPath, ['deploy/container/healthcheck.js', String(pid)], {
    cwd: root,
    stdio: 'ignore',
  });
  const [code] = (await once(check, 'exit')) as [number | null];
  return code;
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('healthy is a process with a connection; not one without, and not one that is gone', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const lonely = await started(`require('net').createServer().listen(0, '127.0.0.1', () => console.log('up'))`);
  const connected = await started(`require('net').connect(${port}, '127.0.0.1', () => console.log('up'))`);
  try {
    expect(connectionsOf(lonely.pid!)).toBe(0);
    expect(await health(lonely.pid!)).toBe(1);
    expect(connectionsOf(connected.pid!)).toBe(1);
    expect(await health(connected.pid!)).toBe(0);
  } finally {
    for (const child of [lonely, connected]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    server.closeAllConnections();
    server.close();
  }
  expect(await health(lonely.pid!)).toBe(1);
});

test('only established connections count', () => {
  const row = (state: string, inode: number): string =>
    `   0: 0100007F:1F90 0100007F:C350 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ` +
    `${inode} 1 0 20 4 30 10 -1`;
  expect(
    establishedInodes(['  sl  local_address ...', row('01', 7), row('0A', 8), row('06', 9), ''].join('\n')),
  ).toEqual(new Set(['7']));
});

const GRANTS = readJson<Record<string, string[]>>('deploy/sql/grants.json');

test('an id becomes the identifier that SQL Server derives from it', () => {
  // CONVERT(VARBINARY(16), CAST('00112233-4455-6677-8899-aabbccddeeff' AS UNIQUEIDENTIFIER))
  expect(sidOf('00112233-4455-6677-8899-AABBCCDDEEFF')).toBe('0x33221100554477668899aabbccddeeff');
});

test('users are checked before any reaches the database', () => {
  const user = { name: 'id-control', id: '00112233-4455-6677-8899-aabbccddeeff', kind: 'control' };
  expect(readUsers(JSON.stringify([user]), GRANTS)).toEqual([{ ...user, type: 'E' }]);
  for (const wrong of [
    '',
    '{}',
    '[]',
    JSON.stringify([{ ...user, id: '1' }]),
    JSON.stringify([{ ...user, kind: 'toString' }]),
    JSON.stringify([{ ...user, type: 'S' }]),
    JSON.stringify([{ ...user, name: '' }]),
  ])
    expect(() => readUsers(wrong, GRANTS)).toThrow('DATABASE_USERS');
});

// Who calls the statements of each file of the store.
const WRITERS: Readonly<Record<string, readonly string[]>> = {
  'alarm-work-sql.ts': ['control'],
  'alarms.ts': ['control', 'operator'],
  'audit.ts': ['operator'],
  'batch-sql.ts': ['control'],
  'chunks.ts': ['control', 'scoring'],
  'dropped.ts': ['ingest', 'operator'],
  'ingest.ts': ['ingest'],
  'notices.ts': ['control'],
  'outcomes.ts': ['control', 'scoring'],
  'promotions.ts': ['operator'],
  'prune.ts': ['control'],
  'releases.ts': ['operator'],
  'retired.ts': ['operator'],
  'sends.ts': ['ingest'],
  'sensors.ts': ['ingest', 'operator'],
  'windows.ts': ['ingest'],
};
/** Written by whoever migrates, and with a test of its own below. */
const APART = ['challenges.ts', 'schema.ts'];
/** What people alone write of a file that others write too. */
const BY_PEOPLE = new Set(['alarm_rules', 'alarm_shelves']);

const TABLES = new Set(
  matches(filesIn('storage/migrations/mssql', '.sql').map(read).join('\n'), /CREATE TABLE (\w+)/g),
);

function writtenIn(code: string): string[] {
  const aliases = new Map(
    [...code.matchAll(/\bFROM (\w+) (\w)\b|\bJOIN (\w+) (\w)\b/g)].map(([, a, b, c, d]) => [b ?? d!, a ?? c!]),
  );
  const written = matches(code, /\b(?:INSERT INTO|UPDATE|DELETE(?: TOP \([^)]*\))? FROM) (\w+)\b/g)
    .map((name) => aliases.get(name) ?? name)
    .filter((name) => TABLES.has(name));
  return [...new Set(written)];
}

test('each file of the store that writes is known here', () => {
  const writing = filesIn('storage/mssql', '.ts').filter((file) => writtenIn(read(file)).length > 0);
  expect(writing.map((file) => basename(file)).sort()).toEqual([...Object.keys(WRITERS), ...APART].sort());
});

test.each(Object.entries(WRITERS))('what %s writes may be written by %s', (file, kinds) => {
  for (const kind of kinds)
    for (const table of writtenIn(read(`storage/mssql/${file}`)))
      if (kind === 'operator' || !BY_PEOPLE.has(table))
        expect([kind, table, GRANTS[kind]!.includes(table)]).toEqual([kind, table, true]);
});

test('scoring workers record what a challenger said, and operators alone say which one it is', () => {
  const code = read('storage/mssql/challenges.ts');
  expect(new Set(matches(code, /\b(?:INSERT INTO|DELETE FROM) (\w+)\b/g))).toEqual(
    new Set(['challenger', 'challenged']),
  );
  expect(Object.keys(GRANTS).filter((kind) => GRANTS[kind]!.includes('challenger'))).toEqual(['operator']);
  expect(Object.keys(GRANTS).filter((kind) => GRANTS[kind]!.includes('challenged'))).toEqual(['control', 'scoring']);
});

test('the control worker may delete the windows that it prunes', () => {
  expect(read('storage/mssql/prune.ts')).toContain('pruneWindows');
  expect(GRANTS['control']).toContain('windows');
});

test('each table that a grant names exists, and a user gets only those of its kind', () => {
  const schema = filesIn('storage/migrations/mssql', '.sql').map(read).join('\n');
  const tables = matches(schema, /CREATE TABLE (\w+)/g);
  for (const [kind, names] of Object.entries(GRANTS))
    for (const name of names) expect([kind, tables.includes(name), name]).toEqual([kind, true, name]);
  const script = userScript(
    { name: 'id-scoring', id: '00112233-4455-6677-8899-aabbccddeeff', kind: 'scoring', type: 'E' },
    GRANTS,
  );
  expect(matches(script, /GRANT INSERT, UPDATE, DELETE ON dbo\.\[(\w+)\]/g)).toEqual([
    'chunks',
    'outcomes',
    'failed_by',
    'challenged',
    'artifacts',
    'alarm_signals',
  ]);
  expect(script).toContain('GRANT VIEW DATABASE STATE TO [id-scoring];');
  // Whatever was granted by name before is taken back first, and an identity under another name is dropped.
  expect(script.indexOf("N'REVOKE '")).toBeGreaterThan(0);
  expect(script.indexOf("N'REVOKE '")).toBeLessThan(script.indexOf('GRANT '));
  expect(script).toContain("WHERE sid = 0x33221100554477668899aabbccddeeff AND name <> N'id-scoring'");
  const kinds = [...new Set(matches(read('deploy/bicep/main.bicep'), /kind: '(\w+)', type/g))];
  for (const kind of kinds) expect(Object.keys(GRANTS)).toContain(kind);
});

propertyTest.prop([fc.string({ minLength: 1, maxLength: 128, unit: 'binary' })], {
  examples: [["a]b'c"], ['x]; DROP TABLE windows--'], ["'; DROP TABLE windows--"]],
})('no name leaves its brackets or quotes', (name) => {
  const script = userScript({ name, id: '00112233-4455-6677-8899-aabbccddeeff', kind: 'stream', type: 'E' }, GRANTS);
  const bare = script
    .replaceAll(`[${name.replaceAll(']', ']]')}]`, 'USER')
    .replaceAll(`N'${name.replaceAll("'", "''")}'`, 'NAME');
  expect(bare).toBe(
    userScript({ name: 'x', id: '00112233-4455-6677-8899-aabbccddeeff', kind: 'stream', type: 'E' }, GRANTS)
      .replaceAll('[x]', 'USER')
      .replaceAll("N'x'", 'NAME'),
  );
});
