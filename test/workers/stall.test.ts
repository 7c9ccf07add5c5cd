/** What stands still is noticed: partitions whose events wait, and activities that nobody waits for any more. */
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { FleetscoreError } from '../../domain/errors.ts';
import { countActivities } from '../../pool/worker/activity-count.ts';
import { watchStuck } from '../../pool/worker/stuck.ts';
import type { PartitionProgress } from '../../storage/store.ts';
import { watchIngest, type IngestStall } from '../../workers/ingest-stall.ts';
import { createStallWatch } from '../../workers/stall-watch.ts';

test('only what waits, and has not moved for the whole time, stands still', () => {
  const step = fc.record({ afterMs: fc.integer({ min: 1, max: 60 }), value: fc.nat(2), waiting: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      const watch = createStallWatch(100);
      let nowMs = 0;
      const seen: { atMs: number; value: number; waiting: boolean }[] = [];
      for (const { afterMs, value, waiting } of steps) {
        nowMs += afterMs;
        seen.push({ atMs: nowMs, value, waiting });
        const stalled = watch.look(nowMs, [{ key: 'p', value, waiting }]).length > 0;
        const since = seen.findLastIndex((one) => !one.waiting || one.value !== value) + 1;
        expect(stalled).toBe(waiting && since < seen.length && nowMs - seen[since]!.atMs >= 100);
      }
    }),
  );
});

const SOURCE = 'n/h/g';
const log = { debug: () => {} };

interface Hub {
  applied: number;
  last: number;
  owned: readonly string[];
  away: boolean;
}

function stallOf(hub: Hub, answers?: () => Promise<unknown>): IngestStall {
  const progress = (partition: string): PartitionProgress => ({
    source: SOURCE,
    partition,
    appliedSeq: hub.applied,
    capturedSeq: -1,
    watermarkMs: -1,
    readings: 0,
    late: 0,
    dead: 0,
    updatedAtMs: 0,
  });
  return watchIngest(
    { stats: () => ({ partitions: hub.owned }) as never },
    { listProgress: async () => ['0', '1'].map(progress) },
    {
      source: SOURCE,
      async ends(asked = ['0', '1']) {
        if (hub.away) throw new FleetscoreError('EVENT_HUB_UNAVAILABLE', 'away', { retryable: true });
        return asked.map((partition) => ({ partition, empty: false, firstSeq: 0, lastSeq: hub.last }));
      },
    },
    log as never,
    { afterMs: 200, everyMs: 20, ...(answers ? { answers } : {}) },
  );
}
const later = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, 'goes on'));

test.each<[string, Hub, boolean]>([
  ['events wait and none is applied', { applied: 5, last: 9, owned: ['0'], away: false }, true],
  ['nobody holds a partition', { applied: 5, last: 9, owned: [], away: false }, true],
  ['nothing waits', { applied: 9, last: 9, owned: ['0'], away: false }, false],
  ['Event Hubs is away', { applied: 5, last: 9, owned: ['0'], away: true }, false],
])('ingest, %s: ends itself %s', async (_, hub, ends) => {
  const stall = stallOf(hub);
  try {
    // Long only where nothing may come of it.
    const found = await Promise.race([stall.stalled, ...(ends ? [] : [later(600)])]);
    if (ends) expect(found).toMatchObject({ code: 'INGEST_STALLED', message: expect.stringContaining('stands still') });
    else expect(found).toBe('goes on');
    expect(stall.count() > 0).toBe(ends);
  } finally {
    stall.stop();
  }
});

test('ingest that gets on, however slowly, goes on', async () => {
  const hub: Hub = { applied: 0, last: 1_000, owned: ['0', '1'], away: false };
  const stall = stallOf(hub);
  const working = setInterval(() => (hub.applied += 1), 50);
  try {
    expect(await Promise.race([stall.stalled, later(800)])).toBe('goes on');
  } finally {
    clearInterval(working);
    stall.stop();
  }
});

test('time in which Blob, SQL or Event Hubs was away is no standing still, neither then nor when it is back', async () => {
  jest.useFakeTimers();
  const hub: Hub = { applied: 5, last: 9, owned: ['0'], away: false };
  let blobAway = false;
  const stall = stallOf(hub, async () => {
    if (blobAway) throw new FleetscoreError('BLOB_UNAVAILABLE', 'away', { retryable: true });
  });
  let ended = false;
  void stall.stalled.then(() => (ended = true));
  try {
    await jest.advanceTimersByTimeAsync(100);
    blobAway = true;
    await jest.advanceTimersByTimeAsync(1_000);
    blobAway = false;
    hub.away = true;
    await jest.advanceTimersByTimeAsync(1_000);
    hub.away = false;
    // What waits is applied a moment after the services are back.
    await jest.advanceTimersByTimeAsync(150);
    expect(ended).toBe(false);
    await jest.advanceTimersByTimeAsync(100);
    expect(ended).toBe(true);
  } finally {
    stall.stop();
    jest.useRealTimers();
  }
});

test('a worker ends when an activity runs past all limits', async () => {
  let nowMs = 0;
  const activities = countActivities(() => nowMs);
  const { inbound } = activities.interceptor({} as never);
  let finish = (): void => {};
  const running = inbound!.execute!({} as never, () => new Promise<void>((resolve) => (finish = resolve)));
  const watch = watchStuck({ activities, limitMs: 1_000, graceMs: 500, everyMs: 5 });
  nowMs = 1_400;
  expect(await Promise.race([watch.reason, later(100)])).toBe('goes on');
  nowMs = 1_500;
  expect(await watch.reason).toMatchObject({ kind: 'stuck' });
  finish();
  await running;
  expect(activities.longestMs()).toBe(0);
});
