/** The contract: batches. */
import fc from 'fast-check';
import { defined } from '../../domain/defined.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import type { Store } from '../../storage/store.ts';
import { MINUTE, T0, failing, type ContractTools } from './contract-tools.ts';

export function batchesContract(tools: ContractTools): void {
  const { unique, sensors, release, newBatch, scored, chunk } = tools;

  describe('batches', () => {
    test('a batch comes back as it was recorded, and the second time as well', async () => {
      await sensors(1);
      const wanted = await newBatch({ schedule: 'quarter-hourly', supersedes: 'earlier', kind: 'rescore' });
      const batch = await tools.store.createBatch(wanted);
      expect(batch).toEqual({
        ...wanted,
        planned: await tools.store.countSensors(),
        status: 'running',
        counts: NO_OUTCOMES,
      });
      await sensors(1);
      expect(await tools.store.createBatch(wanted)).toEqual(batch);
      expect(await tools.store.findBatch(wanted.id)).toEqual(batch);
      expect(await failing(tools.store.createBatch({ ...wanted, runId: 'another run' }))).toBe('BATCH_CONFLICT');
      expect(await failing(tools.store.createBatch({ ...wanted, id: unique('batch'), release: 'nobody' }))).toBe(
        'RELEASE_UNKNOWN',
      );
      expect(await tools.store.findBatch('nobody')).toBeUndefined();
    });

    test('a batch is on record before it is planned, and ends like any other', async () => {
      const [id] = await sensors(1);
      const { release: _, ...plain } = await newBatch({ schedule: 'minutely', kind: 'redrive', supersedes: 'earlier' });
      const announced = { ...plain, release: 'nobody' };
      const waiting = { ...announced, planned: 0, status: 'waiting', counts: NO_OUTCOMES };
      expect(await tools.store.announceBatch(announced)).toEqual(waiting);
      expect(await tools.store.announceBatch({ ...announced, startedAtMs: 1 })).toEqual(waiting);
      expect(await failing(tools.store.announceBatch({ ...announced, runId: 'another' }))).toBe('BATCH_CONFLICT');
      expect(await tools.store.findBatch(announced.id)).toEqual(waiting);
      // As long as Temporal takes them, in any script; names of schedules made by its own tools too.
      const long = { ...announced, id: unique('batch'), workflowId: 'ж'.repeat(1_000), schedule: '漢'.repeat(1_000) };
      expect(await tools.store.announceBatch(long)).toMatchObject({
        workflowId: long.workflowId,
        schedule: long.schedule,
      });
      expect(await tools.store.listBatches({ status: 'waiting', schedule: 'minutely' })).toContainEqual(waiting);
      expect(await tools.store.planRanges(announced.id, 10)).toEqual([]);
      expect(await tools.store.undecidedSensors(announced.id, undefined, 10)).toEqual([]);
      expect(await failing(tools.store.commitChunk(chunk(announced.id, 'c', [scored(id!)])))).toBe('BATCH_CLOSED');
      const end = {
        status: 'failed',
        class: 'release_unknown',
        message: 'no such release',
        finishedAtMs: T0 + 1,
      } as const;
      expect(await tools.store.finishBatch(announced.id, end)).toEqual({ ...waiting, ...end });
      // Closed is closed: planning that comes late changes nothing.
      expect(await tools.store.createBatch({ ...announced, release: await release() })).toEqual({ ...waiting, ...end });
    });

    test('planning fixes the release and the time of an announced batch; one that fails leaves it waiting', async () => {
      await sensors(2);
      const wanted = await newBatch({ startedAtMs: T0 + MINUTE });
      const { release: name, ...announced } = wanted;
      await tools.store.announceBatch({ ...announced, startedAtMs: T0 });
      expect(await failing(tools.store.createBatch({ ...wanted, release: 'nobody' }))).toBe('RELEASE_UNKNOWN');
      expect(await tools.store.findBatch(wanted.id)).toMatchObject({ status: 'waiting', release: '', startedAtMs: T0 });
      expect(await tools.store.createBatch(wanted)).toEqual({
        ...wanted,
        planned: await tools.store.countSensors(),
        status: 'running',
        counts: NO_OUTCOMES,
      });
      expect((await tools.store.findBatch(wanted.id))!.release).toBe(name);
    });

    test('sensors that register later are not planned', async () => {
      const [id] = await sensors(1);
      const { id: batch } = await tools.store.createBatch(await newBatch());
      await sensors(3);
      expect((await tools.store.planRanges(batch, 1_000_000)).at(-1)!.to).toBe(id! + 1);
      expect(await tools.store.plannedSensors(batch, { from: id!, to: id! + 100 })).toHaveLength(1);
      expect((await tools.store.undecidedSensors(batch, { from: id!, to: id! + 100 }, 10)).map((s) => s.id)).toEqual([
        id,
      ]);
    });

    test('planned sensors carry the models of their release', async () => {
      const ids = await sensors(3);
      const model = unique('model');
      const name = unique('release');
      await tools.store.createRelease(
        name,
        T0,
        [{ sensorId: ids[1]!, model, pack: 'p', packRow: 0, threshold: { side: 'above', value: 3 }, windowMs: MINUTE }],
        [{ model, bytes: 1, kind: 'onnx', features: [] }],
      );
      const batch = await newBatch({ release: name, sensorIds: [ids[2]!, ids[1]!, ids[1]!] });
      expect((await tools.store.createBatch(batch)).planned).toBe(2);
      const planned = await tools.store.plannedSensors(batch.id, { from: 1, to: ids[2]! + 1 });
      expect(planned).toMatchObject([
        {
          id: ids[1],
          sensor: 's1',
          unit: '',
          model,
          pack: 'p',
          packRow: 0,
          threshold: { side: 'above', value: 3 },
          windowMs: MINUTE,
        },
        { id: ids[2], sensor: 's2' },
      ]);
      expect(planned[1]).not.toHaveProperty('model');
    });

    test('a list with unknown sensors is refused, an empty one plans nothing', async () => {
      const wanted = await newBatch({ sensorIds: [999_999_999] });
      expect(await failing(tools.store.createBatch(wanted))).toBe('SENSOR_UNKNOWN');
      expect(await tools.store.findBatch(wanted.id)).toBeUndefined();
      const empty = await tools.store.createBatch({ ...wanted, sensorIds: [] });
      expect(empty.planned).toBe(0);
      expect(await tools.store.planRanges(empty.id, 10)).toEqual([]);
      expect(await tools.store.undecidedSensors(empty.id, undefined, 10)).toEqual([]);
    });

    test('ranges cover every planned sensor exactly once, in sizes up to the one asked', async () => {
      const ids = await sensors(40);
      const first = ids[0]!;
      const name = await release();
      await fc.assert(
        fc.asyncProperty(
          fc.option(fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1 }), { nil: undefined }),
          fc.integer({ min: 1, max: 50 }),
          fc.option(fc.tuple(fc.integer({ min: -2, max: 42 }), fc.integer({ min: -2, max: 42 })), { nil: undefined }),
          async (list, size, cut) => {
            const range = cut && { from: first + Math.min(...cut), to: first + Math.max(...cut) };
            const batch = await tools.store.createBatch(
              await newBatch({ release: name, ...(list ? { sensorIds: list } : {}) }),
            );
            const inRange = (id: number): boolean => !range || (id >= range.from && id < range.to);
            const planned = list
              ? [...list].sort((a, b) => a - b).filter(inRange)
              : Array.from({ length: batch.planned }, (_, i) => i + 1).filter(inRange);
            const ranges = await tools.store.planRanges(batch.id, size, range);
            const covered = ranges.map((r) => planned.filter((id) => id >= r.from && id < r.to));
            expect(covered.flat()).toEqual(planned);
            expect(ranges.map((r) => r.count)).toEqual(covered.map((c) => c.length));
            expect(ranges.slice(0, -1).every((r) => r.count === size)).toBe(true);
            expect(ranges.every((r) => r.count >= 1 && r.count <= size)).toBe(true);
          },
        ),
        { numRuns: tools.runs },
      );
    });

    test('a batch of a release that names no pool has none', async () => {
      await sensors(2);
      const batch = await tools.store.createBatch(await newBatch());
      expect(await tools.store.batchPools(batch.id)).toEqual([]);
      expect(await tools.store.releasePools(batch.release)).toEqual([]);
      expect(await failing(tools.store.releasePools('nobody'))).toBe('RELEASE_UNKNOWN');
    });

    test('every planned sensor is in exactly one pool: the one its model names, or none', async () => {
      const ids = await sensors(12);
      const model = unique('model');
      // Every third names a pool, of two; the last two have no model at all.
      const poolOf = (id: number): string =>
        ids.indexOf(id) >= 10 ? '' : ids.indexOf(id) % 3 === 0 ? (ids.indexOf(id) % 2 === 0 ? 'big' : 'fast') : '';
      const name = unique('release');
      await tools.store.createRelease(
        name,
        T0,
        ids
          .slice(0, 10)
          .map((sensorId) => ({ sensorId, model, ...(poolOf(sensorId) === '' ? {} : { pool: poolOf(sensorId) }) })),
        [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }],
      );
      expect(await tools.store.releasePools(name)).toEqual([
        { pool: 'big', sensors: 2 },
        { pool: 'fast', sensors: 2 },
      ]);
      expect((await tools.store.listReleaseModels(name)).map((m) => m.pool)).toEqual(
        ids.slice(0, 10).map((id) => poolOf(id) || undefined),
      );

      const whole = await tools.store.createBatch(await newBatch({ release: name }));
      expect(await tools.store.batchPools(whole.id)).toEqual([
        { pool: '', planned: whole.planned - 4, decided: 0 },
        { pool: 'big', planned: 2, decided: 0 },
        { pool: 'fast', planned: 2, decided: 0 },
      ]);
      const listed = [ids[0]!, ids[1]!, ids[3]!, ids[6]!, ids[11]!];
      const some = await tools.store.createBatch(await newBatch({ release: name, sensorIds: listed }));
      expect(await tools.store.batchPools(some.id)).toEqual([
        { pool: '', planned: 2, decided: 0 },
        { pool: 'big', planned: 2, decided: 0 },
        { pool: 'fast', planned: 1, decided: 0 },
      ]);
      expect(
        await tools.store.batchPools(
          (await tools.store.createBatch(await newBatch({ release: name, sensorIds: [ids[1]!] }))).id,
        ),
      ).toEqual([]);

      for (const [batch, planned] of [
        [whole, ids],
        [some, listed],
      ] as const) {
        const range = { from: ids[0]!, to: ids[11]! + 1 };
        for (const pool of ['', 'big', 'fast', 'unknown']) {
          const mine = planned.filter((id) => poolOf(id) === pool);
          const ranges = await tools.store.planRanges(batch.id, 2, { ...range, pool });
          expect(ranges.every((r) => r.pool === pool && r.count <= 2)).toBe(true);
          const covered: number[] = [];
          for (const r of ranges) covered.push(...(await tools.store.plannedSensors(batch.id, r)).map((s) => s.id));
          expect(covered).toEqual(mine);
          expect((await tools.store.undecidedSensors(batch.id, { ...range, pool }, 99)).map((s) => s.id)).toEqual(mine);
        }
      }

      await tools.store.commitChunk(chunk(some.id, 'c', [scored(ids[0]!)], { pool: 'big' }));
      await tools.store.commitChunk(chunk(some.id, 'd', [scored(ids[1]!), scored(ids[11]!)], { pool: '' }));
      expect((await tools.store.batchPools(some.id)).map((p) => p.decided)).toEqual([2, 1, 0]);
      const range = { from: ids[0]!, to: ids[11]! + 1 };
      expect(await tools.store.countOutcomes(some.id, { ...range, pool: 'big' })).toMatchObject({ scored: 1 });
      expect(await tools.store.countOutcomes(some.id, { ...range, pool: '' })).toMatchObject({ scored: 2 });
      expect(await tools.store.countOutcomes(some.id, { ...range, pool: 'fast' })).toMatchObject({ scored: 0 });
    });

    test('series of a batch are those of its planned sensors, of a pool those of its pool', async () => {
      const ids = await sensors(4);
      const model = unique('model');
      const name = unique('release');
      await tools.store.createRelease(
        name,
        T0,
        ids.map((sensorId, i) => ({ sensorId, model, ...(i === 2 ? { pool: 'big' } : {}) })),
        [{ model, bytes: 1, kind: 'onnx', features: ['mean'] }],
      );
      await tools.store.loadWindows({
        sensorIdFrom: ids[0]!,
        startMs: T0,
        stepMs: MINUTE,
        windowsPerSensor: 2,
        values: Float64Array.from({ length: 8 }, (_, i) => i),
      });
      const all = await tools.store.createBatch(await newBatch({ release: name }));
      const some = await tools.store.createBatch(await newBatch({ release: name, sensorIds: [ids[0]!, ids[2]!] }));
      const range = { from: ids[0]!, to: ids[3]! + 1 };
      const read = async (pool: string | undefined, batch?: string): Promise<number[]> => {
        const block = await tools.store.readSeries(
          pool === undefined ? range : { ...range, pool },
          { fromMs: T0, toMs: T0 + MINUTE },
          defined({ batchId: batch }),
        );
        const means = await tools.store.readSeries(
          pool === undefined ? range : { ...range, pool },
          { fromMs: T0, toMs: T0 + MINUTE },
          { ...defined({ batchId: batch }), columns: 'mean' },
        );
        expect([means.sensorId, means.startMs, means.mean]).toEqual([block.sensorId, block.startMs, block.mean]);
        return [...block.sensorId].map((id) => ids.indexOf(id));
      };
      expect(await read(undefined)).toEqual([0, 1, 2, 3]);
      expect(await read(undefined, all.id)).toEqual([0, 1, 2, 3]);
      expect(await read('big', all.id)).toEqual([2]);
      expect(await read('', all.id)).toEqual([0, 1, 3]);
      expect(await read(undefined, some.id)).toEqual([0, 2]);
      expect(await read('', some.id)).toEqual([0]);
    });

    test('a batch ends once', async () => {
      const ids = await sensors(2);
      const batch = await tools.store.createBatch(await newBatch({ sensorIds: ids, schedule: unique('schedule') }));
      await tools.store.commitChunk(chunk(batch.id, 'c', [scored(ids[0]!)]));
      expect((await tools.store.findBatch(batch.id))!.counts).toEqual({
        ...NO_OUTCOMES,
        scored: 1,
        windows: 15,
        anomalies: 2,
      });
      const end = { status: 'completed', manifest: 'm.json', message: 'fine', finishedAtMs: T0 + 9 } as const;
      const closed = await tools.store.finishBatch(batch.id, end);
      expect(closed).toEqual({ ...batch, ...end, counts: { ...NO_OUTCOMES, scored: 1, windows: 15, anomalies: 2 } });
      expect(await tools.store.finishBatch(batch.id, { status: 'failed', finishedAtMs: T0 + 99 })).toEqual(closed);
      expect(await failing(tools.store.finishBatch('nobody', end))).toBe('BATCH_UNKNOWN');
      // What is recorded may be sent again; anything new comes too late.
      expect(await tools.store.commitChunk(chunk(batch.id, 'c', [scored(ids[0]!)]))).toEqual(closed.counts);
      expect(await failing(tools.store.commitChunk(chunk(batch.id, 'd', [scored(ids[1]!)])))).toBe('BATCH_CLOSED');
    });

    test('lists the newest start first, by schedule, status, period and what is superseded', async () => {
      const schedule = unique('schedule');
      const ids: string[] = [];
      for (const minute of [2, 1, 3])
        ids.push((await tools.store.createBatch(await newBatch({ schedule, startedAtMs: T0 + minute * MINUTE }))).id);
      await tools.store.finishBatch(ids[1]!, { status: 'cancelled', finishedAtMs: T0 });
      const listed = async (options: Parameters<Store['listBatches']>[0]): Promise<string[]> =>
        (await tools.store.listBatches(options)).map((b) => b.id);
      expect(await listed({ schedule })).toEqual([ids[2], ids[0], ids[1]]);
      expect(await listed({ schedule, limit: 1 })).toEqual([ids[2]]);
      expect(await listed({ schedule, status: 'running' })).toEqual([ids[2], ids[0]]);
      expect(await listed({ status: 'cancelled' })).toContain(ids[1]);
      const period = { fromMs: T0 + 777 * MINUTE, toMs: T0 + 778 * MINUTE };
      const again = (
        await tools.store.createBatch(
          await newBatch({ ...period, supersedes: ids[0]!, kind: 'redrive', sensorIds: [] }),
        )
      ).id;
      expect(await listed({ supersedes: ids[0]! })).toEqual([again]);
      expect(await listed({ period })).toEqual([again]);
      expect(await listed({ period: { ...period, toMs: period.toMs + 1 } })).toEqual([]);
    });
  });
}
