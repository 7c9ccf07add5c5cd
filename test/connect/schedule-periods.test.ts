/**
 * Periods of schedules tile time for ten years, in zones that change their clocks in every way there is, over the times
 * at which a real server fires. Near a change of clocks these depend on when it looks: it is made to look at random.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { seeSchedule } from '../../connect/schedule-times.ts';
import { parseLength } from '../../domain/period-length.ts';
import { periodStart } from '../../domain/schedule-period.ts';
import { timesBefore, type ScheduleSpec } from '../../domain/schedule-spec.ts';
import { isoTime } from '../../domain/time.ts';
import { offsetAt } from '../../domain/zone.ts';
import { findTemporal } from '../../local/temporal-binary.ts';
import { TOOLS } from '../support/cli.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FROM = Date.parse('2026-01-01T00:00:00Z');
const TO = Date.parse('2036-01-01T00:00:00Z');
const ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Sydney', 'Australia/Lord_Howe', 'UTC'];

let server: TestWorkflowEnvironment;
let made = 0;

beforeAll(async () => {
  const path = await findTemporal(TOOLS, () => {});
  server = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
}, 180_000);
afterAll(async () => {
  await server.teardown();
});

interface Made {
  readonly id: string;
  readonly spec: ScheduleSpec;
}

async function make(spec: object): Promise<Made> {
  const id = `s-${(made += 1)}`;
  await server.client.schedule.create({
    scheduleId: id,
    spec,
    action: { type: 'startWorkflow', workflowType: 'none', taskQueue: 'nobody', workflowId: id },
    state: { paused: true },
  });
  return { id, spec: (await seeSchedule(server.client, id))!.spec };
}
const cron = (expression: string, zone: string): Promise<Made> =>
  make({ cronExpressions: [expression], timezone: zone });

/** The hours before every change of a zone's clocks in ten years. */
function changesOf(zone: string): number[] {
  const found: number[] = [];
  let before = offsetAt(FROM, zone);
  for (let ms = FROM; ms < TO; ms += HOUR) {
    const after = offsetAt(ms + HOUR, zone);
    if (after !== before) found.push(ms);
    before = after;
  }
  return found;
}
/** Looked for once: 88,000 hours a zone. */
const CHANGES = new Map(ZONES.map((zone) => [zone, changesOf(zone)]));
const changes = (zone: string): readonly number[] => CHANGES.get(zone)!;

/** Times after `afterMs` up to `toMs` as the server would fire them, had it looked last at `afterMs`. At most 1,000. */
async function page(scheduleId: string, afterMs: number, toMs: number): Promise<number[]> {
  const stamp = (ms: number) => ({ seconds: Math.floor(ms / 1000) as never, nanos: (ms % 1000) * 1e6 });
  const { startTime } = await server.client.workflowService.listScheduleMatchingTimes({
    namespace: 'default',
    scheduleId,
    startTime: stamp(afterMs),
    endTime: stamp(toMs),
  });
  return (startTime ?? []).map(({ seconds, nanos }) => Number(seconds) * 1000 + (nanos ?? 0) / 1e6);
}

async function firedIn(id: string, fromMs: number, toMs: number): Promise<number[]> {
  const found: number[] = [];
  for (let after = fromMs - 1; ; after = found.at(-1)!) {
    const more = await page(id, after, toMs);
    found.push(...more);
    if (more.length < 1000) return found;
  }
}

/** As the scheduler works: it also looks between two times, when a batch ends for example, and reckons from there. */
async function firedWithLooks(id: string, fromMs: number, toMs: number, random: () => number): Promise<number[]> {
  const found: number[] = [];
  for (let looked = fromMs; ;) {
    const next = (await page(id, looked, toMs))[0];
    if (next === undefined) return found;
    if (random() < 0.5) looked += Math.floor(random() * (next - looked));
    else found.push((looked = next));
  }
}

/** Numbers from 0 to 1 that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

/** Every period starts where the one before ended. */
function expectTiles(spec: ScheduleSpec, fired: readonly number[], period: string): void {
  const length = parseLength(period);
  expect(fired.length).toBeGreaterThan(2);
  const torn = fired
    .map((ms, i) => ({ ms, start: periodStart(spec, ms, length, fired.slice(Math.max(0, i - 50), i)) }))
    .map(({ ms, start }, i) => ({ to: isoTime(ms), from: start, ended: fired[i - 1] }))
    .filter(({ from, ended }, i) => i > 0 && from !== ended)
    .map(({ to, from, ended }) => ({ to, from: from && isoTime(from), ended: isoTime(ended!) }));
  expect(torn).toEqual([]);
}

const DAILY: readonly (readonly [cron: string, period: string])[] = [
  ['0 2 * * *', '1d'],
  ['30 2 * * *', '1d'],
  ['30 1 * * *', '24h'],
  ['0 0 * * *', '1d'],
  ['45 1 * * *', 'schedule'],
  ['0 0 1 * *', '1mo'],
  ['30 2 1 * *', '1mo'],
  ['0 0 1 1,4,7,10 *', '3mo'],
  ['0 3 * * 1', '1w'],
  ['0 8 * * 1-5', 'schedule'],
];

test.each(ZONES.flatMap((zone) => DAILY.map(([expression, period]) => [zone, expression, period] as const)))(
  'ten years in %s by %j, %s each',
  async (zone, expression, period) => {
    const { id, spec } = await cron(expression, zone);
    expectTiles(spec, await firedIn(id, FROM, TO), period);
    if (expression.endsWith('* * *'))
      for (const ms of changes(zone).slice(0, 2))
        expectTiles(spec, await firedWithLooks(id, ms - 3 * DAY, ms + 3 * DAY, numbers(ms % 999_983)), period);
  },
);

const OFTEN: readonly (readonly [cron: string, period: string])[] = [
  ['*/15 * * * *', '15m'],
  ['*/5 * * * *', 'schedule'],
  ['0 * * * *', '1h'],
  ['10 */2 * * *', '2h'],
  ['*/20 * * * *', '20m'],
];

test.each(ZONES.flatMap((zone) => OFTEN.map(([expression, period]) => [zone, expression, period] as const)))(
  'around the changes of clocks in %s by %j, %s each',
  async (zone, expression, period) => {
    const { id, spec } = await cron(expression, zone);
    // Clocks forward and clocks back, and a day on which nothing happens.
    for (const [i, ms] of [...changes(zone).slice(0, 2), FROM + 100 * DAY].entries()) {
      expectTiles(spec, await firedIn(id, ms - 6 * HOUR, ms + 6 * HOUR), period);
      expectTiles(spec, await firedWithLooks(id, ms - 4 * HOUR, ms + 5 * HOUR, numbers(1_000 + i)), period);
    }
  },
  120_000,
);

test('apart from changes of clocks, the times worked out here are those of the server', async () => {
  for (const [expression, zone] of [
    ['*/7 3-9,22 * * 1-5', 'Asia/Kolkata'],
    ['15 10 28-31 2,6 *', 'UTC'],
    ['0 12 * * 7', 'Australia/Sydney'],
    ['30 0 12 29 2 * 2028-2032', 'Europe/Berlin'],
    ['@monthly', 'America/New_York'],
  ] as const) {
    const { id, spec } = await cron(expression, zone);
    const answered = (await page(id, FROM, FROM + 8 * 365 * DAY)).slice(-200);
    const own: number[] = [];
    for (const ms of timesBefore(spec, answered.at(-1)! + 1)) if (own.push(ms) === answered.length) break;
    expect(own.reverse().map(isoTime)).toEqual(answered.map(isoTime));
  }
  const { id, spec } = await make({ intervals: [{ every: '15m', offset: '2m' }, { every: '1h' }] });
  const answered = await page(id, FROM, FROM + DAY);
  expect([...timesBefore(spec, FROM + DAY + 1)].slice(0, answered.length).reverse()).toEqual(answered);
});

const startOf = (spec: ScheduleSpec, at: string, period: string, fired: readonly string[] = []): string =>
  isoTime(
    periodStart(
      spec,
      Date.parse(at),
      parseLength(period),
      fired.map((text) => Date.parse(text)),
    )!,
  );

test('a start by hand scores the length that was asked for, or that of the last period', async () => {
  const { spec } = await cron('0 2 * * *', 'Europe/Berlin');
  const at = '2026-03-29T13:30:00Z'; // on the day that 02:00 is left out
  expect(startOf(spec, at, '1d')).toBe('2026-03-28T14:30:00.000Z');
  expect(startOf(spec, at, '8h')).toBe('2026-03-29T05:30:00.000Z');
  expect(startOf(spec, '2026-03-31T13:30:00Z', 'schedule')).toBe('2026-03-30T13:30:00.000Z');
});

test('periods that overlap or leave out time on purpose do so when clocks change, too', async () => {
  const rolling = await cron('*/15 * * * *', 'Europe/Berlin');
  // 00:15, 00:30, 00:45 and 01:00 were left out: the hour before the first of them, too.
  expect(startOf(rolling.spec, '2026-10-25T01:15:00Z', '1h', ['2026-10-25T00:00:00Z'])).toBe(
    '2026-10-24T23:15:00.000Z',
  );
  const shift = await cron('0 6 * * 1-5', 'Europe/Berlin');
  expect(startOf(shift.spec, '2026-10-26T05:00:00Z', '8h')).toBe('2026-10-25T21:00:00.000Z');
  expect(startOf(shift.spec, '2026-10-26T05:00:00Z', '1d')).toBe('2026-10-25T05:00:00.000Z');
});

test('an interval is measured in time that passes, and a schedule that is gone has no calendar', async () => {
  const { spec } = await make({ intervals: [{ every: '15m', offset: '2m' }], timezone: 'Europe/Berlin' });
  expect(startOf(spec, '2026-10-25T01:17:00Z', '15m')).toBe('2026-10-25T01:02:00.000Z');
  expect(startOf(spec, '2026-10-25T01:17:00Z', 'schedule')).toBe('2026-10-25T01:02:00.000Z');
  expect(await seeSchedule(server.client, 'never-made')).toBeUndefined();
});
