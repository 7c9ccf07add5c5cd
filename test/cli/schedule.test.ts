/** Schedules by our commands and by the stock `temporal` command, against a real server. */
import { beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTemporal } from '../../local/temporal-binary.ts';
import { TOOLS } from '../support/cli.ts';
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
  expect((await stack.cli('schedule', 'resume', 'plant')).stdout).toBe('Schedule plant resumed.\n');
  expect((await stack.cli('schedule', 'list', '--json')).json()).toEqual([
    expect.objectContaining({ name: 'plant', paused: false }),
  ]);
  expect((await stack.cli('schedule', 'pause', 'plant', '--note', 'holiday')).code).toBe(0);
  expect((await stack.cli('schedule', 'describe', 'plant', '--json')).json()).toMatchObject({
    paused: true,
    note: 'holiday',
  });
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
  expect((await stack.cli('schedule', 'list', '--json')).json()).toEqual([expect.objectContaining({ name: 'stock' })]);
});

test.each<[readonly string[], number, RegExp]>([
  [['schedule', 'create', 'x'], 2, /give either --every .* or --cron/],
  [['schedule', 'create', 'x', '--cron', '0 2 * * *'], 2, /--cron needs --period/],
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
  [['models', 'publish', '/nowhere'], 1, /\/nowhere/],
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

test('doctor finds every part well', async () => {
  const doctor = await stack.cli('doctor', '--json');
  expect(doctor.json()).toMatchObject({ healthy: true });
  expect(doctor.code).toBe(0);
});

/** Waits until so many batches of a schedule have ended. */
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
