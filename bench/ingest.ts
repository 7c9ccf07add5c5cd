/**
 * Ingest from end to end: sender -> Event Hubs emulator -> ingest worker -> SQLite and raw capture, each in a
 * process of its own. Rates depend on what else the machine does; CPU per reading hardly does, so it is told for
 * every part. `--mode drain` sends first and then times the worker alone with the emulator.
 *
 *   node bench/ingest.ts --readings 200000 --partitions 4 --per-event 20 --sensors 1000 --json FILE
 *   node bench/ingest.ts --table       the runs of RESULTS.md one after the other, and their section there
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Reading } from '../domain/reading.ts';
import { sendReadings, waitIngested } from '../ingest/send.ts';
import { packageFile } from '../paths.ts';
import { formatCount } from '../report/format.ts';
import { openStore } from '../storage/open-store.ts';
import { startIngestServers } from '../test/support/ingest-servers.ts';
import { endWithUsage, orUsage } from './flags.ts';
import { load } from './machine.ts';
import { writeSection } from './results-file.ts';

const USAGE =
  'npm run bench:ingest -- --table | [--readings N] [--partitions N] [--per-event N] [--sensors N] ' +
  '[--mode together|drain] [--json FILE] [--worker-arg ARG]...';
const options = {
  readings: { type: 'string', default: '200000' },
  partitions: { type: 'string', default: '4' },
  'per-event': { type: 'string', default: '20' },
  sensors: { type: 'string', default: '1000' },
  mode: { type: 'string', default: 'together' },
  json: { type: 'string' },
  table: { type: 'boolean', default: false },
  'worker-arg': { type: 'string', multiple: true, default: [] as string[] },
} as const;
const flags = orUsage(USAGE, () => parseArgs({ options }).values);
const count = (name: 'readings' | 'partitions' | 'per-event' | 'sensors'): number => {
  const value = Number(flags[name]);
  if (Number.isInteger(value) && value >= 1) return value;
  return endWithUsage(`--${name} takes a whole number from 1, got ${JSON.stringify(flags[name])}`, USAGE);
};
const readings = count('readings');
const partitions = count('partitions');
const perEvent = count('per-event');
const sensors = count('sensors');
if (flags.mode !== 'together' && flags.mode !== 'drain')
  endWithUsage(`--mode takes together or drain, got ${JSON.stringify(flags.mode)}`, USAGE);

if (flags.table) {
  await writeTable();
  process.exit(0);
}

interface IngestResult {
  readonly mode: string;
  readonly readings: number;
  readonly events: number;
  readonly partitions: number;
  readonly readingsPerEvent: number;
  readonly sensors: number;
  readonly sentPerSecond: number;
  readonly ingestedPerSecond: number;
  readonly seconds: number;
  readonly cpuMicrosecondsPerReading: Readonly<Record<string, number>>;
  readonly workerPeakMiB: number;
  readonly workerMiB: readonly number[];
  readonly databaseMiB: number;
  readonly windows: number;
  readonly machine: {
    readonly cores: number;
    readonly cpu: string;
    readonly loadBefore: number;
    readonly node: string;
  };
}

const START_MS = Date.UTC(2026, 9, 1);
const SENSORS_PER_DEVICE = 10;

/** A reading a second of every sensor; a device's readings come together. */
function* feed(): Generator<Reading> {
  for (let i = 0; i < readings; i++) {
    const sensor = i % sensors;
    yield {
      device: `device-${Math.floor(sensor / SENSORS_PER_DEVICE)}`,
      sensor: `sensor-${sensor % SENSORS_PER_DEVICE}`,
      tsMs: START_MS + Math.floor(i / sensors) * 1_000,
      value: Math.sin(i) * 100,
    };
  }
}

/** User and system CPU seconds of a process (Linux). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
const memoryMiB = (pid: number, what: 'VmHWM' | 'VmRSS'): number =>
  Math.round(Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

const loadBefore = load();
const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-ingest-'));
const servers = await startIngestServers(dir, { partitions });
try {
  const sqlUrl = `sqlite:${join(dir, 'fleet.db')}`;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const producer = servers.producer();
  const settings = { commitIntervalMs: 250, statsIntervalMs: 1_000, workerName: 'bench' };
  const startWorker = () => servers.startWorker(sqlUrl, settings, { execArgv: flags['worker-arg'] });
  let worker = flags.mode === 'together' ? await startWorker() : undefined;
  const pids = (): Record<string, number> => ({
    ...servers.pids,
    sender: process.pid,
    ...(worker ? { worker: worker.process.pid! } : undefined),
  });
  const cpuNow = (): Record<string, number> =>
    Object.fromEntries(Object.entries(pids()).map(([part, pid]) => [part, cpuOf(pid)]));

  const resident: number[] = [];
  const sampling = setInterval(() => worker && resident.push(memoryMiB(worker.process.pid!, 'VmRSS')), 100);
  const before = cpuNow();
  const startedAt = performance.now();
  const sent = await sendReadings(feed(), { producer, readingsPerEvent: perEvent });
  const sentAt = performance.now();
  const afterSend = cpuNow();
  worker ??= await startWorker();
  const drainAt = performance.now();
  const base = flags.mode === 'together' ? before : { ...cpuNow(), sender: afterSend.sender! };
  await waitIngested({
    store,
    source: servers.source(),
    lastSequenceNumbers: sent.lastSequenceNumbers,
    stallMs: 30_000,
    pollMs: 50,
  });
  const endedAt = performance.now();
  clearInterval(sampling);
  const after = cpuNow();
  const seconds = (endedAt - (flags.mode === 'together' ? startedAt : drainAt)) / 1000;
  const microseconds = (part: string): number =>
    Math.round(((after[part]! - (base[part] ?? before[part] ?? 0)) / readings) * 1e7) / 10;
  const result: IngestResult = {
    mode: flags.mode,
    readings,
    events: sent.events,
    partitions,
    readingsPerEvent: perEvent,
    sensors,
    sentPerSecond: Math.round(readings / ((sentAt - startedAt) / 1000)),
    ingestedPerSecond: Math.round(readings / seconds),
    seconds: Math.round(seconds * 100) / 100,
    cpuMicrosecondsPerReading: Object.fromEntries(
      ['sender', 'emulator', 'worker', 'blob'].map((part) => [part, microseconds(part)]),
    ),
    workerPeakMiB: memoryMiB(worker.process.pid!, 'VmHWM'),
    // Half way, three quarters, at the end: memory that grows with the readings would show.
    workerMiB: [1 / 2, 3 / 4, 1].map((share) => resident[Math.ceil(resident.length * share) - 1] ?? 0),
    databaseMiB: Math.round((statSync(join(dir, 'fleet.db')).size / 2 ** 20) * 10) / 10,
    windows: (await store.windowStats({ from: 0, to: sensors + 1 }, { countFromMs: 0 })).reduce(
      (sum, s) => sum + (s.windows ?? 0),
      0,
    ),
    machine: {
      cores: availableParallelism(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      loadBefore,
      node: process.version,
    },
  };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(result, undefined, 2)}\n`);
  worker.process.kill('SIGTERM');
  await worker.ended;
  await producer.close();
  await store.close();
} finally {
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
}

/** Every run is a process of its own, so that none finds the memory of another. */
async function writeTable(): Promise<void> {
  const runs = [
    [200_000, 1, 1],
    [200_000, 4, 1],
    [1_000_000, 1, 20],
    [1_000_000, 4, 20],
    [5_000_000, 4, 20],
  ] as const;
  const out = mkdtempSync(join(tmpdir(), 'fleetscore-bench-ingest-table-'));
  const results = runs.map(([n, p, k]) => {
    process.stderr.write(
      `${formatCount(n)} readings, ${p} ${p === 1 ? 'partition' : 'partitions'}, ${k} an event ...\n`,
    );
    const file = join(out, 'result.json');
    execFileSync(
      process.execPath,
      [
        ...process.execArgv,
        import.meta.filename,
        '--readings',
        String(n),
        '--partitions',
        String(p),
        '--per-event',
        String(k),
        '--json',
        file,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    return JSON.parse(readFileSync(file, 'utf8')) as IngestResult;
  });
  rmSync(out, { recursive: true, force: true });
  const { cores, cpu, node } = results[0]!.machine;
  const loads = results.map((r) => r.machine.loadBefore);
  const row = (r: IngestResult): string => {
    const c = r.cpuMicrosecondsPerReading;
    return (
      `| ${formatCount(r.readings)} | ${r.partitions} | ${r.readingsPerEvent} | ` +
      `${formatCount(r.ingestedPerSecond)} | ${c['sender']} / ${c['emulator']} / ${c['worker']} / ${c['blob']} ` +
      `| ${r.workerMiB.join(' / ')} | ${r.workerPeakMiB} |`
    );
  };
  const text = `## Ingest

\`npm run bench:ingest -- --table\` on ${new Date().toISOString().slice(0, 10)}, ${cores} cores (${cpu}) shared by sender, emulator, worker and Blob server, load of the machine before each run ${Math.min(...loads)} to ${Math.max(...loads)} (the runs before it are in it), Node ${node}. One row alone: \`npm run bench:ingest -- --readings N --partitions P --per-event K\`.

| readings | partitions | readings an event | readings/s, sent to committed | CPU a reading, us: sender / emulator / worker / Blob server | worker, MiB: half way / three quarters / end | its peak |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${results.map(row).join('\n')}

An Event Hubs throughput unit takes in 1,000 events or 1 MB a second: 10,000 readings a second, one an event, are 10 units; 60,000 a second, twenty an event (3,000 events, about 4 MB), are 4.
`;
  process.stdout.write(text);
  writeSection(packageFile('bench/RESULTS.md'), 'ingest', text);
}
