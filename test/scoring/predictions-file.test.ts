import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { PREDICTION_COLUMNS, PREDICTIONS_FORMATS } from '../../domain/prediction.ts';
import { nameProblem } from '../../domain/sensor.ts';
import { MAX_TIME_MS, MIN_TIME_MS } from '../../domain/time.ts';
import { decodePredictions, encodePredictions } from '../../scoring/predictions-file.ts';
import { seriesOf } from './fleet.ts';

const START_MS = Date.parse('2026-11-23T14:00:00Z');
const sensorsOf = (
  ...names: readonly (readonly [string, string])[]
): { id: number; device: string; sensor: string }[] =>
  names.map(([device, sensor], i) => ({ id: i + 1, device, sensor }));

test('a row is time, names, value, prediction and score; numbers are the shortest that read back', () => {
  const series = seriesOf({ 1: [10.16, 0.1 + 0.2], 2: [5e-324] }, START_MS);
  const { bytes, rows } = encodePredictions('csv', sensorsOf(['1', '4'], ['pump, "north"', '=x']), series, {
    scored: Uint8Array.of(1, 1, 1),
    anomaly: Uint8Array.of(0, 1, 0),
    score: Float64Array.of(8.888390678003441e-5, -1, Number.NaN),
  });
  expect(rows).toBe(3);
  expect(Buffer.from(bytes).toString()).toBe(
    'TS,Device,Sensor,Val,Prediction,Score\n' +
      '2026-11-23T14:00:00.000Z,1,4,10.16,0,0.00008888390678003441\n' +
      '2026-11-23T14:00:05.000Z,1,4,0.30000000000000004,1,-1\n' +
      '2026-11-23T14:00:00.000Z,"pump, ""north""",\'=x,5e-324,0,NaN\n',
  );
});

test.each(PREDICTIONS_FORMATS)('windows without a prediction are not in the file (%s)', async (format) => {
  const { bytes, rows } = encodePredictions(format, sensorsOf(['a', 'b']), seriesOf({ 1: [1, 2, 3] }), {
    scored: Uint8Array.of(0, 1, 0),
    anomaly: new Uint8Array(3),
    score: new Float64Array(3),
  });
  expect(rows).toBe(1);
  expect(await decodePredictions(bytes)).toEqual([
    { tsMs: 5_000, device: 'a', sensor: 'b', value: 2, prediction: 0, score: 0 },
  ]);
});

test.each(PREDICTIONS_FORMATS)('the length of windows is told where a sensor has its own (%s)', async (format) => {
  const [fleet, hourly] = sensorsOf(['a', 'b'], ['a', 'c']);
  const sensors = [fleet!, { ...hourly!, windowMs: 3_600_000 }];
  const series = seriesOf({ 1: [1], 2: [2, 3] }, START_MS);
  const result = { scored: Uint8Array.of(1, 1, 0), anomaly: new Uint8Array(3), score: new Float64Array(3) };
  const { bytes } = encodePredictions(format, sensors, series, result);
  const row = { tsMs: START_MS, device: 'a', prediction: 0, score: 0 };
  expect(await decodePredictions(bytes)).toEqual([
    { ...row, sensor: 'b', value: 1 },
    { ...row, sensor: 'c', value: 2, windowMs: 3_600_000 },
  ]);
  expect(await decodePredictions(bytes, hourly)).toEqual([{ ...row, sensor: 'c', value: 2, windowMs: 3_600_000 }]);
  if (format === 'csv')
    expect(Buffer.from(bytes).toString()).toBe(
      'TS,Device,Sensor,Val,Prediction,Score,Window\n' +
        '2026-11-23T14:00:00.000Z,a,b,1,0,0,\n2026-11-23T14:00:00.000Z,a,c,2,0,0,3600\n',
    );
  // Without a row of it the file is as ever, for older readers too.
  const without = encodePredictions(format, sensors, series, { ...result, scored: Uint8Array.of(1, 0, 0) });
  const plain = encodePredictions(format, [fleet!], seriesOf({ 1: [1] }, START_MS), {
    ...result,
    scored: Uint8Array.of(1),
  });
  expect(Buffer.compare(without.bytes, plain.bytes)).toBe(0);
});

test.each(PREDICTIONS_FORMATS)(
  'a long file is read in many turns, so that its reader goes on answering (%s)',
  async (format) => {
    const length = 20_000;
    const values = Float64Array.from({ length }, (_, i) => i);
    const series = { length, sensorId: new Float64Array(length).fill(1), startMs: values, mean: values };
    const scored = { scored: new Uint8Array(length).fill(1), anomaly: new Uint8Array(length), score: values };
    const { bytes } = encodePredictions(format, sensorsOf(['a', 'b']), series, scored);
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns += 1;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    expect(await decodePredictions(bytes)).toHaveLength(length);
    reading = false;
    // Of 8,192 rows at the most.
    expect(turns).toBeGreaterThanOrEqual(Math.floor(length / 8_192));
  },
);

test('each time that a row can have reads back as it was written', async () => {
  const times = fc.array(fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(times, async (written) => {
      const rows = written.map((ms) => `${new Date(ms).toISOString()},a,b,1,0,0.5\n`);
      const read = await decodePredictions(Buffer.from(`${HEADER}\n${rows.join('')}`));
      expect(read.map(({ tsMs }) => tsMs)).toEqual(written);
    }),
  );
});

const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.stringMatching(/^[a,"1=.Z:-]{1,8}$/),
    fc.constantFrom('a,1,b', '"', ',1,1,', '""', '2026-11-23T14:00:00.000Z'),
  )
  .filter((text) => nameProblem('device', text) === undefined);

const files = fc
  .uniqueArray(fc.tuple(name, name), { minLength: 1, maxLength: 6, selector: (pair) => JSON.stringify(pair) })
  .chain((names) =>
    fc.tuple(
      fc.constant(names),
      fc.array(fc.array(fc.tuple(fc.double(), fc.boolean(), fc.double()), { maxLength: 5 }), {
        minLength: names.length,
        maxLength: names.length,
      }),
    ),
  );

test('CSV and Parquet give back what was written, whole and sensor by sensor, whatever the names and numbers', async () => {
  await fc.assert(
    fc.asyncProperty(files, async ([names, lists]) => {
      const series = seriesOf(
        Object.fromEntries(lists.map((list, i) => [i + 1, list.map(([mean]) => mean)])),
        START_MS,
      );
      const flat = lists.flat();
      const sensors = sensorsOf(...names);
      const written = {
        scored: new Uint8Array(flat.length).fill(1),
        anomaly: Uint8Array.from(flat, ([, anomaly]) => Number(anomaly)),
        score: Float64Array.from(flat, ([, , score]) => score),
      };
      const expected = lists.flatMap((list, i) =>
        list.map(([value, anomaly, score], row) => ({
          // As text, zero has no sign.
          tsMs: START_MS + row * 5_000,
          device: names[i]![0],
          sensor: names[i]![1],
          value: value + 0,
          prediction: anomaly ? 1 : 0,
          score: score + 0,
        })),
      );
      for (const format of PREDICTIONS_FORMATS) {
        const { bytes, rows } = encodePredictions(format, sensors, series, written);
        expect(rows).toBe(flat.length);
        // A retry writes the same bytes.
        expect(Buffer.compare(encodePredictions(format, sensors, series, written).bytes, bytes)).toBe(0);
        // Bytes from Blob may lie anywhere in a larger buffer.
        const inside = Buffer.concat([Buffer.from('xyz'), bytes, Buffer.from('xyz')]).subarray(3, 3 + bytes.length);
        expect(await decodePredictions(inside)).toEqual(expected);
        for (const { device, sensor } of sensors)
          expect(await decodePredictions(inside, { device, sensor })).toEqual(
            expected.filter((row) => row.device === device && row.sensor === sensor),
          );
        // Any reader of CSV sees the same.
        if (format === 'csv') {
          const read = parse<Record<string, string>>(Buffer.from(bytes), { columns: true });
          expect(read.map((row) => [row['Device'], row['Sensor'], Number(row['Val'])])).toEqual(
            expected.map((row) => [row.device, row.sensor, row.value]),
          );
        }
      }
    }),
  );
});

test.each(PREDICTIONS_FORMATS)('a sensor that is not in the file has no rows (%s)', async (format) => {
  const { bytes } = encodePredictions(format, sensorsOf(['a', 'b']), seriesOf({ 1: [1] }), {
    scored: Uint8Array.of(1),
    anomaly: Uint8Array.of(0),
    score: Float64Array.of(1),
  });
  expect(await decodePredictions(bytes, { device: 'b', sensor: 'a' })).toEqual([]);
});

const HEADER = PREDICTION_COLUMNS.join(',');
const ROW = '2026-11-23T14:00:00.000Z,a,b,1,0,0.5';
test.each([
  ['nothing', '', /line 1: the header/],
  ['another header', `TS,Device\n${ROW}\n`, /line 1: the header/],
  ['a row cut short', `${HEADER}\n${ROW}\n2026-11-23T14:00:00.000Z,a,b,1`, /line 3: the row is not a prediction/],
  ['another time', `${HEADER}\nyesterday at half past two,a,b,1,0,0.5\n`, /line 2/],
  ['a day that no calendar has', `${HEADER}\n${ROW}\n2026-02-30T14:00:00.000Z,a,b,1,0,0.5\n`, /line 3/],
  ['an hour that no day has', `${HEADER}\n2026-11-23T24:00:00.000Z,a,b,1,0,0.5\n`, /line 2/],
  ['a time with a letter', `${HEADER}\n2026-11-23T14:0O:00.000Z,a,b,1,0,0.5\n`, /line 2/],
  ['a name with a quote in it', `${HEADER}\n2026-11-23T14:00:00.000Z,a"a,b,1,0,0.5\n`, /line 2: a field is not quoted/],
  ['a row without a sensor', `${HEADER}\n${ROW}\n2026-11-23T14:00:00.000Z,a\n`, /line 3: the row is not/],
  ['another prediction', `${HEADER}\n2026-11-23T14:00:00.000Z,a,b,1,2,0.5\n`, /line 2/],
  ['a quote left open', `${HEADER}\n2026-11-23T14:00:00.000Z,"a,b,1,0,0.5\n`, /line 2: a field is not quoted right/],
  ['a value that is no number', `${HEADER}\n2026-11-23T14:00:00.000Z,a,b,one,0,0.5\n`, /line 2/],
])('a file that is not one of predictions is refused with its line: %s', async (_, text, message) => {
  await expect(decodePredictions(Buffer.from(text))).rejects.toThrow(
    expect.objectContaining({ code: 'PREDICTIONS_CORRUPT', message: expect.stringMatching(message) as unknown }),
  );
});

const SERIES = seriesOf({ 1: [1.5, 2], 2: [3, 4] }, START_MS);
const parquet = (): Uint8Array =>
  encodePredictions('parquet', sensorsOf(['a', 'b'], ['a', 'c']), SERIES, {
    scored: new Uint8Array(4).fill(1),
    anomaly: Uint8Array.of(0, 1, 0, 0),
    score: Float64Array.of(-0.5, 1, Infinity, NaN),
  }).bytes;

test('a Parquet file has typed columns without nulls, and statistics that other readers can skip by', () => {
  const { schema, row_groups: groups, num_rows: rows } = parquetMetadata(parquet());
  expect(Number(rows)).toBe(4);
  expect(
    schema
      .slice(1)
      .map(({ name, type, repetition_type: repetition, logical_type: logical }) => [
        name,
        type,
        repetition,
        logical?.type,
      ]),
  ).toEqual([
    ['TS', 'INT64', 'REQUIRED', 'TIMESTAMP'],
    ['Device', 'BYTE_ARRAY', 'REQUIRED', 'STRING'],
    ['Sensor', 'BYTE_ARRAY', 'REQUIRED', 'STRING'],
    ['Val', 'DOUBLE', 'REQUIRED', undefined],
    ['Prediction', 'INT32', 'REQUIRED', undefined],
    ['Score', 'DOUBLE', 'REQUIRED', undefined],
  ]);
  expect(schema[1]!.logical_type).toEqual({ type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' });
  expect(
    groups[0]!.columns.map(({ meta_data: of }) => [of!.statistics!.min_value, of!.statistics!.max_value]).slice(2),
  ).toEqual([
    ['b', 'c'],
    [1.5, 4],
    [0, 1],
    [-0.5, Infinity],
  ]);
});

test('one sensor of a large Parquet file is found by its names, and little else is decoded', async () => {
  const count = 3_000;
  const series = seriesOf(
    Object.fromEntries(Array.from({ length: count }, (_, i) => [i + 1, [i, i + 0.5, i + 0.25, i, i, i]])),
    START_MS,
  );
  const sensors = Array.from({ length: count }, (_, i) => ({ id: i + 1, device: `d${i % 7}`, sensor: `s${i}` }));
  const { bytes } = encodePredictions('parquet', sensors, series, {
    scored: new Uint8Array(series.length).fill(1),
    anomaly: new Uint8Array(series.length),
    score: series.mean,
  });
  expect(parquetMetadata(bytes).row_groups).toHaveLength(3);
  // One that lies across two groups, too.
  for (const at of [0, 1_365, 2_999])
    expect(await decodePredictions(bytes, sensors[at])).toMatchObject(
      [at, at + 0.5, at + 0.25, at, at, at].map((value, i) => ({
        device: `d${at % 7}`,
        sensor: `s${at}`,
        value,
        tsMs: START_MS + i * 5_000,
      })),
    );
});

test('a Parquet file that is not one of predictions is refused with what is wrong', async () => {
  const good = parquet();
  const other = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'TS', data: [1, 2], type: 'INT32' }] }));
  const spoilt = Buffer.from(good);
  spoilt.fill(0xff, 4, 60);
  for (const [bytes, message] of [
    [good.subarray(0, 4), /Parquet/],
    [good.subarray(0, -5), /Parquet/],
    [other, /its columns are TS INT32 OPTIONAL; TS INT64 REQUIRED, Device/],
    [spoilt, /Parquet/],
  ] as const)
    await expect(decodePredictions(bytes)).rejects.toMatchObject({
      code: 'PREDICTIONS_CORRUPT',
      message: expect.stringMatching(message),
    });
});
