/**
 * Ingest from end to end: sender -> Event Hubs emulator -> ingest worker -> SQLite and raw capture, each in a
 * process of its own. Rates depend on what else the machine does; CPU per reading hardly does, so it is told for
 * every part. `--mode drain` sends first and then times the worker alone with the emulator.
 *
 *   node bench/ingest.ts --readings 200000 --partitions 4 --per-event 20 --sensors 1000 --json FILE
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Reading } from '../domain/reading.ts';
import { sendReadings, waitIngested } from '../ingest/send.ts';
import { openStore } from '../storage/open-store.ts';
import { startIngestServers } from '../test/support/ingest-servers.ts';

const { values: flags } = parseArgs({
  options: {
    readings: { type: 'string', default: '200000' },
    partitions: { type: 'string', default: '4' },
    'per-event': { type: 'string', default: '20' },
    sensors: { type: 'string', default: '1000' },
    mode: { type: 'string', default: 'together' },
    json: { type: 'string' },
    'worker-arg': { type: 'string', multiple: true, default: [] },
  },
});
const count = (name: 'readings' | 'partitions' | 'per-event' | 'sensors'): number => {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, got ${flags[name]}`);
  return value;
};
const readings = count('readings');
const partitions = count('partitions');
const perEvent = count('per-event');
const sensors = count('sensors');
if (flags.mode !== 'together' && flags.mode !== 'drain') throw new Error(`--mode must be together or drain, got ${flags.mode}`);

const START_MS = Date.UTC(2026, 9, 1);
const SENSORS_PER_DEVICE = 10;

/** A reading a second of every sensor; a device's readings come together. */
function* feed(): Generator<Reading> {
  for (let i = 0; i < readings; i++) {
    const sensor = i % sensors;
    yield {
      device: `device-${Math.floor(sensor / SENSORS_PER_DEVICE)}`, sensor: `sensor-${sensor % SENSORS_PER_DEVICE}`,
      tsMs: START_MS + Math.floor(i / sensors) * 1_000, value: Math.sin(i) * 100,
    };
  }
}

/** User and system CPU seconds of a process (Linux). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
const peakMiB = (pid: number): number => Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

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
  const pids = (): Record<string, number> => ({ ...servers.pids, sender: process.pid, ...(worker ? { worker: worker.process.pid! } : undefined) });
  const cpuNow = (): Record<string, number> => Object.fromEntries(Object.entries(pids()).map(([part, pid]) => [part, cpuOf(pid)]));

  const before = cpuNow();
  const startedAt = performance.now();
  const sent = await sendReadings(feed(), { producer, readingsPerEvent: perEvent });
  const sentAt = performance.now();
  const afterSend = cpuNow();
  worker ??= await startWorker();
  const drainAt = performance.now();
  const base = flags.mode === 'together' ? before : { ...cpuNow(), sender: afterSend.sender! };
  await waitIngested({ store, source: servers.source(), lastSequenceNumbers: sent.lastSequenceNumbers, stallMs: 30_000, pollMs: 50 });
  const endedAt = performance.now();
  const after = cpuNow();
  const seconds = (endedAt - (flags.mode === 'together' ? startedAt : drainAt)) / 1000;
  const microseconds = (part: string): number => Math.round(((after[part]! - (base[part] ?? before[part] ?? 0)) / readings) * 1e7) / 10;
  const result = {
    mode: flags.mode, readings, events: sent.events, partitions, readingsPerEvent: perEvent, sensors,
    sentPerSecond: Math.round(readings / ((sentAt - startedAt) / 1000)),
    ingestedPerSecond: Math.round(readings / seconds),
    seconds: Math.round(seconds * 100) / 100,
    cpuMicrosecondsPerReading: Object.fromEntries(['sender', 'emulator', 'worker', 'azurite'].map((part) => [part, microseconds(part)])),
    workerPeakMiB: peakMiB(worker.process.pid!),
    databaseMiB: Math.round((statSync(join(dir, 'fleet.db')).size / 2 ** 20) * 10) / 10,
    windows: (await store.windowStats({ from: 0, to: sensors + 1 })).reduce((sum, s) => sum + s.windows, 0),
    machine: { cores: availableParallelism(), cpu: cpus()[0]?.model ?? 'unknown', load: loadavg()[0], node: process.version },
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
