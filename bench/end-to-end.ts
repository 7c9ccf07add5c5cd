/** One size of fleet: fleetscore from trigger to manifest, and the bare loop over the same store, in turns. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { chooseSizes } from '../domain/sizing.ts';
import { type BatchRun, type BenchFleet, runBatch } from './fleet.ts';
import { load } from './machine.ts';
import type { ByPart } from './processes.ts';

export interface BareLoop {
  readonly seconds: number;
  readonly rows: number;
  readonly bytes: number;
  readonly anomalies: number;
  readonly readSeconds: number;
  readonly scoreSeconds: number;
  readonly csvSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

export interface EndToEnd {
  readonly sensors: number;
  readonly windows: number;
  readonly sensorsPerChild: number;
  readonly sensorsPerActivity: number;
  readonly simulateSeconds: number;
  /** Load of the machine before the first round. */
  readonly load: number;
  /** Each round; the rest is of the round in the middle. */
  readonly allSeconds: readonly number[];
  readonly seconds: number;
  readonly sensorsPerSecond: number;
  readonly cpuMicrosecondsPerSensor: ByPart;
  readonly peakMiB: ByPart;
  readonly history: BatchRun['history'];
  readonly bareLoop: BareLoop & { readonly allSeconds: readonly number[] };
  /** fleetscore's time / the bare loop's. */
  readonly overhead: number;
}

const LOOP = fileURLToPath(new URL('./bare-loop.ts', import.meta.url));

async function runBareLoop({ home, fleet, env }: BenchFleet, folder: string): Promise<BareLoop> {
  const { sensorsPerActivity } = chooseSizes(fleet.sensors, fleet);
  const loop = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      LOOP,
      '--db',
      join(home, 'data', 'fleet.db'),
      '--blob',
      env.FLEETSCORE_BLOB_CONNECTION_STRING!,
      '--folder',
      `bare-loop/${folder}`,
      '--chunk',
      String(sensorsPerActivity),
      '--from',
      String(fleet.fromMs),
      '--to',
      String(fleet.toMs),
    ],
    // A session of its own, as the processes of the stack have: Linux shares out cores by session, and what a nice
    // bench starts in its own would wait for them.
    {
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [said, [code]] = await Promise.all([text(loop.stdout), once(loop, 'exit')]);
  if (code !== 0) throw new Error(`the bare loop ended with ${String(code)}`);
  return JSON.parse(said) as BareLoop;
}

/** @param rounds of both, in turns; the median counts */
export async function runEndToEnd(bench: BenchFleet, rounds: number, log: (line: string) => void): Promise<EndToEnd> {
  const { fleet } = bench;
  const before = load();
  const runs: BatchRun[] = [];
  const loops: BareLoop[] = [];
  for (let round = 0; round < rounds; round++) {
    const loop = await runBareLoop(bench, String(round));
    const batch = await runBatch(bench, `bench-${round}`);
    if (loop.rows !== batch.batch.counts.windows || loop.anomalies !== batch.batch.counts.anomalies)
      throw new Error(
        `the bare loop says ${loop.anomalies} anomalies in ${loop.rows} rows, the batch ` +
          JSON.stringify(batch.batch.counts),
      );
    log(`  round ${round + 1}: fleetscore ${batch.seconds.toFixed(2)} s, bare loop ${loop.seconds.toFixed(2)} s`);
    runs.push(batch);
    loops.push(loop);
  }
  const chosen = median(runs);
  const loop = median(loops);
  const { sensors } = fleet;
  return {
    sensors,
    windows: fleet.windows,
    ...chooseSizes(sensors, fleet),
    simulateSeconds: bench.simulateSeconds,
    load: before,
    allSeconds: runs.map((r) => r.seconds),
    seconds: chosen.seconds,
    sensorsPerSecond: Math.round(sensors / chosen.seconds),
    cpuMicrosecondsPerSensor: Object.fromEntries(
      Object.entries(chosen.cpuSeconds).map(([part, seconds]) => [part, Math.round((seconds * 1e7) / sensors) / 10]),
    ),
    peakMiB: chosen.peakMiB,
    history: chosen.history,
    bareLoop: { ...loop, allSeconds: loops.map((l) => l.seconds) },
    overhead: Number((chosen.seconds / loop.seconds).toFixed(2)),
  };
}

/** The run in the middle by time; of two the slower. */
export function median<T extends { readonly seconds: number }>(runs: readonly T[]): T {
  return runs.toSorted((a, b) => a.seconds - b.seconds)[runs.length >> 1]!;
}
