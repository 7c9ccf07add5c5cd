/** Sensors whose readings no batch is for, in both stores: raised once and ended once, whoever looks and how often. */
import { coverageOf, watchUnplanned } from '../../batches/unplanned.ts';
import type { RaiseDeps } from '../../batches/raise-alarms.ts';
import type { Message } from '../../alarms/message.ts';
import { HOUR_MS } from '../../domain/time.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { HOP, type TruthWindow } from '../alarms/truth.ts';
import { ENGINES, plant, T0 } from './alarm-plant.ts';

const END = T0 + 100 * HOP;
const calm: readonly TruthWindow[] = Array.from({ length: 1_000 }, (_, at) => ({ at, value: at, score: 1 }));
const load = (store: Store, sensorIdFrom: number, startMs: number, hours: number): Promise<unknown> =>
  store.loadWindows({
    sensorIdFrom,
    startMs,
    stepMs: HOP,
    windowsPerSensor: (hours * HOUR_MS) / HOP,
    values: new Float64Array((hours * HOUR_MS) / HOP).fill(1),
  });

describe.each(Object.entries(ENGINES))('%s', (_, open) => {
  let store: Store;
  beforeEach(async () => {
    store = await open();
    await store.migrate();
  });
  afterEach(() => store.close());

  const changes = async (): Promise<string[]> => (await store.alarmEvents()).map(({ change }) => change);

  test('an alarm a sensor, once and as one incident; over with the next batch; each told once', async () => {
    const notify = { by: 'email', to: 'ann@plant.example' };
    await store.setAlarmRules({ text: JSON.stringify({ rules: [], notify }), by: 'test', atMs: 1 });
    const plants = [await plant(store, 2), await plant(store, 2), await plant(store, 2), await plant(store, 1)];
    // The second sensor of each device falls silent with the batch; the last device is new.
    for (const { ids, look } of plants.slice(0, 3)) {
      await look([calm, calm], { from: 0, to: 100 });
      await load(store, ids[0]!, END, 2);
    }
    await load(store, plants[3]!.ids[0]!, END + HOUR_MS + 2 * HOP, 1);
    const sent: Message[] = [];
    let nowMs = END + 2 * HOUR_MS;
    const deps: RaiseDeps = {
      ...plants[0]!.deps,
      now: () => nowMs,
      senders: { email: async (one) => sent.push(one) > 0 },
    };
    const watches = [watchUnplanned(deps), watchUnplanned(deps)];
    const everybody = async (): Promise<void> => {
      for (let round = 0; round < 2; round++) await Promise.all(watches.map((watch) => watch.look()));
    };
    nowMs -= HOUR_MS + HOP;
    await everybody();
    expect(await store.listAlarms()).toEqual([]);
    nowMs += HOUR_MS + HOP;
    await everybody();
    const alarms = await store.listAlarms({ kind: 'unplanned' });
    const waiting = plants.slice(0, 3).map(({ ids }) => ids[0]!);
    expect(alarms.map(({ sensorId }) => sensorId).sort()).toEqual(waiting);
    expect(new Set(alarms.map(({ incident }) => incident)).size).toBe(1);
    expect(alarms[0]).toMatchObject({ active: true, facts: { sinceMs: END, activeMs: END + HOUR_MS } });
    // Somebody else was first: nothing was decided twice.
    expect(new Set(await changes())).toEqual(new Set(['activated']));
    expect((await changes()).filter((change) => change === 'activated')).toHaveLength(3);
    const { look } = plants[1]!;
    nowMs += HOP;
    await look([calm, calm], { from: 100, to: 900 });
    await everybody();
    expect((await changes()).filter((change) => change === 'cleared')).toHaveLength(3);
    expect(await store.listAlarms({ active: true })).toEqual([]);
    expect(sent.map(({ what }) => what)).toEqual(['opened', 'closed']);
  });

  test('a stop of the plant, a rule that says never, and a plant that nothing was scored of raise none', async () => {
    const { deps, ids, look } = await plant(store, 1);
    const nowMs = END + 30 * HOUR_MS;
    const watch = watchUnplanned({ ...deps, now: () => nowMs });
    await load(store, ids[0]!, END + 26 * HOUR_MS, 4);
    expect(await watch.look()).toEqual({ raised: 0, cleared: 0 });
    await look([calm], { from: 0, to: 100 });
    await store.setAlarmRules({ text: JSON.stringify({ rules: [{ unplannedAfter: 'never' }] }), by: 'test', atMs: 1 });
    expect(await watch.look()).toEqual({ raised: 0, cleared: 0 });
    // It was stopped for a day, and runs again for less than six hours.
    await store.setAlarmRules({ text: JSON.stringify({ rules: [{ unplannedAfter: '6h' }] }), by: 'test', atMs: 2 });
    expect(await watch.look()).toEqual({ raised: 0, cleared: 0 });
    await store.setAlarmRules({ text: JSON.stringify({ rules: [] }), by: 'test', atMs: 3 });
    expect(await watch.look()).toEqual({ raised: 1, cleared: 0 });
  });
});

test('a schedule is given three of its intervals', () => {
  const day = 24 * HOUR_MS;
  const batch = (days: number, more: Partial<Batch> = {}): Batch =>
    ({
      kind: 'score',
      schedule: 'daily',
      status: 'completed',
      planned: 5,
      fromMs: 0,
      toMs: days * day,
      finishedAtMs: days * day + 60_000,
      ...more,
    }) as Batch;
  const batches = [batch(9), batch(8), batch(7), batch(4, { schedule: 'other' })];
  expect(coverageOf(batches)).toMatchObject({ intervalMs: day, quietSinceMs: 9 * day + 60_000 });
  expect(coverageOf([batch(10, { status: 'running' }), ...batches])).not.toHaveProperty('quietSinceMs');
  expect(coverageOf([batch(9, { kind: 'redrive' }), batch(9, { planned: 0 })])).toBeUndefined();
});
