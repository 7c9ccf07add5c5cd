/** What the parts of the contract share: names that no other test uses, and rows to begin with. */
import type { WindowUpdate } from '../../domain/window.ts';
import type { SensorOutcome } from '../../domain/outcome.ts';
import type { Window } from '../../domain/reading.ts';
import type { ChunkResult, IngestCommit, NewBatch, SeriesBlock, Store } from '../../storage/store.ts';

export const MINUTE = 60_000;
export const T0 = Date.UTC(2026, 10, 23, 14);
export const EVER = { fromMs: 0, toMs: 4e12 };

export interface ContractOptions {
  /** Examples of each property. */
  readonly runs: number;
}

export interface ContractTools extends ReturnType<typeof makeTools> {
  readonly store: Store;
  readonly runs: number;
}

/** The code of what was thrown, undefined when nothing was. */
export async function failing(work: Promise<unknown>): Promise<unknown> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  return (error as { code?: unknown } | undefined)?.code;
}

export function makeTools(store: () => Store) {
  // Every test has names of its own, so that one store serves them all.
  let names = 0;
  const unique = (what: string): string => `${what}-${++names}`;
  const sensors = (count: number): Promise<number[]> => {
    const device = unique('device');
    return store().registerSensors(Array.from({ length: count }, (_, i) => ({ device, sensor: `s${i}` })));
  };
  const release = async (models: readonly { sensorId: number; model: string }[] = []): Promise<string> => {
    const name = unique('release');
    const infos = [...new Set(models.map((m) => m.model))].map((model) => ({
      model,
      bytes: 10,
      kind: 'onnx',
      features: ['mean'],
    }));
    await store().createRelease(name, T0, models, infos);
    return name;
  };
  const newBatch = async (over: Partial<NewBatch> = {}): Promise<NewBatch> => ({
    id: unique('batch'),
    workflowId: 'workflow',
    runId: 'run',
    kind: 'score',
    release: over.release ?? (await release()),
    codeVersion: '1.0.0',
    startedAtMs: T0,
    fromMs: T0,
    toMs: T0 + MINUTE,
    ...over,
  });
  const commit = (updates: readonly WindowUpdate[], over: Partial<IngestCommit> = {}): IngestCommit => ({
    source: 'hub',
    partition: unique('p'),
    expectedSeq: -1,
    throughSeq: 0,
    watermarkMs: T0,
    updates,
    readings: updates.length,
    late: 0,
    dead: 0,
    ...over,
  });
  const reading = (sensorId: number, value: number, startMs = T0, tsMs = startMs): WindowUpdate => ({
    sensorId,
    startMs,
    tsMs: [tsMs],
    values: [value],
  });
  const scored = (sensorId: number, over: Partial<SensorOutcome> = {}): SensorOutcome =>
    ({ sensorId, status: 'scored', windows: 15, anomalies: 2, model: 'model-a', attempt: 1, ...over }) as SensorOutcome;
  const chunk = (
    batchId: string,
    name: string,
    outcomes: readonly SensorOutcome[],
    over: Partial<ChunkResult> = {},
  ): ChunkResult => ({
    batchId,
    chunk: name,
    outcomes,
    changeId: 0,
    file: { chunk: name, blob: `${batchId}/${name}.csv`, rows: 15, bytes: 900, sha256: 'f'.repeat(64) },
    ...over,
  });
  return { unique, sensors, release, newBatch, commit, reading, scored, chunk };
}

export function rows(block: SeriesBlock): (Window & { sensorId: number })[] {
  return Array.from({ length: block.length }, (_, i) => ({
    sensorId: block.sensorId[i]!,
    startMs: block.startMs[i]!,
    count: block.count[i]!,
    mean: block.mean[i]!,
    min: block.min[i]!,
    max: block.max[i]!,
    last: block.last[i]!,
  }));
}
