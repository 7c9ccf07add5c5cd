/** Rows of CSV files: what is taken, what is refused and with which words; nothing is taken for something else. */
import { Readable } from 'node:stream';
import type { Reading } from '../../domain/reading.ts';
import { readCsv, type CsvFormat } from '../../ingest/csv/read.ts';
import type { BadRow } from '../../ingest/send-files.ts';

const HEADER = 'TS,Device,Sensor,Value\n';
const T = Date.UTC(2020, 2, 9, 10, 14, 33);

async function read(content: string | Buffer, format: CsvFormat = {}): Promise<{ readings: Reading[]; bad: BadRow[] }> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  // In pieces, so that lines and characters are cut in two.
  const pieces = [bytes.subarray(0, 40), bytes.subarray(40, 61), bytes.subarray(61)].filter(({ length }) => length > 0);
  const readings: Reading[] = [];
  const bad: BadRow[] = [];
  const onBad = (line: number, reason: string): void => void bad.push({ line, reason });
  for await (const reading of readCsv(Readable.from(pieces, { objectMode: true }), { onBad }, format))
    readings.push(reading);
  return { readings, bad };
}
const reasons = async (row: string, format?: CsvFormat): Promise<string[]> =>
  (await read(`${HEADER}${row}\n`, format)).bad.map(({ reason }) => reason);
const value = async (text: string, format?: CsvFormat): Promise<number | undefined> =>
  (await read(`${HEADER}2020-03-09T10:14:33Z,d,s,${text}\n`, format)).readings[0]?.value;
const time = async (text: string, format?: CsvFormat): Promise<number | undefined> =>
  (await read(`${HEADER}${text},d,s,1\n`, format)).readings[0]?.tsMs;

test.each([
  ['2020-03-09 10:14:33,d,s,2,6', 'the row has 5 fields, the header 4: is there a decimal comma'],
  ['2020-03-09 10:14:33,d,s,1,234.5', 'the row has 5 fields'],
  ['2020-03-09 10:14:33,d,s', 'the row has 3 fields, the header 4'],
  ['2020-03-09 10:14:33,d,s,"2,6"', 'has a decimal comma: say --decimal ,'],
  ['2020-03-09 10:14:33,d,s,"1,234.5"', 'has separators of thousands'],
  ['2020-03-09 10:14:33,d,s,0x10', 'is not a finite decimal number'],
  ['2020-03-09 10:14:33,d,s,0b11', 'is not a finite decimal number'],
  ['2020-03-09 10:14:33,d,s,1_000', 'is not a finite decimal number'],
  ['2020-03-09 10:14:33,d,s,1e999', 'is larger than a number of 64 bits holds'],
  ['2020-03-09 10:14:33,d,s,inf', 'is not a finite decimal number'],
  ['20200601,d,s,1', 'a date written as digits? write 2020-06-01T00:00:00Z'],
  ['202006011200,d,s,1', 'a date written as digits? write 2020-06-01T12:00:00Z'],
  ['43983.5,d,s,1', 'a day of a spreadsheet? as a time it is 2020-06-01T12:00:00Z'],
  ['7619.5,d,s,1', 'is a number without a unit; write ISO 8601, or say --time-unit s, ms, us, ns or excel'],
  ['1583748873000000,d,s,1', 'microseconds?'],
  ['13/02/2020 11:03,d,s,1', 'day and month could be either way round'],
  ['2020/06/01,d,s,1', '2020-06-01T00:00:00.000Z?'],
  ['2020-03-09 10:14:33,d\ufffd,s,1', 'has lost a character'],
])('%s is refused: %s', async (row, why) => {
  const [reason, ...more] = await reasons(row);
  expect(reason).toContain(why);
  expect(more).toEqual([]);
});

test('values are decimal numbers, with a point or with the comma that was said', async () => {
  expect(await value('3.5')).toBe(3.5);
  expect(await value('-.5e-3')).toBe(-0.0005);
  expect(await value('+5.')).toBe(5);
  expect(await value('"3,5"', { decimal: ',' })).toBe(3.5);
  expect(await value('3.5', { decimal: ',' })).toBeUndefined();
  expect([await value('True'), await value('false')]).toEqual([1, 0]);
  const { readings } = await read('TS;Device;Sensor;Value\n2020-03-09 10:14:33;d;s;3,5\n', {
    separator: ';',
    decimal: ',',
  });
  expect(readings).toEqual([{ tsMs: T, device: 'd', sensor: 's', value: 3.5 }]);
  expect(
    (await read('TS\tDevice\tSensor\tValue\n2020-03-09 10:14:33\td\ts\t3.5\n', { separator: '\t' })).readings,
  ).toHaveLength(1);
});

test('times are what stands there, before 1973 too; numbers count in one unit', async () => {
  expect(await time('1970-01-01T00:16:40Z')).toBe(1_000_000);
  expect(await time('1972-06-01')).toBe(Date.UTC(1972, 5, 1));
  expect(await time('1583748873')).toBe(T);
  expect(await time('1583748873.25')).toBe(T + 250);
  expect(await time('1583748873000')).toBe(T);
  expect(await time('7619.5', { timeUnit: 's' })).toBe(7_619_500);
  expect(await time('0.000', { timeUnit: 's' })).toBe(0);
  expect(await time('1583748873000000', { timeUnit: 'us' })).toBe(T);
  expect(await time('1583748873000000000', { timeUnit: 'ns' })).toBe(T);
  expect(await reasons('-1,d,s,1', { timeUnit: 's' })).toEqual(['TS "-1" is before 1970']);
  const mixed = await read(`${HEADER}1583748873,d,s,1\n1583748873000,d,s,2\n1583748874,d,s,3\n`);
  expect(mixed.readings.map(({ value }) => value)).toEqual([1, 3]);
  expect(mixed.bad).toEqual([
    { line: 3, reason: expect.stringContaining('seems to be milliseconds, the rows before are seconds') },
  ]);
});

const UMLAUTS = `${HEADER}2020-03-09T10:14:33Z,Kühler-1,Wärme,1\n2020-03-09T10:14:33Z,Kähler-1,Wärme,2\n`;
const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

test.each([
  [
    'windows-1252',
    Buffer.from(UMLAUTS, 'latin1'),
    /not UTF-8: byte 0xFC at position \d+, after "[^"]*K"; in windows-1252 \(Latin-1\) it is "ü".*--encoding windows-1252/,
  ],
  [
    'utf-16le',
    Buffer.from(`\ufeff${UMLAUTS}`, 'utf16le'),
    /looks like utf-16le, and was read as utf-8\. Say --encoding utf-16le/,
  ],
  ['utf-16be', utf16be(UMLAUTS), /looks like utf-16be/],
])('a file in %s is recognised and named, and read when it is said', async (encoding, content, message) => {
  await expect(read(content)).rejects.toMatchObject({ code: 'CSV_ENCODING', message: expect.stringMatching(message) });
  const { readings, bad } = await read(content, { encoding });
  expect(bad).toEqual([]);
  expect(readings.map(({ device, sensor }) => `${device}/${sensor}`)).toEqual(['Kühler-1/Wärme', 'Kähler-1/Wärme']);
});

test('a row that is not UTF-8 far down in a file costs itself, and two devices never become one', async () => {
  const many = '2020-03-09T10:14:33Z,d,s,1\n'.repeat(4_000);
  const tail = Buffer.from('2020-03-09T10:14:33Z,caf\xe9-1,s,2\n2020-03-09T10:14:33Z,caf\xe8-1,s,3\n', 'latin1');
  const { readings, bad } = await read(
    Buffer.concat([Buffer.from(HEADER + many), tail, Buffer.from(UMLAUTS.split('\n')[1]!)]),
  );
  expect(readings).toHaveLength(4_001);
  expect(bad).toEqual([
    { line: 4_002, reason: expect.stringMatching(/not utf-8: byte 0xE9 at position 24/) },
    { line: 4_003, reason: expect.stringMatching(/not utf-8: byte 0xE8 at position 24/) },
  ]);
});

test.each([
  ['TS;Device;Sensor;Value\n', "separated by ';': say --separator ';', and --decimal , when"],
  ['TS\tDevice\tSensor\tValue\n', 'separated by tab: say --separator tab'],
  ['TS|Device|Sensor|Value\n', "say --separator '|'"],
  ['time,temperature,pressure,flow,level\n', 'a column for each sensor'],
  ['timestamp,device,sensor,reading\n', 'It lacks TS and Value: add it, or rename a column'],
  ['time,machine,tag,reading\n', 'Rename its columns so'],
  ['2020-03-09T10:14:33Z,d\n', 'Add the header line'],
  ['TS,Device,Value\n', 'It lacks Sensor: add it'],
  ['TS,Device,Sensor,Value\r2020-03-09T10:14:33Z,d,s,1\r', 'CR alone'],
  ['', 'got nothing'],
])('a header such as %j is refused with what is wrong: %s', async (content, hint) => {
  await expect(read(content)).rejects.toMatchObject({ code: 'CSV_HEADER', message: expect.stringContaining(hint) });
});

test.each([
  ['PAR1....', 'Parquet'],
  ['Obj\u0001....', 'Avro'],
  ['PK\u0003\u0004....', 'XLSX'],
  [Buffer.from('425a6839', 'hex'), 'bzcat FILE | fleetscore send -'],
  [Buffer.from('28b52ffd', 'hex'), 'zstdcat FILE | fleetscore send -'],
  [Buffer.from('fd377a585a00', 'hex'), 'xzcat FILE | fleetscore send -'],
  [Buffer.from('80059500', 'hex'), 'a pickle of Python'],
])('a file that begins with %j is called by its name', async (content, kind) => {
  await expect(read(content)).rejects.toMatchObject({ code: 'CSV_FILE', message: expect.stringContaining(kind) });
});

test('a column Quality is handed on, where a row has one', async () => {
  const { readings } = await read(
    'TS,Device,Sensor,Value,QUALITY\n2020-03-09T10:14:33Z,d,s,1,good\n2020-03-09T10:14:33Z,d,s,2,\n',
  );
  expect(readings.map((reading) => ({ ...reading }))).toEqual([
    { tsMs: T, device: 'd', sensor: 's', value: 1, quality: 'good' },
    { tsMs: T, device: 'd', sensor: 's', value: 2 },
  ]);
});

test('an encoding that there is not is refused', async () => {
  await expect(read(HEADER, { encoding: 'latin-42' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a byte order mark, CRLF, other columns, quotes and empty lines change nothing', async () => {
  const { readings, bad } = await read(
    '\ufeffid,Value,SENSOR,device,ts\r\n\r\n1,"3.5","a, b","say ""x""",2020-03-09T10:14:33Z\r\n',
  );
  expect(bad).toEqual([]);
  expect(readings).toEqual([{ tsMs: T, device: 'say "x"', sensor: 'a, b', value: 3.5 }]);
});
