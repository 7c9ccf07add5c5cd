/** Few large machines or many small ones: one process with two threads beside two with one, over the same fleet. */
import { median } from './end-to-end.ts';
import { type BatchRun, type BenchFleet, runBatch } from './fleet.ts';
import { load } from './machine.ts';
import { peaksMiB } from './processes.ts';
import type { WorkerShape } from './scoring-workers.ts';

export interface ShapeResult extends Required<WorkerShape> {
  readonly seconds: number;
  readonly allSeconds: readonly number[];
  readonly sensorsPerSecond: number;
  /** Of all scoring processes together, microseconds. */
  readonly cpuMicrosecondsPerSensor: number;
  /** Of each scoring process. */
  readonly peakMiB: readonly number[];
}

export interface WorkerShapes {
  readonly sensors: number;
  readonly load: number;
  readonly shapes: readonly ShapeResult[];
}

const SHAPES: readonly Required<WorkerShape>[] = [
  { processes: 1, threads: 2 },
  { processes: 2, threads: 1 },
];

/**
 * @param rounds of both, in turns, after a batch that warms up and does not count; leaves the default workers running
 */
export async function runWorkerShapes(
  bench: BenchFleet,
  rounds: number,
  log: (line: string) => void,
): Promise<WorkerShapes> {
  const { sensors } = bench.fleet;
  const before = load();
  const runs = SHAPES.map((): (BatchRun & { readonly peaks: readonly number[] })[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, shape] of SHAPES.entries()) {
      await bench.workers.use(shape);
      await runBatch(bench, `warm-${round}-${i}`);
      const run = await runBatch(bench, `shape-${round}-${i}`);
      runs[i]!.push({ ...run, peaks: peaksMiB(bench.home, 'scoring worker') });
      log(`  round ${round + 1}: ${describeShape(shape)} ${run.seconds.toFixed(2)} s`);
    }
  await bench.workers.use({ processes: 1 });
  return {
    sensors,
    load: before,
    shapes: SHAPES.map((shape, i) => {
      const run = median(runs[i]!);
      return {
        ...shape,
        seconds: run.seconds,
        allSeconds: runs[i]!.map((r) => r.seconds),
        sensorsPerSecond: Math.round(sensors / run.seconds),
        cpuMicrosecondsPerSensor: Math.round(((run.cpuSeconds['scoring worker'] ?? 0) * 1e7) / sensors) / 10,
        peakMiB: run.peaks,
      };
    }),
  };
}

export const describeShape = ({ processes, threads }: Required<WorkerShape>): string =>
  `${processes} ${processes === 1 ? 'process' : 'processes'} x ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
