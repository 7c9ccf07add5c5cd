/**
 * Makes the home of an earlier version for the upgrade test, by that version's own code and command line:
 * `node test/upgrade/make-home.ts NAME [COMMIT]`. Once made and listed in homes.json, a home is never made again: it
 * stands for the homes that people have. Imports nothing of today's code, which may change under it.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { brotliCompressSync, constants } from 'node:zlib';
import { until } from '../support/until.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const run = promisify(execFile);

interface Made {
  readonly commit: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The server's own database, with a schedule and a batch that is paused half-way, comes along. */
  readonly temporal?: true;
}

const HOMES: Readonly<Record<string, Made>> = {
  'schema-1': { commit: 'd41b82d' },
  parquet: { commit: 'c66fc94', env: { FLEETSCORE_PREDICTIONS_FORMAT: 'parquet' } },
  hops: { commit: '7fbcbfd', env: { FLEETSCORE_WINDOW: '10s', FLEETSCORE_HOP: '5s' } },
  'schema-3': { commit: '9e601a9' },
  'schema-4': { commit: '0889c80', temporal: true },
};

/** Of each of two devices: so two partitions have readings. */
const SENSORS = 3;
const FROM = Date.parse('2026-03-02T10:00:00Z');
const MIDDLE = Date.parse('2026-03-02T10:05:00Z');
const TO = Date.parse('2026-03-02T10:10:00Z');
/** Readings that nobody has read when the home is packed. */
const UNREAD_TO = Date.parse('2026-03-02T10:15:00Z');
const ADDRESSES = ['TEMPORAL', 'UI', 'BLOB', 'EVENT_HUBS'].map((part) => `FLEETSCORE_${part}_PORT`);

const [name = '', commit = HOMES[name]?.commit] = process.argv.slice(2);
if (commit === undefined) {
  process.stderr.write(`usage: make-home.ts NAME [COMMIT]; known are ${Object.keys(HOMES).join(', ')}\n`);
  process.exit(2);
}
const made = HOMES[name];
const list = join(here, 'homes.json');
const homes = (existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : {}) as Record<string, object>;
if (homes[name]) throw new Error(`the home ${name} is made and frozen; give the one of a new version a new name`);

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const scratch = mkdtempSync(join(tmpdir(), 'fleetscore-home-'));
const code = join(scratch, 'code');
const home = join(scratch, 'home');
const git = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};

try {
  git('worktree', 'add', '--detach', code, commit);
  say(`${name}: dependencies of ${commit} ...`);
  const modules = process.env.FLEETSCORE_HOME_MODULES; // of a checkout with the same lock file: saves a minute
  if (modules) cpSync(modules, join(code, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  else spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: code, stdio: 'inherit' });
  const expected = await makeHome();
  const archive = join(here, 'homes', `${name}.tar.br`);
  const databases = ['fleet.db', ...(made?.temporal ? ['temporal.db'] : [])];
  for (const file of databases) new DatabaseSync(join(home, 'data', file)).exec('PRAGMA wal_checkpoint(TRUNCATE)');
  mkdirSync(dirname(archive), { recursive: true });
  writeFileSync(join(home, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
  const files = [
    'readings.csv',
    'expected.json',
    'models',
    ...[...databases, 'azurite', 'event-hubs'].map((part) => `data/${part}`),
  ];
  const tar = spawnSync('tar', ['-C', home, '-cf', '-', ...files], { maxBuffer: 1 << 28 });
  if (tar.status !== 0) throw new Error(`tar: ${String(tar.stderr)}`);
  // Half the size of gzip, and every Node can read it.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
  const bytes = brotliCompressSync(tar.stdout, { params });
  writeFileSync(archive, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  homes[name] = { commit: git('rev-parse', '--short=12', commit), env: made?.env ?? {}, bytes: bytes.length, sha256 };
  writeFileSync(list, `${JSON.stringify(homes, null, 2)}\n`);
  say(`${name}: ${bytes.length} bytes, ${sha256}`);
} finally {
  if (process.env.FLEETSCORE_KEEP) say(`kept: ${scratch}`);
  else {
    spawnSync('git', ['-C', root, 'worktree', 'remove', '--force', code]);
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function cli(...args: string[]): Promise<Record<string, unknown>> {
  const command = [
    '--disable-warning=ExperimentalWarning',
    join(code, 'cli/main.ts'),
    '--home',
    home,
    '--json',
    ...args,
  ];
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(FLEETSCORE|TEMPORAL)_/.test(key))),
    FLEETSCORE_CAPTURE_INTERVAL: '10s',
    FLEETSCORE_TOOLS_DIR: join(root, '.tools', 'cli'),
    ...Object.fromEntries(ADDRESSES.map((variable) => [variable, 'auto'])),
    ...made?.env,
  };
  const { stdout } = await run(process.execPath, command, { env, cwd: code });
  return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
}

/** @returns what the test will find in it */
async function makeHome(): Promise<object> {
  const { SAMPLE_FLEET } = (await import(pathToFileURL(join(code, 'samples/fleet.ts')).href)) as {
    SAMPLE_FLEET: readonly { device: string; sensor: string }[];
  };
  const { sampleReadings } = (await import(pathToFileURL(join(code, 'samples/readings.ts')).href)) as {
    sampleReadings(
      sensor: object,
      from: number,
      to: number,
    ): { device: string; sensor: string; tsMs: number; value: number }[];
  };
  const devices = [...new Set(SAMPLE_FLEET.map(({ device }) => device))].slice(0, 2);
  const fleet = devices.flatMap((device) => SAMPLE_FLEET.filter((of) => of.device === device).slice(0, SENSORS));
  const models = join(home, 'models');
  mkdirSync(models, { recursive: true });
  for (const { device, sensor } of fleet)
    cpSync(
      join(code, 'samples/models', `model_${device}_${sensor}.onnx`),
      join(models, `model_${device}_${sensor}.onnx`),
    );
  const sent: string[] = [];
  const csv = (
    file: string,
    rows: readonly { device: string; sensor: string; tsMs: number; value: number }[],
  ): string => {
    const lines = rows.map((r) => `${new Date(r.tsMs).toISOString()},${r.device},${r.sensor},${r.value}`);
    sent.push(...lines);
    writeFileSync(join(home, file), `TS,Device,Sensor,Value\n${lines.join('\n')}\n`);
    return join(home, file);
  };
  const readings = (from: number, to: number) => fleet.flatMap((sensor) => sampleReadings(sensor, from, to));
  const late = (offset: number) =>
    fleet.map(({ device, sensor }) => ({ device, sensor, tsMs: FROM + offset, value: 50 }));
  const period = (from: number, to: number) => [
    '--from',
    new Date(from).toISOString(),
    '--to',
    new Date(to).toISOString(),
  ];

  say(`${name}: its stack ...`);
  const up = (await cli('up', '--detach', '--ports', 'auto')).env as Record<string, string>;
  try {
    await cli('models', 'publish', models, '--release', 'first');
    const first = csv('first.csv', readings(FROM, MIDDLE));
    await cli('send', first, '--wait');
    await sendBroken(up.FLEETSCORE_EVENT_HUBS_CONNECTION_STRING!);
    const superseded = String((await cli('batch', 'run', ...period(FROM, MIDDLE), '--wait')).id);
    await cli('send', csv('late.csv', late(61_500)), '--wait');
    const rescored = String((await cli('batch', 'rescore', ...period(FROM, MIDDLE), '--wait')).id);
    rmSync(join(models, `model_${fleet[5]!.device}_${fleet[5]!.sensor}.onnx`));
    if (made?.temporal) {
      await cli('models', 'publish', models, '--release', 'never-promoted', '--no-promote');
      await cli('schedule', 'create', 'nightly', '--cron', '30 3 * * *', '--period', '1d');
    }
    await cli('models', 'publish', models, '--release', 'second');
    if (made?.temporal) await cli('models', 'challenge', 'first');
    await until(async () => ((await cli('ingest', 'deadletters')) as unknown as readonly object[]).length >= 5);
    await until(async () => (await partitions()).filter((of) => of.readings > 0).every((of) => of.captured >= 0));
    const paused = await pausedHalfWay(
      up.TEMPORAL_ADDRESS!,
      csv('second.csv', readings(MIDDLE, TO + 60_000)),
      period(MIDDLE, TO),
    );
    // Applied, and not captured yet. A worker that stands still reads nothing, and is killed by `down` with what it
    // holds.
    await cli('send', csv('later.csv', late(121_500)), '--wait');
    signal('ingest', 'SIGSTOP');
    await cli('send', csv('unread.csv', readings(TO + 60_000, UNREAD_TO)));
    writeFileSync(join(home, 'readings.csv'), `TS,Device,Sensor,Value\n${sent.join('\n')}\n`);
    return {
      superseded,
      rescored,
      paused,
      deadLetters: 5,
      readings: sent.length,
      ingested: sent.length - readings(TO + 60_000, UNREAD_TO).length,
    };
  } finally {
    await cli('down');
  }
}

/** A batch of which two sensors are scored and four have not begun. */
async function pausedHalfWay(address: string, readings: string, period: readonly string[]): Promise<string> {
  const { Connection, Client } = modules('@temporalio/client') as TemporalClient;
  const connection = await Connection.connect({ address });
  const { batch, workflowId } = await cli('batch', 'run', ...period, '--wait-for-readings', '3650d');
  const id = String(batch);
  const handle = new Client({ connection }).workflow.getHandle(String(workflowId));
  await handle.executeUpdate('pause');
  await handle.executeUpdate('setConcurrency', { args: [2] });
  signal('scoring', 'SIGSTOP');
  await cli('send', readings, '--wait');
  await until(async () => (await shown(id)) !== undefined);
  await handle.executeUpdate('resume');
  await sleep(3_000);
  await handle.executeUpdate('pause');
  signal('scoring', 'SIGCONT');
  await until(async () => (await shown(id)) === 2);
  await connection.close();
  return id;
}

interface TemporalClient {
  readonly Connection: { connect(options: { address: string }): Promise<{ close(): Promise<void> }> };
  readonly Client: new (options: object) => {
    readonly workflow: { getHandle(id: string): { executeUpdate(name: string, options?: object): Promise<unknown> } };
  };
}

/** A package as that version has it. */
function modules(name: string): unknown {
  return createRequire(join(code, 'package.json'))(name);
}

/** Scored sensors of a batch; undefined before it is planned. */
async function shown(id: string): Promise<number | undefined> {
  try {
    return ((await cli('batch', 'show', id)).counts as { scored: number }).scored;
  } catch {
    return undefined;
  }
}

async function partitions(): Promise<readonly { readonly captured: number; readonly readings: number }[]> {
  return (await cli('ingest', 'status')).partitions as readonly {
    readonly captured: number;
    readonly readings: number;
  }[];
}

/** Events that no version can read. */
async function sendBroken(connection: string): Promise<void> {
  const { EventHubProducerClient } = modules('@azure/event-hubs') as {
    EventHubProducerClient: new (
      connection: string,
      hub: string,
    ) => {
      sendBatch(events: readonly { body: unknown }[]): Promise<void>;
      close(): Promise<void>;
    };
  };
  const producer = new EventHubProducerClient(connection, 'readings');
  const bodies = ['{"no', { device: 'boiler-1' }, { TS: 'never', Device: 'a', Sensor: 'b', Value: 1 }];
  await producer.sendBatch(
    [...bodies, { TS: '2026-03-02T10:00:00Z', Device: 'a', Sensor: 'b', Value: 'x' }, ''].map((body) => ({ body })),
  );
  await producer.close();
}

/** To the worker processes of this home (Linux). */
function signal(role: string, what: NodeJS.Signals): void {
  const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(`workers/${role}.ts`));
  if (pids.length === 0) throw new Error(`no ${role} worker runs`);
  for (const pid of pids) process.kill(Number(pid), what);
}

function commandOf(pid: string): string {
  try {
    const environ = readFileSync(`/proc/${pid}/environ`, 'utf8');
    return environ.includes(`FLEETSCORE_HOME=${home}\0`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
  } catch {
    return '';
  }
}
