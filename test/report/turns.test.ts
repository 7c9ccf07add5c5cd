/**
 * A batch with millions of windows of one sensor does not keep the control worker from answering: rows are handled a
 * part a turn of the event loop. What is counted is rows between two turns, not time.
 */
import { expect, test } from '@jest/globals';
import { itemsOfPredictions, type EvidenceItem } from '../../alarms/evidence.ts';
import { NO_RULES, senseOf } from '../../alarms/rules.ts';
import { servedStretches } from '../../batches/served-stretches.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import type { Prediction } from '../../domain/prediction.ts';
import { sha256InTurns, sha256Of } from '../../domain/sha256.ts';
import { MAX_TIME_MS } from '../../domain/time.ts';
import { inTurns, ROWS_PER_TURN } from '../../domain/turns.ts';
import { readSeries } from '../../report/collect/series.ts';
import { encodePredictions } from '../../scoring/predictions-file.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Batch, PredictionSource, Store } from '../../storage/store.ts';

const HOP_MS = 5_000;
const FROM_MS = Date.UTC(2026, 0, 1);
const ROWS = 10 * ROWS_PER_TURN + 17;
const SENSOR = { id: 7, device: 'pump, 1', sensor: 'vibration', unit: '' };

/** Counts what happens between two turns of the event loop; others have their turn when the count starts anew. */
function turnCounter(): { readonly count: () => void; readonly end: () => number } {
  let [most, now, over] = [0, 0, false];
  const turn = (): void => {
    now = 0;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    count: () => (most = Math.max(most, ++now)),
    end: () => {
      over = true;
      return most;
    },
  };
}

/** A list of rows that tells of each one that is looked at. */
function watched<T extends object>(rows: readonly T[], count: () => void): readonly T[] {
  return new Proxy(rows, {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) count();
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
}

const predictionAt = (row: number, score = 1): Prediction => ({
  tsMs: FROM_MS + row * HOP_MS,
  device: SENSOR.device,
  sensor: SENSOR.sensor,
  value: row % 97,
  prediction: row % 1_000 === 3 ? 1 : 0,
  score,
});
const predictions = (from: number, to: number, score?: number): Prediction[] =>
  Array.from({ length: to - from }, (_, i) => predictionAt(from + i, score));

function fileOf(rows: readonly Prediction[]): { readonly bytes: Uint8Array; readonly sha256: string } {
  const column = (of: (row: Prediction) => number): Float64Array => Float64Array.from(rows, of);
  return encodePredictions(
    'csv',
    [SENSOR],
    {
      length: rows.length,
      sensorId: column(() => SENSOR.id),
      startMs: column((r) => r.tsMs),
      mean: column((r) => r.value),
    },
    {
      scored: new Uint8Array(rows.length).fill(1),
      anomaly: Uint8Array.from(rows, (r) => r.prediction),
      score: column((r) => r.score),
    },
  );
}

test('a list is handled part by part, whole, and others have their turn in between', async () => {
  const { count, end } = turnCounter();
  let sum = 0;
  for await (const { from, to } of inTurns(1_000, 64))
    for (let i = from; i < to; i++) {
      count();
      sum += i;
    }
  expect([sum, end()]).toEqual([499_500, 64]);
  expect(await sha256InTurns(Buffer.alloc(9_000_000, 'x'))).toBe(sha256Of(Buffer.alloc(9_000_000, 'x')));
  expect(await sha256InTurns(new Uint8Array(0))).toBe(sha256Of(''));
});

test('rows become the columns of pages a part a turn', async () => {
  const { count, end } = turnCounter();
  const file = { chunk: 'a', blob: 'a.csv', rows: ROWS, bytes: 1, sha256: sha256Of('a') };
  const blobs = {
    get: async (_: string, name: string) =>
      Buffer.from(name === 'm' ? JSON.stringify({ batch: 'b', files: [file] }) : 'a'),
  };
  const all = predictions(0, ROWS);
  const outcome = { status: 'scored', batches: 1, batchesWithStatus: 1, windows: ROWS, anomalies: 0 } as const;
  const { series, problems } = await readSeries(
    { blobs, decodePredictions: () => watched(all, count) },
    [{ id: 'b', manifest: 'm', status: 'completed', startedAtMs: 0 } as Batch],
    [{ ...SENSOR, faulty: false, outcome, chunks: [{ batchId: 'b', chunk: 'a' }] }],
  );
  expect(problems).toEqual([]);
  const [columns] = [...series.values()];
  expect(columns!.tsMs).toEqual(Float64Array.from(all, ({ tsMs }) => tsMs));
  expect(columns!.score).toHaveLength(ROWS);
  expect(columns!.prediction).toEqual(Uint8Array.from(all, ({ prediction }) => prediction));
  expect(end()).toBeLessThanOrEqual(ROWS_PER_TURN);
});

test('what alarms rest on is made of predictions a part a turn, in stretches, and is the same', async () => {
  const { count, end } = turnCounter();
  const [sense, shape] = [senseOf(NO_RULES), { hopMs: HOP_MS, windowMs: HOP_MS }];
  const all = predictions(0, ROWS);
  const pages = async function* (): AsyncGenerator<readonly Prediction[], undefined> {
    for await (const { from, to } of inTurns(ROWS)) yield watched(all.slice(from, to), count);
    return undefined;
  };
  const period = { fromMs: FROM_MS, toMs: FROM_MS + ROWS * HOP_MS };
  const of = {
    period,
    batchId: 'b',
    verdict: 'scored',
    seen: true,
    isRest: false,
    sense,
    shape,
    unscored: [],
  } as const;
  const stretches = [];
  for await (const stretch of servedStretches(pages(), { ...of, items: 7 })) {
    // Each anomaly is one item, and each run of normal windows.
    expect(stretch.items.length).toBeLessThan(14);
    stretches.push(stretch);
  }
  // A row is looked at twice: when its window is put into a column, and when the end of its run is looked for.
  expect(end()).toBeLessThanOrEqual(4 * ROWS_PER_TURN);
  expect(stretches.length).toBeGreaterThan(7);
  expect(stretches.map(({ fromMs }) => fromMs)).toEqual([FROM_MS, ...stretches.slice(0, -1).map(({ toMs }) => toMs)]);
  expect(stretches.at(-1)!.toMs).toBe(period.toMs);
  const windows = (items: readonly EvidenceItem[]): number[] =>
    items.flatMap(([code, start, many, step]) =>
      code === 1 ? [start] : Array.from({ length: many }, (_, i) => start + i * step),
    );
  expect(stretches.flatMap(({ items }) => windows(items))).toEqual(windows(itemsOfPredictions(all, sense, shape)));
});

test('files that overlap are one list by time in which the later batch has the word', async () => {
  const files = [
    predictions(0, 3 * ROWS_PER_TURN, 1),
    predictions(2 * ROWS_PER_TURN, 4 * ROWS_PER_TURN, 2),
    predictions(-50, 10, 3),
    predictions(5, 6, 4),
    [],
  ].map((rows) => ({ ...fileOf(rows), fromMs: rows[0]?.tsMs ?? FROM_MS }));
  const sources = files.map(({ sha256, fromMs }, i) => ({
    batchId: `b${i}`,
    fromMs,
    model: 'm',
    file: { chunk: 'c', blob: String(i), rows: 0, bytes: 0, sha256 },
  })) as unknown as readonly PredictionSource[];
  const store = { predictionSources: async () => sources, windowsOfSensor: async () => [] } as unknown as Store;
  const blobs = {
    get: async (container: string, name: string) => {
      expect(container).toBe(CONTAINERS.predictions);
      return files[Number(name)]!.bytes;
    },
  } as unknown as BlobStore;
  const rows = await readPredictions({ store, blobs }, SENSOR, { fromMs: FROM_MS - 20 * HOP_MS, toMs: MAX_TIME_MS });
  const expected = Array.from({ length: 4 * ROWS_PER_TURN + 20 }, (_, i) => {
    const row = i - 20;
    const late = row === 5 ? 3 : 2;
    const batch = row < 10 ? late : Number(row >= 2 * ROWS_PER_TURN);
    return { ...predictionAt(row, batch + 1), batchId: `b${batch}`, model: 'm' };
  });
  expect(rows).toEqual(expected);
});

test('of a period that was scored again and again alarms read the newest file', async () => {
  const { bytes, sha256 } = fileOf(predictions(0, 20));
  const period = { fromMs: FROM_MS, toMs: FROM_MS + 20 * HOP_MS };
  const sources = Array.from({ length: 9 }, (_, i) => ({
    ...period,
    batchId: `b${i}`,
    model: 'm',
    file: { chunk: 'c', blob: String(i), rows: 0, bytes: 0, sha256 },
  })) as unknown as readonly PredictionSource[];
  const store = { predictionSources: async () => sources } as unknown as Store;
  const asked: string[] = [];
  const blobs = { get: async (_: string, name: string) => (asked.push(name), bytes) } as unknown as BlobStore;
  const rows = await readPredictions({ store, blobs }, SENSOR, period, {
    belonging: { windowMs: HOP_MS, hopMs: HOP_MS },
  });
  expect(rows.map(({ batchId }) => batchId)).toEqual(Array.from({ length: 20 }, () => 'b8'));
  expect(new Set(asked)).toEqual(new Set(['8']));
});
