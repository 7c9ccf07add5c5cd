/**
 * Scoring of one chunk: every sensor its own one-class SVM, models in Blob (the laptop stack's server), through the
 * engine and its threads. Ways compared: packs, a session a model (kept, and loaded anew each time), and a plain loop
 * over typed arrays that does nothing but the arithmetic. CPU per row counts all threads of this process, and the
 * processes of models with sessions of their own.
 *
 *   node bench/scoring.ts --sensors 1000 --windows 15 --vectors 4 --threads 1 --json FILE
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PlannedSensor, SeriesBlock } from '../storage/store.ts';
import { createScoringEngine, type ScoringEngineOptions } from '../scoring/engine.ts';
import type { ScoreResult } from '../scoring/score-result.ts';
import { encodeModel } from '../scoring/onnx-proto.ts';
import { type ScalerOcsvmRbf, scalerOcsvmRbfModel } from '../scoring/packs/scaler-ocsvm-rbf.ts';
import { decodePredictions, encodePredictions } from '../scoring/predictions-file.ts';
import { publishModels } from '../scoring/publish.ts';
import { openStore } from '../storage/open-store.ts';
import { startBlobServer } from '../test/support/own-blob-server.ts';
import { modelProcessSeconds } from './processes.ts';

const { values: flags } = parseArgs({
  options: {
    sensors: { type: 'string', default: '1000' },
    windows: { type: 'string', default: '15' },
    vectors: { type: 'string', default: '4' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
  },
});
const count = (name: 'sensors' | 'windows' | 'vectors' | 'threads' | 'rounds'): number => {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number from 1, got ${flags[name]}`);
  return value;
};
const [sensorCount, windows, vectors, threads, rounds] = [
  count('sensors'),
  count('windows'),
  count('vectors'),
  count('threads'),
  count('rounds'),
];
const rows = sensorCount * windows;
const INTERVAL_MS = 5_000;
const period = { fromMs: 0, toMs: windows * INTERVAL_MS };

const models = Array.from({ length: sensorCount }, (_, i): ScalerOcsvmRbf => ({
  mean: Float64Array.of(20 + (i % 50)),
  scale: Float64Array.of(1 + (i % 7)),
  negGamma: -0.1 - (i % 9) / 10,
  intercept: -0.3 - i / 1e6,
  supportVectors: Float64Array.from({ length: vectors }, (__, k) => k - vectors / 2),
  dualCoef: new Float64Array(vectors).fill(1 / vectors),
}));

/** Least wall time of the rounds after a first one, and CPU of the same round, both in seconds. */
async function measure(work: () => unknown): Promise<{ seconds: number; cpuSeconds: number }> {
  await work();
  let best = { seconds: Infinity, cpuSeconds: Infinity };
  for (let i = 0; i < rounds; i++) {
    const [cpu, models] = [process.cpuUsage(), modelProcessSeconds()];
    const started = performance.now();
    await work();
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpu);
    if (seconds < best.seconds)
      best = { seconds, cpuSeconds: (used.user + used.system) / 1e6 + modelProcessSeconds() - models };
  }
  return best;
}

/** The arithmetic alone. */
function plainLoop(series: SeriesBlock): ScoreResult {
  const anomaly = new Uint8Array(series.length);
  const score = new Float64Array(series.length);
  for (let row = 0; row < series.length; row++) {
    const p = models[Math.floor(row / windows)]!;
    const z = (series.mean[row]! - p.mean[0]!) / p.scale[0]!;
    let sum = 0;
    for (let k = 0; k < vectors; k++) {
      const difference = z - p.supportVectors[k]!;
      sum += p.dualCoef[k]! * Math.exp(p.negGamma * difference * difference);
    }
    score[row] = sum + p.intercept;
    anomaly[row] = score[row]! > 0 ? 0 : 1;
  }
  return { verdicts: [], scored: new Uint8Array(series.length).fill(1), anomaly, score };
}

const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-scoring-'));
const server = await startBlobServer(join(dir, 'blob'));
const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
try {
  await store.migrate();
  const folder = join(dir, 'models');
  mkdirSync(folder);
  for (const [i, p] of models.entries())
    writeFileSync(join(folder, `model_d_${i}.onnx`), encodeModel(scalerOcsvmRbfModel(p, ['mean'])));
  const published = performance.now();
  const summary = await publishModels(folder, { store, blobs: server.blobs, nowMs: Date.now(), threads });
  const publishSeconds = (performance.now() - published) / 1000;
  const released = await store.listReleaseModels(summary.release, { limit: sensorCount });
  const packed = released.map((m): PlannedSensor => ({
    id: m.sensorId,
    device: m.device,
    sensor: m.sensor,
    unit: '',
    model: m.model,
    pack: m.pack!,
    packRow: m.packRow!,
  }));
  const single = packed.map(({ id, device, sensor, unit, model }): PlannedSensor => ({
    id,
    device,
    sensor,
    unit,
    model: model!,
  }));
  const column = (value: (row: number) => number): Float64Array =>
    Float64Array.from({ length: rows }, (_, row) => value(row));
  const mean = column((row) => 20 + (Math.floor(row / windows) % 50) + 3 * Math.sin(row));
  const series: SeriesBlock = {
    length: rows,
    sensorId: column((row) => packed[Math.floor(row / windows)]!.id),
    startMs: column((row) => (row % windows) * INTERVAL_MS),
    count: column(() => 5),
    mean,
    min: mean,
    max: mean,
    last: mean,
    changeId: 1,
  };

  const through = async (
    sensors: readonly PlannedSensor[],
    options: Partial<ScoringEngineOptions> = {},
  ): Promise<{ seconds: number; cpuSeconds: number; result: ScoreResult }> => {
    const engine = await createScoringEngine({
      blobs: server.blobs,
      cacheDir: join(dir, 'cache'),
      threads,
      ...options,
    });
    try {
      const score = (): Promise<ScoreResult> => engine.score({ sensors, series, period, hopMs: INTERVAL_MS });
      return { ...(await measure(score)), result: await score() };
    } finally {
      await engine.close();
    }
  };
  const packs = await through(packed);
  const kept = await through(single, { maxCacheBytes: 1024 * 1024 * 1024 });
  const anew = await through(single, { maxCacheBytes: 1 });
  const loop = { ...(await measure(() => plainLoop(series))), result: plainLoop(series) };
  for (const [name, { result }] of Object.entries({ kept, anew, loop }))
    if (!result.anomaly.every((label, row) => label === packs.result.anomaly[row]))
      throw new Error(`the labels of ${name} differ from those of packs`);
  const { bytes } = encodePredictions('csv', packed, series, packs.result);
  const encode = await measure(() => encodePredictions('csv', packed, series, packs.result));
  const parquet = encodePredictions('parquet', packed, series, packs.result);
  const encodeParquet = await measure(() => encodePredictions('parquet', packed, series, packs.result));
  const decode = await measure(() => decodePredictions(bytes));
  const decodeParquet = await measure(() => decodePredictions(parquet.bytes));
  const decodeOne = await measure(() => decodePredictions(bytes, packed[sensorCount >> 1]));
  const decodeOneParquet = await measure(() => decodePredictions(parquet.bytes, packed[sensorCount >> 1]));

  const of = ({
    seconds,
    cpuSeconds,
  }: {
    seconds: number;
    cpuSeconds: number;
  }): { rowsPerSecond: number; cpuMicrosecondsPerRow: number; timesPlainLoop: number } => ({
    rowsPerSecond: Math.round(rows / seconds),
    cpuMicrosecondsPerRow: Number(((cpuSeconds * 1e6) / rows).toFixed(3)),
    timesPlainLoop: Number((seconds / loop.seconds).toFixed(2)),
  });
  const report = {
    setting: { sensors: sensorCount, windows, rows, vectors, threads, rounds },
    machine: {
      cores: availableParallelism(),
      cpu: cpus()[0]?.model,
      load: Number(loadavg()[0]!.toFixed(2)),
      node: process.version,
    },
    results: {
      packs: of(packs),
      sessionsKept: of(kept),
      sessionsAnew: of(anew),
      plainLoop: of(loop),
      encode: of(encode),
      decode: of(decode),
      encodeParquet: of(encodeParquet),
      decodeParquet: of(decodeParquet),
    },
    files: {
      csv: { bytes: bytes.byteLength, oneSensorMs: Number((decodeOne.seconds * 1000).toFixed(3)) },
      parquet: { bytes: parquet.bytes.byteLength, oneSensorMs: Number((decodeOneParquet.seconds * 1000).toFixed(3)) },
    },
    publish: {
      models: summary.models,
      packs: summary.packs,
      modelsPerSecond: Math.round(summary.models / publishSeconds),
    },
  };
  console.log(JSON.stringify(report, null, 2));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await store.close();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}
