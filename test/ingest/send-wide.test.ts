/** Files as the world has them: wide ones, columns of other names, no device, several files, gzip. */
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { SentReading } from '../../ingest/send-readings.ts';
import { inflated } from '../../ingest/csv/inflate.ts';
import { mergeByTime } from '../../ingest/csv/merge.ts';
import { readCsv, type CsvFormat } from '../../ingest/csv/read.ts';
import { namingFile, type BadRow } from '../../ingest/send-files.ts';

interface Read {
  readonly readings: SentReading[];
  readonly bad: BadRow[];
  readonly missing: number;
}

async function read(content: string | Buffer, format: CsvFormat): Promise<Read> {
  const readings: SentReading[] = [];
  const bad: BadRow[] = [];
  let missing = 0;
  const input = Readable.from([Buffer.from(content)], { objectMode: true });
  const events = {
    onBad: (line: number, reason: string) => void bad.push({ line, reason }),
    onRow: (row: { readonly missing: number }) => void (missing += row.missing),
  };
  for await (const reading of readCsv(inflated(input), events, format)) readings.push(reading);
  return { readings, bad, missing };
}

const at = (text: string): number => Date.parse(text);

test('a wide file: semicolons, decimal commas, gaps, a device for all', async () => {
  const file =
    'datetime;Temp (°C);Druck;Quality;\n2004-03-10 18:00:00;13,6;;good;\n2004-03-10 19:00:00;NaN;x;;\n\n' +
    '2004-03-10 20:00:00;1,5;-2;;\n';
  const format = { wide: true, separator: ';', decimal: ',', device: 'air', columns: { ts: 'DateTime' } } as const;
  const expected = {
    readings: [
      { tsMs: at('2004-03-10T18:00:00Z'), device: 'air', sensor: 'Temp (°C)', value: 13.6 },
      { tsMs: at('2004-03-10T20:00:00Z'), device: 'air', sensor: 'Temp (°C)', value: 1.5 },
      { tsMs: at('2004-03-10T20:00:00Z'), device: 'air', sensor: 'Druck', value: -2 },
    ],
    missing: 2,
    bad: [{ line: 3, reason: 'column Druck: Value "x" is not a finite decimal number' }],
  };
  expect(await read(file, format)).toEqual(expected);
  expect(await read(gzipSync(file), format)).toEqual(expected);
  await expect(read(gzipSync(file).subarray(0, 60), format)).rejects.toMatchObject({ code: 'CSV_FILE' });
});

test('a device column of a wide file, seconds from zero, and a decimal comma without quotes', async () => {
  const file = 'time,unit,a,b\n0.5,u1,1,2\n1.0,u2,3,4,5\n1.5,,3,4\n';
  expect(await read(file, { wide: true, columns: { ts: 'time', device: 'unit' }, timeUnit: 's' })).toEqual({
    readings: [
      { tsMs: 500, device: 'u1', sensor: 'a', value: 1 },
      { tsMs: 500, device: 'u1', sensor: 'b', value: 2 },
    ],
    missing: 0,
    bad: [
      { line: 3, reason: expect.stringContaining('the row has 5 fields, the header 4') },
      { line: 4, reason: expect.stringContaining('device') },
    ],
  });
});

test('a long file with columns of other names and no device', async () => {
  const file = 'timestamp,tag,reading,TS\n2014-02-14 14:30:00,v,1.5,no\n2014-02-14 14:35:00,v,,no\n';
  const columns = { ts: 'timestamp', sensor: 'tag', value: 'reading' } as const;
  expect(await read(file, { columns, device: 'c05' })).toEqual({
    readings: [{ tsMs: at('2014-02-14T14:30:00Z'), device: 'c05', sensor: 'v', value: 1.5 }],
    missing: 1,
    bad: [],
  });
});

test.each([
  ['timestamp,value1,value2\n', {}, 'say --wide --columns ts=timestamp --device NAME'],
  ['date time,a,b,c,d\n', {}, 'say --wide --device NAME'],
  [
    'Zeit;a;b\n',
    {},
    "say --separator ';', and --decimal , when the values have a decimal comma. " +
      'This looks like a column for each sensor: say --wide --columns ts=Zeit --device NAME',
  ],
  ['TS,Device,a,b,c\n', {}, 'say --wide.'],
  ['time,a\n', { wide: true, device: 'd' }, 'there is no column TS for the time; say --columns ts=NAME'],
  ['TS,a\n', { wide: true }, 'no column names the device; say --device NAME'],
  ['TS,Device\n', { wide: true }, 'there is no column of a sensor'],
  ['TS,a,a\n', { wide: true, device: 'd' }, 'the column "a" is there twice'],
  [
    'ts,ts,a\n',
    { wide: true, device: 'd' },
    'the column "ts" is there twice; say which one by its place: --columns ts=#1',
  ],
  [
    'TS,Device,Sensor,value,value\n',
    {},
    'the column "value" is there twice; say which one by its place: --columns value=#4',
  ],
] as const)('the header %j is refused with what helps: %s', async (header, format, hint) => {
  await expect(read(header, format)).rejects.toMatchObject({
    code: 'CSV_HEADER',
    message: expect.stringContaining(hint),
  });
});

test('of several files the one is named that cannot be read', async () => {
  const readings = namingFile('b.csv', readCsv(Readable.from([Buffer.from('x\n')]), { onBad() {} }));
  await expect(readings.next()).rejects.toMatchObject({
    code: 'CSV_HEADER',
    message: expect.stringMatching(/^b\.csv: the first line must name/),
  });
});

test('several files are one stream by time, and none loses a reading', async () => {
  const source = async function* (device: string, times: readonly number[]): AsyncGenerator<SentReading> {
    for (const tsMs of times) yield { tsMs, device, sensor: 's', value: 1 };
  };
  const merged: string[] = [];
  const sources = [source('a', [1, 4, 6]), source('b', []), source('c', [2, 4, 5, 9])];
  for await (const { device, tsMs } of mergeByTime(sources)) merged.push(`${device}${tsMs}`);
  expect(merged).toEqual(['a1', 'c2', 'a4', 'c4', 'c5', 'a6', 'c9']);
});
