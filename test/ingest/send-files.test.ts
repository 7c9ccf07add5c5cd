/**
 * Files in the shapes of public data sets, as CSV, Parquet and Avro: each goes in with one command, every time and
 * value is what pandas reads (fixtures/files/make.py), and the command that is advised for the bare file reads it so.
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { formatOf } from '../../cli/ingest/send.ts';
import type { CsvFormat } from '../../ingest/csv/read.ts';
import type { FileRules } from '../../ingest/open-file.ts';
import { readFiles, type BadRow, type FileCounts } from '../../ingest/send-files.ts';
import { namedMapping, parseMapping } from '../../ingest/mapping/named.ts';
import { PARSE_DEFAULTS } from '../../ingest/parse-event.ts';
import { createTableReader } from '../../ingest/table/rows.ts';
import { bigEndian, decimalValue, timeCell } from '../../ingest/typed/exact.ts';
import { FILES, FOLDER, formatFor, gathered, optionsOf } from '../support/sent-files.ts';
import { tempDir } from '../support/temp.ts';
import type { SentReading } from '../../ingest/send-readings.ts';

const ALL = Object.entries(FILES);

interface Read extends FileCounts {
  readonly readings: SentReading[];
  readonly badRows: BadRow[];
}

async function readAll(name: string, format: CsvFormat, stream?: Readable): Promise<Read> {
  const badRows: BadRow[] = [];
  const path = `${FOLDER}${name}`;
  const input = stream ? { name, stream } : { name, stream: createReadStream(path), path };
  const { readings, counts } = readFiles([input], { format, onBadRow: (row) => badRows.push(row) });
  return { readings: await gathered(readings), badRows, ...counts() };
}
const text = (content: string, format: CsvFormat = {}): Promise<Read> =>
  readAll('file.csv', format, Readable.from([Buffer.from(content)]));
const rows = ({ readings }: Read) =>
  readings.map(({ tsMs, device, sensor, value }) => [tsMs, device, sensor, value] as const);

test.each(ALL)('%s goes in with one command, as pandas reads it', async (name, { args, readings }) => {
  const read = await readAll(name, formatFor(args));
  expect(read.badRows).toEqual([]);
  expect(rows(read)).toEqual(readings);
});

test.each(ALL.filter(([name]) => !/local/.test(name)))(
  '%s: the command that is advised can be copied',
  async (name) => {
    const said = name === 'long.parquet' ? { timezone: 'Europe/Berlin' } : {};
    const error = await readAll(name, said).catch((error: Error) => error);
    expect(error).toBeInstanceOf(Error);
    const command = /^ {2}(fleetscore send .*)$/m.exec((error as Error).message)?.[1] ?? '';
    // What a shell makes of it.
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
      .split('\n')
      .slice(0, -1);
    expect(words.slice(0, 3)).toEqual(['fleetscore', 'send', name]);
    const read = await readAll(name, formatFor(words.slice(3)));
    expect(read.badRows).toEqual([]);
    expect(rows(read)).toEqual(FILES[name]!.readings);
  },
);

test('a Parquet file of the right columns, with times in microseconds, is answered with the command, too', async () => {
  const path = join(tempDir('typed'), 'us.parquet');
  const column = (name: string, data: readonly (string | bigint | number)[]) => ({ name, data: [...data] });
  const columnData = [
    column('TS', [1_583_748_873_000_000n, 1_583_748_878_000_000n]),
    column('Device', ['d', 'd']),
    column('Note', ['x', 'y']),
    column('Sensor', ['s', 's']),
    column('Value', [1.5, 2.5]),
  ];
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData })));
  const read = (rules: FileRules) =>
    gathered(readFiles([{ name: 'us.parquet', stream: createReadStream(path), path }], rules).readings);
  await expect(read({})).rejects.toThrow('fleetscore send us.parquet --time-unit us');
  const expected = [
    expect.objectContaining({ tsMs: 1_583_748_873_000, value: 1.5 }),
    expect.objectContaining({ tsMs: 1_583_748_878_000, value: 2.5 }),
  ];
  expect(await read({ format: { timeUnit: 'us' } })).toEqual(expected);
  expect(await read({ guess: true })).toEqual(expected);
});

const at = (iso: string): number => Date.parse(iso);
const times = async (lines: readonly string[], format: CsvFormat): Promise<(number | string)[]> => {
  const read = await text(['TS,Device,Sensor,Value', ...lines.map((ts) => `${ts},d,s,1`)].join('\n'), format);
  return [...read.readings.map(({ tsMs }) => tsMs), ...read.badRows.map(({ reason }) => reason)];
};

test.each([
  ['13/02/2020 11:03', 'dd/MM/yyyy HH:mm', '2020-02-13T11:03:00Z'],
  ['13/02/2020 11:03', '%d/%m/%Y %H:%M', '2020-02-13T11:03:00Z'],
  ['3/10/2004 6:00:00 PM', 'M/d/yyyy h:mm:ss a', '2004-03-10T18:00:00Z'],
  ['2019-10-19 12:51:19 AM', '%Y-%m-%d %I:%M:%S %p', '2019-10-19T00:51:19Z'],
  ['01-Jan-1980', 'dd-MMM-yyyy', '1980-01-01T00:00:00Z'],
  ['20200601120000', 'yyyyMMddHHmmss', '2020-06-01T12:00:00Z'],
  ['2020-06-01 12:00:00.5', '%Y-%m-%d %H:%M:%S.%f', '2020-06-01T12:00:00.500Z'],
  ['2020-06-01 12:00:00+02', 'yyyy-MM-dd HH:mm:ssZ', '2020-06-01T10:00:00Z'],
  ['2020-06-01T12:00', 'yyyy-MM-ddTHH:mm', '2020-06-01T12:00:00Z'],
  ['2020-06-01T12:00:00Z', 'dd/MM/yyyy', '2020-06-01T12:00:00Z'],
])('%s is read as %s says: %s', async (ts, timeFormat, expected) => {
  expect(await times([ts], { timeFormat })).toEqual([at(expected)]);
});

test('a day that does not exist is refused, and a format that says no day is told before a row is read', async () => {
  expect(await times(['31/02/2020'], { timeFormat: 'dd/MM/yyyy' })).toEqual([
    'TS "31/02/2020" is not a time as "dd/MM/yyyy" says',
  ]);
  await expect(times(['18:00'], { timeFormat: 'HH:mm' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('it must say the year, the month and the day'),
  });
  await expect(times(['x'], { timeFormat: '%Q' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await expect(times(['x'], { timezone: 'Europe/Nowhere' })).rejects.toMatchObject({ code: 'INVALID_ZONE' });
});

test('local times that clocks left out are refused; those that came twice follow the order of the file', async () => {
  const timezone = 'Europe/Berlin';
  const [winter, summer, none] = await times(['2026-01-01 12:00', '2026-07-01 12:00', '2026-03-29 02:30'], {
    timezone,
  });
  expect([winter, summer]).toEqual([at('2026-01-01T11:00:00Z'), at('2026-07-01T10:00:00Z')]);
  expect(none).toMatch(/TS 2026-03-29 02:30:00 does not exist in Europe\/Berlin.*--timezone \+01:00/);
  expect(await times(['2026-03-29 02:30'], { timezone: '+01:00' })).toEqual([at('2026-03-29T01:30:00Z')]);
  // Hourly, by ten minutes with some disorder, and a single one.
  const hours = ['01:00', '02:00', '02:00', '03:00'].map((time) => `2026-10-25 ${time}`);
  expect(await times(hours, { timezone })).toEqual(
    ['2026-10-24T23:00Z', '2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'].map(at),
  );
  const minutes = ['02:40', '02:50', '02:45', '02:55', '02:05', '02:15'].map((time) => `2026-10-25 ${time}`);
  expect(await times(minutes, { timezone })).toEqual(
    ['00:40', '00:50', '00:45', '00:55', '01:05', '01:15'].map((time) => at(`2026-10-25T${time}Z`)),
  );
  const read = await text(`TS,Device,Sensor,Value\n${minutes.map((ts) => `${ts},d,s,1`).join('\n')}`, { timezone });
  expect(read.ambiguous).toBe(6);
});

test('numbers count from a start, in a unit, or as days of a spreadsheet', async () => {
  const startMs = at('2026-11-29T10:00:00Z');
  expect(await times(['0', '0.5', '7619.5', 'x'], { startMs })).toEqual([
    startMs,
    startMs + 500,
    startMs + 7_619_500,
    'TS "x" is no number, and times are counted from --start',
  ]);
  expect(await times(['1.5'], { startMs, timeUnit: 'h' })).toEqual([startMs + 5_400_000]);
  expect(await times(['43983.5', '43983'], { timeUnit: 'excel' })).toEqual([
    at('2020-06-01T12:00:00Z'),
    at('2020-06-01T00:00:00Z'),
  ]);
  const { start, ...options } = optionsOf(['--start', '2026-11-29 11:00', '--timezone', 'Europe/Berlin']);
  expect(formatOf({ ...options, start: start! })).toEqual({ timezone: 'Europe/Berlin', startMs });
});

const FLAGS = 'TS,Device,Sensor,Value,Status\n';
test.each([
  [
    ['Good', 'GoodClamped', 'Uncertain', 'Bad', 'BadNotConnected', ''],
    ['Good', 'GoodClamped', ''],
    { bad: 2, uncertain: 1 },
  ],
  [['192', '216', '64', '0', '4'], ['192', '216'], { uncertain: 1, bad: 2 }],
  [['0x00000000', '0x40000000', '2147483648', '3221225472'], ['0x00000000'], { uncertain: 1, bad: 1 }],
])('of %j the good ones are sent, the others counted', async (flags, good, notGood) => {
  const rows = flags.map((flag, i) => `2026-01-01T00:00:0${i}Z,d,s,${i},${flag}`);
  const read = await text(FLAGS + rows.join('\n'), { columns: { quality: 'status' } });
  expect(read.readings.map(({ quality = '' }) => quality)).toEqual(good);
  expect(read.notGood).toEqual(notGood);
});

test('values that are good can be said; what nobody knows is a bad row', async () => {
  const rows = `${FLAGS}2026-01-01,d,s,1,A\n2026-01-01,d,s,2,0\n`;
  const unknown = await text(rows, { columns: { quality: 'Status' } });
  expect(unknown).toMatchObject({ bad: 1, notGood: { bad: 1 } });
  expect(unknown.badRows[0]?.reason).toContain('"A" is neither good, uncertain nor bad; say --good');
  expect(await text(rows, { columns: { quality: 'Status' }, good: ['0'] })).toMatchObject({
    bad: 0,
    notGood: { A: 1 },
  });
});

test('devices by the name of the file, sensors in and out by pattern, lines before the header', async () => {
  const format = formatOf(
    optionsOf(['--wide', '--device', '{folder}-{file}', '--include', 'a*', '--exclude', '*_raw', '--skip-lines', '2']),
  );
  const content = '# logger\n\nTS,a1,a2_raw,b\n2026-01-01,1,2,3\n';
  const read = await readAll('plant/press.csv.gz', format, Readable.from([Buffer.from(content)]));
  expect(rows(read)).toEqual([[at('2026-01-01'), 'plant-press', 'a1', 1]]);
});

const advised = async (content: string, said: CsvFormat = {}): Promise<string> =>
  text(content, said).then(
    () => 'read',
    (error: Error) => error.message,
  );
const filled = (header: string, row: (i: number) => string): string =>
  [header, ...Array.from({ length: 30 }, (_, i) => row(i))].join('\n');

test.each([
  ['month first', filled('date,a', (i) => `3/${i + 1}/2004 9:00,${i}`), "--time-format 'M/d/yyyy H:mm'"],
  [
    '12 h',
    filled('date,time,a', (i) => `2019-10-19,${10 + (i % 2)}:${10 + i}:00 AM,${i}`),
    'ts=date+time --time-format',
  ],
  ['names of months', filled('when,a', (i) => `${10 + (i % 19)}-Feb-2001,${i}`), '--time-format d-MMM-yyyy'],
  ['microseconds', filled('time,a', (i) => `${1583748873000000 + i},${i}`), '--time-unit us'],
  ['a workbook', filled('Date,a', (i) => `${43983 + i},${i}`), '--time-unit excel'],
  [
    'tabs, comments',
    `#\n${filled('time\tb', (i) => `2020-01-01 00:00:${10 + i}\t${i},5`)}`,
    '--separator tab --decimal , --skip-lines 1',
  ],
  [
    'long',
    filled('time,host,metric,value', (i) => `2020-01-01T00:00:${10 + i}Z,h,cpu,${i}`),
    '--columns ts=time,device=host,sensor=metric',
  ],
  ['before 1970', filled('date,a', (i) => `1940-01-${10 + (i % 20)},${i}`), 'are before 1970, and are left out'],
])('%s: the advice fits', async (_, content, expected) => {
  expect(await advised(content)).toContain(expected);
});

test('day and month that nothing tells apart are told, and never guessed', async () => {
  const content = filled('date,a', (i) => `3/4/2004 ${i % 24}:00,${i}`);
  expect(await advised(content)).toMatch(/do not tell day from month: .* say --time-format 'M\/d\/yyyy H:mm'/);
  const guessing = (input: string) =>
    readFiles([{ name: 'f.csv', stream: Readable.from([Buffer.from(input)]) }], { guess: true }).readings;
  await expect(gathered(guessing(content))).rejects.toMatchObject({ code: 'CSV_HEADER' });
  // A file that can be read once only loses no row to the look.
  const avro = readFiles([{ name: 'plant-deflate.avro', stream: createReadStream(`${FOLDER}plant-deflate.avro`) }], {
    guess: true,
  });
  expect(await gathered(avro.readings)).toHaveLength(FILES['plant-deflate.avro']!.readings.length);
  const clear = filled('date,a', (i) => `2020-01-01 00:00:${10 + i},${i}`);
  expect(await gathered(guessing(clear))).toHaveLength(30);
});

test('of several files each is a device, and a file that has bad rows only is told by row', async () => {
  const open = (name: string) => ({ name, stream: Readable.from([Buffer.from('timestamp,value\n2020-01-01,5\n')]) });
  const { readings } = readFiles([open('a.csv'), open('b.csv')], {});
  await expect(gathered(readings)).rejects.toMatchObject({
    message: expect.stringContaining("send a.csv b.csv --wide --columns ts=timestamp --device '{file}'"),
  });
  const bare = await advised('2020-01-01 00:00:00,1,2\n2020-01-01 00:00:01,1,2\n');
  expect(bare).toContain('--wide --header c1,c2,c3 --columns ts=c1 --device file');
  expect(bare).toContain('no header line: put the names of its columns in the place of c1, c2, c3');
});

test('a text without a header line, its columns divided by spaces', async () => {
  const args = ['--wide', '--separator', 'space', '--header', 'engine,cycle,s1', '--columns', 'ts=cycle,device=engine'];
  const format = formatFor([...args, '--start', '2026-01-01', '--time-unit', 'h']);
  expect(rows(await text('1 1  -0.5  \n1 2  642.15  \n', format))).toEqual([
    [at('2026-01-01T01:00Z'), '1', 's1', -0.5],
    [at('2026-01-01T02:00Z'), '1', 's1', 642.15],
  ]);
});

test.each([
  [{ device: '=x' }, 'INVALID_NAME', 'begins like a formula'],
  [{ device: '' }, 'INVALID_NAME', 'is empty'],
  [{ encoding: 'klingon' }, 'INVALID_ARGUMENT', 'there is no encoding "klingon"'],
  [{ columns: { ts: 'nope' } }, 'CSV_HEADER', 'there is no column nope'],
  [{ columns: { value: 'nope' } }, 'CSV_HEADER', 'there is no column nope'],
])('%j is told once, before a row is read', async (said, code, message) => {
  await expect(text('TS,Device,Sensor,Value\n2026-01-01,d,s,1\n', said)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test.each([
  ['PAR1 and no more', 'FILE_UNREADABLE', 'footer'],
  ['Obj\u0001 and no more', 'FILE_UNREADABLE', 'the Avro file cannot be read'],
  ['{\n"ts":1,"device":"d"}\n', 'CSV_HEADER', 'looks like JSON'],
  ['{"ts":1,"device":"d"}\n', 'FILE_COLUMNS', 'missing "sensor", "value"'],
])('%j is refused with what it is', async (content, code, message) => {
  const path = join(tempDir('send'), 'file.bin');
  writeFileSync(path, content);
  const { readings } = readFiles([{ name: path, stream: createReadStream(path), path }], {});
  await expect(gathered(readings)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

describe('JSON lines', () => {
  const T = '2026-03-02T10:00:00.000Z';
  const lines = async (content: string | Buffer, rules: Parameters<typeof readFiles>[1] = {}) => {
    const bad: string[] = [];
    const stream = Readable.from([Buffer.from(content)]);
    const { readings, counts } = readFiles([{ name: 'e.jsonl', stream }], {
      ...rules,
      onBadRow: ({ line, reason }) => bad.push(`${line}: ${reason}`),
    });
    const read = (await gathered(readings)).map(({ tsMs, device, sensor, value }) => [
      tsMs - at(T),
      device,
      sensor,
      value,
    ]);
    return { read, bad, counts: counts() };
  };
  const one = (more: object): string => JSON.stringify({ ts: T, device: 'd', sensor: 's', value: 1, ...more });

  test('each line is an event of a device: one reading, many, or one with its properties; also with gzip', async () => {
    const content =
      `\ufeff${one({})}\r\n\n[${one({ value: 2 })},${one({ sensor: 't', value: 3 })}]\n` +
      `{"event":{"body":${one({ value: 4 })},"enqueuedTime":"${T}"}}`;
    const read = [
      [0, 'd', 's', 1],
      [0, 'd', 's', 2],
      [0, 'd', 't', 3],
      [0, 'd', 's', 4],
    ];
    expect(await lines(content)).toMatchObject({ read, bad: [], counts: { bad: 0 } });
    expect((await lines(gzipSync(content))).read).toEqual(read);
  });

  test('what is no reading is told by its line, the first ones too', async () => {
    const { read, bad, counts } = await lines(['{"ts":1}', one({}), '{"ts":', one({ value: 'x' }), one({})].join('\n'));
    expect(read).toHaveLength(2);
    expect(bad.map((text) => text.slice(0, 2))).toEqual(['1:', '3:', '4:']);
    expect(counts.bad).toBe(3);
  });

  test('events are parsed by the mapping of ingest; where none is a reading it is said, with the way', async () => {
    const events = [0, 1].map((i) => JSON.stringify({ t: T, unit: `u${i}`, m: { flow: i } })).join('\n');
    await expect(lines(events)).rejects.toMatchObject({
      code: 'FILE_COLUMNS',
      message: expect.stringMatching(
        /^e\.jsonl is JSON lines, and of the 2 at its beginning none holds a reading: .*ingest try FILE/,
      ),
    });
    const form = { items: 'm{}', time: ['^t'], device: ['^unit'] };
    const mapping = parseMapping(JSON.stringify({ forms: [form] }), 'test');
    expect((await lines(events, { events: { ...PARSE_DEFAULTS, mapping } })).read).toEqual([
      [0, 'u0', 'flow', 0],
      [0, 'u1', 'flow', 1],
    ]);
    // As IoT Hub routes messages to storage.
    const routed = {
      EnqueuedTimeUtc: T,
      Properties: {},
      SystemProperties: { connectionDeviceId: 'press-7', contentType: 'application/json', enqueuedTime: T },
      Body: { temp: 5 },
    };
    const iotHub = { ...PARSE_DEFAULTS, mapping: namedMapping('iot-hub')! };
    expect((await lines(JSON.stringify(routed), { events: iotHub })).read).toEqual([[0, 'press-7', 'temp', 5]]);
  });

  test('options of tables are refused', async () => {
    await expect(lines(one({}), { format: { wide: true } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('wide is for tables'),
    });
  });
});

test('a typed date and a time of day are one time; a column without a name has a place', async () => {
  const date = { ms: at('2026-02-01'), zoned: false };
  const table = createTableReader(['', 'clock', 'a'], { wide: true, device: 'd', columns: { ts: '#1+clock' } });
  if ('problem' in table) throw new Error(table.problem);
  expect(table.read([date, '10:14:33.5', 2])).toMatchObject({
    readings: [{ tsMs: at('2026-02-01T10:14:33.500Z'), sensor: 'a', value: 2 }],
  });
  expect(await advised(filled(',a', (i) => `2020-01-01 00:00:${10 + i},${i}`))).toContain("--columns 'ts=#1' --device");
});

test.each([
  [-1n, 1_000n, -1],
  [1_774_737_000_001_999n, 1_000n, 1_774_737_000_001],
  [253_402_300_799_999_999_999n, 1_000_000n, 253_402_300_799_999],
])('%d of a unit with %d a millisecond', (value, perMs, ms) => {
  expect(timeCell(value, perMs, true).ms).toBe(ms);
});

test('decimals are the nearest number, of any width', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), fc.nat({ max: 38 }), (unscaled, scale) => {
      const text = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
      const [whole, rest] = [text.slice(0, text.length - scale), text.slice(text.length - scale)];
      const written = `${unscaled < 0n ? '-' : ''}${whole}.${rest}`;
      expect(decimalValue(unscaled, scale)).toBe(unscaled === 0n ? 0 : Number(written));
      const bytes = Buffer.from(BigInt.asUintN(136, unscaled).toString(16).padStart(34, '0'), 'hex');
      expect(bigEndian(bytes)).toBe(unscaled);
    }),
  );
  // What a division of doubles gives is off by one in the last place.
  expect(decimalValue(12_345_682_894_211_979n, 6)).toBe(12345682894.211979);
  expect(Number(12_345_682_894_211_979n) / 10 ** 6).toBe(12345682894.21198);
});
