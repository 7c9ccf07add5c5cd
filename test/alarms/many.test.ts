/**
 * A sensor with thousands of alarms, as one that reports once an hour has after a year: what is decided on them looks
 * at each a few times, not at each beside each other one. What is counted is looks, not time.
 */
import { expect, test } from '@jest/globals';
import { rework, type Link } from '../../alarms/chain.ts';
import type { FoundAlarm } from '../../alarms/excursion.ts';
import { reconcile } from '../../alarms/reconcile.ts';
import { DEFAULT_RULE } from '../../alarms/rules.ts';
import { NO_MARKS, type AlarmFacts, type AlarmRecord } from '../../domain/alarm.ts';
import { HOUR_MS } from '../../domain/time.ts';

const HALF_MS = HOUR_MS / 2;

const factsAt = (sinceMs: number, clearedMs?: number): AlarmFacts => ({
  sinceMs,
  activeMs: sinceMs + 1,
  lastMs: sinceMs + 2,
  windows: 1,
  severity: 500,
  raises: 1,
  quality: 'good',
  activations: 1,
  steps: [],
  firstBatch: 'b',
  lastBatch: 'b',
  ...(clearedMs === undefined ? {} : { clearedMs }),
});

const recordAt = (id: string, facts: AlarmFacts): AlarmRecord => ({
  id,
  sensorId: 1,
  kind: 'silent',
  facts,
  marks: NO_MARKS,
  incident: id,
  version: 1,
});

/** Tells of each look at one of the properties of an object. */
const watched = <T extends object>(object: T, names: readonly (keyof T)[], look: () => void): T =>
  new Proxy(object, {
    get: (target, name, receiver) => {
      if (names.includes(name as keyof T)) look();
      return Reflect.get(target, name, receiver) as unknown;
    },
  });

/** @param shiftMs that the alarms are found later by than they are on record: 0 for the same */
function looksToReconcile(alarms: number, shiftMs: number): number {
  let looks = 0;
  const at = (i: number): number => i * HALF_MS;
  const seen = (facts: AlarmFacts): AlarmFacts =>
    watched(facts, ['sinceMs', 'activeMs', 'clearedMs'], () => (looks += 1));
  const stored = Array.from({ length: alarms }, (_, i) =>
    recordAt(`r${i}`, seen({ ...factsAt(at(i), at(i) + 60_000), activations: i === 0 ? 1 : 2 })),
  );
  const found = Array.from({ length: alarms }, (_, i): FoundAlarm => ({
    kind: 'silent',
    facts: seen(factsAt(at(i) + shiftMs, at(i) + 60_000)),
  }));
  const replaced = stored.map(({ kind, facts }) => ({ kind: kind as 'silent', sinceMs: facts.sinceMs }));
  looks = 0;
  const changes = reconcile({
    sensorId: 1,
    stored,
    found,
    replaced,
    rule: DEFAULT_RULE,
    late: false,
    batchId: 'b',
    toMs: 0,
    fromMs: 0,
  });
  expect(changes).toHaveLength(shiftMs === 0 ? 0 : alarms);
  // Each keeps its record: none is withdrawn and none is new.
  expect(new Set(changes.map(({ record }) => record.id)).size).toBe(changes.length);
  expect(changes.every(({ record }) => /^r\d+$/.test(record.id) && record.withdrawn === undefined)).toBe(true);
  return looks;
}

test.each([
  ['that are as they were', 0],
  ['that all begin a little later', 1_000],
])('alarms %s are matched by looking at each a few times', (_name, shiftMs) => {
  const [few, many] = [looksToReconcile(200, shiftMs), looksToReconcile(2_000, shiftMs)];
  // Ten times as many, and a sort: 10 x log 2,000 / log 200 = 14; each beside each other one would be 100 times.
  expect(many / few).toBeLessThan(20);
});

/** Looks at periods and links while a batch takes the place of one of long ago, and nothing comes to rest after it. */
function looksToRework(days: number): number {
  let looks = 0;
  const dayMs = 24 * HOUR_MS;
  const see = <T extends { fromMs: number; toMs: number }>(one: T): T =>
    watched(one, ['fromMs', 'toMs'], () => (looks += 1));
  const linkAt = (day: number): Link =>
    see({
      fromMs: day * dayMs,
      toMs: (day + 1) * dayMs,
      batchId: `d${day}`,
      verdict: 'scored',
      seen: true,
      items: [[1, day * dayMs, -1, day]],
      raised: [{ kind: 'anomaly', sinceMs: day * dayMs }],
      // Not what folding comes to, so that every link is folded anew.
      state: { throughMs: -1, open: {} },
    });
  const links = Array.from({ length: days }, (_, day) => linkAt(day));
  const later = links.map(({ fromMs, toMs }) => see({ fromMs, toMs }));
  const stretch = { fromMs: 0, toMs: dayMs, batchId: 'n', verdict: 'scored', seen: true } as const;
  looks = 0;
  const work = {
    fromMs: 0,
    stretch: { ...stretch, items: [[1, 0, -1, 0] as const] },
    links,
    later,
    before: new Map([[0, { seenMs: 0 }]]),
  };
  const rule = { ...DEFAULT_RULE, onDelay: { windows: 1 }, offDelay: { windows: 1 } };
  const result = rework(work, rule, { hopMs: 5_000, windowMs: 5_000 });
  expect(result.need === undefined && result.put).toHaveLength(days);
  return looks;
}

test('what follows a batch of long ago is folded again by looking at each batch after it a few times', () => {
  const [few, many] = [looksToRework(200), looksToRework(2_000)];
  expect(many / few).toBeLessThan(20);
});
