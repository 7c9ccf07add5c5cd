/** Alarms in the store: what is read, what people do, and that no change is lost or doubled. */
import { NO_MARKS, type AlarmFacts, type AlarmOutline, type AlarmRecord } from '../../domain/alarm.ts';
import { failing, T0, type ContractTools } from './contract-tools.ts';

export const FACTS: AlarmFacts = {
  sinceMs: T0,
  activeMs: T0 + 15_000,
  lastMs: T0 + 20_000,
  windows: 4,
  severity: 500,
  raises: 1,
  quality: 'good',
  activations: 1,
  steps: [],
  firstBatch: 'b1',
  lastBatch: 'b1',
};

export function alarmsContract(tools: ContractTools): void {
  let ids = 0;
  const newAlarm = async (change: Partial<AlarmRecord> = {}): Promise<AlarmRecord> => {
    const { store } = tools;
    const id = `alarm${++ids}`;
    const [sensorId] = await tools.sensors(1);
    const record: AlarmRecord = {
      id,
      sensorId: sensorId!,
      kind: 'anomaly',
      facts: FACTS,
      marks: NO_MARKS,
      incident: id,
      version: 1,
      ...change,
    };
    const epoch = await store.alarmEpoch();
    const changes = [{ change: 'activated', timeMs: record.facts.activeMs, batchId: 'b1' }] as const;
    expect(await store.commitAlarms({ epoch, alarms: [{ record, changes }], receivedMs: T0 + 60_000 })).toBe(true);
    return record;
  };

  describe('alarms', () => {
    test('what is written is found by alarm, event, sensor, incident, device and time', async () => {
      const { store } = tools;
      const record = await newAlarm();
      const alarm = await store.findAlarm(record.id);
      expect(alarm).toMatchObject({ ...record, active: true, acked: false, confirmed: true, retain: true });
      expect(await store.findAlarm(`${record.id}.1`)).toEqual(alarm);
      expect(await store.findAlarm('none')).toBeUndefined();
      expect(await store.findAlarm('x'.repeat(500))).toBeUndefined();
      const within = { fromMs: T0, toMs: T0 + 1 };
      for (const filter of [
        { sensorId: record.sensorId },
        { incident: record.incident },
        { device: alarm!.device },
        { device: alarm!.device, active: true, retain: true, kind: 'anomaly', minSeverity: 500, within },
      ] as const)
        expect(await store.listAlarms(filter)).toEqual([alarm]);
      const { device } = alarm!;
      expect(await store.listAlarms({ device, active: false })).toEqual([]);
      expect(await store.listAlarms({ device, kind: 'silent' })).toEqual([]);
      expect(await store.listAlarms({ device, minSeverity: 501 })).toEqual([]);
      expect(await store.listAlarms({ device, within: { fromMs: 0, toMs: T0 } })).toEqual([]);
      expect((await store.listAlarms()).map(({ id }) => id)).toContain(record.id);
      expect((await store.listAlarms({ active: true })).map(({ id }) => id)).toContain(record.id);
    });

    test('an alarm that is over and acknowledged is of no more interest, and stays on record', async () => {
      const { store } = tools;
      const { id, sensorId } = await newAlarm({ facts: { ...FACTS, clearedMs: T0 + 30_000 } });
      const open = async (): Promise<number> => (await store.listAlarms({ sensorId, retain: true })).length;
      expect(await open()).toBe(1);
      const before = await store.countAlarms();
      const { alarm, event } = await store.actOnAlarm({ do: 'ack', id, user: 'ann', atMs: T0 + 99, comment: ' seen ' });
      expect(alarm).toMatchObject({ acked: true, retain: false, marks: { comment: { text: 'seen', by: 'ann' } } });
      expect(event).toMatchObject({ id: `${id}.2`, change: 'acked', user: 'ann', comment: 'seen', timeMs: T0 + 99 });
      expect(await open()).toBe(0);
      expect((await store.countAlarms()).unacked).toBe(before.unacked - 1);
      expect(await store.listAlarms({ sensorId })).toEqual([await store.findAlarm(id)]);
    });

    test('outlines of what lasted in a period come page by page, and moving them writes no event', async () => {
      const { store } = tools;
      const far = T0 + 9e12;
      const at = (from: number, to?: number): AlarmFacts => ({
        ...FACTS,
        sinceMs: far + from,
        ...(to === undefined ? {} : { clearedMs: far + to }),
      });
      const remark = { text: 'not "withdrawn":true', by: 'ann', atMs: T0 };
      const ids: string[] = [];
      for (const change of [
        { facts: at(0, 10) },
        { facts: at(5), marks: { ...NO_MARKS, comment: remark } },
        { facts: at(5) },
        { facts: at(6, 40) },
        { facts: at(7, 40), withdrawn: true as const },
        { facts: at(50, 60) },
        { facts: at(30) },
      ])
        ids.push((await newAlarm(change)).id);
      const [before, one, two, over, , , last] = ids as [string, string, string, string, string, string, string];
      const within = { fromMs: far + 10, toMs: far + 50 };
      const pages = async (limit: number): Promise<string[]> => {
        const all: AlarmOutline[] = [];
        for (let page = await store.lastingAlarms(within, { limit }); page.length > 0;) {
          expect(page.length).toBeLessThanOrEqual(limit);
          all.push(...page);
          page = await store.lastingAlarms(within, { limit, after: page.at(-1)! });
        }
        expect(all[0]).toEqual({
          id: over,
          kind: 'anomaly',
          sinceMs: far + 6,
          untilMs: far + 40,
          incident: over,
          device: (await store.findAlarm(over))!.device,
        });
        return all.map(({ id }) => id).filter((id) => ids.includes(id));
      };
      const expected = [over, ...[one, two].sort(), last];
      // Also those of other tests that are still active.
      expect([await pages(1), await pages(2), await pages(1_000)]).toEqual([expected, expected, expected]);
      const early = { fromMs: far, toMs: far + 1 };
      expect((await store.lastingAlarms(early, { limit: 1 })).map(({ id }) => id)).toEqual([before]);

      const records = (await store.alarmRecordsOf([one, over])).map((record) => ({ ...record, incident: before }));
      const [epoch, events] = [await store.alarmEpoch(), await store.alarmEvents()];
      expect(await store.moveAlarms(epoch - 1, records)).toBe(false);
      expect(await store.listAlarms({ incident: before })).toHaveLength(1);
      expect(await store.moveAlarms(epoch, records)).toBe(true);
      expect(await store.alarmEpoch()).toBe(epoch + 1);
      const together = (await store.listAlarms({ incident: before })).map(({ id, incident }) => [id, incident]);
      expect(together.sort()).toEqual([before, one, over].sort().map((id) => [id, before]));
      expect((await store.findAlarm(one))!.marks).toEqual({ ...NO_MARKS, comment: remark });
      expect(await store.alarmEvents()).toEqual(events);
      expect(await store.moveAlarms(epoch + 1, [])).toBe(true);
    });

    test('what its state does not allow is refused, and nothing changes', async () => {
      const { store } = tools;
      const { id } = await newAlarm();
      const action = { id, user: 'ann', atMs: T0 };
      await store.actOnAlarm({ ...action, do: 'ack' });
      const before = await store.findAlarm(id);
      expect(await failing(store.actOnAlarm({ ...action, do: 'ack' }))).toBe('ALARM_REFUSED');
      expect(await failing(store.actOnAlarm({ ...action, do: 'ack', id: `${id}.99` }))).toBe('ALARM_REFUSED');
      expect(await failing(store.actOnAlarm({ ...action, do: 'ack', id: 'none' }))).toBe('ALARM_UNKNOWN');
      expect(await store.findAlarm(id)).toEqual(before);
      expect(await store.alarmEvents({ alarmId: id })).toHaveLength(2);
    });

    test('shelving is of the sensor and kind: the next alarm finds it, until its time is over', async () => {
      const { store } = tools;
      const { id, sensorId } = await newAlarm({ facts: { ...FACTS, clearedMs: T0 + 30_000 } });
      await store.actOnAlarm({ do: 'shelve', id, user: 'ann', atMs: T0, untilMs: T0 + 1_000 });
      const next = await newAlarm({ id: `${id}n`, sensorId, incident: `${id}n` });
      const at = async (nowMs: number): Promise<unknown> => (await store.findAlarm(next.id, nowMs))!.shelving;
      expect(await at(T0 + 999)).toBe('timedShelved');
      expect(await at(T0 + 1_000)).toBe('unshelved');
      await store.actOnAlarm({ do: 'unshelve', id: next.id, user: 'ann', atMs: T0 + 500 });
      expect(await at(T0 + 600)).toBe('unshelved');
    });

    test('who decided on what has changed since writes nothing', async () => {
      const { store } = tools;
      const record = await newAlarm();
      const epoch = await store.alarmEpoch();
      await store.actOnAlarm({ do: 'comment', id: record.id, user: 'ann', atMs: T0, comment: 'a' });
      const alarms = [{ record: { ...record, version: 2 }, changes: [{ change: 'cleared', timeMs: T0 }] }] as const;
      expect(await store.commitAlarms({ epoch, alarms, receivedMs: T0 })).toBe(false);
      expect(await store.findAlarm(record.id)).toMatchObject({ version: 2, marks: { comment: { text: 'a' } } });
    });

    test('events are read on from the newest that was seen', async () => {
      const { store } = tools;
      const first = await newAlarm();
      const seen = (await store.alarmEvents({ alarmId: first.id })).at(-1)!.seq;
      const second = await newAlarm();
      await store.actOnAlarm({ do: 'comment', id: first.id, user: 'ann', atMs: T0, comment: 'a' });
      const events = await store.alarmEvents({ after: seen });
      expect(events.map(({ id }) => id)).toEqual([`${second.id}.1`, `${first.id}.2`]);
      expect(await store.alarmEvents({ after: seen, limit: 1 })).toEqual(events.slice(0, 1));
    });

    test('pruning takes what is over and acknowledged, and leaves what waits for somebody', async () => {
      const { store } = tools;
      const long = { ...FACTS, sinceMs: 1_000, activeMs: 2_000, lastMs: 3_000, clearedMs: 4_000 };
      const done = await newAlarm({ facts: long, marks: { ...NO_MARKS, ackedRaises: 1 } });
      const waits = await newAlarm({ facts: long });
      await store.prune({ windowsBeforeMs: 5_000, batchesBeforeMs: 5_000, rowsPerTransaction: 1 });
      expect(await store.findAlarm(done.id)).toBeUndefined();
      expect(await store.alarmEvents({ alarmId: done.id })).toEqual([]);
      expect(await store.findAlarm(waits.id)).toBeDefined();
      expect(await store.alarmEvents({ alarmId: waits.id })).toHaveLength(1);
    });

    test('rules: the newest hold, and the same again is no new version', async () => {
      const { store } = tools;
      const set = await store.setAlarmRules({ text: `{"a":${++ids}}`, by: 'ann', atMs: 1 });
      expect(await store.alarmRules()).toEqual(set);
      expect(await store.setAlarmRules({ text: set.text, by: 'bob', atMs: 2 })).toEqual(set);
      const next = await store.setAlarmRules({ text: '{}', by: 'bob', atMs: 2 });
      expect(next.version).toBe(set.version + 1);
    });
  });
}
