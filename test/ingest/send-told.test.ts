/** What `send` tells of readings before and while they are sent: by sensor, how often they come, what is late. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Context } from '../../cli/frame/context.ts';
import { send } from '../../cli/ingest/send.ts';
import { factLines } from '../../cli/ingest/sent-text.ts';
import { loadConfig } from '../../config.ts';
import { slowHint } from '../../domain/pace.ts';
import { isoTime } from '../../domain/time.ts';
import type { CsvFormat } from '../../ingest/csv/read.ts';
import { readFiles } from '../../ingest/send-files.ts';
import { watchReadings } from '../../ingest/tell-readings.ts';
import { FILES, FOLDER, gathered, optionsOf } from '../support/sent-files.ts';
import { tempDir } from '../support/temp.ts';

const at = (time: string): number => Date.parse(time);

test('readings are told by sensor, with how often they come and which are late', async () => {
  const rows = [0, 1, 2, 3, 4, 5].map((i) => `${isoTime(at('2026-01-01') + i * 300_000)},d,s,${i}`);
  const content = ['TS,Device,Sensor,Value', ...rows, '2026-01-01T00:00:01Z,d,late,1'].join('\n');
  const { readings } = readFiles([{ name: 'f', stream: Readable.from([Buffer.from(content)]) }], {});
  const watch = watchReadings(readings, { hopMs: 5_000, outOfOrderMs: 30_000 });
  expect(await gathered(watch.readings)).toHaveLength(7);
  const { sensors, ...facts } = watch.facts();
  expect(facts).toEqual({
    readings: 7,
    firstMs: at('2026-01-01'),
    lastMs: at('2026-01-01T00:25:00Z'),
    late: 1,
    everyMs: 300_000,
  });
  expect(sensors.map(({ sensor, readings }) => [sensor, readings])).toEqual([
    ['s', 6],
    ['late', 1],
  ]);
});

test('local times sent as UTC are told by the hour that comes twice, and not with their zone', async () => {
  const local = new Intl.DateTimeFormat('sv-SE', {
    timeZone: 'Europe/Berlin',
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  const rows = Array.from(
    { length: 36 },
    (_, i) => `${local.format(at('2026-10-24T23:00:00Z') + i * 300_000)},d,s,${i}`,
  );
  const content = ['TS,Device,Sensor,Value', ...rows].join('\n');
  const facts = async (format: CsvFormat) => {
    const { readings } = readFiles([{ name: 'f', stream: Readable.from([Buffer.from(content)]) }], { format });
    const watch = watchReadings(readings, { hopMs: 5_000, outOfOrderMs: 30_000 });
    await gathered(watch.readings);
    return watch.facts();
  };
  const settings = { windowMs: 300_000, outOfOrderMs: 30_000 };
  const [utc, zoned] = [await facts({}), await facts({ timezone: 'Europe/Berlin' })];
  expect(utc.putBack).toBe(1);
  expect(factLines(utc, settings).join('\n')).toContain('say --timezone, such as Europe/Berlin');
  expect(factLines(zoned, settings)).toEqual([]);
});

test.each([
  [300_000, 5_000, /every 5m, windows are 5s: .*--window 5m/],
  [61_000, 5_000, /every 61s, windows are 5s: .*--window 1m/],
  [3_600_000, 300_000, /every 1h, windows are 5m: .*--window 1h/],
  [5_000, 5_000, undefined],
  [5_200, 5_000, undefined],
  [500, 5_000, undefined],
])('readings every %i ms in windows of %i ms', (everyMs, windowMs, said) => {
  const hint = slowHint(everyMs, windowMs);
  if (said) expect(hint).toMatch(said);
  else expect(hint).toBeUndefined();
});

describe('--dry-run', () => {
  const dryRun = (args: readonly string[], ...files: string[]) =>
    // What a dry run uses of a context: no store, no hub.
    send({ config: loadConfig({}), json: true } as Context, { ...optionsOf(args), dryRun: true }, files);

  test('says whose readings would be sent, from when to when, and what is left out', async () => {
    const { text, exitCode, data } = await dryRun(FILES['air.csv']!.args, `${FOLDER}air.csv`);
    expect(exitCode).toBeUndefined();
    expect(data).toMatchObject({ readings: 285, missing: 15, bad: 0, late: 0, everyMs: 3_600_000 });
    expect(text).toMatch(/^285 readings would be sent; nothing was sent\.\n/);
    expect(text).toMatch(/air +T +94 +2004-03-10 18:00:00 +2004-03-14 21:00:00/);
    expect(text).toContain('Readings come every 1h, windows are 5s');
    expect(text).toContain('15 cells without a value left out.');
  });

  test('says what is late in files that are sorted by sensor, and not in two that are sent together', async () => {
    const write = (name: string, content: string): string => {
      const path = join(tempDir('send'), name);
      writeFileSync(path, `TS,Device,Sensor,Value\n${content}`);
      return path;
    };
    const of = (sensor: string): string =>
      Array.from({ length: 60 }, (_, i) => `${isoTime(at('2026-01-01') + i * 5_000)},d,${sensor},${i}\n`).join('');
    const { text } = await dryRun([], write('both.csv', of('a') + of('b') + 'x,d,a,1\n'));
    expect(text).toMatch(
      /Up to 53 readings count as late: more than 30s behind .* They still reach their windows; batches/,
    );
    expect(text).toMatch(/1 bad row left out:\n {2}line 122: TS "x" is not a time/);
    const together = await dryRun([], write('a.csv', of('a')), write('b.csv', of('b')));
    expect(together).toMatchObject({ data: { readings: 120, late: 0 } });
  });
});

(process.platform === 'linux' ? test : test.skip)(
  'more files than may be open end the command with a line',
  () => {
    const dir = tempDir('send');
    const names = Array.from({ length: 400 }, (_, i) => `f${i}.csv`);
    for (const name of names) writeFileSync(join(dir, name), 'TS,Device,Sensor,Value\n2026-01-01T00:00:00Z,d,s,1\n');
    const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', 'ulimit -n 200; exec "$@"', 'sh', process.execPath, main, 'send', '--dry-run', ...names],
      { cwd: dir, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' }, timeout: 120_000 },
    );
    expect(stderr).toMatch(
      /^error: f\d+\.csv cannot be read: EMFILE.* send fewer at a time, or allow more \(ulimit -n\)\.\n$/,
    );
    expect(status).toBe(1);
  },
  180_000,
);
