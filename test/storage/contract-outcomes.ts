/** The contract: outcomes and files. */
import fc from 'fast-check';
import { countOutcomes, NO_OUTCOMES, type SensorOutcome } from '../../domain/outcome.ts';
import { MINUTE, T0, failing, type ContractTools } from './contract-tools.ts';

export function outcomesContract(tools: ContractTools): void {
  const { unique, sensors, release, newBatch, scored, chunk } = tools;

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

    test('a chunk of many keeps what each sensor had, whatever it planned', async () => {
      const ids = await sensors(180);
      const planned = ids.map((sensorId, i) => ({ sensorId, model: unique(`model-${i}`) }));
      const batch = await tools.store.createBatch(
        await newBatch({ sensorIds: ids, release: await release(planned.filter((_, i) => i % 3 > 0)) }),
      );
      const range = { from: ids[0]!, to: ids.at(-1)! + 1 };
      await tools.store.plannedSensors(batch.id, range);
      const other = unique('other');
      const outcomes = ids.map((sensorId, i): SensorOutcome => {
        const model = i % 7 === 0 ? other : planned[i]!.model;
        const some = { sensorId, windows: i, anomalies: i % 4, attempt: 1 + (i % 2), model };
        if (i % 11 === 0) return { ...some, status: 'failed', class: 'not_finite', message: `of ${i}`, worker: 'w' };
        return i % 5 === 0 ? scored(sensorId, { windows: i }) : { ...some, status: 'scored' };
      });
      // The first of them came before the others, which are a list without its head then.
      await tools.store.commitChunk(chunk(batch.id, 'head', outcomes.slice(0, 2)));
      await tools.store.commitChunk(chunk(batch.id, 'many', outcomes));
      const listed = await tools.store.listOutcomes(batch.id);
      expect(listed).toEqual(
        outcomes.map((outcome) => ({
          ...outcome,
          batchId: batch.id,
          chunk: expect.any(String),
          device: expect.any(String),
          sensor: expect.any(String),
        })),
      );
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
}
