/**
 * Alarms of batches, in both stores: what scoring leaves, what is decided once a batch is closed, and that neither the
 * order of batches nor a repeat nor two workers at once change what it comes to.
 */
import fc from 'fast-check';
import { raiseAlarms } from '../../batches/raise-alarms.ts';
import { DEFAULT_RULE, NO_RULES, ruleFor } from '../../alarms/rules.ts';
import { noticesOf } from '../../alarms/notice.ts';
import type { AlarmRecord } from '../../domain/alarm.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Store } from '../../storage/store.ts';
import { HOP, onePass, type TruthWindow } from '../alarms/truth.ts';
import {
  badFrom,
  LENGTH,
  T0,
  plant,
  shown,
  truths,
  cuts,
  silent,
  RULES,
  lost,
  foundBy,
  ENGINES,
} from './alarm-plant.ts';

describe.each(Object.entries(ENGINES))('%s', (_, open) => {
  let store: Store;
  beforeAll(async () => {
    store = await open();
    await store.migrate();
    await store.setAlarmRules({ text: RULES, by: 'test', atMs: 1 });
  });
  afterAll(() => store?.close());

  const loadWindows = async (ids: readonly number[], all: readonly (readonly TruthWindow[])[]): Promise<void> => {
    for (const [i, id] of ids.entries())
      await store.commitReadings({
        source: 'hub',
        partition: String(id),
        expectedSeq: -1,
        throughSeq: 0,
        watermarkMs: 0,
        updates: all[i]!.map(({ at, value }) => ({
          sensorId: id,
          startMs: T0 + at * HOP,
          tsMs: [T0 + at * HOP],
          values: [value],
        })),
        readings: all[i]!.length,
        late: 0,
        dead: 0,
      });
  };

  test('any order of batches, repeats and retries give the alarms of one pass', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(truths, truths), cuts, fc.infiniteStream(fc.nat()), async (both, batches, random) => {
        const { deps, ids, look } = await plant(store, 2);
        await loadWindows(ids, both);
        const order = [...batches, ...batches.slice(0, 2)].map((batch) => ({
          batch,
          key: random.next().value as number,
        }));
        order.sort((a, b) => a.key - b.key);
        const batchIds: string[] = [];
        for (const { batch } of order) {
          const batchId = await look(both, batch);
          batchIds.push(batchId);
          // A retry, and another worker at the same time.
          await Promise.all([raiseAlarms(deps, batchId), raiseAlarms(deps, batchId)]);
          await raiseAlarms(deps, batchId);
        }
        for (const batchId of batchIds) expect(await foundBy(deps, batchId)).toEqual([]);
        for (const [i, sensorId] of ids.entries()) {
          const alarms = await store.listAlarms({ sensorId });
          expect(shown(alarms)).toEqual(onePass(both[i]!, 0, LENGTH, silent).standing());
          // Every event once, without a gap.
          for (const { id, version } of alarms)
            expect((await store.alarmEvents({ alarmId: id })).map((event) => event.id)).toEqual(
              Array.from({ length: version }, (_unused, n) => `${id}.${n + 1}`),
            );
        }
      }),
      { numRuns: 8 },
    );
  });

  test('a sensor with only abnormal windows takes turns of a few rows, and gives the alarms of one pass', async () => {
    const limits = { items: 7, links: 3, bytes: 2_000, reads: 2 };
    const most = { links: 0, items: 0, alarms: 0, signals: 0 };
    const watched: Store = {
      ...store,
      alarmChains: async (asked, of) => {
        const chains = await store.alarmChains(asked, of);
        most.links = Math.max(most.links, ...chains.map(({ links }) => links.length));
        return chains;
      },
      alarmRecords: async (spans) => {
        const records = await store.alarmRecords(spans);
        most.alarms = Math.max(most.alarms, ...records.map((of) => of.length));
        return records;
      },
      alarmCandidates: async (...asked) => {
        const page = await store.alarmCandidates(...asked);
        most.signals = Math.max(most.signals, ...page.candidates.map(({ items = [] }) => items.length));
        return page;
      },
      commitAlarmSlice: async (slice) => {
        const written = slice.sensors.flatMap(({ put }) => put.map(({ items }) => items.length));
        most.items = Math.max(
          most.items,
          written.reduce((sum, items) => sum + items, 0),
        );
        return store.commitAlarmSlice(slice);
      },
    };
    const truthOf = (bad: (at: number) => boolean): TruthWindow[] =>
      Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: bad(at) ? -1 : 1 }));
    for (const bad of [() => true, (at: number) => at % 2 === 0, (at: number) => at % 40 > 20 || at % 3 === 0]) {
      const { deps, ids, look } = await plant(store, 2, limits.items);
      const both = [truthOf(bad), truthOf(() => false)];
      await loadWindows(ids, both);
      const all = { ...deps, store: watched, limits };
      const first = await look(both, { from: 0, to: LENGTH });
      const middle = await look(both, { from: 100, to: 180 });
      // The second comes while the first is in the middle of the sensor.
      await Promise.all([raiseAlarms(all, first), raiseAlarms(all, middle)]);
      const again = await look(both, { from: 0, to: LENGTH });
      await raiseAlarms(all, again);
      for (const id of [first, middle, again]) expect(await foundBy(all, id)).toEqual([]);
      const alarms = await store.listAlarms({ sensorId: ids[0]! });
      expect(shown(alarms)).toEqual(onePass(both[0]!, 0, LENGTH, silent).standing());
    }
    expect(most.signals).toBeLessThanOrEqual(limits.items);
    expect(most.links).toBeLessThanOrEqual(limits.links);
    // One's own stretch, and links of which each is one.
    expect(most.items).toBeLessThanOrEqual(2 * limits.items * (1 + limits.links + limits.reads));
    // Of 300 windows; alarms that began within an hour, which this is, are counted, but each once.
    expect(most.alarms).toBeLessThanOrEqual(LENGTH / 2);
  });

  test('a worker that dies in the middle of a sensor leaves it to whoever comes next', async () => {
    const limits = { items: 7, links: 3, bytes: 2_000, reads: 2 };
    const { deps, ids, look } = await plant(store, 1, limits.items);
    const truth = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at % 5 < 3 ? -1 : 1 }));
    await loadWindows(ids, [truth]);
    let left = 5;
    const dying: Store = {
      ...store,
      commitAlarmSlice: (slice) => (left-- > 0 ? store.commitAlarmSlice(slice) : lost()),
    };
    const first = await look([truth], { from: 0, to: 200 });
    await expect(raiseAlarms({ ...deps, store: dying, limits }, first)).rejects.toThrow('no such blob');
    expect(await store.alarmPlaces('another')).toContainEqual({ batchId: first, sensorId: ids[0] });
    // It ends what was begun, and the first batch has nothing left but to say that it is done.
    const next = await look([truth], { from: 200, to: LENGTH });
    await raiseAlarms({ ...deps, limits }, next);
    expect(await store.alarmPlaces('another')).toEqual([]);
    expect(shown(await store.listAlarms({ sensorId: ids[0]! }))).toEqual(onePass(truth, 0, LENGTH, silent).standing());
    await raiseAlarms({ ...deps, limits }, first);
    expect((await store.alarmProgress(first)).done).toBe(true);
    expect(shown(await store.listAlarms({ sensorId: ids[0]! }))).toEqual(onePass(truth, 0, LENGTH, silent).standing());
  });

  test('periods of schedules that overlap by hours give the alarms of one pass', async () => {
    const { deps, ids, look } = await plant(store, 1);
    // Three hours and a half; the first alarm is over long before the second batch begins.
    const length = 2_520;
    const isBad = (at: number): boolean => (at >= 20 && at < 60) || (at >= 1_700 && at < 1_730) || at > 2_500;
    const truth = Array.from({ length }, (_unused, at) => ({ at, value: at, score: isBad(at) ? -1 : 1 }));
    await loadWindows(ids, [truth]);
    for (const [from, to] of [
      [0, 1_800],
      [1_500, 2_400],
      [900, length],
      [0, length],
    ] as const) {
      await raiseAlarms(deps, await look([truth], { from, to }));
      const alarms = await store.listAlarms({ sensorId: ids[0]! });
      for (const { id, version } of alarms)
        expect((await store.alarmEvents({ alarmId: id })).map((event) => event.id)).toEqual(
          Array.from({ length: version }, (_unused, n) => `${id}.${n + 1}`),
        );
    }
    expect(shown(await store.listAlarms({ sensorId: ids[0]! }))).toEqual(onePass(truth, 0, length, silent).standing());
  });

  test('verify finds alarms that predictions do not give, lost events, and a half-told incident', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const bad = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at > 9 && at < 40 ? -1 : 1 }));
    const batchId = await look([bad], { from: 0, to: LENGTH });
    await raiseAlarms(deps, batchId);
    expect(await foundBy(deps, batchId)).toEqual([]);
    // Somebody acts between the look at an alarm and the one at its events.
    const busy: Store = {
      ...store,
      alarmEvents: async (query) => {
        await store.actOnAlarm({ do: 'comment', id: query!.alarmId!, user: 'ann', atMs: T0, comment: 'seen' });
        return store.alarmEvents(query);
      },
    };
    expect(await foundBy({ ...deps, store: busy }, batchId)).toEqual([]);
    const [alarm] = await store.listAlarms({ sensorId: ids[0]! });
    const { id, sensorId, kind, facts, marks, incident, version } = alarm!;
    const record = { id, sensorId, kind, facts, marks, incident, version };
    const write = async (changed: AlarmRecord): Promise<void> => {
      const epoch = await store.alarmEpoch();
      expect(await store.commitAlarms({ epoch, alarms: [{ record: changed, changes: [] }], receivedMs: 0 })).toBe(true);
    };
    // A file that is lost is a finding of another check: nothing is said of what rests on it.
    const gone = { ...deps, blobs: { get: lost } as unknown as BlobStore };
    expect(await foundBy(gone, batchId)).toEqual([]);
    await write({ ...record, facts: { ...facts, windows: 31 } });
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining(`alarm ${id} (anomaly) is not what`)]);
    await write({ ...record, version: version + 1 });
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining(`${version} events, its version is`)]);
    await write(record);
    // Batches of other tests looked further than this one.
    const { late: _late, ...fresh } = alarm!;
    const opened = noticesOf(
      [{ alarm: fresh, events: await store.alarmEvents({ alarmId: id }) }],
      [],
      new Set([batchId]),
      { severity: 1 },
      0,
    ).slice(0, 1);
    const notices = opened.map((notice) => ({ notice, dueMs: 0 }));
    expect(notices).toHaveLength(1);
    expect(await store.addNotices({ by: 'events', epoch: await store.alarmEpoch(), notices, madeMs: 0 })).toBe(true);
    expect(await store.noticesOfIncident(id)).toHaveLength(1);
    expect(await foundBy(deps, batchId)).toEqual([expect.stringContaining('was told by events as begun alone')]);
  });

  test('batches that overlap before the first window of a sensor give the alarms of one pass', async () => {
    const hour = 720;
    const truth = [23, 24, 25].map((h) => ({ at: h * hour, value: h, score: 1 }));
    const looks = [
      { from: 0, to: 24 * hour },
      { from: 6 * hour, to: 25 * hour },
      { from: 18 * hour, to: 26 * hour },
    ] as const;
    for (const order of ['012', '120', '201', '210']) {
      const { deps, ids, look } = await plant(store, 1);
      await loadWindows(ids, [truth]);
      for (const i of order) await raiseAlarms(deps, await look([truth], looks[Number(i)]!));
      expect([order, shown(await store.listAlarms({ sensorId: ids[0]! }))]).toEqual([
        order,
        onePass(truth, 0, 26 * hour, silent).standing(),
      ]);
      // Silent between its windows, and not before the first of them.
      const since = (await store.listAlarms({ sensorId: ids[0]! })).map(({ facts }) => (facts.sinceMs - T0) / HOP);
      expect(since.sort()).toEqual([23 * hour + 1, 24 * hour + 1, 25 * hour + 1]);
    }
  });

  test('a batch whose sensors are normal writes nothing but that it was looked at', async () => {
    const { deps, ids, look } = await plant(store, 3);
    const calm = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: 1 }));
    const epoch = await store.alarmEpoch();
    const batchId = await look([calm, calm, calm], { from: 0, to: LENGTH });
    expect(await raiseAlarms(deps, batchId)).toEqual({ sensors: 0, activated: 0, cleared: 0 });
    expect(await store.alarmEpoch()).toBe(epoch + 1);
    const { candidates, isLast } = await store.alarmCandidates(batchId, 0, 10, { reordered: true });
    expect([candidates, isLast]).toEqual([[], true]);
    expect(await store.listAlarms({ sensorId: ids[0]! })).toEqual([]);
  });

  test('a single anomaly leaves nothing, and is read back where another batch cuts in behind it', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const noisy = (...anomalous: readonly number[]): TruthWindow[] =>
      Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: anomalous.includes(at) ? -1 : 1 }));
    const first = await look([noisy(20, 50, 70)], { from: 0, to: 100 });
    expect(await raiseAlarms(deps, first)).toEqual({ sensors: 0, activated: 0, cleared: 0 });
    expect((await store.alarmCandidates(first, 0, 10, { reordered: true })).candidates).toEqual([]);
    expect(await foundBy(deps, first)).toEqual([]);
    const second = await look([noisy(51, 90)], { from: 51, to: 150 });
    await raiseAlarms(deps, second);
    const [alarm, ...others] = await store.listAlarms({ sensorId: ids[0]! });
    expect(others).toEqual([]);
    expect(alarm).toMatchObject({ facts: { sinceMs: T0 + 50 * HOP, windows: 2, clearedMs: T0 + 55 * HOP } });
    expect([await foundBy(deps, first), await foundBy(deps, second)]).toEqual([[], []]);
    // What the alarm began with was no anomaly after all.
    await raiseAlarms(deps, await look([noisy()], { from: 0, to: 51 }));
    expect(await store.listAlarms({ sensorId: ids[0]! })).toMatchObject([{ id: alarm!.id, withdrawn: true }]);
  });

  test('verify finds anomalies enough for an alarm that scoring left nothing of', async () => {
    const forgetful: Store = { ...store, commitChunk: (chunk) => store.commitChunk({ ...chunk, signals: [] }) };
    const { deps, look } = await plant(forgetful, 2);
    const [single, enough] = [badFrom(20, 22), badFrom(20, 23)];
    const batchId = await look([single, enough], { from: 0, to: LENGTH });
    await raiseAlarms(deps, batchId);
    expect(await foundBy(deps, batchId)).toEqual([
      expect.stringMatching(/ s1 has 2 anomalies that alarms know nothing/),
    ]);
  });

  test('what a person did stays when late data correct an alarm', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const [sensorId] = ids;
    const windows = (anomalous: readonly number[]): TruthWindow[] =>
      Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: anomalous.includes(at) ? -1 : 1 }));
    const before = windows([10, 11, 12, 13]);
    await raiseAlarms(deps, await look([before], { from: 0, to: LENGTH }));
    const [alarm] = await store.listAlarms({ sensorId: sensorId! });
    await store.actOnAlarm({ do: 'ack', id: alarm!.id, user: 'ann', atMs: T0, comment: 'seen' });
    // The windows 8 and 9 came late, and were anomalous too; 30 and 31 are another alarm.
    await raiseAlarms(deps, await look([windows([8, 9, 10, 11, 12, 13, 30, 31])], { from: 0, to: 150 }));
    const [late, corrected] = await store.listAlarms({ sensorId: sensorId! });
    expect(corrected).toMatchObject({
      id: alarm!.id,
      acked: true,
      corrected: true,
      facts: { sinceMs: T0 + 8 * HOP, windows: 6 },
      marks: { comment: { text: 'seen' } },
    });
    expect(late).toMatchObject({ late: true, acked: false, active: false, retain: true });
    // Nothing supports them any more.
    await raiseAlarms(deps, await look([windows([])], { from: 0, to: 150 }));
    expect(await store.listAlarms({ sensorId: sensorId! })).toMatchObject([
      { id: late!.id, withdrawn: true, retain: true },
      { id: alarm!.id, withdrawn: true, acked: true, retain: false },
    ]);
    const changes = (await store.alarmEvents({ alarmId: alarm!.id })).map(({ change }) => change);
    expect(changes).toEqual(['activated', 'cleared', 'acked', 'corrected', 'withdrawn']);
  });

  test('alarms of a batch that was lost with its worker are decided on by the next one', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const bad = Array.from({ length: LENGTH }, (_unused, at) => ({ at, value: at, score: at < 10 ? -1 : 1 }));
    await look([bad], { from: 0, to: 100 });
    const next = await look([bad], { from: 100, to: LENGTH });
    await raiseAlarms({ ...deps, now: () => T0 + 3_600_000 }, next);
    expect(await store.listAlarms({ sensorId: ids[0]! })).toHaveLength(1);
  });
});

test('the rule of a sensor without rules is the default', () => {
  expect(ruleFor(NO_RULES, { device: 'd', sensor: 's' }, 'r')).toEqual(DEFAULT_RULE);
});
