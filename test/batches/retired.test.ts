/**
 * Sensors out of service, in both stores: no batch is for them, no alarm of them is raised or told, and all of it comes
 * back with them. And sensors that a release registered and nobody promoted.
 */
import { stripVTControlCharacters } from 'node:util';
import { dryRun } from '../../batches/dry-run.ts';
import { raiseAlarms, type RaiseDeps } from '../../batches/raise-alarms.ts';
import { selectSensors } from '../../batches/select.ts';
import { watchUnplanned } from '../../batches/unplanned.ts';
import type { Message } from '../../alarms/message.ts';
import type { Context } from '../../cli/frame/context.ts';
import { showBatch } from '../../cli/batch/show.ts';
import { retire, restore } from '../../cli/ingest/retire.ts';
import { list } from '../../cli/ingest/sensors.ts';
import { HOUR_MS } from '../../domain/time.ts';
import type { Store } from '../../storage/store.ts';
import { HOP, SHAPE, type TruthWindow } from '../alarms/truth.ts';
import { badFrom, ENGINES, foundBy, LENGTH, plant, T0 } from './alarm-plant.ts';

const PERIOD = { fromMs: T0, toMs: T0 + 100 * HOP };
const BY = { atMs: T0, by: 'ann', comment: '' };
const calm: readonly TruthWindow[] = badFrom(0, 0);

describe.each(Object.entries(ENGINES))('%s', (_, open) => {
  let store: Store;
  beforeEach(async () => {
    store = await open();
    await store.migrate();
  });
  afterEach(() => store.close());

  test('a batch is for sensors in service that a model or a reading is known of, and its plan says so', async () => {
    const { ids } = await plant(store, 3);
    const [known, gone] = ids as [number, number, number];
    const [release] = (await store.listReleases()).map(({ name }) => name);
    await store.setCurrentRelease(release!);
    const device = 'of a release that nobody promoted';
    const [unheard, heard] = (await store.registerSensors([
      { device, sensor: 'a' },
      { device, sensor: 'b' },
    ])) as [number, number];
    await store.loadWindows({
      sensorIdFrom: heard,
      startMs: T0,
      stepMs: HOP,
      windowsPerSensor: 1,
      values: Float64Array.of(1),
    });
    await store.retireSensors([gone], BY);
    const asked = { ...PERIOD };
    expect(await selectSensors({ store }, asked, release!)).toEqual({ kind: 'score', leftOut: [gone, unheard] });
    expect(await dryRun(store, PERIOD, {}, SHAPE)).toMatchObject({
      planned: 3,
      leftOut: 2,
      skipped: { no_data: 2, no_model: 1 },
    });

    const batch = { ...PERIOD, release: release!, workflowId: 'w', codeVersion: '1', startedAtMs: T0 };
    const base = await store.createBatch({ ...batch, kind: 'score', id: 'base', runId: 'r', leftOut: [] });
    const failed = (sensorId: number) =>
      ({ sensorId, status: 'failed', class: 'internal', message: 'x', windows: 0, anomalies: 0, attempt: 1 }) as const;
    await store.commitChunk({ batchId: base.id, chunk: 'c', changeId: 0, outcomes: [failed(known), failed(gone)] });
    await store.finishBatch(base.id, { status: 'completed', manifest: 'm', finishedAtMs: T0 });
    const redrive = { ...asked, redrive: base.id };
    expect((await selectSensors({ store }, redrive, release!)).sensorIds).toEqual([known]);
    const { device: own } = (await store.listSensors({ limit: 1 }))[0]!;
    const names = { ...redrive, sensors: [`${own}/s0`, `${own}/s1`] };
    await expect(selectSensors({ store }, names, release!)).rejects.toThrow(
      `"${own}/s1" is out of service, and no batch is for that. \`fleetscore sensors restore\``,
    );
    await store.restoreSensors([gone]);
    expect((await selectSensors({ store }, names, release!)).sensorIds).toEqual([known, gone]);
    expect(await selectSensors({ store }, asked, release!)).toEqual({ kind: 'score', leftOut: [unheard] });
  });

  test('a batch says how many sensors it left out, and one that is for none says why', async () => {
    const context = { store: async () => store, uiLink: () => undefined, json: false } as unknown as Context;
    const { ids } = await plant(store, 2);
    const release = (await store.listReleases())[0]!.name;
    await store.retireSensors(ids, BY);
    const none = { kind: 'score', release, workflowId: 'w', runId: 'r', codeVersion: '1', startedAtMs: T0 } as const;
    const { leftOut } = await selectSensors({ store }, { ...PERIOD }, release);
    await store.createBatch({ ...none, ...PERIOD, id: 'none', leftOut: leftOut! });
    await store.finishBatch('none', { status: 'completed', manifest: 'm', finishedAtMs: T0 });
    const shown = await showBatch(context, 'none');
    const text = stripVTControlCharacters(shown.text);
    expect(shown.data).toMatchObject({ planned: 0, leftOut: 2 });
    expect(text).toMatch(/Left out: +2 sensors out of service, or without a model and any reading\n/);
    expect(text).toContain('No sensor was planned: 2 sensors out of service');
    await store.createBatch({ ...none, ...PERIOD, id: 'all', runId: 'r2', leftOut: [] });
    await store.finishBatch('all', { status: 'cancelled', finishedAtMs: T0 });
    expect((await showBatch(context, 'all')).text).not.toContain('Left out');
  });

  test('an incident out of service is told as over, ties no later alarm, and goes on when it is back', async () => {
    await store.setAlarmRules({
      text: JSON.stringify({ rules: [], notify: { by: 'email', to: 'ann@plant.example' } }),
      by: 'test',
      atMs: 1,
    });
    const { deps, ids, look } = await plant(store, 2);
    const sent: Message[] = [];
    const told: RaiseDeps = { ...deps, senders: { email: async (one) => sent.push(one) > 0 } };
    const what = (): string[] => sent.map((one) => one.what);
    const ever = badFrom(20, LENGTH);
    const other = badFrom(150, LENGTH);
    await raiseAlarms(told, await look([ever, calm], { from: 0, to: 100 }));
    expect(what()).toEqual(['opened']);
    await store.retireSensors([ids[0]!], BY);
    expect(await store.countAlarms()).toMatchObject({ active: 0, unacked: 0, incidents: 0 });
    // A batch that was planned before is still for it; the other sensor of the device has an incident of its own.
    const second = await look([ever, other], { from: 100, to: 200 });
    await raiseAlarms(told, second);
    expect(what().toSorted()).toEqual(['closed', 'opened', 'opened']);
    expect(sent.find((one) => one.what === 'closed')!.text).toContain('taken out of service');
    const [newest] = await store.listAlarms({ sensorId: ids[1]! });
    expect(newest!.incident).toBe(newest!.id);
    expect((await store.listAlarms({ active: true })).map(({ sensorId }) => sensorId)).toEqual([ids[1]]);
    expect(await foundBy(deps, second)).toEqual([]);

    await store.restoreSensors([ids[0]!]);
    const third = await look([badFrom(20, 210), badFrom(150, 210)], { from: 200, to: LENGTH });
    await raiseAlarms(told, third);
    expect(await store.listAlarms({ active: true })).toEqual([]);
    expect((await store.listAlarms({ sensorId: ids[0]! })).map(({ facts }) => facts.sinceMs)).toEqual([T0 + 21 * HOP]);
    expect(await foundBy(deps, third)).toEqual([]);
  });

  test('readings of a sensor out of service that no batch is for are no alarm', async () => {
    const { deps, ids, look } = await plant(store, 2);
    await look([calm, calm], { from: 0, to: 100 });
    for (const sensorIdFrom of ids)
      await store.loadWindows({
        sensorIdFrom,
        startMs: PERIOD.toMs,
        stepMs: HOP,
        windowsPerSensor: (2 * HOUR_MS) / HOP,
        values: new Float64Array((2 * HOUR_MS) / HOP).fill(1),
      });
    await store.retireSensors([ids[0]!], BY);
    const watch = watchUnplanned({ ...deps, now: () => PERIOD.toMs + 2 * HOUR_MS });
    expect(await watch.look()).toEqual({ raised: 1, cleared: 0 });
    expect((await store.listAlarms({ kind: 'unplanned' })).map(({ sensorId }) => sensorId)).toEqual([ids[1]]);
  });

  test('retire and restore take names and patterns, say what they did and how to undo it, and are logged', async () => {
    const context = { store: async () => store, config: { sqlUrl: 'sqlite::memory:' } } as unknown as Context;
    await store.registerSensors(
      ['press-7/oil-temp', 'press-7/vibration', 'press-70/vibration', 'pump-1/flow*rate'].map((name) => {
        const [device, sensor] = name.split('/') as [string, string];
        return { device, sensor };
      }),
    );
    const served = async (): Promise<number> => 4 - (await store.countRetired());

    const dry = await retire(context, { dryRun: true }, ['press-7/*']);
    expect(dry.data).toEqual({ retired: ['press-7/oil-temp', 'press-7/vibration'], already: [], dryRun: true });
    expect(dry.text).toContain('Would be taken out of service: press-7/oil-temp, press-7/vibration.');
    expect([await served(), await store.listAudit()]).toEqual([4, []]);
    // One word that names nothing: nothing is changed for the others.
    await expect(retire(context, {}, ['press-7/oil-temp', 'press-8/*'])).rejects.toThrow(
      'no sensor matches "press-8/*"',
    );
    await expect(retire(context, {}, ['press-7'])).rejects.toThrow('"press-7" is a device');
    expect(await served()).toBe(4);

    const nowMs = Date.now();
    await store.loadWindows({
      sensorIdFrom: 1,
      startMs: nowMs - (nowMs % HOP),
      stepMs: HOP,
      windowsPerSensor: 1,
      values: Float64Array.of(1),
    });
    await retire(context, { comment: ' line is scrapped ' }, ['press-7/vibration']);
    const done = await retire(context, {}, ['press-7/*', 'press-7/oil-temp']);
    expect(done.data).toEqual({ retired: ['press-7/oil-temp'], already: ['press-7/vibration'], dryRun: false });
    expect(done.text.split('\n')).toEqual([
      'Taken out of service: press-7/oil-temp.',
      'Out of service already: press-7/vibration.',
      expect.stringContaining('readings that still come are kept'),
      expect.stringContaining('1 sensor had readings within the last hour'),
      "Back into service: fleetscore sensors restore 'press-7/*' press-7/oil-temp",
    ]);
    expect((await retire(context, {}, ['press-7/*'])).text).toContain('Nothing to do');
    expect(
      (await store.listAudit()).map(({ action, target, detail, result }) => [action, target, detail, result]),
    ).toEqual([
      ['sensors.retire', 'press-7/* press-7/oil-temp', '1 sensor: press-7/oil-temp', 'done'],
      ['sensors.retire', 'press-7/vibration', '1 sensor: press-7/vibration; line is scrapped', 'done'],
    ]);
    const all = (await list(context, { limit: 10 })).data as { sensor: string; retired: { comment: string } | null }[];
    expect(all.map(({ retired }) => retired?.comment ?? null)).toEqual(['', 'line is scrapped', null, null]);
    const out = await list(context, { limit: 10, retired: true });
    expect(out.text).toContain('line is scrapped');
    expect(out.data).toMatchObject([
      { sensor: 'oil-temp', last: expect.any(String) },
      { sensor: 'vibration', last: null },
    ]);
    const ofDevice = await list(context, { limit: 1, retired: true, device: 'press-7' });
    expect(ofDevice.data).toMatchObject([{ device: 'press-7', sensor: 'oil-temp' }]);
    await expect(list(context, { limit: 1, retired: true, device: 'press-99' })).rejects.toThrow('press-99');

    expect((await restore(context, { dryRun: true }, ['*'])).text).toContain('Nothing was changed.');
    expect((await restore(context, {}, ['*'])).text).toContain(
      'Taken back into service: press-7/oil-temp, press-7/vibration.',
    );
    expect((await restore(context, {}, ['*'])).text).toBe('Nothing to do: none of them is out of service.');
    expect(await served()).toBe(4);
  });
});
