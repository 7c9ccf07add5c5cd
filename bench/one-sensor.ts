/**
 * `npm run bench -- --one-sensor`: how long the control worker answers nobody while it closes a batch with millions of
 * windows of one sensor, and decides on its alarms. What is measured is the longest delay of the event loop, which must
 * not grow with the number of windows. Writes the section `one-sensor` of bench/RESULTS.md.
 *
 *   npm run bench -- --one-sensor [--windows 450000,3000000] [--results FILE]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { signalsOf } from '../batches/alarm-signals.ts';
import { finishBatch } from '../batches/finish.ts';
import { writePredictions } from '../batches/predictions-blob.ts';
import { raiseAlarms } from '../batches/raise-alarms.ts';
import { batchFolder } from '../domain/blob-names.ts';
import { formatBytes } from '../domain/bytes.ts';
import { formatCount } from '../report/format.ts';
import { blobTarget, publishSite } from '../report/index.ts';
import { decodePredictions, encodePredictions } from '../scoring/predictions-file.ts';
import { openStore } from '../storage/open-store.ts';
import type { SeriesBlock } from '../storage/store.ts';
import { startBlobServer } from '../test/support/own-blob-server.ts';
import { wrongFlag } from './flags.ts';
import { writeSection } from './results-file.ts';

const HOP_MS = 5_000;
const SHAPE = { hopMs: HOP_MS, windowMs: HOP_MS };
const FROM_MS = Date.UTC(2026, 0, 1);
const MODEL = 'a'.repeat(64);

/** Which windows are abnormal: every thousandth, and now and then a dozen in a row; or each. */
const PATTERNS = ['few', 'all'] as const;
type Pattern = (typeof PATTERNS)[number];

interface Measured {
  readonly windows: number;
  readonly bytes: number;
  /** Seconds in all, and the longest time in which nothing else could run, ms. */
  readonly finish: Blocked;
  readonly alarms: Blocked;
  /** Of a second batch over the same period: what is served of the windows is read back. */
  readonly again: Blocked;
}

interface Blocked {
  readonly seconds: number;
  readonly longestMs: number;
  /** Most memory beside what was there before, heap and buffers, bytes. */
  readonly peakBytes: number;
}

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

async function blocked(work: () => Promise<unknown>): Promise<Blocked> {
  globalThis.gc?.();
  const before = memory();
  let peak = before;
  const sampler = setInterval(() => (peak = Math.max(peak, memory())), 20);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const from = performance.now();
  await work();
  // The last turn counts too: the histogram hears of it when the loop goes on.
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  clearInterval(sampler);
  return { seconds: (performance.now() - from) / 1_000, longestMs: delay.max / 1e6, peakBytes: peak - before };
}

function scored(windows: number, pattern: Pattern): { readonly series: SeriesBlock; readonly anomaly: Uint8Array } {
  const isAbnormal = (i: number): boolean => pattern === 'all' || i % 1_000 === 7 || i % 50_000 < 12;
  const anomaly = Uint8Array.from({ length: windows }, (_, i) => Number(isAbnormal(i)));
  const column = (of: (i: number) => number): Float64Array => Float64Array.from({ length: windows }, (_, i) => of(i));
  const mean = column((i) => 20 + Math.sin(i / 97) + anomaly[i]! * 5);
  const series = {
    length: windows,
    changeId: 1,
    sensorId: new Float64Array(windows).fill(1),
    startMs: column((i) => FROM_MS + i * HOP_MS),
    mean,
  } as unknown as SeriesBlock;
  return { series, anomaly };
}

async function measure(dir: string, windows: number, pattern: Pattern): Promise<Measured> {
  const period = { fromMs: FROM_MS, toMs: FROM_MS + windows * HOP_MS };
  const server = await startBlobServer(join(dir, `${pattern}-${windows}`));
  const store = await openStore(`sqlite:${join(dir, `${pattern}-${windows}.db`)}`);
  try {
    const { blobs } = server;
    await store.migrate();
    const [first] = await store.registerSensors([{ device: 'd', sensor: 's' }]);
    await store.createRelease(
      'bench',
      0,
      [{ sensorId: first!, model: MODEL }],
      [{ model: MODEL, bytes: 1, kind: 'onnx', features: ['mean'] }],
    );
    const { series, anomaly } = scored(windows, pattern);
    const score = Float64Array.from(anomaly, (bad) => (bad === 1 ? -1.25 : 0.75));
    const anomalies = anomaly.reduce((sum, one) => sum + one, 0);
    const verdict = { sensorId: first!, status: 'scored' as const, windows, anomalies, leftOut: 0 };
    const result = { verdicts: [verdict], scored: new Uint8Array(windows).fill(1), anomaly, score };
    const content = encodePredictions('csv', [{ id: first!, device: 'd', sensor: 's' }], series, result);
    const source = { store, blobs, decodePredictions, now: Date.now };
    const warn = (message: string): void => void process.stderr.write(`${message}\n`);
    const deps = { store, blobs, codeVersion: 'bench', worker: 'bench', now: Date.now, windows: SHAPE, warn };
    const batch = async (id: string): Promise<readonly [Blocked, Blocked]> => {
      const run = { id, workflowId: id, runId: id, kind: 'score' as const, release: 'bench' };
      await store.createBatch({ ...run, ...period, codeVersion: 'bench', startedAtMs: Date.now() });
      const known = await store.alarmSense({ from: first!, to: first! + 1 });
      await store.commitChunk({
        batchId: id,
        chunk: 'all',
        changeId: 1,
        outcomes: [{ sensorId: first!, status: 'scored', windows, anomalies, attempt: 1, model: MODEL }],
        file: await writePredictions(blobs, 'csv', batchFolder(period.fromMs, id), 'all', content),
        signals: signalsOf({ sensors: [{}], series, result, period, shape: SHAPE, known }),
      });
      const publish = (batchId: string): Promise<unknown> =>
        publishSite(source, blobTarget(blobs), [batchId], { maxSensors: 100 });
      const input = { batchId: id, ending: 'done' as const, toleratedFailurePercentage: 10, ...period };
      return [
        await blocked(() => finishBatch({ ...deps, publish }, input)),
        await blocked(() => raiseAlarms(deps, id)),
      ];
    };
    const [finish, alarms] = await batch(`bench-${windows}`);
    const [, again] = await batch(`again-${windows}`);
    return { windows, bytes: content.bytes.byteLength, finish, alarms, again };
  } finally {
    await store.close();
    await server.stop();
  }
}

export async function benchOneSensor(argv: readonly string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args: argv.filter((arg) => arg !== '--one-sensor'),
    options: {
      windows: { type: 'string', default: '450000,3000000' },
      results: { type: 'string', default: fileURLToPath(new URL('RESULTS.md', import.meta.url)) },
    },
  });
  const sizes = flags.windows.split(',').map(Number);
  if (!sizes.every((size) => Number.isInteger(size) && size > 0))
    throw wrongFlag(`--windows takes whole numbers, got ${flags.windows}`);
  const before = loadavg()[0]!.toFixed(1);
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-one-sensor-'));
  try {
    const rows: string[] = [];
    for (const size of sizes)
      for (const pattern of PATTERNS) {
        const { windows, bytes, finish, alarms, again } = await measure(dir, size, pattern);
        const cells = [finish, alarms, again].flatMap(({ seconds, longestMs, peakBytes }) => [
          seconds.toFixed(1),
          longestMs.toFixed(0),
          formatBytes(peakBytes),
        ]);
        rows.push(`| ${[formatCount(windows), pattern, formatBytes(bytes), ...cells].join(' | ')} |`);
      }
    const text = [
      '## One sensor with millions of windows',
      '',
      `\`npm run bench -- --one-sensor --windows ${flags.windows}\` on ${new Date().toISOString().slice(0, 10)}, ` +
        `${cpus().length} cores (${cpus()[0]?.model.trim()}), load before ${before}, ` +
        `Node ${process.version}. ` +
        'A batch of one sensor, a window every 5 s; closing it includes manifest and pages. Blocked: the longest ' +
        'time in which ' +
        'the control worker answers nobody (delay of its event loop). A second batch over the same period reads back ' +
        'what is served of every window. Memory: the most beside what was there before, the predictions file ' +
        'included.',
      '',
      '| windows | abnormal | predictions file | closing, s | blocked, ms | memory ' +
        '| alarms, s | blocked, ms | memory | alarms of a second batch, s | blocked, ms | memory |',
      '| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
      ...rows,
    ].join('\n');
    writeSection(flags.results, 'one-sensor', text);
    process.stdout.write(`${text}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
