/** What counts as a gap of a schedule, and where the period of a batch starts by what is on record. */
import { expect, test } from '@jest/globals';
import { countMissed, findGaps, scheduleGaps } from '../../batches/schedule-gaps.ts';
import { schedulePeriod } from '../../batches/schedule-period.ts';
import type { SeenSchedule } from '../../domain/schedule-spec.ts';
import { isoTime } from '../../domain/time.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { missedOf } from '../../workers/gap-watch.ts';
import type { Batch, BatchStatus } from '../../storage/store.ts';

const at = (text: string): number => Date.parse(`2026-11-29T${text}:00Z`);
const one = (value: number) => [{ start: value, end: value, step: 1 }];
const seen = (part: Partial<SeenSchedule> = {}): SeenSchedule => ({
  spec: { calendars: [], excluded: [], intervals: [{ everyMs: 900_000, offsetMs: 0 }], zone: 'UTC', jitterMs: 0 },
  started: [],
  createdMs: 0,
  nextMs: at('12:00'),
  waiting: 0,
  missed: 0,
  skipped: 0,
  ...part,
});
const batch = (id: string, from: string, to: string, status: BatchStatus, part: Partial<Batch> = {}): Batch => ({
  id,
  workflowId: id,
  runId: id,
  kind: 'score',
  release: 'r',
  fromMs: at(from),
  toMs: at(to),
  codeVersion: 'test',
  startedAtMs: at(to),
  planned: 5,
  status,
  counts: NO_OUTCOMES,
  ...part,
});
const within = { fromMs: at('10:00'), toMs: at('12:00') };
const request = { period: '15m' };
const told = (batches: readonly Batch[], schedule = seen()): string[] =>
  scheduleGaps(schedule, request, within, batches).map(({ fromMs, toMs, state, periods, batches: ids }) =>
    `${isoTime(fromMs).slice(11, 16)}-${isoTime(toMs).slice(11, 16)} ${state} ${periods} ${ids.join()}`.trim(),
  );

test('a period is scored when batches that completed cover it, whoever started them', () => {
  expect(told([])).toEqual(['10:00-11:45 missing 7']);
  expect(told([batch('by-hand', '09:30', '10:30', 'completed'), batch('b', '10:45', '11:50', 'completed')])).toEqual([
    '10:30-10:45 missing 1',
  ]);
  // Half a period is none.
  expect(told([batch('b', '10:00', '11:40', 'completed')])).toEqual(['11:30-11:45 missing 1']);
  expect(told([batch('late', '10:00', '11:45', 'completed', { kind: 'rescore' })])).toHaveLength(1);
});

test('failed, cancelled and running batches are told apart, and what was redriven is no gap', () => {
  const rest = [batch('rest', '10:45', '12:00', 'completed')];
  const failed = batch('f', '10:00', '10:15', 'failed');
  expect(
    told([...rest, failed, batch('c', '10:15', '10:30', 'cancelled'), batch('r', '10:30', '10:45', 'running')]),
  ).toEqual(['10:00-10:15 failed 1 f', '10:15-10:30 cancelled 1 c', '10:30-10:45 running 1 r']);
  const others = batch('others', '10:15', '12:00', 'completed');
  expect(told([others, batch('again', '10:00', '10:15', 'completed', { kind: 'redrive' }), failed])).toEqual([]);
  // Never planned: there is nothing to redrive, the period is run again.
  expect(told([others, batch('none', '10:00', '10:15', 'failed', { planned: 0 })])).toEqual(['10:00-10:15 failed 1']);
  expect(countMissed(scheduleGaps(seen(), request, within, [others, batch('w', '10:00', '10:15', 'waiting')]))).toBe(0);
});

test('a backfill over what a gap names starts its batches and no others', () => {
  const [gap] = scheduleGaps(seen(), request, within, [
    batch('a', '09:45', '10:30', 'completed'),
    batch('b', '11:00', '12:00', 'completed'),
  ]);
  expect(gap).toMatchObject({ periods: 2, backfill: { fromMs: at('10:30'), toMs: at('11:00') } });
});

test('what the server has not come to is no gap, and what waits for the batch before is on its way', () => {
  // After an outage it catches up one by one.
  expect(told([], seen({ nextMs: at('10:45') }))).toEqual(['10:00-10:30 missing 2']);
  expect(told([], seen({ nextMs: at('12:15') }))).toEqual(['10:00-12:00 missing 8']);
  expect(told([], seen({ nextMs: at('10:45'), waiting: 1 }))).toEqual([
    '10:00-10:15 missing 1',
    '10:15-10:30 running 1',
  ]);
});

test('a schedule is looked at since it is there, and no further back than batches are kept', async () => {
  const looked = async (part: Partial<SeenSchedule>, batches: readonly Batch[], question = {}): Promise<string[]> => {
    const store = { listBatches: () => Promise.resolve([...batches]) };
    const schedule = { name: 'plant', seen: seen(part), request };
    const gaps = await findGaps(store, [schedule], { nowMs: at('12:00'), sinceMs: at('08:00'), ...question });
    return gaps
      .get('plant')!
      .map(({ fromMs, toMs }) => `${isoTime(fromMs).slice(11, 16)}-${isoTime(toMs).slice(11, 16)}`);
  };
  expect(await looked({ createdMs: at('11:20') }, [])).toEqual(['11:15-11:45']);
  // A backfill reached further back; batches of others say nothing of it.
  const own = batch('own', '09:00', '09:15', 'completed', { schedule: 'plant' });
  const others = batch('others', '08:00', '08:15', 'completed', { schedule: 'another' });
  expect(await looked({ createdMs: at('11:20') }, [own, others])).toEqual(['09:15-11:45']);
  expect(await looked({}, [], { keepBatchesMs: 3_600_000 })).toEqual(['11:00-11:45']);
});

test('where clocks leave a time out, its period is no gap once the next batch has scored it', () => {
  const calendar = { second: one(0), minute: one(0), hour: one(2), dayOfMonth: [], month: [], year: [], dayOfWeek: [] };
  const berlin = seen({ spec: { ...seen().spec, intervals: [], calendars: [calendar], zone: 'Europe/Berlin' } });
  const march = { fromMs: Date.parse('2026-03-27T12:00:00Z'), toMs: Date.parse('2026-03-30T12:00:00Z') };
  const gaps = scheduleGaps(berlin, { period: '1d' }, march, []);
  expect(gaps).toMatchObject([
    { fromMs: Date.parse('2026-03-27T01:00:00Z'), toMs: Date.parse('2026-03-30T00:00:00Z'), periods: 2 },
  ]);
});

test('periods without a batch are an alert, except of a schedule that is paused or has batches waiting', () => {
  const schedule = { name: 'plant', paused: false, seen: seen({ createdMs: at('10:00') }), request };
  const batches = [batch('a', '00:00', '10:30', 'completed'), batch('b', '11:00', '12:00', 'failed')];
  const nowMs = at('11:24');
  expect(missedOf(schedule, batches, nowMs)).toEqual([
    expect.objectContaining({
      id: 'plant/periods_missed/20261129T103000Z-20261129T110000Z',
      event: 'periods_missed',
      periods: 2,
      text: expect.stringContaining(
        '2 periods of schedule plant got no batch, 2026-11-29 10:30:00 to 2026-11-29 11:00:00',
      ),
      backfill: { from: '2026-11-29T10:30:00.000Z', to: '2026-11-29T11:00:00.000Z' },
    }),
  ]);
  expect(missedOf({ ...schedule, paused: true }, batches, nowMs)).toEqual([]);
  expect(missedOf({ ...schedule, seen: seen({ createdMs: at('10:00'), waiting: 2 }) }, batches, nowMs)).toEqual([]);
});

test('the period of a batch counts what is on record, and says when its schedule is gone', async () => {
  const listBatches = (): Promise<Batch[]> =>
    Promise.resolve([
      batch('other', '00:00', '00:10', 'completed', { kind: 'rescore', toMs: Date.parse('2026-10-25T00:40:00Z') }),
      batch('own', '00:00', '00:10', 'failed', { toMs: Date.parse('2026-10-25T00:25:00Z') }),
    ]);
  const quarters = { second: one(0), minute: [{ start: 0, end: 59, step: 15 }], hour: [], dayOfMonth: [], month: [] };
  const spec = {
    ...seen().spec,
    intervals: [],
    calendars: [{ ...quarters, year: [], dayOfWeek: [] }],
    zone: 'Europe/Berlin',
  };
  const store = { listBatches } as never;
  const deps = { store, seeSchedule: () => Promise.resolve(seen({ spec })) };
  // With a delay of 5 minutes the batch on record was started at 00:30.
  const input = { schedule: 's', scheduledMs: Date.parse('2026-10-25T01:15:00Z'), period: '15m', delay: '5m' };
  expect(isoTime((await schedulePeriod(deps, input)).fromMs)).toBe('2026-10-25T00:25:00.000Z');
  const gone = { store, seeSchedule: () => Promise.resolve(undefined) };
  expect(await schedulePeriod(gone, { ...input, period: '1d', delay: '0s' })).toEqual({
    fromMs: Date.parse('2026-10-24T01:15:00Z'),
    toMs: Date.parse('2026-10-25T01:15:00Z'),
  });
  await expect(schedulePeriod(gone, { ...input, period: 'schedule' })).rejects.toThrow(/schedule "s" is gone/);
});
