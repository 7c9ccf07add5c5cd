/**
 * The official clients of other languages against the emulator: azure-eventhub for Python and azeventhubs for Go. Each
 * runs as a program of its own (clients/) that tells what it saw. Where a toolchain or its packages are missing, the
 * test says so and is skipped. docs/emulator.md lists the versions.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startOwnBlobServer } from '../../support/own-blob-server.ts';
import { PACKAGES_CACHE, pythonPackages } from '../../support/python-packages.ts';
import { cleanUp, emulator, temporaryFolder } from './support.ts';

const HERE = join(dirname(fileURLToPath(import.meta.url)), 'clients');
const PACKAGES = ['azure-eventhub==5.15.1', 'azure-eventhub-checkpointstoreblob-aio==1.2.0', 'aiohttp==3.13.2'];
const run = promisify(execFile);

afterEach(cleanUp);

function skipped(what: string, result: ReturnType<typeof spawnSync>): undefined {
  const reason = result.error?.message ?? String(result.stderr).trim().split('\n').at(-1) ?? '';
  process.stderr.write(`${what} is skipped: ${reason}\n`);
  return undefined;
}

/** The program with the client for Go, built once. */
function goProgram(): string | undefined {
  const program = join(PACKAGES_CACHE, 'eventhub-client-go-2.0.2');
  mkdirSync(PACKAGES_CACHE, { recursive: true });
  const source = { cwd: join(HERE, 'go-sdk'), encoding: 'utf8', timeout: 240_000 } as const;
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' };
  const build = spawnSync('go', ['build', '-o', program, '.'], { ...source, env });
  return build.status === 0 ? program : skipped('The client for Go', build);
}

const packages = pythonPackages('The client for Python', PACKAGES);
const program = goProgram();

(packages === undefined ? test.skip : test)(
  'Python: synchronous, asynchronous, buffered, start positions, owner levels, two consumers that share',
  async () => {
    const partitions = 4;
    const emu = await emulator({ hubs: [{ name: 'readings', partitions, consumerGroups: ['shared'] }] });
    const blob = await startOwnBlobServer(temporaryFolder());
    try {
      const { stdout } = await run(
        'python3',
        [join(HERE, 'eventhub.py'), emu.connectionString(), 'readings', blob.connectionString],
        { env: { ...process.env, PYTHONPATH: packages }, timeout: 400_000 },
      );
      expect(JSON.parse(stdout)).toEqual({
        properties: ['readings', ['0', '1', '2', '3']],
        partition: [0, 5],
        types: [],
        'partition 77': expect.stringMatching(/Invalid partition 77|partition '77' is invalid/),
        'too large': 'EventDataSendError',
        'from the start': ['0', '1', '2', '3', '4', 'typed'],
        'after a sequence number': ['2'],
        'at a sequence number': ['1'],
        'after an offset': ['2'],
        'at an offset': ['1'],
        'from a time': ['0'],
        'no such position': [expect.stringContaining("'abc'' is not supported")],
        'no such partition': [expect.stringMatching(/77/)],
        'first owner reads': true,
        'lower level': [expect.stringContaining("higher epoch '1' already exists")],
        'no level': [expect.stringContaining("epoch of '1', and so non-epoch receiver is not allowed")],
        'higher level': ['0'],
        'first owner is told': true,
        buffered: [200, []],
        'one consumer has all': true,
        'two share': true,
        'the other takes over': true,
      });
    } finally {
      await blob.stop();
    }
  },
  500_000,
);

(program === undefined ? test.skip : test)(
  'Go: properties, batches, types, partitions, owner levels',
  async () => {
    const emu = await emulator({ hubs: [{ name: 'readings', partitions: 2 }] });
    const { stdout } = await run(program ?? '', [emu.connectionString(), 'readings'], { timeout: 100_000 });
    expect(JSON.parse(stdout)).toEqual({
      properties: ['readings', ['0', '1']],
      partition: [0, 2],
      'partition 77 is refused': true,
      events: ['0', '1', '2'],
      types: [],
      'without a level': 'ownershiplost',
    });
  },
  120_000,
);
