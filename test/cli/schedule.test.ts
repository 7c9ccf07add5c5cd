/** Schedules by our commands and by the stock `temporal` command, against a real server. */
import { beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { findTemporal } from '../../local/temporal-binary.ts';
import { TOOLS, type CliResult } from '../support/cli.ts';
import { until } from '../support/until.ts';
import { useStack } from '../support/local-stack.ts';
import { modelsOf } from '../support/small-fleet.ts';
import { hasEnded } from '../../storage/store.ts';

const stack = useStack('schedule');
const HOUR = ['--from', '2026-03-02T10:00', '--to', '2026-03-02T11:00'] as const;

interface Listed {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly status: string;
  readonly schedule: string;
}

beforeAll(async () => {
  expect((await stack.cli('models', 'publish', modelsOf(1, join(stack.home, 'models')))).code).toBe(0);
}, 120_000);

test('a backfill of an hour through a schedule of 15 minutes scores its four quarters', async () => {
  const created = await stack.cli(
    'schedule',
    'create',
    'plant',
    '--every',
    '15m',
    '--paused',
    '--note',
    'for the test',
    '--json',
  );
  expect(created.json()).toMatchObject({
    name: 'plant',
    paused: true,
    note: 'for the test',
    spec: ['every 15m'],
    request: { period: '15m' },
    overlap: 'buffer_all',
    catchup: '1h',
  });
  expect((await stack.cli('schedule', 'backfill', 'plant', ...HOUR)).stdout).toContain(
    'Backfill of plant from 2026-03-02 10:00:00 to 2026-03-02 11:00:00 UTC started',
  );
  const batches = await batchesOf('plant', 4);
  expect(batches.map(({ from, to }) => [from.slice(11, 16), to.slice(11, 16)]).sort()).toEqual([
    ['10:00', '10:15'],
    ['10:15', '10:30'],
    ['10:30', '10:45'],
    ['10:45', '11:00'],
  ]);
});

test('pause, resume, trigger, list and delete', async () => {
  expect((await stack.cli('schedule', 'resume', 'plant')).stdout).toMatch(/^Schedule plant resumed\.\n/);
  await untilListed(['plant, resumed']);
  const next = async (): Promise<unknown> =>
    ((await stack.cli('schedule', 'list', '--json')).json() as { name: string; next: string | null }[]).find(
      ({ name }) => name === 'plant',
    )?.next;
  expect(await next()).toEqual(expect.any(String));
  expect((await stack.cli('schedule', 'pause', 'plant', '--note', 'holiday')).code).toBe(0);
  expect((await stack.cli('schedule', 'describe', 'plant', '--json')).json()).toMatchObject({
    paused: true,
    note: 'holiday',
    next: [],
  });
  expect((await stack.cli('schedule', 'describe', 'plant')).stdout).toMatch(
    /Next \(UTC\): +none while it is paused: fleetscore schedule resume plant/,
  );
  await until(async () => (await next()) === null);
  expect((await stack.cli('schedule', 'trigger', 'plant')).code).toBe(0);
  await batchesOf('plant', 5);
  expect((await stack.cli('schedule', 'delete', 'plant')).code).toBe(0);
  const gone = await stack.cli('schedule', 'describe', 'plant', '--json');
  expect(gone.code).toBe(1);
  expect(JSON.parse(gone.stderr)).toMatchObject({
    error: { code: 'SCHEDULE_UNKNOWN', message: expect.stringContaining('"plant"') },
  });
});

test('the stock temporal command makes and drives the same schedule with plain JSON', async () => {
  const temporal = await findTemporal(TOOLS, () => {});
  const run = (...args: string[]): Promise<unknown> =>
    promisify(execFile)(temporal, [...args, '--address', String(stack.stack.env.TEMPORAL_ADDRESS)]);
  await run(
    'schedule',
    'create',
    '-s',
    'stock',
    '--interval',
    '15m',
    '--type',
    'scoreBatch',
    '--task-queue',
    'control',
    '--workflow-id',
    'stock',
    '--input',
    '{}',
    '--overlap-policy',
    'BufferAll',
    '--catchup-window',
    '1h',
    '--paused',
  );
  await run(
    'schedule',
    'backfill',
    '-s',
    'stock',
    '--start-time',
    '2026-03-02T12:00:01Z',
    '--end-time',
    '2026-03-02T12:30:00Z',
    '--overlap-policy',
    'AllowAll',
  );
  const batches = await batchesOf('stock', 2);
  expect(batches.map(({ from }) => from.slice(11, 16)).sort()).toEqual(['12:00', '12:15']);
  await untilListed(['stock, paused']);
});

test.each<[readonly string[], number, RegExp]>([
  [['schedule', 'create', 'x'], 2, /give either --every .* or --cron/],
  [['schedule', 'create', 'x', '--every', '1.5s'], 2, /--every 1.5s is not a whole number of seconds/],
  [['schedule', 'create', 'x', '--every', '500ms'], 2, /--every 500ms is not a whole number of seconds/],
  [
    ['schedule', 'create', 'x', '--cron', '61 * * * *'],
    2,
    /"61 \* \* \* \*".*refused by Temporal: Minute is not in range/,
  ],
  [['schedule', 'create', 'x', '--cron', '0 2 * *'], 2, /"0 2 \* \*".*refused by Temporal: CronString does not have/],
  [['schedule', 'create', 'x', '--cron', '0 * * * * *', '--period', '1m'], 2, /has 6 fields.*such as "\* \* \* \* \*"/],
  [['schedule', 'create', 'x', '--cron', '0 2 31 2 *'], 2, /"0 2 31 2 \*" never comes.*Nothing was created/],
  [
    ['schedule', 'create', 'x', '--cron', '0 2 * * *', '--timezone', 'Europe/Nowhere'],
    2,
    /there is no time zone "Europe\/Nowhere"/,
  ],
  [['schedule', 'create', 'x'.repeat(1100), '--every', '15m'], 2, /1100 characters\) cannot name a schedule/],
  [['schedule', 'create', 'x', '--every', '15m', '--release', 'nope'], 1, /there is no release "nope": every batch/],
  [['schedule', 'describe', 'stok'], 1, /there is no schedule "stok"\. Did you mean stock\?/],
  [['schedule', 'describe', 'x'], 1, /there is no schedule "x"/],
  [['gaps', '--schedule', 'x'], 1, /there is no schedule "x"/],
  [['gaps', '--since', 'yesterday'], 2, /--since "yesterday" is not a time/],
  [['schedule', 'create', 'x', '--every', 'often'], 2, /duration "often" is not a duration/],
  [['schedule', 'create', 'x', '--every', '15m', '--timezone', 'Europe/Berlin'], 2, /--timezone goes with --cron/],
  [['schedule', 'create', 'stock', '--every', '15m'], 1, /there is a schedule "stock" already/],
  [
    ['schedule', 'backfill', 'stock', '--from', '2026-03-02', '--to', '2026-03-01'],
    2,
    /--to .* must be later than --from/,
  ],
  [['batch', 'run', '--from', 'yesterday', '--to', '2026-03-01'], 2, /time "yesterday" is not a time/],
  [['batch', 'show', 'nope'], 1, /there is no batch "nope"/],
  [['predictions', 'nope', 'nope'], 1, /there is no sensor "nope" of a device "nope"/],
  [['predictions', 'nope/nope'], 1, /there is no sensor "nope" of a device "nope"/],
  [['predictions', 'nope'], 1, /"nope" is not the name of a sensor: a sensor is named device\/sensor/],
  [['models', 'publish', '/', '--release', 'a/b'], 2, /the release name "a\/b" cannot be taken\. Use 1 to 64/],
  [['schedule', 'update', 'stock'], 2, /nothing is named that is to change of schedule "stock"/],
  [
    ['schedule', 'backfill', 'stock', '--from', '2126-03-01', '--to', '2126-03-02'],
    2,
    /--to .* lies in the future.*let the schedule score/,
  ],
  [['models', 'publish', '/nowhere'], 1, /\/nowhere cannot be read: there is no such folder\. Give/],
  [['predictions', 'a', 'b', '--from', '2026-03-02', '--to', '2026-03-01'], 2, /--to .* must be later than --from/],
  [['send', '/'], 1, /\/ is a folder\. Name the files in it, for example \/\*\.csv/],
  [['send', '/nowhere.csv'], 1, /\/nowhere.csv cannot be read: there is no such file/],
  [['scores'], 2, /unknown command/],
])('fleetscore %j ends with %d and says why', async (args, code, message) => {
  const result = await stack.cli(...args);
  expect(result.stderr).toMatch(message);
  expect(result.code).toBe(code);
});

test('a cron schedule keeps its time zone', async () => {
  const created = await stack.cli(
    'schedule',
    'create',
    'nightly',
    '--cron',
    '0 2 * * *',
    '--timezone',
    'Europe/Berlin',
    '--period',
    '1d',
    '--json',
  );
  expect(created.json()).toMatchObject({ request: { period: '1d' }, spec: expect.arrayContaining(['Europe/Berlin']) });
  const { next } = created.json() as { next: string[] };
  const berlin = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' });
  expect(next.slice(0, 3).map((time) => berlin.format(new Date(time)))).toEqual(['02:00', '02:00', '02:00']);
});

test('a daily batch at a time that clocks leave out leaves nothing out, nor does a month of a zone', async () => {
  for (const [name, cron, period] of [
    ['berlin', '0 2 * * *', '1d'],
    ['berlin-monthly', '0 0 1 * *', '1mo'],
  ] as const) {
    const created = await stack.cli(
      'schedule',
      'create',
      name,
      '--cron',
      cron,
      '--timezone',
      'Europe/Berlin',
      '--period',
      period,
      '--paused',
      '--wait-for-readings',
      '0s',
      '--rescore-late',
      '0s',
      '--json',
    );
    expect(created.json()).toMatchObject({ spec: [`cron ${cron}`, 'Europe/Berlin'], warnings: [] });
  }
  const backfill = (name: string, from: string, to: string): Promise<CliResult> =>
    stack.cli('schedule', 'backfill', name, '--from', from, '--to', to, '--overlap', 'buffer_all');
  expect((await backfill('berlin', '2026-03-26T12:00', '2026-03-31T12:00')).code).toBe(0);
  expect((await backfill('berlin-monthly', '2026-01-15', '2026-06-15')).code).toBe(0);
  const spans = async (name: string, count: number): Promise<string[]> =>
    (await batchesOf(name, count)).map(({ from, to }) => `${from.slice(5, 13)} ${to.slice(5, 13)}`).sort();
  expect(await spans('berlin', 4)).toEqual([
    '03-26T01 03-27T01',
    '03-27T01 03-28T01',
    '03-28T01 03-30T00',
    '03-30T00 03-31T00',
  ]);
  expect(await spans('berlin-monthly', 5)).toEqual(
    ['12-31T23 01-31T23', '01-31T23 02-28T23', '02-28T23 03-31T22', '03-31T22 04-30T22', '04-30T22 05-31T22'].sort(),
  );
});

test('periods that were missed are listed with the command that scores them, and gone once it has run', async () => {
  // Made by the stock command: paused, so that nothing runs by itself.
  const temporal = await findTemporal(TOOLS, () => {});
  await promisify(execFile)(temporal, [
    'schedule',
    'create',
    '-s',
    'holes',
    '--interval',
    '15m',
    '--type',
    'scoreBatch',
    '--task-queue',
    'control',
    '--workflow-id',
    'holes',
    '--input',
    '{"period":"15m","waitForReadings":"0s","rescoreLate":"0s"}',
    '--paused',
    '--address',
    String(stack.stack.env.TEMPORAL_ADDRESS),
  ]);
  const quarter = 900_000;
  const last = Math.floor((Date.now() - 3 * quarter) / quarter) * quarter;
  const at = (quarters: number): string => new Date(last + quarters * quarter).toISOString();
  expect((await stack.cli('schedule', 'backfill', 'holes', '--from', at(-5), '--to', at(-4))).code).toBe(0);
  expect((await stack.cli('schedule', 'backfill', 'holes', '--from', at(-2), '--to', at(-1))).code).toBe(0);
  await batchesOf('holes', 2);
  const list = (): Promise<CliResult> => stack.cli('gaps', '--schedule', 'holes', '--since', at(-5), '--json');
  const found = await list();
  expect(found.code).toBe(1);
  const gaps = found.json() as { from: string; to: string; periods: number; state: string; command: string }[];
  expect(gaps[0]).toMatchObject({ from: at(-4), to: at(-2), periods: 2, state: 'missing' });
  expect(gaps[1]).toMatchObject({ from: at(-1), state: 'missing' });
  const verified = await stack.cli('verify', '--since', at(-5));
  expect(verified.code).toBe(1);
  expect(verified.stdout).toMatch(
    /^schedule holes: 2 periods not scored \(missing\), .*: fleetscore schedule backfill/m,
  );
  const resumed = await stack.cli('schedule', 'resume', 'holes');
  expect(resumed.stdout).toContain('Schedule holes resumed.');
  await stack.cli('schedule', 'pause', 'holes');
  for (const { command } of gaps) expect((await stack.cli(...command.split(' ').slice(1))).code).toBe(0);
  const end = gaps.reduce((sum, { periods }) => sum + periods, 2);
  await batchesOf('holes', end);
  const after = (await list()).json() as { state: string; from: string }[];
  expect(after.filter(({ from }) => from < at(0))).toEqual([]);
}, 180_000);

test('describe says when a schedule starts, what it scores, and what that leaves out', async () => {
  const temporal = await findTemporal(TOOLS, () => {});
  await promisify(execFile)(temporal, [
    'schedule',
    'create',
    '-s',
    'odd',
    '--interval',
    '15m/2m',
    '--jitter',
    '20s',
    '--type',
    'scoreBatch',
    '--task-queue',
    'control',
    '--workflow-id',
    'odd',
    '--input',
    '{"period":"10m"}',
    '--paused',
    '--address',
    String(stack.stack.env.TEMPORAL_ADDRESS),
  ]);
  const text = (await stack.cli('schedule', 'describe', 'odd')).stdout;
  expect(text).toMatch(/Starts: +every 15m, offset 2m; up to 20s later \(jitter\)/);
  expect(text).toMatch(/Warning: Periods of 10m leave time out/);
  const twice = await stack.cli('schedule', 'create', 'twice', '--every', '5m', '--period', '15m', '--paused');
  expect(twice.stdout).toMatch(/Warning: Periods of 15m overlap.*scored twice/);
  const nightly = await stack.cli('schedule', 'create', 'weekdays', '--cron', '30 6 * * 1-5', '--paused', '--json');
  expect(nightly.json()).toMatchObject({ spec: ['cron 30 6 * * 1-5'], request: { period: 'schedule' }, warnings: [] });
});

test('resume says what the pause left out', async () => {
  await stack.cli('schedule', 'create', 'halted', '--every', '5s', '--wait-for-readings', '0s', '--paused');
  let missed = 0;
  for (let i = 0; i < 100 && missed === 0; i++)
    missed = ((await stack.cli('gaps', '--schedule', 'halted', '--json')).json() as unknown[]).length;
  const resumed = await stack.cli('schedule', 'resume', 'halted');
  expect(resumed.stdout).toMatch(
    /^Schedule halted resumed\.\nNot scored: \d+ periods? of the last days, .* UTC: fleetscore schedule backfill halted --from/,
  );
  expect((await stack.cli('schedule', 'delete', 'halted')).code).toBe(0);
});

test('an update changes what is named and keeps the rest', async () => {
  await stack.cli('schedule', 'create', 'kept', '--every', '15m', '--delay', '5m', '--catchup', '6h', '--paused');
  const faster = await stack.cli('schedule', 'update', 'kept', '--every', '10m', '--note', 'faster', '--json');
  expect(faster.json()).toMatchObject({
    paused: true,
    note: 'faster',
    spec: ['every 10m'],
    request: { period: '10m', delay: '5m' },
    overlap: 'buffer_all',
    catchup: '6h',
  });
  const nightly = await stack.cli(
    'schedule',
    'update',
    'kept',
    '--cron',
    '0 2 * * *',
    '--timezone',
    'Asia/Kolkata',
    '--json',
  );
  expect(nightly.json()).toMatchObject({
    spec: ['cron 0 2 * * *', 'Asia/Kolkata'],
    request: { period: 'schedule', delay: '5m' },
    catchup: '6h',
  });
  const never = await stack.cli('schedule', 'update', 'kept', '--cron', '0 2 31 2 *');
  expect(never.stderr).toMatch(/would never start a batch. Nothing was changed/);
  expect(never.code).toBe(2);
  expect((await stack.cli('schedule', 'describe', 'kept', '--json')).json()).toMatchObject({
    spec: ['cron 0 2 * * *', 'Asia/Kolkata'],
    paused: true,
  });
  expect((await stack.cli('schedule', 'update', 'kept', '--timezone', 'UTC')).code).toBe(2);
});

test('doctor finds every part well', async () => {
  const doctor = await stack.cli('doctor', '--json');
  expect(doctor.json()).toMatchObject({ healthy: true });
  expect(doctor.code).toBe(0);
});

/** Waits until so many batches of a schedule have ended. */
/** The server's list follows its schedules a moment later. */
async function untilListed(wanted: readonly string[]): Promise<void> {
  let listed: unknown;
  await until(async () => {
    const schedules = (await stack.cli('schedule', 'list', '--json')).json() as { name: string; paused: boolean }[];
    listed = schedules.map(({ name, paused }) => `${name}, ${paused ? 'paused' : 'resumed'}`);
    return isDeepStrictEqual(listed, wanted);
  }).catch(() => {});
  expect(listed).toEqual(wanted);
}

async function batchesOf(schedule: string, count: number): Promise<Listed[]> {
  const store = await stack.context.store();
  for (let i = 0; i < 600; i++) {
    const ended = (await store.listBatches({ schedule })).filter(hasEnded);
    if (ended.length >= count)
      return (await stack.cli('batch', 'list', '--schedule', schedule, '--json')).json() as Listed[];
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${schedule} has not had ${count} batches within two minutes`);
}
