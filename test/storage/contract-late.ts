/** The contract: late data and retention. */
import type { WindowUpdate } from '../../domain/window.ts';
import type { Window } from '../../domain/reading.ts';
import type { Period } from '../../domain/time.ts';
import type { NewBatch, Store } from '../../storage/store.ts';
import { EVER, MINUTE, T0, type ContractTools } from './contract-tools.ts';

export function lateContract(tools: ContractTools): void {
  const { unique, sensors, newBatch, commit, reading, scored, chunk } = tools;

  describe('late data', () => {
    test('names the sensors whose windows changed after the last committed batch of the period saw them', async () => {
      const ids = await sensors(5);
      const [changed, same, empty, outside, failed] = ids as [number, number, number, number, number];
      const period = { fromMs: T0 + 100 * MINUTE, toMs: T0 + 101 * MINUTE };
      const at = { source: 'hub', partition: unique('p') };
      let seq = -1;
      const arrive = async (...updates: WindowUpdate[]): Promise<void> =>
        tools.store.commitReadings(commit(updates, { ...at, expectedSeq: seq, throughSeq: ++seq }));
      const score = async (manifest: boolean, sensorIds: readonly number[]): Promise<void> => {
        const batch = await tools.store.createBatch(await newBatch({ ...period, sensorIds }));
        const { changeId, sensorId } = await tools.store.readSeries({ from: ids[0]!, to: ids[4]! + 1 }, period);
        const outcomes = sensorIds.map((id) =>
          id === failed
            ? scored(id, { status: 'failed', class: 'model_failed' })
            : sensorId.includes(id)
              ? scored(id)
              : scored(id, { status: 'skipped', class: 'no_data', windows: 0, anomalies: 0 }),
        );
        await tools.store.commitChunk(chunk(batch.id, 'c', outcomes, { changeId }));
        await tools.store.finishBatch(batch.id, {
          status: manifest ? 'completed' : 'cancelled',
          finishedAtMs: T0,
          ...(manifest ? { manifest: 'm' } : {}),
        });
      };
      const late = (options?: Parameters<Store['changedSensors']>[1]): Promise<number[]> =>
        tools.store.changedSensors(period, options);

      await arrive(...[changed, same, outside, failed].map((id) => reading(id, 1, period.fromMs)));
      expect(await late()).toEqual([]); // nothing scored yet: not late, just new
      await score(true, ids);
      expect(await late()).toEqual([]);

      await arrive(
        reading(changed, 2, period.fromMs),
        reading(same, 1, period.fromMs),
        reading(empty, 1, period.fromMs),
        reading(outside, 2, period.toMs),
        reading(failed, 2, period.fromMs),
      );
      expect(await late()).toEqual([changed, empty]);
      expect(await late({ limit: 1 })).toEqual([changed]);
      expect(await late({ after: changed })).toEqual([empty]);

      // What a model with lags reads lies before the period.
      await arrive(reading(same, 1, period.fromMs - 2 * MINUTE));
      expect(await late({ lookbackMs: 2 * MINUTE - 1 })).toEqual([changed, empty]);
      expect(await late({ lookbackMs: 2 * MINUTE })).toEqual([changed, same, empty].sort((a, b) => a - b));

      await score(false, [changed, empty]); // cancelled: nobody may read what it wrote
      expect(await late()).toEqual([changed, empty]);
      await score(true, [changed, empty]);
      expect(await late()).toEqual([]);
    });

    test('late readings of a longer window concern the period of its last part, and later lags', async () => {
      const [own, fleets] = (await sensors(2)) as [number, number];
      const start = T0 - 50_000 * MINUTE;
      const model = unique('model');
      const name = unique('release');
      await tools.store.createRelease(
        name,
        T0,
        [
          { sensorId: own, model, windowMs: 10 * MINUTE },
          { sensorId: fleets, model },
        ],
        [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }],
      );
      const at = { source: 'hub', partition: unique('p') };
      let seq = -1;
      const arrive = (value: number, startMs: number): Promise<void> =>
        tools.store.commitReadings(
          commit(
            [own, fleets].map((id) => reading(id, value, startMs)),
            { ...at, expectedSeq: seq, throughSeq: ++seq },
          ),
        );
      const minute = (i: number): Period => ({ fromMs: start + i * MINUTE, toMs: start + (i + 1) * MINUTE });
      for (let i = 0; i < 30; i += 3) await arrive(1, start + i * MINUTE);
      for (let i = 0; i < 30; i++) {
        const batch = await tools.store.createBatch(
          await newBatch({ ...minute(i), release: name, sensorIds: [own, fleets] }),
        );
        const { changeId } = await tools.store.readSeries({ from: own, to: fleets + 1 }, minute(i));
        const outcomes = [own, fleets].map((id) => scored(id, { windows: 1, anomalies: 0 }));
        await tools.store.commitChunk(chunk(batch.id, 'c', outcomes, { changeId }));
        await tools.store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs: T0 });
      }
      const concerned = async (lag: number): Promise<[own: number[], fleets: number[]]> => {
        const found: [number[], number[]] = [[], []];
        for (let i = 0; i < 30; i++) {
          const ids = await tools.store.changedSensors(minute(i), { own: { fleetMs: MINUTE, lag } });
          if (ids.includes(own)) found[0].push(i);
          if (ids.includes(fleets)) found[1].push(i);
        }
        return found;
      };
      expect(await concerned(1)).toEqual([[], []]);
      await arrive(2, start + 2 * MINUTE);
      expect(await concerned(0)).toEqual([[9], [2]]);
      expect(await concerned(1)).toEqual([[9, 19], [2]]);
      await arrive(2, start + 10 * MINUTE);
      expect(await concerned(0)).toEqual([
        [9, 19],
        [2, 10],
      ]);
    });

    test('periods into which readings came after their newest batch began', async () => {
      const [id] = (await sensors(1)) as [number];
      const start = T0 + 5_000 * MINUTE;
      const periods = [0, 1, 2].map((i) => ({ fromMs: start + i * 90 * MINUTE, toMs: start + (i + 1) * 90 * MINUTE }));
      const within = { fromMs: start, toMs: periods[1]!.toMs };
      const schedule = unique('schedule');
      const batchOver = async (
        i: number,
        startedAtMs: number,
        over: Partial<NewBatch> = {},
        manifest = true,
      ): Promise<void> => {
        const { id: batch } = await tools.store.createBatch(
          await newBatch({ ...periods[i]!, sensorIds: [id], startedAtMs, schedule, ...over }),
        );
        await tools.store.finishBatch(batch, {
          status: 'completed',
          finishedAtMs: startedAtMs,
          ...(manifest ? { manifest: 'm' } : {}),
        });
      };
      const at = { source: 'hub', partition: unique('p') };
      const arrive = (seq: number, startMs: number, value: number): Promise<void> =>
        tools.store.commitReadings(
          commit([reading(id, value, startMs)], { ...at, expectedSeq: seq - 1, throughSeq: seq }),
        );
      const late = (): Promise<Period[]> => tools.store.latePeriods(within, { schedule });

      await arrive(0, periods[1]!.fromMs, 1);
      for (const i of [0, 1, 2]) await batchOver(i, Date.now() - 10 * MINUTE);
      expect(await late()).toEqual([]);
      await arrive(1, periods[1]!.fromMs, 2);
      await arrive(2, periods[2]!.fromMs, 2); // outside of what is asked for
      await arrive(3, T0 + 90_000 * MINUTE, 2); // no batch is planned up to there
      expect(await late()).toEqual([periods[1]]);
      expect(await tools.store.latePeriods(within)).toEqual([periods[1]]);
      expect(await tools.store.latePeriods(within, { schedule: 'another' })).toEqual([]);
      // What a model with lags reads lies before the period.
      const after = { fromMs: periods[2]!.fromMs + 10 * MINUTE, toMs: periods[2]!.toMs };
      await batchOver(2, Date.now() - 10 * MINUTE, after);
      expect(await tools.store.latePeriods(after)).toEqual([]);
      expect(await tools.store.latePeriods(after, { lookbackMs: 10 * MINUTE })).toEqual([after]);
      await batchOver(1, Date.now() + MINUTE, { kind: 'rescore' }, false);
      expect(await late()).toEqual([periods[1]]);
      const { schedule: _, ...rescore } = await newBatch({
        ...periods[1]!,
        sensorIds: [id],
        startedAtMs: Date.now() + MINUTE,
        kind: 'rescore',
      });
      await tools.store.finishBatch((await tools.store.createBatch(rescore)).id, {
        status: 'completed',
        finishedAtMs: T0,
        manifest: 'm',
      });
      expect(await late()).toEqual([]);
    });
  });

  describe('retention', () => {
    test('takes windows and finished batches before the cuts, and nothing else', async () => {
      const ids = await sensors(2);
      const old = Date.UTC(1990, 0, 1);
      await tools.store.commitReadings(
        commit(ids.flatMap((id) => [0, 1, 2, 3, 4].map((w) => reading(id, w, old + w * MINUTE)))),
      );
      const batches: string[] = [];
      for (const finishedAtMs of [old, old + MINUTE, undefined]) {
        const batch = await tools.store.createBatch(
          await newBatch({ sensorIds: ids, fromMs: old, toMs: old + MINUTE }),
        );
        await tools.store.commitChunk(
          chunk(
            batch.id,
            'c',
            ids.map((id) => scored(id)),
          ),
        );
        if (finishedAtMs !== undefined)
          await tools.store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs });
        batches.push(batch.id);
      }
      expect(await tools.store.prune({})).toEqual({ windows: 0, outcomes: 0, batches: 0 });
      const cut = { windowsBeforeMs: old + 3 * MINUTE, batchesBeforeMs: old + MINUTE, rowsPerTransaction: 2 };
      expect(await tools.store.prune(cut)).toEqual({ windows: 6, outcomes: 2, batches: 1 });
      expect(await tools.store.prune(cut)).toEqual({ windows: 0, outcomes: 0, batches: 0 });
      for (const id of ids)
        expect((await tools.store.readSensorWindows(id, EVER)).map((w: Window) => w.startMs)).toEqual([
          old + 3 * MINUTE,
          old + 4 * MINUTE,
        ]);
      expect(await tools.store.findBatch(batches[0]!)).toBeUndefined();
      expect(await tools.store.listOutcomes(batches[1]!)).toHaveLength(2);
      expect(await tools.store.listOutcomes(batches[2]!)).toHaveLength(2);
    });
  });
}
