/** What an export takes is what the rule of all readers says, whatever batches there are, and its files read back. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import type { Prediction } from '../../domain/prediction.ts';
import { keyOf, type SensorKey } from '../../domain/sensor.ts';
import { newestOverlaps } from '../../scoring/export/overlaps.ts';
import { openSink } from '../../scoring/export/sinks.ts';
import { runsOf, whatCounts, type Counted, type CountingRows } from '../../scoring/export/what-counts.ts';
import type { Batch, BatchFile, OutcomeRow } from '../../storage/store.ts';

const STEP = 1_000;
const SENSORS: readonly SensorKey[] = Array.from({ length: 7 }, (_, i) => ({ device: `d${i % 3}`, sensor: `s${i}` }));

/** A batch, and of each sensor that it scored the windows that it has: late readings add some, retention takes some. */
interface Made {
  readonly fromStep: number;
  readonly steps: number;
  readonly startedAtMs: number;
  readonly open: boolean;
  readonly release: string;
  readonly windows: readonly (readonly boolean[])[];
}

const made: fc.Arbitrary<Made> = fc.record({
  fromStep: fc.nat(8),
  steps: fc.integer({ min: 1, max: 5 }),
  startedAtMs: fc.nat(3),
  open: fc.boolean(),
  release: fc.constantFrom('r1', 'r2'),
  windows: fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { minLength: 7, maxLength: 7 }),
});

const batchOf = (one: Made, id: string): Batch => ({
  id,
  kind: 'score',
  status: one.open ? 'running' : 'completed',
  fromMs: one.fromStep * STEP,
  toMs: (one.fromStep + one.steps) * STEP,
  release: one.release,
  planned: 7,
  counts: { scored: 7, skipped: 0, failed: 0, cancelled: 0, windows: 0, anomalies: 0 },
  workflowId: id,
  runId: id,
  startedAtMs: one.startedAtMs,
  codeVersion: 'test',
  ...(one.open ? {} : { manifest: `${id}/_manifest.json`, finishedAtMs: 9 }),
});

/** Files of two sensors each. */
const chunkOf = (sensor: number): string => `chunk-${Math.floor(sensor / 2)}`;

function fleet(all: readonly Made[]) {
  const batches = all.map((one, i) => batchOf(one, `b${(i * 7) % 10}${i}`));
  const rows = (at: number, sensor: number): Prediction[] =>
    all[at]!.windows[sensor]!.slice(0, all[at]!.steps).flatMap((there, step) =>
      there
        ? [
            {
              ...SENSORS[sensor]!,
              tsMs: (all[at]!.fromStep + step) * STEP,
              value: at,
              prediction: step % 2 === 0 ? (1 as const) : (0 as const),
              score: sensor,
            },
          ]
        : [],
    );
  const scored = (at: number): number[] => SENSORS.map((_, i) => i).filter((sensor) => rows(at, sensor).length > 0);
  const indexOf = (id: string): number => batches.findIndex((batch) => batch.id === id);
  const store = {
    longestWindow: async () => 0,
    listBatches: async () => batches,
    listFiles: async (id: string, { after = '' } = {}): Promise<BatchFile[]> =>
      [...new Set(scored(indexOf(id)).map(chunkOf))]
        .filter((chunk) => chunk > after)
        .map((chunk) => ({ chunk, blob: `${id}/${chunk}`, rows: 1, bytes: 1, sha256: '' })),
    listOutcomes: async (id: string, { after = 0, limit = 0 } = {}): Promise<OutcomeRow[]> =>
      scored(indexOf(id))
        .filter((sensor) => sensor + 1 > after)
        .slice(0, limit)
        .map((sensor) => ({
          ...SENSORS[sensor]!,
          batchId: id,
          sensorId: sensor + 1,
          chunk: chunkOf(sensor),
          status: 'scored',
          windows: 1,
          anomalies: 0,
          attempt: 1,
        })),
  };
  const rowsOf = async (id: string, { chunk }: BatchFile, key: SensorKey): Promise<Prediction[]> => {
    const sensor = SENSORS.findIndex((other) => keyOf(other) === keyOf(key));
    expect(chunk).toBe(chunkOf(sensor));
    return rows(indexOf(id), sensor);
  };
  return { batches, rows, store, rowsOf };
}

async function drain(rows: AsyncGenerator<CountingRows, Counted>): Promise<{ rows: CountingRows[]; counted: Counted }> {
  const all: CountingRows[] = [];
  for (;;) {
    const next = await rows.next();
    if (next.done) return { rows: all, counted: next.value };
    all.push(next.value);
  }
}

test('of a sensor and a window the row of the batch that began last is taken, once', async () => {
  const query = fc.record({
    fromStep: fc.nat(8),
    steps: fc.integer({ min: 1, max: 12 }),
    sensors: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), { nil: undefined }),
    release: fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(made, { maxLength: 9 }), query, async (all, asked) => {
      const { batches, rows, store, rowsOf } = fleet(all);
      const [fromMs, toMs] = [asked.fromStep * STEP, (asked.fromStep + asked.steps) * STEP];
      const wanted = (sensor: number): boolean => asked.sensors?.includes(sensor + 1) ?? true;

      const newest = new Map<string, { readonly batch: Batch; readonly row: Prediction }>();
      let seen = 0;
      const seenOf = new Set<string>();
      const order = batches
        .map((batch, at) => ({ batch, at }))
        .filter(({ batch }) => batch.manifest !== undefined)
        .sort((a, b) => a.batch.startedAtMs - b.batch.startedAtMs || (a.batch.id < b.batch.id ? -1 : 1));
      for (const { batch, at } of order)
        for (const sensor of SENSORS.keys())
          for (const row of wanted(sensor) ? rows(at, sensor) : [])
            if (row.tsMs >= fromMs && row.tsMs < toMs) {
              if (asked.release === undefined || batch.release === asked.release) {
                seen += 1;
                seenOf.add(batch.id);
              }
              newest.set(`${row.tsMs} ${keyOf(row)}`, { batch, row });
            }
      const expected = [...newest.values()].filter(
        ({ batch }) => asked.release === undefined || batch.release === asked.release,
      );

      const found = await drain(
        whatCounts(
          { store, rowsOf },
          {
            fromMs,
            toMs,
            ...(asked.sensors ? { sensorIds: [...asked.sensors].sort((a, b) => a - b) } : {}),
            ...(asked.release === undefined ? {} : { release: asked.release }),
          },
        ),
      );
      const flat = found.rows.flatMap(({ batch, rows: some }) => some.map((row) => ({ batch, row })));
      const text = ({ batch, row }: (typeof flat)[number]): string => `${row.tsMs} ${keyOf(row)} ${batch.id}`;
      expect(flat.map(text).sort()).toEqual(expected.map(text).sort());
      expect(found.counted).toEqual({
        windows: flat.length,
        anomalies: flat.reduce((sum, { row }) => sum + row.prediction, 0),
        batches: new Set(flat.map(({ batch }) => batch.id)).size,
        replaced: seen - flat.length,
        replacedBatches: [...seenOf].filter((id) => !flat.some(({ batch }) => batch.id === id)).length,
        open: all.filter(({ open }) => open).length,
      });
    }),
    { numRuns: 300 },
  );
});

test('batches that can replace rows are those that began later and share time, also beside a long one', () => {
  const periods = fc.array(fc.record({ fromStep: fc.nat(40), steps: fc.integer({ min: 1, max: 30 }), at: fc.nat(9) }));
  fc.assert(
    fc.property(periods, (all) => {
      const batches = all.map(({ fromStep, steps, at }, i) =>
        batchOf({ fromStep, steps, startedAtMs: at, open: false, release: 'r', windows: [] }, `b${i}`),
      );
      for (const { batch, later } of newestOverlaps(batches)) {
        const rank = ({ startedAtMs, id }: Batch): string => `${startedAtMs} ${id}`;
        const others = batches.filter(
          (other) => other.fromMs < batch.toMs && other.toMs > batch.fromMs && rank(other) > rank(batch),
        );
        expect(later.map(({ id }) => id).sort()).toEqual(others.map(({ id }) => id).sort());
      }
    }),
  );
});

test('ids that follow each other are asked for together', () => {
  expect(runsOf([1, 2, 3, 7, 9, 10])).toEqual([
    [1, 3],
    [7, 7],
    [9, 10],
  ]);
});

/** Rows of several batches, more than one row group of them. */
const ROWS: readonly CountingRows[] = Array.from({ length: 9 }, (_, i) => ({
  batch: batchOf({ fromStep: i, steps: 1, startedAtMs: i, open: false, release: `r,${i % 2}`, windows: [] }, `b-${i}`),
  rows: Array.from({ length: 8_000 }, (__, j) => ({
    tsMs: 1_772_000_000_000 + j,
    device: i === 3 ? 'press "7", hall' : `d${i}`,
    sensor: 's',
    value: j / 3,
    prediction: j % 5 === 0 ? (1 as const) : (0 as const),
    score: j === 1 ? Number.NaN : -j,
    ...(i === 3 ? { windowMs: 3_600_000 } : {}),
  })),
}));

async function written(format: 'csv' | 'parquet'): Promise<{ bytes: Buffer; largest: number }> {
  const pieces: Uint8Array[] = [];
  const sink = openSink(format, async (bytes) => void pieces.push(bytes), 5_000);
  for (const some of ROWS) await sink.add(some);
  await sink.end();
  return { bytes: Buffer.concat(pieces), largest: Math.max(...pieces.map(({ length }) => length)) };
}

test('a Parquet file of several row groups reads back row by row, and is written piece by piece', async () => {
  const { bytes, largest } = await written('parquet');
  expect(largest).toBeLessThan(bytes.length);
  const file = new Uint8Array(bytes).buffer;
  const read = await parquetReadObjects({ file, parsers: { timestampFromMilliseconds: Number } });
  const expected = ROWS.flatMap(({ batch, rows }) =>
    rows.map((row) => ({
      TS: row.tsMs,
      Device: row.device,
      Sensor: row.sensor,
      Val: row.value,
      Prediction: row.prediction,
      Score: row.score,
      Window: row.windowMs === undefined ? 5 : 3_600,
      Batch: batch.id,
      Release: batch.release,
    })),
  );
  expect(read).toHaveLength(expected.length);
  expect(read.every((row, i) => JSON.stringify(row) === JSON.stringify(expected[i]))).toBe(true);
});

test('a CSV file has a header and a row for each window, names quoted where they must be', async () => {
  const { bytes, largest } = await written('csv');
  expect(largest).toBeLessThan(bytes.length / 10);
  const lines = bytes.toString().split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.shift()).toBe('TS,Device,Sensor,Val,Prediction,Score,Window,Batch,Release');
  expect(lines).toHaveLength(72_000);
  expect(lines[24_001]).toBe('2026-02-25T06:13:20.001Z,"press ""7"", hall",s,0.3333333333333333,0,NaN,3600,b-3,"r,1"');
});
