/**
 * `npm run bench -- --alarms`: CPU of a batch without and with alarms, side by side on one store: series read,
 * predictions encoded, outcomes committed, and with alarms what scoring leaves and what is decided after the batch. The
 * models are left out: with them the share of alarms is smaller. A whole batch: alarms-whole.ts.
 *
 *   npm run bench -- --alarms [--sensors 100000] [--windows 15] [--anomalous 0.01] [--run 5] [--rounds 3]
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { signalsOf } from '../batches/alarm-signals.ts';
import { raiseAlarms } from '../batches/raise-alarms.ts';
import { encodeCsv } from '../scoring/predictions-csv.ts';
import type { SensorVerdict } from '../scoring/score-result.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { openStore } from '../storage/open-store.ts';
import type { SeriesBlock, Store } from '../storage/store.ts';
import { benchAlarmsWhole } from './alarms-whole.ts';

const HOP = 5_000;
const SHAPE = { hopMs: HOP, windowMs: HOP };
const CHUNK = 1_000;

interface Sizes {
  readonly sensors: number;
  readonly windows: number;
  readonly anomalous: number;
  readonly rounds: number;
  /** Anomalous windows that follow each other: one, as noise makes them, gives no alarm. */
  readonly run: number;
}

function sizesOf(args: readonly string[]): Sizes {
  const { values } = parseArgs({
    args: [...args],
    options: {
      alarms: { type: 'boolean' },
      sensors: { type: 'string', default: '100000' },
      windows: { type: 'string', default: '15' },
      anomalous: { type: 'string', default: '0.01' },
      rounds: { type: 'string', default: '3' },
      run: { type: 'string', default: '5' },
    },
  });
  return {
    run: Number(values.run),
    sensors: Number(values.sensors),
    windows: Number(values.windows),
    anomalous: Number(values.anomalous),
    rounds: Number(values.rounds),
  };
}

/** CPU of all threads, seconds. */
const cpuOf = async (work: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

/** As an engine would have scored: some sensors have a run of anomalous windows. */
function scored(series: SeriesBlock, { anomalous, run }: Sizes) {
  const anomaly = new Uint8Array(series.length);
  const score = new Float64Array(series.length).fill(1);
  const verdicts: SensorVerdict[] = [];
  for (let row = 0; row < series.length;) {
    const sensorId = series.sensorId[row]!;
    const bad = sensorId % Math.max(1, Math.round(1 / anomalous)) === 0;
    let windows = 0;
    for (; row < series.length && series.sensorId[row] === sensorId; row++, windows++)
      if (bad && windows > 3 && windows < 4 + run) {
        anomaly[row] = 1;
        score[row] = -1;
      }
    verdicts.push({ sensorId, status: 'scored', windows, anomalies: bad ? Math.min(run, windows) : 0, leftOut: 0 });
  }
  return { verdicts, scored: new Uint8Array(series.length).fill(1), anomaly, score };
}

interface Batch {
  readonly store: Store;
  readonly first: number;
  readonly sizes: Sizes;
  readonly number: number;
  readonly withAlarms: boolean;
}

async function runBatch({ store, first, sizes, number, withAlarms }: Batch): Promise<void> {
  const id = `b${number}`;
  const period = { fromMs: number * sizes.windows * HOP, toMs: (number + 1) * sizes.windows * HOP };
  await store.createBatch({
    id,
    workflowId: 'w',
    runId: id,
    kind: 'score',
    release: 'bench',
    codeVersion: '1',
    startedAtMs: number,
    ...period,
  });
  for (let from = first; from < first + sizes.sensors; from += CHUNK) {
    const range = { from, to: Math.min(from + CHUNK, first + sizes.sensors) };
    const series = await store.readSeries(range, period, { columns: 'mean' });
    const result = scored(series, sizes);
    const names = result.verdicts.map(({ sensorId }) => ({ id: sensorId, device: `d${sensorId >> 3}`, sensor: 's' }));
    const { bytes, rows } = encodeCsv(names, series, result);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const signals = withAlarms
      ? signalsOf({ sensors: [], series, result, period, shape: SHAPE, known: await store.alarmSense(range) })
      : [];
    await store.commitChunk({
      batchId: id,
      chunk: `c${from}`,
      changeId: series.changeId,
      outcomes: result.verdicts.map(({ sensorId, windows, anomalies }) => ({
        sensorId,
        status: 'scored',
        windows,
        anomalies,
        attempt: 1,
        model: 'model-a',
      })),
      file: { chunk: `c${from}`, blob: `${id}/c${from}`, rows, bytes: bytes.byteLength, sha256 },
      ...(signals.length > 0 ? { signals } : {}),
    });
  }
  await store.finishBatch(id, { status: 'completed', manifest: 'm', finishedAtMs: number });
  const blobs = { get: () => Promise.reject(new Error('no file is read in order')) } as unknown as BlobStore;
  if (withAlarms) await raiseAlarms({ store, blobs, windows: SHAPE, now: () => number }, id);
}

export async function benchAlarms(args: readonly string[]): Promise<void> {
  if (args.includes('--whole')) return benchAlarmsWhole(args);
  const sizes = sizesOf(args);
  const dir = mkdtempSync(join(tmpdir(), 'fleetscore-bench-alarms-'));
  const store = await openStore(`sqlite:${join(dir, 'fleet.db')}`);
  try {
    await store.migrate();
    const ids = await store.registerSensors(
      Array.from({ length: sizes.sensors }, (_, i) => ({ device: `d${i >> 3}`, sensor: `s${i & 7}` })),
    );
    const first = ids[0]!;
    await store.createRelease(
      'bench',
      0,
      ids.map((sensorId) => ({ sensorId, model: 'model-a' })),
      [{ model: 'model-a', bytes: 1, kind: 'onnx', features: ['mean'] }],
    );
    const batches = sizes.rounds * 2 + 2;
    await store.loadWindows({
      sensorIdFrom: first,
      startMs: 0,
      stepMs: HOP,
      windowsPerSensor: sizes.windows * batches,
      values: Float64Array.from({ length: sizes.sensors * sizes.windows * batches }, (_, i) => i % 97),
    });
    const times: Record<'without' | 'with', number[]> = { without: [], with: [] };
    for (let number = 0; number < batches; number++) {
      const withAlarms = number % 2 === 1;
      const seconds = await cpuOf(() => runBatch({ store, first, sizes, number, withAlarms }));
      // The first of each warms up.
      if (number >= 2) times[withAlarms ? 'with' : 'without'].push(seconds);
    }
    const [without, including] = [Math.min(...times.without), Math.min(...times.with)];
    process.stdout.write(
      JSON.stringify({
        ...sizes,
        cpuSecondsWithout: without,
        cpuSecondsWith: including,
        share: (including - without) / without,
        all: times,
      }) + `\n`,
    );
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
