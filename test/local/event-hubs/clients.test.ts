/**
 * The official clients of other languages against the emulator: Python, Go, and, where TEST_FOREIGN_CLIENTS names them,
 * Java and Rust, which take long to build. Each runs as a program of its own (clients/) that tells what it saw. Where a
 * toolchain or its packages are missing, the test says so and is skipped. docs/emulator.md lists the versions.
 */
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
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

/** Whether somebody asked for this language: TEST_FOREIGN_CLIENTS=java,rust. */
function asked(language: string): boolean {
  if ((process.env.TEST_FOREIGN_CLIENTS ?? '').split(',').includes(language)) return true;
  process.stderr.write(`The client for ${language} is skipped: TEST_FOREIGN_CLIENTS does not name it\n`);
  return false;
}

/** Folder with the client for Java and all it needs, built once. */
function javaProgram(): string | undefined {
  if (!asked('java')) return undefined;
  const folder = join(PACKAGES_CACHE, 'eventhub-client-java-5.21.0');
  const at = { cwd: join(HERE, 'java-sdk'), encoding: 'utf8', timeout: 300_000 } as const;
  if (!existsSync(join(folder, 'lib'))) {
    const copy = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'lib')}`];
    const maven = spawnSync('mvn', copy, at);
    if (maven.status !== 0) return skipped('The client for Java', maven);
  }
  const javac = spawnSync('javac', ['-cp', join(folder, 'lib', '*'), '-d', folder, 'Client.java'], at);
  return javac.status === 0 ? folder : skipped('The client for Java', javac);
}

/** The program with the client for Rust, built once: some 260 crates. */
function rustProgram(): string | undefined {
  if (!asked('rust')) return undefined;
  const target = join(PACKAGES_CACHE, 'eventhub-client-rust-0.16.0');
  // What it resolves to is written beside the manifest: build a copy of it.
  cpSync(join(HERE, 'rust-sdk'), join(target, 'source'), { recursive: true });
  const options = { cwd: join(target, 'source'), encoding: 'utf8', timeout: 3_000_000 } as const;
  const build = spawnSync('cargo', ['build', '--release', '--quiet', '--target-dir', target], options);
  return build.status === 0 ? join(target, 'release', 'client') : skipped('The client for Rust', build);
}

const packages = pythonPackages('The client for Python', PACKAGES);
const program = goProgram();
const java = javaProgram();
const rust = rustProgram();

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

(java === undefined ? test.skip : test)(
  'Java: properties, batches, types, positions, owner levels, two processors that share',
  async () => {
    const emu = await emulator({ hubs: [{ name: 'readings', partitions: 4, consumerGroups: ['shared'] }] });
    const blob = await startOwnBlobServer(temporaryFolder());
    try {
      const classes = [java, join(java ?? '', 'lib', '*')].join(delimiter);
      const args = ['-cp', classes, 'Client', emu.connectionString(), 'readings', blob.connectionString];
      const { stdout } = await run('java', args, { timeout: 300_000 });
      expect(JSON.parse(stdout)).toEqual({
        properties: ['readings', ['0', '1', '2', '3']],
        partition: [0, 3],
        types: [],
        'partition 77': expect.stringContaining("partition '77' is invalid"),
        'too large': expect.stringContaining('exceeded maximum message size'),
        events: ['0', '1', '2', 'alone'],
        'after a sequence number': ['2'],
        'at a sequence number': ['1'],
        'from a time': ['0'],
        // The blocking client says only that it was refused; one that is asynchronous has the sentence.
        'no such group': expect.stringContaining('upstream-error'),
        'first owner reads': true,
        'lower level': expect.stringContaining('upstream-error'),
        'higher level': ['0'],
        'first owner is told': expect.stringContaining("higher epoch of '2'"),
        'one processor has all': true,
        'two share': true,
        'all events arrive': true,
        'the other takes over': true,
      });
    } finally {
      await blob.stop();
    }
  },
  400_000,
);

(rust === undefined ? test.skip : test)(
  'Rust: properties, batches, types, positions, owner levels',
  async () => {
    const emu = await emulator({ hubs: [{ name: 'readings', partitions: 2 }] });
    const { stdout } = await run(rust ?? '', [emu.connectionString(), 'readings'], { timeout: 200_000 });
    expect(JSON.parse(stdout)).toEqual({
      properties: ['readings', ['0', '1']],
      partition: [0, 3],
      'partition 77': expect.stringContaining("partition '77' is invalid"),
      events: ['0', '1', '2', 'alone'],
      types: [],
      'after a sequence number': ['2'],
      'at a sequence number': ['1'],
      'from a time': ['0'],
      'first owner reads': true,
      'lower level': expect.stringContaining("higher epoch '1' already exists"),
      'higher level': ['0'],
      'first owner is told': expect.stringContaining("higher epoch of '2'"),
    });
  },
  250_000,
);
