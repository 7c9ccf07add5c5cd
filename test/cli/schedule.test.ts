/**
 * Schedules by our commands and by the stock `temporal` command, against a real server: what they score. What commands
 * say of them is in schedule-words.ts, on the same stack.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CliResult } from '../support/cli.ts';
import { until } from '../support/until.ts';
import { useStack } from '../support/local-stack.ts';
import { modelsOf } from '../support/small-fleet.ts';
import { hasEnded } from '../../storage/store.ts';
import { scheduleWords, stockCommand, stockSchedule } from './schedule-words.ts';

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
  const spec = ['--interval', '15m', '--overlap-policy', 'BufferAll', '--catchup-window', '1h'];
  await stockSchedule(stack, 'stock', '{}', ...spec);
  const span = ['--start-time', '2026-03-02T12:00:01Z', '--end-time', '2026-03-02T12:30:00Z'];
  await stockCommand(stack, 'backfill', '-s', 'stock', ...span, '--overlap-policy', 'AllowAll');
  const batches = await batchesOf('stock', 2);
  expect(batches.map(({ from }) => from.slice(11, 16)).sort()).toEqual(['12:00', '12:15']);
  await untilListed(['stock, paused']);
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
  const request = '{"period":"15m","waitForReadings":"0s","rescoreLate":"0s"}';
  await stockSchedule(stack, 'holes', request, '--interval', '15m');
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

scheduleWords(stack);

test('doctor finds every part well', async () => {
  const doctor = await stack.cli('doctor', '--json');
  expect(doctor.json()).toMatchObject({ healthy: true });
  expect(doctor.code).toBe(0);
});

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

/** Waits until so many batches of a schedule have ended. */
async function batchesOf(schedule: string, count: number): Promise<Listed[]> {
  const store = await stack.context.store();
  for (let i = 0; i < 600; i++) {
    const ended = (await store.listBatches({ schedule })).filter(hasEnded);
    if (ended.length >= count)
      return (await stack.cli('batch', 'list', '--schedule', schedule, '--json')).json() as Listed[];
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const there = (await store.listBatches({ schedule })).map(({ id, status }) => `${id} ${status}`);
  throw new Error(`${schedule} has not had ${count} batches within two minutes, but ${there.join(', ')}`);
}
