import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { PREDICTION_COLUMNS } from '../../domain/prediction.ts';
import { nameProblem } from '../../domain/sensor.ts';
import { decodePredictions, encodePredictions } from '../../scoring/predictions-file.ts';
import { seriesOf } from './fleet.ts';

const START_MS = Date.parse('2026-11-23T14:00:00Z');
const sensorsOf = (...names: readonly (readonly [string, string])[]): { id: number; device: string; sensor: string }[] =>
  names.map(([device, sensor], i) => ({ id: i + 1, device, sensor }));

test('a row is time, names, value, prediction and score; numbers are the shortest that read back', () => {
  const series = seriesOf({ 1: [10.16, 0.1 + 0.2], 2: [5e-324] }, START_MS);
  const { bytes, rows } = encodePredictions(sensorsOf(['1', '4'], ['pump, "north"', '=x']), series, {
    scored: Uint8Array.of(1, 1, 1), anomaly: Uint8Array.of(0, 1, 0), score: Float64Array.of(8.888390678003441e-5, -1, Number.NaN),
  });
  expect(rows).toBe(3);
  expect(Buffer.from(bytes).toString()).toBe(
    'TS,Device,Sensor,Val,Prediction,Score\n' +
      '2026-11-23T14:00:00.000Z,1,4,10.16,0,0.00008888390678003441\n' +
      '2026-11-23T14:00:05.000Z,1,4,0.30000000000000004,1,-1\n' +
      '2026-11-23T14:00:00.000Z,"pump, ""north""",=x,5e-324,0,NaN\n',
  );
});

test('windows without a prediction are not in the file', () => {
  const { bytes, rows } = encodePredictions(sensorsOf(['a', 'b']), seriesOf({ 1: [1, 2, 3] }), {
    scored: Uint8Array.of(0, 1, 0), anomaly: new Uint8Array(3), score: new Float64Array(3),
  });
  expect(rows).toBe(1);
  expect(decodePredictions(bytes)).toEqual([{ tsMs: 5_000, device: 'a', sensor: 'b', value: 2, prediction: 0, score: 0 }]);
});

const name = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.stringMatching(/^[a,"1=.Z:-]{1,8}$/),
  fc.constantFrom('a,1,b', '"', ',1,1,', '""', '2026-11-23T14:00:00.000Z'),
).filter((text) => nameProblem('device', text) === undefined);

const files = fc.uniqueArray(fc.tuple(name, name), { minLength: 1, maxLength: 6, selector: (pair) => JSON.stringify(pair) }).chain((names) =>
  fc.tuple(fc.constant(names), fc.array(fc.array(fc.tuple(fc.double({ noDefaultInfinity: true, noNaN: true }), fc.boolean(), fc.double()), { maxLength: 5 }), { minLength: names.length, maxLength: names.length })),
);

test('what was written is read back, whole and sensor by sensor, whatever the names and numbers', () => {
  fc.assert(fc.property(files, ([names, lists]) => {
    const series = seriesOf(Object.fromEntries(lists.map((list, i) => [i + 1, list.map(([mean]) => mean)])), START_MS);
    const flat = lists.flat();
    const sensors = sensorsOf(...names);
    const written = { scored: new Uint8Array(flat.length).fill(1), anomaly: Uint8Array.from(flat, ([, anomaly]) => Number(anomaly)), score: Float64Array.from(flat, ([, , score]) => score) };
    const { bytes, rows } = encodePredictions(sensors, series, written);
    const expected = lists.flatMap((list, i) => list.map(([value, anomaly, score], row) => ({
      // As text, zero has no sign.
      tsMs: START_MS + row * 5_000, device: names[i]![0], sensor: names[i]![1], value: value + 0, prediction: anomaly ? 1 : 0, score: score + 0,
    })));
    expect(rows).toBe(flat.length);
    expect(decodePredictions(bytes)).toEqual(expected);
    for (const { device, sensor } of sensors)
      expect(decodePredictions(bytes, { device, sensor })).toEqual(expected.filter((row) => row.device === device && row.sensor === sensor));
    // Any reader of CSV sees the same.
    const read = parse(Buffer.from(bytes), { columns: true }) as Record<string, string>[];
    expect(read.map((row) => [row['Device'], row['Sensor'], Number(row['Val'])])).toEqual(expected.map((row) => [row.device, row.sensor, row.value]));
  }));
});

test('a sensor that is not in the file has no rows', () => {
  const { bytes } = encodePredictions(sensorsOf(['a', 'b']), seriesOf({ 1: [1] }), { scored: Uint8Array.of(1), anomaly: Uint8Array.of(0), score: Float64Array.of(1) });
  expect(decodePredictions(bytes, { device: 'b', sensor: 'a' })).toEqual([]);
});

const HEADER = PREDICTION_COLUMNS.join(',');
const ROW = '2026-11-23T14:00:00.000Z,a,b,1,0,0.5';
test.each([
  ['nothing', '', /line 1: the header/],
  ['another header', `TS,Device\n${ROW}\n`, /line 1: the header/],
  ['a row cut short', `${HEADER}\n${ROW}\n2026-11-23T14:00:00.000Z,a,b,1`, /line 3: the row is not a prediction/],
  ['another time', `${HEADER}\nyesterday at half past two,a,b,1,0,0.5\n`, /line 2/],
  ['another prediction', `${HEADER}\n2026-11-23T14:00:00.000Z,a,b,1,2,0.5\n`, /line 2/],
  ['a quote left open', `${HEADER}\n2026-11-23T14:00:00.000Z,"a,b,1,0,0.5\n`, /line 2: a field is not quoted right/],
  ['a value that is no number', `${HEADER}\n2026-11-23T14:00:00.000Z,a,b,one,0,0.5\n`, /line 2/],
])('a file that is not one of predictions is refused with its line: %s', (_, text, message) => {
  expect(() => decodePredictions(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'PREDICTIONS_CORRUPT', message: expect.stringMatching(message) as unknown }));
});
