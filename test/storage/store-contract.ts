/**
 * What every store does, whatever the engine. `open` gives an empty, migrated store; the tests of an engine
 * call this with theirs. Scale and files are each engine's own matter and are not tested here.
 */
import fc from 'fast-check';
import { aggregate, mergeReadings, type ReadingSet, type WindowUpdate } from '../../domain/window.ts';
import { countOutcomes, NO_OUTCOMES, type SensorOutcome } from '../../domain/outcome.ts';
import type { Window } from '../../domain/reading.ts';
import type { ChunkResult, IngestCommit, NewBatch, SeriesBlock, Store } from '../../storage/store.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 10, 23, 14);
const EVER = { fromMs: 0, toMs: 4e12 };

export interface ContractOptions {
  /** Examples of each property. */
  readonly runs: number;
}

export function storeContract(open: () => Promise<Store>, { runs }: ContractOptions): void {
  let store: Store;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store?.close());

  // Every test has names of its own, so that one store serves them all.
  let names = 0;
  const unique = (what: string): string => `${what}-${++names}`;
  const sensors = (count: number): Promise<number[]> => {
    const device = unique('device');
    return store.registerSensors(Array.from({ length: count }, (_, i) => ({ device, sensor: `s${i}` })));
  };
  const release = async (models: readonly { sensorId: number; model: string }[] = []): Promise<string> => {
    const name = unique('release');
    const infos = [...new Set(models.map((m) => m.model))].map((model) => ({ model, bytes: 10, kind: 'onnx', features: ['mean'] }));
    await store.createRelease(name, T0, models, infos);
    return name;
  };
  const newBatch = async (over: Partial<NewBatch> = {}): Promise<NewBatch> => ({
    id: unique('batch'), workflowId: 'workflow', runId: 'run', kind: 'score', release: over.release ?? (await release()),
    codeVersion: '1.0.0', startedAtMs: T0, fromMs: T0, toMs: T0 + MINUTE, ...over,
  });
  const commit = (updates: readonly WindowUpdate[], over: Partial<IngestCommit> = {}): IngestCommit => ({
    source: 'hub', partition: unique('p'), expectedSeq: -1, throughSeq: 0, watermarkMs: T0, updates, readings: updates.length, late: 0,
    dead: 0, ...over,
  });
  const reading = (sensorId: number, value: number, startMs = T0, tsMs = startMs): WindowUpdate => ({ sensorId, startMs, tsMs: [tsMs], values: [value] });
  const scored = (sensorId: number, over: Partial<SensorOutcome> = {}): SensorOutcome => ({
    sensorId, status: 'scored', windows: 15, anomalies: 2, model: 'model-a', attempt: 1, ...over,
  });
  const chunk = (batchId: string, name: string, outcomes: readonly SensorOutcome[], over: Partial<ChunkResult> = {}): ChunkResult => ({
    batchId, chunk: name, outcomes, changeId: 0,
    file: { chunk: name, blob: `${batchId}/${name}.csv`, rows: 15, bytes: 900, sha256: 'f'.repeat(64) }, ...over,
  });
  const failing = async (work: Promise<unknown>): Promise<unknown> => {
    const error = await work.then(() => undefined, (e: unknown) => e);
    return (error as { code?: unknown } | undefined)?.code;
  };

  describe('settings and sensors', () => {
    test('the first value of a setting stays', async () => {
      const key = unique('interval');
      expect(await store.claimSetting(key, '5000')).toBe('5000');
      expect(await store.claimSetting(key, '1000')).toBe('5000');
    });

    test('ids are dense, in order of registration, and stay', async () => {
      const before = await store.countSensors();
      const device = unique('device');
      const ids = await store.registerSensors([{ device, sensor: 'b' }, { device, sensor: 'a' }, { device, sensor: 'b' }]);
      expect(ids).toEqual([before + 1, before + 2, before + 1]);
      expect(await store.registerSensors([{ device, sensor: 'a' }, { device, sensor: 'c' }])).toEqual([before + 2, before + 3]);
      expect(await store.countSensors()).toBe(before + 3);
    });

    test('a unit replaces an empty one only', async () => {
      const device = unique('device');
      const unit = async (): Promise<string | undefined> => (await store.findSensor({ device, sensor: 's' }))?.unit;
      await store.registerSensors([{ device, sensor: 's' }]);
      expect(await unit()).toBe('');
      await store.registerSensors([{ device, sensor: 's', unit: 'kPa' }]);
      expect(await unit()).toBe('kPa');
      await store.registerSensors([{ device, sensor: 's', unit: 'bar' }, { device, sensor: 's' }]);
      expect(await unit()).toBe('kPa');
    });

    test('names differ by case, accents and script', async () => {
      const device = unique('device');
      const keys = ['pump', 'Pump', 'pümp', 'pu\u0308mp', 'насос', '泵', '🛢️', "o'hare; DROP TABLE sensors", '%_[a]'].map((sensor) => ({ device, sensor }));
      const ids = await store.registerSensors(keys);
      expect(new Set(ids).size).toBe(keys.length);
      for (const [i, key] of keys.entries()) expect(await store.findSensor(key)).toEqual({ ...key, id: ids[i], unit: '' });
      expect(await store.findSensor({ device, sensor: 'PUMP' })).toBeUndefined();
    });

    test('lists page by id, of a device or of all', async () => {
      const ids = await sensors(5);
      const { device } = (await store.listSensors({ after: ids[0]! - 1, limit: 1 }))[0]!;
      await sensors(2);
      expect((await store.listSensors({ device })).map((s) => s.id)).toEqual(ids);
      expect((await store.listSensors({ device, after: ids[1]!, limit: 2 })).map((s) => s.id)).toEqual(ids.slice(2, 4));
      expect((await store.listSensors({ after: ids[3]!, limit: 2 })).map((s) => s.id)).toEqual([ids[4], ids[4]! + 1]);
    });
  });

  describe('readings', () => {
    test('a window is the aggregate of its readings, with the value at its time winning once', async () => {
      const [id] = await sensors(1);
      const partition = unique('p');
      const at = { source: 'hub', partition };
      await store.commitReadings(commit([reading(id!, 7, T0, T0 + 10)], { ...at, throughSeq: 4, readings: 1 }));
      expect(await store.readSensorWindows(id!, EVER)).toEqual([{ startMs: T0, count: 1, mean: 7, min: 7, max: 7, last: 7 }]);
      await store.commitReadings(
        commit([{ sensorId: id!, startMs: T0, tsMs: [T0 + 30, T0 + 20, T0 + 10], values: [1, 4, 4] }], {
          ...at, expectedSeq: 4, throughSeq: 9, readings: 3, late: 1, dead: 2, watermarkMs: T0 - 5,
        }),
      );
      expect(await store.readSensorWindows(id!, EVER)).toEqual([{ startMs: T0, count: 3, mean: 3, min: 1, max: 4, last: 1 }]);
      const [progress] = (await store.listProgress('hub')).filter((p) => p.partition === partition);
      expect(progress).toMatchObject({ appliedSeq: 9, capturedSeq: -1, watermarkMs: T0, readings: 4, late: 1, dead: 2 });
    });

    test('a commit from the wrong place is refused and changes nothing', async () => {
      const [id] = await sensors(1);
      const at = { source: 'hub', partition: unique('p') };
      await store.commitReadings(commit([reading(id!, 1)], { ...at, throughSeq: 10 }));
      for (const expectedSeq of [-1, 9, 11])
        expect(await failing(store.commitReadings(commit([reading(id!, 2)], { ...at, expectedSeq, throughSeq: 20 })))).toBe('PROGRESS_CONFLICT');
      expect((await store.readSensorWindows(id!, EVER))[0]!.last).toBe(1);
      expect((await store.listProgress('hub')).find((p) => p.partition === at.partition)!.appliedSeq).toBe(10);
    });

    test('the capture mark never moves back, and stands beside the applied one', async () => {
      const partition = unique('p');
      await store.commitCapture('other hub', partition, 5);
      await store.commitCapture('other hub', partition, 3);
      await store.commitReadings(commit([], { source: 'other hub', partition, throughSeq: 8 }));
      const progress = await store.listProgress('other hub');
      expect(progress).toHaveLength(1);
      expect(progress[0]).toMatchObject({ source: 'other hub', partition, appliedSeq: 8, capturedSeq: 5 });
      expect((await store.listProgress()).length).toBeGreaterThan(1);
    });

    test('the change number rises with changes, and not without', async () => {
      const ids = await sensors(2);
      const range = { from: ids[0]!, to: ids[1]! + 1 };
      const state = async (): Promise<number> => (await store.readSeries(range, EVER)).changeId;
      const at = { source: 'hub', partition: unique('p') };
      await store.commitReadings(commit([reading(ids[0]!, 1), reading(ids[1]!, 1)], { ...at, throughSeq: 1 }));
      const first = await state();
      await store.commitReadings(commit([reading(ids[0]!, 1), reading(ids[1]!, 1)], { ...at, expectedSeq: 1, throughSeq: 2 }));
      expect(await state()).toBe(first);
      await store.commitReadings(commit([reading(ids[0]!, 1), reading(ids[1]!, 2)], { ...at, expectedSeq: 2, throughSeq: 3 }));
      expect(await state()).toBeGreaterThan(first);
    });

    test('extreme values come back as they were', async () => {
      const values = [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 0.1, -273.15, 1e300, 2 ** 53];
      const ids = await sensors(values.length);
      await store.commitReadings(commit(ids.map((id, i) => reading(id, values[i]!))));
      const block = await store.readSeries({ from: ids[0]!, to: ids.at(-1)! + 1 }, EVER);
      expect([...block.mean]).toEqual(values);
      expect([...block.last]).toEqual(values);
    });

    test('any stream cut into any commits, with repeats and late owners, gives the windows of one clean run', async () => {
      const interval = 5_000;
      const event = fc.record({
        sensor: fc.nat(2),
        offsetMs: fc.nat(4 * interval - 1).map((ms) => ms - (ms % 500)),
        value: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
      });
      const step = fc.record({ size: fc.integer({ min: 1, max: 12 }), repeat: fc.nat(5), stale: fc.boolean(), split: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 40 }), fc.array(step, { minLength: 1, maxLength: 8 }), async (events, steps) => {
          const ids = await sensors(3);
          const at = { source: 'property', partition: unique('p') };
          const updatesOf = (from: number, to: number, split: boolean): WindowUpdate[] => {
            const updates = new Map<string, { sensorId: number; startMs: number; tsMs: number[]; values: number[] }>();
            for (const [i, e] of events.slice(from, to).entries()) {
              const startMs = T0 + Math.floor(e.offsetMs / interval) * interval;
              const key = `${e.sensor}/${startMs}${split ? `/${i % 2}` : ''}`;
              const update = updates.get(key) ?? { sensorId: ids[e.sensor]!, startMs, tsMs: [], values: [] };
              update.tsMs.push(T0 + e.offsetMs);
              update.values.push(e.value);
              updates.set(key, update);
            }
            return [...updates.values()];
          };
          for (let next = 0, turn = 0; next < events.length; turn++) {
            const { size, repeat, stale, split } = steps[turn % steps.length]!;
            const to = Math.min(events.length, next + size);
            // A redelivered suffix of what is applied already comes before the new events.
            const from = Math.max(0, next - repeat);
            // With one key in two updates, order across them is only kept without repeats of the same time.
            const updates = split && new Set(events.slice(from, to).map((e) => `${e.sensor}/${e.offsetMs}`)).size === to - from ? updatesOf(from, to, true) : updatesOf(from, to, false);
            if (stale && next > 0)
              expect(await failing(store.commitReadings(commit(updates, { ...at, expectedSeq: next - 2, throughSeq: to - 1 })))).toBe('PROGRESS_CONFLICT');
            await store.commitReadings(commit(updates, { ...at, expectedSeq: next - 1, throughSeq: to - 1 }));
            next = to;
          }
          const clean = new Map<string, ReadingSet>();
          for (const e of events) {
            const startMs = T0 + Math.floor(e.offsetMs / interval) * interval;
            const key = `${ids[e.sensor]}/${startMs}`;
            clean.set(key, mergeReadings(clean.get(key), { tsMs: [T0 + e.offsetMs], values: [e.value] }));
          }
          const expected = [...clean].map(([key, set]) => {
            const [sensorId, startMs] = key.split('/').map(Number) as [number, number];
            return { sensorId, ...aggregate(startMs, set) };
          });
          expected.sort((a, b) => a.sensorId - b.sensorId || a.startMs - b.startMs);
          const block = await store.readSeries({ from: ids[0]!, to: ids[2]! + 1 }, { fromMs: T0, toMs: T0 + 4 * interval });
          expect(rows(block)).toEqual(expected);
        }),
        { numRuns: runs },
      );
    });
  });

  describe('series', () => {
    test('windows of the range and period, in order, and nothing else', async () => {
      const ids = await sensors(4);
      const updates = ids.flatMap((id) => [2, 0, 1, 3].map((w) => reading(id, id * 10 + w, T0 + w * MINUTE)));
      await store.commitReadings(commit(updates));
      const block = await store.readSeries({ from: ids[1]!, to: ids[3]! }, { fromMs: T0 + MINUTE, toMs: T0 + 3 * MINUTE });
      expect(rows(block)).toEqual(
        [ids[1]!, ids[2]!].flatMap((sensorId) =>
          [1, 2].map((w) => {
            const value = sensorId * 10 + w;
            return { sensorId, startMs: T0 + w * MINUTE, count: 1, mean: value, min: value, max: value, last: value };
          }),
        ),
      );
      expect((await store.readSeries({ from: ids[0]!, to: ids[3]! }, { fromMs: 1, toMs: 2 })).length).toBe(0);
    });

    test('statistics count each sensor that has windows', async () => {
      const ids = await sensors(3);
      await store.commitReadings(commit([reading(ids[0]!, 1), reading(ids[2]!, 1), reading(ids[2]!, 1, T0 + 5 * MINUTE)]));
      expect(await store.windowStats({ from: ids[0]!, to: ids[2]! + 1 })).toEqual([
        { sensorId: ids[0], windows: 1, firstMs: T0, lastMs: T0 },
        { sensorId: ids[2], windows: 2, firstMs: T0, lastMs: T0 + 5 * MINUTE },
      ]);
    });

    test('a bulk load adds what is missing and leaves what is there', async () => {
      const ids = await sensors(3);
      await store.commitReadings(commit([reading(ids[1]!, 99)]));
      const load = { sensorIdFrom: ids[0]!, startMs: T0, stepMs: MINUTE, windowsPerSensor: 2, values: Float64Array.of(1, 2, 3, 4, 5, 6) };
      expect(await store.loadWindows(load)).toBe(5);
      expect(await store.loadWindows(load)).toBe(0);
      const block = await store.readSeries({ from: ids[0]!, to: ids[2]! + 1 }, EVER);
      expect([...block.mean]).toEqual([1, 2, 99, 4, 5, 6]);
      // A loaded window is one reading at its start: measured readings join it.
      await store.commitReadings(commit([reading(ids[0]!, 3, T0, T0 + 1)]));
      expect((await store.readSensorWindows(ids[0]!, EVER))[0]).toEqual({ startMs: T0, count: 2, mean: 2, min: 1, max: 3, last: 3 });
    });
  });

  describe('releases', () => {
    test('models come back by sensor, with packs where there are any', async () => {
      const ids = await sensors(3);
      const name = unique('release');
      const [a, b] = [unique('model'), unique('model')];
      await store.createRelease(
        name, T0,
        [{ sensorId: ids[2]!, model: b }, { sensorId: ids[0]!, model: a, pack: 'pack', packRow: 7 }],
        [{ model: a, bytes: 100, kind: 'scaler+ocsvm-rbf', features: ['mean', 'mean[-1]'] }, { model: b, bytes: 5, kind: 'onnx', features: ['mean'] }],
      );
      const models = await store.listReleaseModels(name);
      const device = (await store.listSensors({ after: ids[0]! - 1, limit: 1 }))[0]!.device;
      expect(models).toEqual([
        { sensorId: ids[0], device, sensor: 's0', model: a, pack: 'pack', packRow: 7, bytes: 100, kind: 'scaler+ocsvm-rbf', features: ['mean', 'mean[-1]'] },
        { sensorId: ids[2], device, sensor: 's2', model: b, bytes: 5, kind: 'onnx', features: ['mean'] },
      ]);
      expect((await store.listReleaseModels(name, { after: ids[0]!, limit: 5 })).map((m) => m.sensorId)).toEqual([ids[2]]);
      expect(await failing(store.listReleaseModels('nobody'))).toBe('RELEASE_UNKNOWN');
    });

    test('a release is made once, whole or not at all', async () => {
      const [id] = await sensors(1);
      const name = await release([{ sensorId: id!, model: unique('model') }]);
      expect(await failing(store.createRelease(name, T0, [], []))).toBe('RELEASE_EXISTS');
      const bad = unique('release');
      const info = { model: 'described', bytes: 1, kind: 'onnx', features: [] };
      expect(await failing(store.createRelease(bad, T0, [{ sensorId: id!, model: unique('undescribed') }], []))).toBe('RELEASE_INVALID');
      expect(await failing(store.createRelease(bad, T0, [{ sensorId: 999_999_999, model: 'described' }], [info]))).toBe('RELEASE_INVALID');
      const twice = [{ sensorId: id!, model: 'described' }, { sensorId: id!, model: 'described' }];
      expect(await failing(store.createRelease(bad, T0, twice, [info]))).toBe('RELEASE_INVALID');
      expect((await store.listReleases()).map((r) => r.name)).not.toContain(bad);
    });

    test('current points to one release', async () => {
      const [first, second] = [await release(), await release()];
      await store.setCurrentRelease(first);
      await store.setCurrentRelease(second);
      expect(await store.currentRelease()).toBe(second);
      expect((await store.listReleases()).filter((r) => r.current).map((r) => r.name)).toEqual([second]);
      expect(await failing(store.setCurrentRelease('nobody'))).toBe('RELEASE_UNKNOWN');
      expect(await store.currentRelease()).toBe(second);
    });

    test('lists the newest first', async () => {
      const [old, recent] = [unique('release'), unique('release')];
      await store.createRelease(recent, T0 + 2 * MINUTE, [], []);
      await store.createRelease(old, T0 + MINUTE, [], []);
      const listed = (await store.listReleases()).map((r) => r.name);
      expect(listed.indexOf(recent)).toBeLessThan(listed.indexOf(old));
    });
  });

  describe('batches', () => {
    test('a batch comes back as it was recorded, and the second time as well', async () => {
      await sensors(1);
      const wanted = await newBatch({ schedule: 'quarter-hourly', supersedes: 'earlier', kind: 'rescore' });
      const batch = await store.createBatch(wanted);
      expect(batch).toEqual({ ...wanted, planned: await store.countSensors(), status: 'running', counts: NO_OUTCOMES });
      await sensors(1);
      expect(await store.createBatch(wanted)).toEqual(batch);
      expect(await store.findBatch(wanted.id)).toEqual(batch);
      expect(await failing(store.createBatch({ ...wanted, runId: 'another run' }))).toBe('BATCH_CONFLICT');
      expect(await failing(store.createBatch({ ...wanted, id: unique('batch'), release: 'nobody' }))).toBe('RELEASE_UNKNOWN');
      expect(await store.findBatch('nobody')).toBeUndefined();
    });

    test('sensors that register later are not planned', async () => {
      const [id] = await sensors(1);
      const { id: batch } = await store.createBatch(await newBatch());
      await sensors(3);
      expect((await store.planRanges(batch, 1_000_000)).at(-1)!.to).toBe(id! + 1);
      expect(await store.plannedSensors(batch, { from: id!, to: id! + 100 })).toHaveLength(1);
      expect((await store.undecidedSensors(batch, { from: id!, to: id! + 100 }, 10)).map((s) => s.id)).toEqual([id]);
    });

    test('planned sensors carry the models of their release', async () => {
      const ids = await sensors(3);
      const model = unique('model');
      const name = unique('release');
      await store.createRelease(name, T0, [{ sensorId: ids[1]!, model, pack: 'p', packRow: 0 }], [{ model, bytes: 1, kind: 'onnx', features: [] }]);
      const batch = await newBatch({ release: name, sensorIds: [ids[2]!, ids[1]!, ids[1]!] });
      expect((await store.createBatch(batch)).planned).toBe(2);
      const planned = await store.plannedSensors(batch.id, { from: 1, to: ids[2]! + 1 });
      expect(planned).toMatchObject([{ id: ids[1], sensor: 's1', unit: '', model, pack: 'p', packRow: 0 }, { id: ids[2], sensor: 's2' }]);
      expect(planned[1]).not.toHaveProperty('model');
    });

    test('a list with unknown sensors is refused, an empty one plans nothing', async () => {
      const wanted = await newBatch({ sensorIds: [999_999_999] });
      expect(await failing(store.createBatch(wanted))).toBe('SENSOR_UNKNOWN');
      expect(await store.findBatch(wanted.id)).toBeUndefined();
      const empty = await store.createBatch({ ...wanted, sensorIds: [] });
      expect(empty.planned).toBe(0);
      expect(await store.planRanges(empty.id, 10)).toEqual([]);
      expect(await store.undecidedSensors(empty.id, undefined, 10)).toEqual([]);
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
            const batch = await store.createBatch(await newBatch({ release: name, ...(list ? { sensorIds: list } : {}) }));
            const inRange = (id: number): boolean => !range || (id >= range.from && id < range.to);
            const planned = list
              ? [...list].sort((a, b) => a - b).filter(inRange)
              : Array.from({ length: batch.planned }, (_, i) => i + 1).filter(inRange);
            const ranges = await store.planRanges(batch.id, size, range);
            const covered = ranges.map((r) => planned.filter((id) => id >= r.from && id < r.to));
            expect(covered.flat()).toEqual(planned);
            expect(ranges.map((r) => r.count)).toEqual(covered.map((c) => c.length));
            expect(ranges.slice(0, -1).every((r) => r.count === size)).toBe(true);
            expect(ranges.every((r) => r.count >= 1 && r.count <= size)).toBe(true);
          },
        ),
        { numRuns: runs },
      );
    });

    test('a batch ends once', async () => {
      const ids = await sensors(2);
      const batch = await store.createBatch(await newBatch({ sensorIds: ids, schedule: unique('schedule') }));
      await store.commitChunk(chunk(batch.id, 'c', [scored(ids[0]!)]));
      expect((await store.findBatch(batch.id))!.counts).toEqual({ ...NO_OUTCOMES, scored: 1, windows: 15, anomalies: 2 });
      const end = { status: 'completed', manifest: 'm.json', message: 'fine', finishedAtMs: T0 + 9 } as const;
      const closed = await store.finishBatch(batch.id, end);
      expect(closed).toEqual({ ...batch, ...end, counts: { ...NO_OUTCOMES, scored: 1, windows: 15, anomalies: 2 } });
      expect(await store.finishBatch(batch.id, { status: 'failed', finishedAtMs: T0 + 99 })).toEqual(closed);
      expect(await failing(store.finishBatch('nobody', end))).toBe('BATCH_UNKNOWN');
      // What is recorded may be sent again; anything new comes too late.
      expect(await store.commitChunk(chunk(batch.id, 'c', [scored(ids[0]!)]))).toEqual(closed.counts);
      expect(await failing(store.commitChunk(chunk(batch.id, 'd', [scored(ids[1]!)])))).toBe('BATCH_CLOSED');
    });

    test('lists the newest start first, by schedule and status', async () => {
      const schedule = unique('schedule');
      const ids: string[] = [];
      for (const minute of [2, 1, 3]) ids.push((await store.createBatch(await newBatch({ schedule, startedAtMs: T0 + minute * MINUTE }))).id);
      await store.finishBatch(ids[1]!, { status: 'cancelled', finishedAtMs: T0 });
      const listed = async (options: Parameters<Store['listBatches']>[0]): Promise<string[]> => (await store.listBatches(options)).map((b) => b.id);
      expect(await listed({ schedule })).toEqual([ids[2], ids[0], ids[1]]);
      expect(await listed({ schedule, limit: 1 })).toEqual([ids[2]]);
      expect(await listed({ schedule, status: 'running' })).toEqual([ids[2], ids[0]]);
      expect(await listed({ status: 'cancelled' })).toContain(ids[1]);
    });
  });

  describe('outcomes', () => {
    test('come back whole, by sensor and status', async () => {
      const ids = await sensors(4);
      const batch = await store.createBatch(await newBatch({ sensorIds: ids }));
      const outcomes: SensorOutcome[] = [
        scored(ids[3]!, { attempt: 2 }),
        { sensorId: ids[1]!, status: 'failed', class: 'model_corrupt', message: 'x'.repeat(1_500), windows: 3, anomalies: 0, attempt: 1 },
        { sensorId: ids[0]!, status: 'skipped', class: 'no_data', message: 'no windows', windows: 0, anomalies: 0, attempt: 1 },
      ];
      const counts = await store.commitChunk(chunk(batch.id, 'one', outcomes));
      expect(counts).toEqual(countOutcomes(outcomes));
      const listed = await store.listOutcomes(batch.id);
      expect(listed.map((o) => o.sensorId)).toEqual([ids[0], ids[1], ids[3]]);
      expect(listed[0]).toEqual({ ...outcomes[2], batchId: batch.id, chunk: 'one', device: expect.any(String), sensor: 's0' });
      expect(listed[1]!.message).toHaveLength(1_000);
      expect(listed[2]).toEqual({ ...outcomes[0], batchId: batch.id, chunk: 'one', device: expect.any(String), sensor: 's3' });
      for (const status of ['scored', 'skipped', 'failed', 'cancelled'] as const)
        expect(await store.listOutcomes(batch.id, { status })).toEqual(listed.filter((o) => o.status === status));
      expect(await store.listOutcomes(batch.id, { after: ids[0]!, limit: 1 })).toEqual([listed[1]]);
      expect(await store.countOutcomes(batch.id, { from: ids[0]!, to: ids[2]! })).toEqual({ ...NO_OUTCOMES, skipped: 1, failed: 1, windows: 3 });
      expect((await store.undecidedSensors(batch.id, undefined, 10)).map((s) => s.id)).toEqual([ids[2]]);
      expect(await failing(store.commitChunk(chunk('nobody', 'one', outcomes)))).toBe('BATCH_UNKNOWN');
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
        fc.record({ chunk: fc.constantFrom('a', 'b', 'c'), withFile: fc.boolean(), outcomes: fc.uniqueArray(outcome, { selector: (o) => o.i, minLength: 1 }) }),
        { minLength: 1, maxLength: 8 },
      );
      await fc.assert(
        fc.asyncProperty(commits, async (list) => {
          const batch = await store.createBatch(await newBatch({ release: name, sensorIds: ids }));
          const first = new Map<number, SensorOutcome>();
          const files = new Map<string, number>();
          for (const [turn, c] of list.entries()) {
            const outcomes = c.outcomes.map(({ i, ...rest }): SensorOutcome => ({ sensorId: ids[i]!, ...rest }));
            const fresh = outcomes.filter((o) => !first.has(o.sensorId));
            for (const o of fresh) first.set(o.sensorId, o);
            if (fresh.length > 0 && c.withFile && !files.has(c.chunk)) files.set(c.chunk, turn);
            const file = { chunk: c.chunk, blob: `${c.chunk}.csv`, rows: turn, bytes: turn, sha256: String(turn) };
            const { file: _, ...bare } = chunk(batch.id, c.chunk, outcomes);
            const counts = await store.commitChunk(c.withFile ? { ...bare, file } : bare);
            expect(counts).toEqual(countOutcomes(outcomes.map((o) => first.get(o.sensorId)!)));
          }
          const recorded = await store.listOutcomes(batch.id);
          expect(recorded).toMatchObject([...first.values()].sort((a, b) => a.sensorId - b.sensorId));
          expect(recorded).toHaveLength(first.size);
          expect(await store.countOutcomes(batch.id)).toEqual(countOutcomes(first.values()));
          expect(await store.countOutcomes(batch.id, { from: ids[0]!, to: ids[7]! + 1 })).toEqual(countOutcomes(first.values()));
          expect((await store.listFiles(batch.id)).map((f) => [f.chunk, f.rows])).toEqual([...files].sort());
          expect((await store.undecidedSensors(batch.id, undefined, 99)).map((s) => s.id)).toEqual(ids.filter((id) => !first.has(id)));
        }),
        { numRuns: runs },
      );
    });

    test('files page by the name of their chunk', async () => {
      const ids = await sensors(3);
      const batch = await store.createBatch(await newBatch({ sensorIds: ids }));
      for (const [i, name] of ['c', 'a', 'b'].entries()) await store.commitChunk(chunk(batch.id, name, [scored(ids[i]!)]));
      const files = await store.listFiles(batch.id);
      expect(files.map((f) => f.chunk)).toEqual(['a', 'b', 'c']);
      expect(files[0]).toEqual({ chunk: 'a', blob: `${batch.id}/a.csv`, rows: 15, bytes: 900, sha256: 'f'.repeat(64) });
      expect(await store.listFiles(batch.id, { after: 'a', limit: 1 })).toEqual([files[1]]);
    });

    test('predictions of a sensor are found in committed batches that overlap the period', async () => {
      const [id, other] = await sensors(2);
      const made: Record<string, string> = {};
      const make = async (label: string, fromMs: number, finishedAtMs: number, over: Partial<SensorOutcome>, manifest?: string): Promise<void> => {
        const batch = await store.createBatch(await newBatch({ sensorIds: [id!, other!], fromMs, toMs: fromMs + MINUTE }));
        made[batch.id] = label;
        await store.commitChunk(chunk(batch.id, 'c', [scored(id!, over), scored(other!)]));
        await store.finishBatch(batch.id, { status: 'completed', finishedAtMs, ...(manifest ? { manifest } : {}) });
      };
      await make('renewed', T0, T0 + 30, {}, 'm');
      await make('first', T0, T0 + 10, {}, 'm');
      await make('next period', T0 + MINUTE, T0 + 20, {}, 'm');
      await make('failed there', T0, T0 + 10, { status: 'failed', class: 'model_failed' }, 'm');
      await make('never committed', T0, T0 + 10, {});
      const labels = async (fromMs: number, toMs: number): Promise<(string | undefined)[]> =>
        (await store.predictionSources(id!, { fromMs, toMs })).map((s) => made[s.batchId]);
      expect(await labels(T0, T0 + MINUTE)).toEqual(['first', 'renewed']);
      expect(await labels(T0 + 1, T0 + MINUTE + 1)).toEqual(['first', 'next period', 'renewed']);
      expect(await labels(T0 + 2 * MINUTE, T0 + 3 * MINUTE)).toEqual([]);
      const [source] = await store.predictionSources(id!, { fromMs: T0, toMs: T0 + MINUTE });
      expect(source).toMatchObject({ model: 'model-a', fromMs: T0, toMs: T0 + MINUTE, finishedAtMs: T0 + 10, file: { chunk: 'c', rows: 15 } });
    });
  });

  describe('late data', () => {
    test('names the sensors whose windows changed after the last committed batch of the period saw them', async () => {
      const ids = await sensors(5);
      const [changed, same, empty, outside, failed] = ids as [number, number, number, number, number];
      const period = { fromMs: T0 + 100 * MINUTE, toMs: T0 + 101 * MINUTE };
      const at = { source: 'hub', partition: unique('p') };
      let seq = -1;
      const arrive = async (...updates: WindowUpdate[]): Promise<void> => store.commitReadings(commit(updates, { ...at, expectedSeq: seq, throughSeq: ++seq }));
      const score = async (manifest: boolean, sensorIds: readonly number[]): Promise<void> => {
        const batch = await store.createBatch(await newBatch({ ...period, sensorIds }));
        const { changeId, sensorId } = await store.readSeries({ from: ids[0]!, to: ids[4]! + 1 }, period);
        const outcomes = sensorIds.map((id) =>
          id === failed
            ? scored(id, { status: 'failed', class: 'model_failed' })
            : sensorId.includes(id) ? scored(id) : scored(id, { status: 'skipped', class: 'no_data', windows: 0, anomalies: 0 }),
        );
        await store.commitChunk(chunk(batch.id, 'c', outcomes, { changeId }));
        await store.finishBatch(batch.id, { status: manifest ? 'completed' : 'cancelled', finishedAtMs: T0, ...(manifest ? { manifest: 'm' } : {}) });
      };
      const late = (options?: Parameters<Store['changedSensors']>[1]): Promise<number[]> => store.changedSensors(period, options);

      await arrive(...[changed, same, outside, failed].map((id) => reading(id, 1, period.fromMs)));
      expect(await late()).toEqual([]); // nothing scored yet: not late, just new
      await score(true, ids);
      expect(await late()).toEqual([]);

      await arrive(
        reading(changed, 2, period.fromMs), reading(same, 1, period.fromMs), reading(empty, 1, period.fromMs),
        reading(outside, 2, period.toMs), reading(failed, 2, period.fromMs),
      );
      expect(await late()).toEqual([changed, empty]);
      expect(await late({ limit: 1 })).toEqual([changed]);
      expect(await late({ after: changed })).toEqual([empty]);

      await score(false, [changed, empty]); // cancelled: nobody may read what it wrote
      expect(await late()).toEqual([changed, empty]);
      await score(true, [changed, empty]);
      expect(await late()).toEqual([]);
    });
  });

  describe('retention', () => {
    test('takes windows and finished batches before the cuts, and nothing else', async () => {
      const ids = await sensors(2);
      const old = Date.UTC(1990, 0, 1);
      await store.commitReadings(commit(ids.flatMap((id) => [0, 1, 2, 3, 4].map((w) => reading(id, w, old + w * MINUTE)))));
      const batches: string[] = [];
      for (const finishedAtMs of [old, old + MINUTE, undefined]) {
        const batch = await store.createBatch(await newBatch({ sensorIds: ids, fromMs: old, toMs: old + MINUTE }));
        await store.commitChunk(chunk(batch.id, 'c', ids.map((id) => scored(id))));
        if (finishedAtMs !== undefined) await store.finishBatch(batch.id, { status: 'completed', manifest: 'm', finishedAtMs });
        batches.push(batch.id);
      }
      expect(await store.prune({})).toEqual({ windows: 0, outcomes: 0, batches: 0 });
      const cut = { windowsBeforeMs: old + 3 * MINUTE, batchesBeforeMs: old + MINUTE, rowsPerTransaction: 2 };
      expect(await store.prune(cut)).toEqual({ windows: 6, outcomes: 2, batches: 1 });
      expect(await store.prune(cut)).toEqual({ windows: 0, outcomes: 0, batches: 0 });
      for (const id of ids) expect((await store.readSensorWindows(id, EVER)).map((w: Window) => w.startMs)).toEqual([old + 3 * MINUTE, old + 4 * MINUTE]);
      expect(await store.findBatch(batches[0]!)).toBeUndefined();
      expect(await store.listOutcomes(batches[1]!)).toHaveLength(2);
      expect(await store.listOutcomes(batches[2]!)).toHaveLength(2);
    });
  });

  test('a second migration changes nothing, and the status tells what is applied', async () => {
    await Promise.all([store.migrate(), store.migrate()]);
    const status = await store.migrationStatus();
    expect(status.length).toBeGreaterThan(0);
    for (const migration of status) expect(migration).toEqual({ version: expect.any(Number), name: expect.any(String), available: true, appliedAtMs: expect.any(Number) });
  });
}

function rows(block: SeriesBlock): (Window & { sensorId: number })[] {
  return Array.from({ length: block.length }, (_, i) => ({
    sensorId: block.sensorId[i]!,
    startMs: block.startMs[i]!,
    count: block.count[i]!,
    mean: block.mean[i]!,
    min: block.min[i]!,
    max: block.max[i]!,
    last: block.last[i]!,
  }));
}
