/** The contract: readings and series. */
import { EMPTY_TALLY, newSendId } from '../../domain/send-tally.ts';
import fc from 'fast-check';
import { aggregate, mergeReadings, type ReadingSet, type WindowUpdate } from '../../domain/window.ts';
import { EVER, MINUTE, T0, failing, rows, type ContractTools } from './contract-tools.ts';
import { settled } from '../../domain/number.ts';

export function readingsContract(tools: ContractTools): void {
  const { unique, sensors, commit, reading } = tools;

  describe('readings', () => {
    test('what becomes of a send that waits is counted once, with the duplicates that the store finds', async () => {
      const [a, b] = await sensors(2);
      const id = newSendId(Date.now(), 'abcdef0123456789abcd');
      const other = newSendId(Date.now(), '0123456789abcdef0123');
      const at = { source: 'hub', partition: unique('p') };
      const tally = (readings: number, dead = {}) => ({ ...EMPTY_TALLY, events: 1, readings, dead });
      expect(await tools.store.readSend(id)).toBeUndefined();
      await tools.store.openSend(id);
      expect(await tools.store.readSend(id)).toEqual(EMPTY_TALLY);
      const first = commit(
        [
          { sensorId: a!, startMs: T0, tsMs: [T0, T0 + 1, T0], values: [1, 2, 3], from: [1, 2, 1] },
          { sensorId: b!, startMs: T0, tsMs: [T0], values: [1] },
        ],
        {
          ...at,
          throughSeq: 1,
          sends: [
            { id, tally: tally(2, { bad_time: 3 }) },
            { id: other, tally: tally(1) },
          ],
        },
      );
      await tools.store.commitReadings(first);
      expect(await tools.store.readSend(id)).toEqual({ ...tally(2, { bad_time: 3 }), duplicates: 1 });
      // Nobody asked for the other one.
      expect(await tools.store.readSend(other)).toBeUndefined();
      await expect(tools.store.commitReadings(first)).rejects.toMatchObject({ code: 'PROGRESS_CONFLICT' });
      const again = [
        { sensorId: b!, startMs: T0, tsMs: [T0, T0 + 9], values: [1, 1], from: [1, 1] },
        { sensorId: a!, startMs: T0, tsMs: [T0 + 1], values: [2], from: [1] },
        { sensorId: a!, startMs: T0 + 5_000, tsMs: [T0 + 5_000], values: [2], from: [1] },
      ];
      await tools.store.commitReadings(
        commit(again, { ...at, expectedSeq: 1, throughSeq: 2, sends: [{ id, tally: tally(4) }] }),
      );
      await tools.store.commitReadings(
        commit([], { ...at, expectedSeq: 2, throughSeq: 3, sends: [{ id, tally: tally(0, { not_json: 1 }) }] }),
      );
      expect(await tools.store.readSend(id)).toEqual({
        ...EMPTY_TALLY,
        events: 3,
        readings: 6,
        duplicates: 3,
        dead: { bad_time: 3, not_json: 1 },
      });
      const old = newSendId(Date.now() - 2 * 86_400_000, 'abcdef0123456789abcd');
      await tools.store.openSend(old);
      await tools.store.openSend(other);
      await tools.store.closeSend(id);
      expect(await tools.store.readSend(id)).toBeUndefined();
      expect(await tools.store.readSend(old)).toBeUndefined();
      expect(await tools.store.readSend(other)).toEqual(EMPTY_TALLY);
      await tools.store.closeSend(other);
    });

    test('the readings of a window are those it was made of', async () => {
      const [id] = await sensors(1);
      const at = { source: 'hub', partition: unique('p') };
      await tools.store.commitReadings(
        commit(
          [
            reading(id!, 7, T0, T0 + 10),
            { sensorId: id!, startMs: T0 + 5_000, tsMs: [T0 + 5_002, T0 + 5_001], values: [1, 4] },
          ],
          { ...at, throughSeq: 1 },
        ),
      );
      const first = { startMs: T0, count: 1, tsMs: [T0 + 10], values: [7] };
      const second = { startMs: T0 + 5_000, count: 2, tsMs: [T0 + 5_001, T0 + 5_002], values: [4, 1] };
      expect(await tools.store.readWindowReadings(id!, EVER)).toEqual([first, second]);
      expect(await tools.store.readWindowReadings(id!, { fromMs: T0 + 1, toMs: T0 + 5_001 })).toEqual([second]);
    });

    test('a window is the aggregate of its readings, with the value at its time winning once', async () => {
      const [id] = await sensors(1);
      const partition = unique('p');
      const at = { source: 'hub', partition };
      await tools.store.commitReadings(commit([reading(id!, 7, T0, T0 + 10)], { ...at, throughSeq: 4, readings: 1 }));
      expect(await tools.store.readSensorWindows(id!, EVER)).toEqual([
        { startMs: T0, count: 1, mean: 7, min: 7, max: 7, last: 7 },
      ]);
      await tools.store.commitReadings(
        commit([{ sensorId: id!, startMs: T0, tsMs: [T0 + 30, T0 + 20, T0 + 10], values: [1, 4, 4] }], {
          ...at,
          expectedSeq: 4,
          throughSeq: 9,
          readings: 3,
          late: 1,
          dead: 2,
          watermarkMs: T0 - 5,
        }),
      );
      expect(await tools.store.readSensorWindows(id!, EVER)).toEqual([
        { startMs: T0, count: 3, mean: 3, min: 1, max: 4, last: 1 },
      ]);
      const [progress] = (await tools.store.listProgress('hub')).filter((p) => p.partition === partition);
      expect(progress).toMatchObject({
        appliedSeq: 9,
        capturedSeq: -1,
        watermarkMs: T0,
        readings: 4,
        late: 1,
        dead: 2,
      });
    });

    test('a commit from the wrong place is refused and changes nothing', async () => {
      const [id] = await sensors(1);
      const at = { source: 'hub', partition: unique('p') };
      await tools.store.commitReadings(commit([reading(id!, 1)], { ...at, throughSeq: 10 }));
      for (const expectedSeq of [-1, 9, 11])
        expect(
          await failing(tools.store.commitReadings(commit([reading(id!, 2)], { ...at, expectedSeq, throughSeq: 20 }))),
        ).toBe('PROGRESS_CONFLICT');
      expect((await tools.store.readSensorWindows(id!, EVER))[0]!.last).toBe(1);
      expect((await tools.store.listProgress('hub')).find((p) => p.partition === at.partition)!.appliedSeq).toBe(10);
    });

    test('the capture mark never moves back, and stands beside the applied one', async () => {
      const partition = unique('p');
      await tools.store.commitCapture('other hub', partition, 5);
      await tools.store.commitCapture('other hub', partition, 3);
      await tools.store.commitReadings(commit([], { source: 'other hub', partition, throughSeq: 8 }));
      const progress = await tools.store.listProgress('other hub');
      expect(progress).toHaveLength(1);
      expect(progress[0]).toMatchObject({ source: 'other hub', partition, appliedSeq: 8, capturedSeq: 5 });
      expect((await tools.store.listProgress()).length).toBeGreaterThan(1);
    });

    test('the change number rises with changes, and not without', async () => {
      const ids = await sensors(2);
      const range = { from: ids[0]!, to: ids[1]! + 1 };
      const state = async (): Promise<number> => (await tools.store.readSeries(range, EVER)).changeId;
      const at = { source: 'hub', partition: unique('p') };
      await tools.store.commitReadings(commit([reading(ids[0]!, 1), reading(ids[1]!, 1)], { ...at, throughSeq: 1 }));
      const first = await state();
      await tools.store.commitReadings(
        commit([reading(ids[0]!, 1), reading(ids[1]!, 1)], { ...at, expectedSeq: 1, throughSeq: 2 }),
      );
      expect(await state()).toBe(first);
      await tools.store.commitReadings(
        commit([reading(ids[0]!, 1), reading(ids[1]!, 2)], { ...at, expectedSeq: 2, throughSeq: 3 }),
      );
      expect(await state()).toBeGreaterThan(first);
    });

    test('extreme values come back as they were', async () => {
      // The smallest that FLOAT of SQL Server is documented to hold; smaller ones become 0 as a reading is taken.
      const values = [Number.MAX_VALUE, -Number.MAX_VALUE, 2.2250738585072014e-308, 0.1, -273.15, 1e300, 2 ** 53];
      const ids = await sensors(values.length);
      await tools.store.commitReadings(commit(ids.map((id, i) => reading(id, values[i]!))));
      const block = await tools.store.readSeries({ from: ids[0]!, to: ids.at(-1)! + 1 }, EVER);
      expect([...block.mean]).toEqual(values);
      expect([...block.last]).toEqual(values);
    });

    test('any stream cut into any commits, with repeats and late owners, gives the windows of one clean run', async () => {
      const interval = 5_000;
      const event = fc.record({
        sensor: fc.nat(2),
        offsetMs: fc.nat(4 * interval - 1).map((ms) => ms - (ms % 500)),
        value: fc.oneof(
          fc.integer({ min: -5, max: 5 }),
          fc.double({ noNaN: true, noDefaultInfinity: true }).map(settled),
        ), // as a reading is taken: no sign of zero, no denormals
      });
      const step = fc.record({
        size: fc.integer({ min: 1, max: 12 }),
        repeat: fc.nat(5),
        stale: fc.boolean(),
        split: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(event, { minLength: 1, maxLength: 40 }),
          fc.array(step, { minLength: 1, maxLength: 8 }),
          async (events, steps) => {
            const ids = await sensors(3);
            const at = { source: 'property', partition: unique('p') };
            const updatesOf = (from: number, to: number, split: boolean): WindowUpdate[] => {
              const updates = new Map<
                string,
                { sensorId: number; startMs: number; tsMs: number[]; values: number[] }
              >();
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
              const updates =
                split && new Set(events.slice(from, to).map((e) => `${e.sensor}/${e.offsetMs}`)).size === to - from
                  ? updatesOf(from, to, true)
                  : updatesOf(from, to, false);
              if (stale && next > 0)
                expect(
                  await failing(
                    tools.store.commitReadings(commit(updates, { ...at, expectedSeq: next - 2, throughSeq: to - 1 })),
                  ),
                ).toBe('PROGRESS_CONFLICT');
              await tools.store.commitReadings(commit(updates, { ...at, expectedSeq: next - 1, throughSeq: to - 1 }));
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
            const block = await tools.store.readSeries(
              { from: ids[0]!, to: ids[2]! + 1 },
              { fromMs: T0, toMs: T0 + 4 * interval },
            );
            expect(rows(block)).toEqual(expected);
          },
        ),
        { numRuns: tools.runs },
      );
    });
  });

  describe('series', () => {
    test('windows of the range and period, in order, and nothing else', async () => {
      const ids = await sensors(4);
      const updates = ids.flatMap((id) => [2, 0, 1, 3].map((w) => reading(id, id * 10 + w, T0 + w * MINUTE)));
      await tools.store.commitReadings(commit(updates));
      const block = await tools.store.readSeries(
        { from: ids[1]!, to: ids[3]! },
        { fromMs: T0 + MINUTE, toMs: T0 + 3 * MINUTE },
      );
      expect(rows(block)).toEqual(
        [ids[1]!, ids[2]!].flatMap((sensorId) =>
          [1, 2].map((w) => {
            const value = sensorId * 10 + w;
            return { sensorId, startMs: T0 + w * MINUTE, count: 1, mean: value, min: value, max: value, last: value };
          }),
        ),
      );
      const means = await tools.store.readSeries(
        { from: ids[1]!, to: ids[3]! },
        { fromMs: T0 + MINUTE, toMs: T0 + 3 * MINUTE },
        { columns: 'mean' },
      );
      const none = new Float64Array(0);
      expect(means).toEqual({ ...block, count: none, min: none, max: none, last: none });
      // Threads read it where it is.
      expect(Object.prototype.toString.call(means.mean.buffer)).toBe('[object SharedArrayBuffer]');
      expect((await tools.store.readSeries({ from: ids[0]!, to: ids[3]! }, { fromMs: 1, toMs: 2 })).length).toBe(0);
    });

    test('capture goes back to where its files end, and never forward by that', async () => {
      const ids = await sensors(1);
      await tools.store.commitReadings(commit([reading(ids[0]!, 1)]));
      const [progress] = await tools.store.listProgress();
      const { source, partition } = progress!;
      const captured = async (): Promise<number> => (await tools.store.listProgress(source))[0]!.capturedSeq;
      await tools.store.commitCapture(source, partition, 7);
      await tools.store.rewindCapture(source, partition, 9);
      expect(await captured()).toBe(7);
      await tools.store.rewindCapture(source, partition, 3);
      expect(await captured()).toBe(3);
      await tools.store.commitCapture(source, partition, 5);
      expect(await captured()).toBe(5);
    });

    test('statistics tell of each sensor that has windows, and count only what is asked for', async () => {
      const ids = await sensors(3);
      await tools.store.commitReadings(
        commit([reading(ids[0]!, 1), reading(ids[2]!, 1), reading(ids[2]!, 1, T0 + 5 * MINUTE)]),
      );
      expect(await tools.store.windowStats({ from: ids[0]!, to: ids[2]! + 1 })).toEqual([
        { sensorId: ids[0], firstMs: T0, lastMs: T0 },
        { sensorId: ids[2], firstMs: T0, lastMs: T0 + 5 * MINUTE },
      ]);
      const counted = async (countFromMs: number) =>
        (await tools.store.windowStats({ from: ids[0]!, to: ids[2]! + 1 }, { countFromMs })).map((s) => s.windows);
      expect(await counted(0)).toEqual([1, 2]);
      expect(await counted(T0 + 1)).toEqual([0, 1]);
    });

    test('a bulk load adds what is missing and leaves what is there', async () => {
      const ids = await sensors(3);
      await tools.store.commitReadings(commit([reading(ids[1]!, 99)]));
      const load = {
        sensorIdFrom: ids[0]!,
        startMs: T0,
        stepMs: MINUTE,
        windowsPerSensor: 2,
        values: Float64Array.of(1, 2, 3, 4, 5, 6),
      };
      expect(await tools.store.loadWindows(load)).toBe(5);
      expect(await tools.store.loadWindows(load)).toBe(0);
      const block = await tools.store.readSeries({ from: ids[0]!, to: ids[2]! + 1 }, EVER);
      expect([...block.mean]).toEqual([1, 2, 99, 4, 5, 6]);
      // A loaded window is one reading at its start: measured readings join it.
      await tools.store.commitReadings(commit([reading(ids[0]!, 3, T0, T0 + 1)]));
      expect((await tools.store.readSensorWindows(ids[0]!, EVER))[0]).toEqual({
        startMs: T0,
        count: 2,
        mean: 2,
        min: 1,
        max: 3,
        last: 3,
      });
    });
  });
}
