/**
 * The alarms of a sensor are a function of its windows: the cut into batches, their order, batches that come again, and
 * late windows leave no trace in the end.
 */
import fc from 'fast-check';
import { DEFAULT_RULE, type AlarmRule } from '../../alarms/rules.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import { windowsOfSensor } from '../../domain/windowing.ts';
import { HOP, Keeper, onePass, SHAPE, type Look, type TruthWindow } from './truth.ts';

const LENGTH = 60;

/** Windows with gaps, runs of anomalies, scores near the boundary, and runs of one value. */
const truths = fc
  .array(fc.tuple(fc.constantFrom('n', 'n', 'a', 'h', 'x', 'f'), fc.integer({ min: 1, max: 9 })), { minLength: 1 })
  .map((runs): TruthWindow[] => {
    const windows: TruthWindow[] = [];
    let at = 0;
    for (const [kind, count] of runs)
      for (let i = 0; i < count && at < LENGTH; i++, at++) {
        const value = kind === 'f' ? 7 : at;
        if (kind !== 'x') windows.push({ at, value, score: kind === 'a' ? -1 - (i % 3) : kind === 'h' ? 0.2 : 1 });
      }
    for (; at < LENGTH; at++) windows.push({ at, value: at, score: 1 });
    return windows;
  });

const delays = fc.oneof(
  fc.record({ windows: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ ms: fc.integer({ min: 0, max: 5 }).map((n) => n * HOP) }),
);
const spans = fc.option(
  fc.integer({ min: 2, max: 12 }).map((n) => n * HOP),
  { nil: undefined },
);

const rules: fc.Arbitrary<AlarmRule> = fc
  .record({
    onDelay: delays,
    offDelay: delays,
    deadband: fc.constantFrom(0, 0.5),
    reAlarmMs: spans,
    silentMs: spans,
    stuckMs: spans,
  })
  .map(({ reAlarmMs, silentMs, stuckMs, ...rest }) => {
    const { silentMs: _, ...base } = DEFAULT_RULE;
    return {
      ...base,
      ...rest,
      severity: [
        { severity: 500, afterMs: 0 },
        { severity: 650, afterMs: 6 * HOP },
        { severity: 700, afterMs: 0, score: -3 },
      ],
      ...(reAlarmMs === undefined ? {} : { reAlarmMs }),
      ...(silentMs === undefined ? {} : { silentMs }),
      ...(stuckMs === undefined ? {} : { stuckMs }),
    };
  });

/** Cuts of [0, LENGTH) into batches. */
const cuts = fc
  .array(fc.integer({ min: 1, max: LENGTH - 1 }), { maxLength: 12 })
  .map((marks) => [...new Set([0, ...marks, LENGTH])].sort((a, b) => a - b))
  .map((marks) => marks.slice(1).map((to, i) => ({ from: marks[i]!, to })));

const RUNS = { numRuns: 300 };

test('any cut into batches gives the alarms and the events of one pass', () => {
  fc.assert(
    fc.property(truths, rules, cuts, (truth, rule, batches) => {
      const whole = onePass(truth, 0, LENGTH, rule);
      const keeper = new Keeper(rule);
      for (const batch of batches) keeper.look(truth, batch);
      expect(keeper.standing()).toEqual(whole.standing());
      expect([...keeper.events].sort()).toEqual([...whole.events].sort());
      expect(keeper.reads).toBe(0);
    }),
    RUNS,
  );
});

test('windows of a sensor of its own give the alarms of a fleet with such windows, however batches cut them', () => {
  fc.assert(
    fc.property(
      truths,
      rules,
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 20 }),
      (truth, rule, times, hops) => {
        const slower = { ...rule, ...slowed(rule, times) };
        const fleet = new Keeper(slower, { windowMs: times * HOP, hopMs: times * HOP });
        fleet.look(truth, { from: 0, to: LENGTH * times });
        const own = new Keeper(slower, windowsOfSensor(SHAPE, times * HOP));
        // Up to where the last window belongs.
        const end = LENGTH * times + times - 1;
        for (let from = 0; from < end; from += hops) own.look(truth, { from, to: Math.min(end, from + hops) });
        expect(own.standing()).toEqual(fleet.standing());
      },
    ),
  );
});

/** A rule with delays as many windows long. */
const slowed = ({ silentMs, stuckMs, reAlarmMs }: AlarmRule, times: number): Partial<AlarmRule> => ({
  ...(silentMs === undefined ? {} : { silentMs: silentMs * times }),
  ...(stuckMs === undefined ? {} : { stuckMs: stuckMs * times }),
  ...(reAlarmMs === undefined ? {} : { reAlarmMs: reAlarmMs * times }),
});

test('any order of batches, and batches that come again, give the alarms of one pass', () => {
  fc.assert(
    fc.property(truths, rules, cuts, fc.infiniteStream(fc.nat()), (truth, rule, batches, random) => {
      const whole = onePass(truth, 0, LENGTH, rule);
      const keeper = new Keeper(rule);
      const orders = [...batches, ...batches].map((batch) => ({ batch, key: random.next().value as number }));
      orders.sort((a, b) => a.key - b.key);
      for (const { batch } of orders) keeper.look(truth, batch);
      expect(keeper.standing()).toEqual(whole.standing());
    }),
    RUNS,
  );
});

test('batches that overlap in any way give the alarms of one pass', () => {
  const spansOf = fc.array(
    fc.tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: LENGTH })).map(([from, length]) => ({
      from,
      to: Math.min(LENGTH, from + length),
    })),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(truths, rules, cuts, spansOf, (truth, rule, batches, others) => {
      const keeper = new Keeper(rule);
      for (const batch of [...others, ...batches]) keeper.look(truth, batch);
      expect(keeper.standing()).toEqual(onePass(truth, 0, LENGTH, rule).standing());
    }),
    RUNS,
  );
});

test('late windows, once their period is scored again, leave the alarms of one pass over all', () => {
  fc.assert(
    fc.property(truths, truths, rules, cuts, fc.infiniteStream(fc.nat()), (early, late, rule, batches, random) => {
      // What was there first differs in some periods, and each of them is scored again, in any order.
      const keeper = new Keeper(rule);
      for (const batch of batches) keeper.look(early, batch);
      const order = batches.map((batch) => ({ batch, key: random.next().value as number }));
      order.sort((a, b) => a.key - b.key);
      for (const { batch } of order) keeper.look(late, batch, 'again');
      expect(keeper.standing()).toEqual(onePass(late, 0, LENGTH, rule).standing());
    }),
    RUNS,
  );
});

const FEW = fc.integer({ min: 1, max: 4 });

test('turns of a few windows give the alarms of one pass, whatever the order of batches', () => {
  fc.assert(
    fc.property(
      truths,
      truths,
      rules,
      cuts,
      FEW,
      fc.infiniteStream(fc.nat()),
      (early, late, rule, batches, most, nat) => {
        const keeper = new Keeper(rule, SHAPE, most);
        const shuffled = (all: readonly Look[]): readonly Look[] =>
          all
            .map((batch) => ({ batch, key: nat.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ batch }) => batch);
        for (const batch of shuffled(batches)) keeper.look(early, batch);
        expect(keeper.standing()).toEqual(onePass(early, 0, LENGTH, rule).standing());
        // Other windows, in batches that each take many turns.
        for (const batch of shuffled([...batches, { from: 0, to: LENGTH }]))
          keeper.look(late, batch, `again${batch.to}`);
        expect(keeper.standing()).toEqual(onePass(late, 0, LENGTH, rule).standing());
        // A stretch of its own, so many links, and so many stretches that are read back, each of so many items.
        expect(keeper.largest).toBeLessThanOrEqual(most * (1 + 2 * most));
      },
    ),
    RUNS,
  );
});

/** An acknowledgement of each alarm that stands, by a person who is named after it. */
const acknowledged = (keeper: Keeper): void => {
  keeper.records = keeper.records.map((record) =>
    record.withdrawn ? record : { ...record, marks: { ...record.marks, ackedMs: 1, ackedBy: record.id } },
  );
};
/** Who acknowledged which of the alarms that stand. */
const acknowledgements = (keeper: Keeper): unknown[] =>
  keeper.records
    .filter(({ withdrawn }) => withdrawn === undefined)
    .map(({ kind, facts, marks }) => [kind, facts.sinceMs / HOP, marks.ackedBy])
    .sort();

test('however many turns late windows take, an acknowledgement stays with the alarm that it was of', () => {
  fc.assert(
    fc.property(truths, truths, rules, FEW, (early, late, rule, most) => {
      const [whole, turns] = [new Keeper(rule), new Keeper(rule, SHAPE, most)];
      for (const keeper of [whole, turns]) {
        keeper.look(early, { from: 0, to: LENGTH });
        acknowledged(keeper);
        keeper.look(late, { from: 0, to: LENGTH }, 'again');
      }
      expect(acknowledgements(turns)).toEqual(acknowledgements(whole));
    }),
    RUNS,
  );
});

test('an alarm that late windows move and shorten, so that it ends turns before, stays acknowledged', () => {
  const truth = (from: number, to: number): TruthWindow[] =>
    Array.from({ length: LENGTH }, (_, at) => ({ at, value: at, score: at >= from && at < to ? -1 : 1 }));
  const keeper = new Keeper(DEFAULT_RULE, SHAPE, 1);
  keeper.look(truth(10, 50), { from: 0, to: LENGTH });
  acknowledged(keeper);
  const [{ id }] = keeper.records as [AlarmRecord];
  keeper.look(truth(12, 16), { from: 0, to: LENGTH }, 'again');
  expect(keeper.records).toMatchObject([{ id, marks: { ackedBy: id }, facts: { sinceMs: 12 * HOP } }]);
  expect(keeper.events.slice(-1)).toEqual([`anomaly corrected ${LENGTH}`]);
});

test('a batch that comes again in turns of a few windows says nothing that was said before', () => {
  fc.assert(
    fc.property(truths, rules, FEW, (truth, rule, most) => {
      const keeper = new Keeper(rule, SHAPE, most);
      keeper.look(truth, { from: 0, to: LENGTH });
      const { events } = keeper;
      expect([...events].sort()).toEqual([...onePass(truth, 0, LENGTH, rule).events].sort());
      const said = [...events];
      keeper.look(truth, { from: 0, to: LENGTH }, 'again');
      expect(keeper.events).toEqual(said);
    }),
    RUNS,
  );
});

test('of two silences that begin at the same time the one that a later batch looked past goes', () => {
  const { silentMs: _, ...base } = DEFAULT_RULE;
  const rule: AlarmRule = { ...base, silentMs: 2 * HOP };
  const windows = (from: number, to: number, score: number): TruthWindow[] =>
    Array.from({ length: to - from }, (__, i) => ({ at: from + i, value: i, score }));
  const early = [...windows(0, 6, -1), ...windows(6, 60, 1)];
  const late = [...windows(0, 4, 1), ...windows(19, 60, 1)];
  const keeper = new Keeper(rule);
  const batches = [0, 2, 6, 7, 19, 60].flatMap((from, i, marks) => (i === 5 ? [] : [{ from, to: marks[i + 1]! }]));
  for (const batch of batches) keeper.look(early, batch);
  // The windows after the fourth are gone, batch by batch; that of [6, 7) last.
  for (const i of [1, 0, 4, 3]) keeper.look(late, batches[i]!, 'again');
  const since = (): number[] => keeper.standing().map((alarm) => (alarm as { sinceMs: number }).sinceMs / HOP);
  expect(since()).toEqual([4, 4]);
  keeper.look(late, batches[2]!, 'again');
  expect(since()).toEqual([4]);
  expect(keeper.standing()).toEqual(onePass(late, 0, 60, rule).standing());
});

test('a batch that comes again changes nothing and says nothing', () => {
  fc.assert(
    fc.property(truths, rules, cuts, fc.nat(), (truth, rule, batches, which) => {
      const keeper = new Keeper(rule);
      for (const batch of batches) keeper.look(truth, batch);
      const { records, links, events } = keeper;
      keeper.look(truth, batches[which % batches.length]!);
      expect(keeper.records).toEqual(records);
      expect(keeper.links).toEqual(links);
      expect(keeper.events).toEqual(events);
    }),
    RUNS,
  );
});

test('a sensor without anything abnormal costs nothing', () => {
  const keeper = new Keeper({ ...DEFAULT_RULE, deadband: 0.5 });
  const truth = Array.from({ length: 500 }, (_, at) => ({ at, value: at, score: at % 7 === 0 ? 0.1 : 1 }));
  for (let from = 0; from < 500; from += 100) keeper.look(truth, { from, to: from + 100 });
  expect(keeper.links).toEqual([]);
  expect(keeper.records).toEqual([]);
});
