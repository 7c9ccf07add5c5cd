/** The contract, part 3: outcomes, files, late data and retention. */
import fc from 'fast-check';
import type { WindowUpdate } from '../../domain/window.ts';
import { countOutcomes, NO_OUTCOMES, type SensorOutcome } from '../../domain/outcome.ts';
import type { Window } from '../../domain/reading.ts';
import type { Period } from '../../domain/time.ts';
import type { NewBatch, Store } from '../../storage/store.ts';
import { EVER, MINUTE, T0, failing, type ContractTools } from './contract-tools.ts';

export function outcomesContract(tools: ContractTools): void {
  const { unique, sensors, release, newBatch, commit, reading, scored, chunk } = tools;

  describe('outcomes', () => {
    test('come back whole, by sensor and status', async () => {
      const ids = await sensors(4);
      const batch = await tools.store.createBatch(await newBatch({ sensorIds: ids }));
      const outcomes: SensorOutcome[] = [
        scored(ids[3]!, { attempt: 2 }),
        {
          sensorId: ids[1]!,
          status: 'failed',
          class: 'model_corrupt',
          message: 'x'.repeat(1_500),
          windows: 3,
          anomalies: 0,
          attempt: 1,
          worker: 'scoring@host#1',
        },
        {
          sensorId: ids[0]!,
          status: 'skipped',
          class: 'no_data',
          message: 'no windows',
          windows: 0,
          anomalies: 0,
          attempt: 1,
        },
      ];
      const counts = await tools.store.commitChunk(chunk(batch.id, 'one', outcomes));
      expect(counts).toEqual(countOutcomes(outcomes));
      const listed = await tools.store.listOutcomes(batch.id);
      expect(listed.map((o) => o.sensorId)).toEqual([ids[0], ids[1], ids[3]]);
      expect(listed[0]).toEqual({
        ...outcomes[2],
        batchId: batch.id,
        chunk: 'one',
        device: expect.any(String),
        sensor: 's0',
      });
      expect(listed[1]!.message).toHaveLength(1_000);
      expect(listed.map((o) => o.worker)).toEqual([undefined, 'scoring@host#1', undefined]);
      // A retry elsewhere changes nothing, the worker included.
      await tools.store.commitChunk(
        chunk(
          batch.id,
          'one',
          outcomes.map((o) => (o.worker === undefined ? o : { ...o, worker: 'scoring@other#2' })),
        ),
      );
      expect(await tools.store.listOutcomes(batch.id)).toEqual(listed);
      expect(listed[2]).toEqual({
        ...outcomes[0],
        batchId: batch.id,
        chunk: 'one',
        device: expect.any(String),
        sensor: 's3',
      });
      for (const status of ['scored', 'skipped', 'failed', 'cancelled'] as const)
        expect(await tools.store.listOutcomes(batch.id, { status })).toEqual(listed.filter((o) => o.status === status));
      expect(await tools.store.listOutcomes(batch.id, { after: ids[0]!, limit: 1 })).toEqual([listed[1]]);
      expect(await tools.store.countOutcomes(batch.id, { from: ids[0]!, to: ids[2]! })).toEqual({
        ...NO_OUTCOMES,
        skipped: 1,
        failed: 1,
        windows: 3,
      });
      expect((await tools.store.undecidedSensors(batch.id, undefined, 10)).map((s) => s.id)).toEqual([ids[2]]);
      expect(await failing(tools.store.commitChunk(chunk('nobody', 'one', outcomes)))).toBe('BATCH_UNKNOWN');
    });

    test('the first outcome of a sensor stays, however chunks overlap and repeat', async () => {
      const ids = await sensors(8);
      const name = await release();
      const outcome = fc.record({
        i: fc.nat(7),
        status: fc.constantFrom('scored', 'skipped', 'failed', 'cancelled' as const),
        windows: fc.nat(100),
        anomalies: fc.nat(9),
        attempt: fc.integer({ min: 1, max: 5 }),
      });
      const commits = fc.array(
        fc.record({
          chunk: fc.constantFrom('a', 'b', 'c'),
          withFile: fc.boolean(),
          outcomes: fc.uniqueArray(outcome, { selector: (o) => o.i, minLength: 1 }),
        }),
        { minLength: 1, maxLength: 8 },
      );
      await fc.assert(
        fc.asyncProperty(commits, async (list) => {
          const batch = await tools.store.createBatch(await newBatch({ release: name, sensorIds: ids }));
          const first = new Map<number, SensorOutcome>();
          const files = new Map<string, number>();
          for (const [turn, c] of list.entries()) {
            const outcomes = c.outcomes.map(({ i, ...rest }) => ({ sensorId: ids[i]!, ...rest }) as SensorOutcome);
            const fresh = outcomes.filter((o) => !first.has(o.sensorId));
            for (const o of fresh) first.set(o.sensorId, o);
            if (fresh.length > 0 && c.withFile && !files.has(c.chunk)) files.set(c.chunk, turn);
            const file = { chunk: c.chunk, blob: `${c.chunk}.csv`, rows: turn, bytes: turn, sha256: String(turn) };
            const { file: _, ...bare } = chunk(batch.id, c.chunk, outcomes);
            const counts = await tools.store.commitChunk(c.withFile ? { ...bare, file } : bare);
            expect(counts).toEqual(countOutcomes(outcomes.map((o) => first.get(o.sensorId)!)));
          }
          const recorded = await tools.store.listOutcomes(batch.id);
          expect(recorded).toMatchObject([...first.values()].sort((a, b) => a.sensorId - b.sensorId));
          expect(recorded).toHaveLength(first.size);
          expect(await tools.store.countOutcomes(batch.id)).toEqual(countOutcomes(first.values()));
          expect(await tools.store.countOutcomes(batch.id, { from: ids[0]!, to: ids[7]! + 1 })).toEqual(
            countOutcomes(first.values()),
          );
          expect((await tools.store.listFiles(batch.id)).map((f) => [f.chunk, f.rows])).toEqual([...files].sort());
          expect((await tools.store.undecidedSensors(batch.id, undefined, 99)).map((s) => s.id)).toEqual(
            ids.filter((id) => !first.has(id)),
          );
        }),
        { numRuns: tools.runs },
      );
    });

    test('files page by the name of their chunk', async () => {
      const ids = await sensors(3);
      const batch = await tools.store.createBatch(await newBatch({ sensorIds: ids }));
      for (const [i, name] of ['c', 'a', 'b'].entries())
        await tools.store.commitChunk(chunk(batch.id, name, [scored(ids[i]!)]));
      const files = await tools.store.listFiles(batch.id);
      expect(files.map((f) => f.chunk)).toEqual(['a', 'b', 'c']);
      expect(files[0]).toEqual({ chunk: 'a', blob: `${batch.id}/a.csv`, rows: 15, bytes: 900, sha256: 'f'.repeat(64) });
      expect(await tools.store.listFiles(batch.id, { after: 'a', limit: 1 })).toEqual([files[1]]);
    });

    test('chunks become one with its file, and all that was counted stays', async () => {
      const ids = await sensors(4);
      const batch = await tools.store.createBatch(await newBatch({ sensorIds: ids }));
      for (const [i, name] of ['a.1', 'a.2', 'b.1', 'b.2'].entries())
        await tools.store.commitChunk(chunk(batch.id, name, [scored(ids[i]!, { anomalies: i })]));
      const before = await tools.store.countOutcomes(batch.id);
      const outcomes = await tools.store.listOutcomes(batch.id);
      const file = {
        chunk: 'sensors-1-4',
        blob: `${batch.id}/one.csv`,
        rows: 45,
        bytes: 2_000,
        sha256: 'e'.repeat(64),
      };
      // One of the names is of no chunk.
      await tools.store.mergeChunks(batch.id, ['a.1', 'a.2', 'b.1', 'c.1'], file);
      expect((await tools.store.listFiles(batch.id)).map((one) => one.chunk)).toEqual(['b.2', 'sensors-1-4']);
      expect((await tools.store.listFiles(batch.id))[1]).toEqual(file);
      expect(await tools.store.countOutcomes(batch.id)).toEqual(before);
      expect((await tools.store.findBatch(batch.id))!.counts).toEqual(before);
      expect(await tools.store.listOutcomes(batch.id)).toEqual(
        outcomes.map((one) => ({ ...one, chunk: one.chunk === 'b.2' ? 'b.2' : 'sensors-1-4' })),
      );
      // Again after a lost answer; and a late attempt of a sensor that has its outcome changes nothing.
      await tools.store.mergeChunks(batch.id, ['a.1', 'a.2', 'b.1'], file);
      await tools.store.commitChunk(chunk(batch.id, 'a.1', [scored(ids[0]!)]));
      expect(await tools.store.listFiles(batch.id)).toHaveLength(2);
      await tools.store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs: T0 });
      expect(await failing(tools.store.mergeChunks(batch.id, ['b.2'], file))).toBe('BATCH_CLOSED');
      const [source] = await tools.store.predictionSources(ids[1]!, batch);
      expect(source!.file).toEqual(file);
    });

    test('predictions of a sensor are found in committed batches that overlap the period', async () => {
      const [id, other] = await sensors(2);
      const made: Record<string, string> = {};
      const make = async (
        label: string,
        fromMs: number,
        startedAtMs: number,
        over: Partial<SensorOutcome>,
        manifest?: string,
      ): Promise<void> => {
        const batch = await tools.store.createBatch(
          await newBatch({ sensorIds: [id!, other!], fromMs, toMs: fromMs + MINUTE, startedAtMs }),
        );
        made[batch.id] = label;
        await tools.store.commitChunk(chunk(batch.id, 'c', [scored(id!, over), scored(other!)]));
        await tools.store.finishBatch(batch.id, {
          status: 'completed',
          // Who ended last has no word: a manifest says when its batch began.
          finishedAtMs: 2 * T0 - startedAtMs,
          ...(manifest ? { manifest } : {}),
        });
      };
      await make('renewed', T0, T0 + 30, {}, 'm');
      await make('first', T0, T0 + 10, {}, 'm');
      await make('next period', T0 + MINUTE, T0 + 20, {}, 'm');
      await make('failed there', T0, T0 + 10, { status: 'failed', class: 'model_failed' }, 'm');
      await make('never committed', T0, T0 + 10, {});
      const labels = async (fromMs: number, toMs: number): Promise<(string | undefined)[]> =>
        (await tools.store.predictionSources(id!, { fromMs, toMs })).map((s) => made[s.batchId]);
      expect(await labels(T0, T0 + MINUTE)).toEqual(['first', 'renewed']);
      expect(await labels(T0 + 1, T0 + MINUTE + 1)).toEqual(['first', 'next period', 'renewed']);
      expect(await labels(T0 + 2 * MINUTE, T0 + 3 * MINUTE)).toEqual([]);
      const [source] = await tools.store.predictionSources(id!, { fromMs: T0, toMs: T0 + MINUTE });
      expect(source).toMatchObject({
        model: 'model-a',
        fromMs: T0,
        toMs: T0 + MINUTE,
        finishedAtMs: T0 - 10,
        file: { chunk: 'c', rows: 15 },
      });
    });
  });

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
