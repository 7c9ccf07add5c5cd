/** The contract: sensors out of service, what a batch leaves out, and their alarms. */
import { NO_MARKS } from '../../domain/alarm.ts';
import { FACTS } from './contract-alarms.ts';
import { EVER, MINUTE, T0, failing, rows, type ContractTools } from './contract-tools.ts';

export function retiredContract(tools: ContractTools): void {
  const { unique, sensors, release, newBatch, commit, reading, scored, chunk } = tools;
  const by = { atMs: T0, by: 'ann', comment: 'scrapped' };
  const restoreAll = async (): Promise<void> => {
    await tools.store.restoreSensors((await tools.store.retiredSensors()).map(({ id }) => id));
  };

  describe('sensors out of service', () => {
    test('who is taken out of service is so once, with who did it first, until it is taken back', async () => {
      const { store } = tools;
      const [a, b, c] = (await sensors(3)) as [number, number, number];
      const retired = async (): Promise<unknown[]> =>
        (await store.retiredSensors()).filter(({ id }) => id >= a).map(({ id, by: who }) => [id, who]);
      expect(await store.retireSensors([c, a, a, 2_000_000], by)).toEqual([a, c]);
      expect(await store.retireSensors([a, b], { ...by, by: 'bob' })).toEqual([b]);
      expect(await retired()).toEqual([
        [a, 'ann'],
        [b, 'bob'],
        [c, 'ann'],
      ]);
      expect(await store.retiredSensors({ after: a, limit: 1 })).toEqual([
        { ...(await store.listSensors({ after: a, limit: 1 }))[0], ...by, by: 'bob' },
      ]);
      expect(await store.countRetired()).toBe((await store.retiredSensors()).length);
      expect(await store.restoreSensors([a, c, c, 2_000_000])).toEqual([a, c]);
      expect(await store.restoreSensors([a])).toEqual([]);
      expect(await store.retireSensors([], by)).toEqual([]);
      expect(await retired()).toEqual([[b, 'bob']]);
      await restoreAll();
    });

    test('left out is who is out of service, and whom neither the release nor a window knows', async () => {
      const { store } = tools;
      const [modelled, heard, unknown, retired] = (await sensors(4)) as [number, number, number, number];
      await store.commitReadings(commit([reading(heard, 1), reading(retired, 1)]));
      await store.retireSensors([retired], by);
      const name = await release([{ sensorId: modelled, model: unique('model') }]);
      const out = (await store.sensorsLeftOut(name)).filter((id) => id >= modelled);
      expect(out).toEqual([unknown, retired]);
      await store.restoreSensors([retired]);
      expect((await store.sensorsLeftOut(name)).filter((id) => id >= modelled)).toEqual([unknown]);
      expect(await failing(store.sensorsLeftOut('nobody'))).toBe('RELEASE_UNKNOWN');
    });

    test('who is out of service is counted by the pool that the model names', async () => {
      const { store } = tools;
      const [a, b, c, d] = (await sensors(4)) as [number, number, number, number];
      const model = unique('model');
      const name = unique('release');
      const models = [a, b, c].map((sensorId) => ({ sensorId, model, ...(sensorId === c ? {} : { pool: 'big' }) }));
      await store.createRelease(name, T0, models, [{ model, bytes: 10, kind: 'onnx', features: ['mean'] }]);
      expect(await store.retiredByPool(name)).toEqual(new Map());
      await store.retireSensors([b, c, d], by);
      expect(await store.retiredByPool(name)).toEqual(
        new Map([
          ['big', 1],
          ['', 2],
        ]),
      );
      await restoreAll();
      expect(await failing(store.retiredByPool('nobody'))).toBe('RELEASE_UNKNOWN');
    });

    test('a batch keeps what it left out: ranges, sensors, readings, pools and what is undecided', async () => {
      const { store } = tools;
      const ids = (await sensors(5)) as [number, number, number, number, number];
      const [a, b, c, d, e] = ids;
      const fromMs = T0 + 9_000 * MINUTE;
      await store.commitReadings(commit(ids.map((id) => reading(id, id, fromMs))));
      const model = unique('model');
      const info = { model, bytes: 10, kind: 'onnx', features: ['mean'] };
      const pooled = unique('release');
      // The only sensor of the pool `gone` is left out: no group of the batch is for it.
      const models = ids.map((sensorId) => ({ sensorId, model, pool: sensorId === b ? 'gone' : 'big' }));
      await store.createRelease(pooled, T0, models, [info]);
      const before = await store.countSensors();
      for (const [name, pool] of [
        [await release([{ sensorId: a, model }]), undefined],
        [pooled, 'big'],
      ] as const) {
        const leftOut = [b, d, d, 2_000_000];
        const wanted = await newBatch({ release: name, leftOut, fromMs, toMs: fromMs + MINUTE });
        const batch = await store.createBatch(wanted);
        expect(batch.planned).toBe(before - 2);
        expect(await store.createBatch(wanted)).toEqual(batch);
        expect(await store.countLeftOut(batch.id)).toBe(2);
        const range = { from: a, to: e + 1, ...(pool === undefined ? {} : { pool }) };
        expect(await store.batchPools(batch.id)).toEqual(
          pool === undefined
            ? []
            : [
                { pool: '', planned: before - 5, decided: 0 },
                { pool: 'big', planned: 3, decided: 0 },
              ],
        );
        expect((await store.planRanges(batch.id, 2, range)).map(({ from, to, count }) => [from, to, count])).toEqual([
          [a, c + 1, 2],
          [e, e + 1, 1],
        ]);
        expect((await store.plannedSensors(batch.id, range)).map(({ id }) => id)).toEqual([a, c, e]);
        for (const columns of ['all', 'mean'] as const) {
          const block = await store.readSeries(
            range,
            { fromMs, toMs: fromMs + MINUTE },
            { batchId: batch.id, columns },
          );
          expect([...block.sensorId]).toEqual([a, c, e]);
        }
        await store.commitChunk(chunk(batch.id, 'c', [scored(a)]));
        expect((await store.undecidedSensors(batch.id, range, 9)).map(({ id }) => id)).toEqual([c, e]);
      }
      expect(rows(await store.readSeries({ from: a, to: e + 1 }, { fromMs, toMs: fromMs + MINUTE }))).toHaveLength(5);
      // A batch with a list of its own is for that list.
      const listed = await store.createBatch(await newBatch({ sensorIds: [a, b], leftOut: [b] }));
      expect(listed.planned).toBe(2);
      expect([await store.countLeftOut(listed.id), await store.countLeftOut(unique('nobody'))]).toEqual([0, 0]);
    });

    test('readings that come late for a sensor out of service are no reason to score again', async () => {
      const { store } = tools;
      const [a, b] = (await sensors(2)) as [number, number];
      const period = { fromMs: T0 + 9_100 * MINUTE, toMs: T0 + 9_101 * MINUTE };
      const batch = await store.createBatch(await newBatch({ ...period, sensorIds: [a, b] }));
      const none = { status: 'skipped', class: 'no_data', windows: 0, anomalies: 0 } as const;
      await store.commitChunk(chunk(batch.id, 'c', [scored(a, none), scored(b, none)]));
      await store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs: T0 });
      await store.commitReadings(commit([reading(a, 1, period.fromMs), reading(b, 1, period.fromMs)]));
      expect(await store.changedSensors(period)).toEqual([a, b]);
      await store.retireSensors([a], by);
      const own = { fleetMs: MINUTE, lag: 0 };
      expect([await store.changedSensors(period), await store.changedSensors(period, { own })]).toEqual([[b], [b]]);
      await store.restoreSensors([a]);
      expect(await store.changedSensors(period)).toEqual([a, b]);
    });

    test('an alarm of a sensor out of service stays as it is, is counted by nobody, and comes back', async () => {
      const { store } = tools;
      const [sensorId] = (await sensors(1)) as [number];
      const id = unique('alarm');
      const record = { id, sensorId, kind: 'silent', facts: FACTS, marks: NO_MARKS, incident: id, version: 1 } as const;
      const changes = [{ change: 'activated', timeMs: FACTS.activeMs, batchId: 'b1' }] as const;
      const before = await store.countAlarms();
      await store.commitAlarms({ epoch: await store.alarmEpoch(), alarms: [{ record, changes }], receivedMs: T0 });
      const counted = await store.countAlarms();
      expect(counted).toMatchObject({ active: before.active + 1, unacked: before.unacked + 1 });
      const shown = async (): Promise<number[]> =>
        Promise.all(
          [{ active: true }, { retain: true }, { active: true, retain: true, sensorId }, {}, { within: EVER }].map(
            async (filter) => (await store.listAlarms({ ...filter, sensorId })).length,
          ),
        );
      expect(await shown()).toEqual([1, 1, 1, 1, 1]);
      await store.retireSensors([sensorId], by);
      expect(await shown()).toEqual([0, 0, 0, 1, 1]);
      expect((await store.lastingAlarms(EVER, { limit: 100_000 })).map((one) => one.id)).not.toContain(id);
      expect(await store.countAlarms()).toEqual(before);
      const out = { active: true, outOfService: true, suppressedOrShelved: true, retain: false };
      expect(await store.findAlarm(id)).toMatchObject({ ...record, ...out });
      await store.restoreSensors([sensorId]);
      expect(await store.countAlarms()).toEqual(counted);
      expect((await store.lastingAlarms(EVER, { limit: 100_000 })).map((one) => one.id)).toContain(id);
      expect(await store.findAlarm(id)).not.toHaveProperty('outOfService');
    });
  });
}
