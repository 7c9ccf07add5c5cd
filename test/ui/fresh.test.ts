/** Whether what a page shows is what should be known by now. */
import type { Batch } from '../../storage/store.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { freshness, type ScheduleTimesSeen } from '../../ui/look/fresh.ts';

const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;
const T0 = Date.parse('2026-11-23T12:00:00Z');

const batch = (toMs: number, status: Batch['status'] = 'completed'): Batch => ({
  id: `b${toMs}`,
  workflowId: 'w',
  runId: 'r',
  kind: 'score',
  schedule: 'every-15m',
  release: 'r1',
  codeVersion: 'v',
  fromMs: toMs - QUARTER,
  toMs,
  startedAtMs: toMs,
  planned: 1,
  status,
  counts: NO_OUTCOMES,
  ...(status === 'completed' || status === 'failed' ? { finishedAtMs: toMs + MINUTE } : {}),
});
const schedule = (atMs: number, paused = false): ScheduleTimesSeen => ({
  name: 'every-15m',
  paused,
  waitMs: 2 * MINUTE,
  expected: { atMs, toMs: atMs },
  ...(paused ? {} : { nextMs: atMs + QUARTER }),
});

test('the newest period that was scored, and when the next batch is due', () => {
  const due = { asOfMs: T0, nextMs: T0 + QUARTER };
  expect(freshness([batch(T0)], [schedule(T0)], T0 + 5 * MINUTE)).toEqual({ kind: 'fresh', ...due });
  expect(freshness([batch(T0 + QUARTER, 'running'), batch(T0)], [schedule(T0)], T0 + QUARTER)).toEqual({
    kind: 'running',
    ...due,
  });
});

test('overdue once its time, the wait for readings, twice the usual time and a minute are over; a failed batch is none', () => {
  const late = T0 + QUARTER;
  const at = (ms: number, batches = [batch(T0)]) => freshness(batches, [schedule(late)], late + ms).kind;
  expect(at(5 * MINUTE)).toBe('fresh');
  expect(at(5 * MINUTE + 1)).toBe('overdue');
  expect(at(6 * MINUTE, [batch(late, 'failed'), batch(T0)])).toBe('overdue');
  expect(at(6 * MINUTE, [batch(late), batch(T0)])).toBe('fresh');
  expect(freshness([batch(T0)], [schedule(late)], late + 6 * MINUTE)).toMatchObject({
    overdueMs: late,
    schedule: 'every-15m',
  });
});

test('paused, without a schedule, and not known are three things', () => {
  expect(freshness([batch(T0)], [schedule(T0, true)], T0)).toMatchObject({ kind: 'paused', schedule: 'every-15m' });
  expect(freshness([batch(T0)], [], T0)).toEqual({ kind: 'unscheduled', asOfMs: T0 });
  expect(freshness([batch(T0)], undefined, T0)).toEqual({ kind: 'unknown', asOfMs: T0 });
  expect(freshness([], [], T0)).toEqual({ kind: 'none' });
});
