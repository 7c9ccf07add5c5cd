/**
 * The writer of CSV rows in WebAssembly: it is what its source says, its numbers are those of JavaScript, its times
 * those of the product, and rows come out whole where a piece or its room ends; and names on their way to it.
 */
import { readFileSync } from 'node:fs';
import { fc, test as propertyTest } from '@fast-check/jest';
import { assemble, SOURCES } from '../../bin/build-wasm.js';
import { isoTime } from '../../domain/time.ts';
import { packageFile } from '../../paths.ts';
import { rowWriter } from '../../scoring/csv/rows.ts';
import { fromSent, toSent } from '../../scoring/sent-names.ts';

const { number, text } = rowWriter();

test.each(SOURCES)('%s.wasm is built from its source', async (source) => {
  expect(Buffer.from(await assemble(source)).equals(readFileSync(packageFile(`${source}.wasm`)))).toBe(true);
});

propertyTest.prop([fc.double()], { numRuns: 20_000 })('a number is written as JavaScript writes it', (value) => {
  expect(number(value)).toBe(String(value));
});

test('so are numbers at every bound of the algorithm', () => {
  const bits = new DataView(new ArrayBuffer(8));
  const near = (value: number): number[] => {
    bits.setFloat64(0, value);
    const at = bits.getBigUint64(0);
    return [-1n, 0n, 1n].map((step) => {
      bits.setBigUint64(0, at + step);
      return bits.getFloat64(0);
    });
  };
  const powersOfTwo = Array.from({ length: 2_097 }, (_, i) => 2 ** (i - 1_073));
  const powersOfTen = Array.from({ length: 631 }, (_, i) => [1, 9, 123].map((d) => Number(`${d}e${i - 322}`))).flat();
  const known = [0, -0, Number.NaN, Infinity, -Infinity, 5e-324, 2 ** 53 + 2, 1e21, 123_456_789_012_345_680_000, 1e-7];
  const all = [...known, ...powersOfTwo.flatMap(near), ...powersOfTen.flatMap(near)];
  expect(all.filter((value) => number(value) !== String(value))).toEqual([]);
  // What the mean of a reading nearly always is.
  const short = Array.from({ length: 5_000 }, (_, i) => (i * 7_919) / 1e4);
  expect(short.filter((value) => number(-value) !== String(-value))).toEqual([]);
});

const rowsOf = (length: number, startMs: (row: number) => number, sensorId: (row: number) => number) => ({
  sensorId: Float64Array.from({ length }, (_, row) => sensorId(row)),
  startMs: Float64Array.from({ length }, (_, row) => startMs(row)),
  mean: Float64Array.from({ length }, (_, row) => row / 8),
  score: Float64Array.from({ length }, (_, row) => -row / 16),
  scored: Uint8Array.from({ length }, (_, row) => Number(row % 5 !== 0)),
  anomaly: Uint8Array.from({ length }, (_, row) => row % 2),
});
const written = (columns: ReturnType<typeof rowsOf>, nameOf: (id: number) => string): string =>
  Buffer.from(text(columns, 0, columns.sensorId.length, nameOf)).toString();
const expected = (columns: ReturnType<typeof rowsOf>, nameOf: (id: number) => string): string =>
  Array.from(columns.sensorId, (id, row) =>
    columns.scored[row] === 1
      ? `${isoTime(columns.startMs[row]!)}${nameOf(id)}${columns.mean[row]},` +
        `${columns.anomaly[row]},${columns.score[row]}\n`
      : '',
  ).join('');

propertyTest.prop([fc.array(fc.integer({ min: -62_000_000_000_000, max: 253_402_300_799_999 }), { maxLength: 50 })])(
  'a time is written as the product writes it, before 1970 too',
  (times) => {
    const columns = rowsOf(
      times.length,
      (row) => times[row]!,
      () => 1,
    );
    expect(written(columns, () => ',a,b,')).toBe(expected(columns, () => ',a,b,'));
  },
);

test('rows are whole where a piece ends, where its room ends, and where a name is as long as names can be', () => {
  const long = `,"${'""'.repeat(128)}","${'\u{20000}'.repeat(64)}",`;
  const nameOf = (id: number): string => (id % 3 === 0 ? long : `,device-${id},Öl-${id},`);
  const columns = rowsOf(
    9_000,
    (row) => row * 5_000,
    (row) => Math.floor(row / 700),
  );
  expect(written(columns, nameOf)).toBe(expected(columns, nameOf));
});

test('names come to another thread as they are', () => {
  const sensors = [
    { id: 3, device: 'pump, "west"', sensor: 'öl' },
    { id: 7, device: '', sensor: '\u{20000}', windowMs: 60_000 },
    { id: 8, device: 'd', sensor: '' },
  ];
  expect(fromSent(structuredClone(toSent(sensors)))).toEqual(sensors);
  expect(fromSent(toSent([]))).toEqual([]);
});
