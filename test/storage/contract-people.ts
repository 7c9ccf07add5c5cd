/** The contract: what people look at and do: the history of a sensor, windows in slices, the log of actions. */
import type { Batch } from '../../storage/store.ts';
import { MINUTE, T0, type ContractTools } from './contract-tools.ts';

export function peopleContract(tools: ContractTools): void {
  const { unique, sensors, newBatch, scored, chunk } = tools;

  describe('what people look at', () => {
    test(
      'the history of a sensor is what closed batches made of it, oldest first, the newest where ' +
        'there are too many',
      async () => {
        const [one, other] = await sensors(2);
        const batches: Batch[] = [];
        for (const at of [0, 1, 2]) {
          const period = { fromMs: T0 + at * MINUTE, toMs: T0 + (at + 1) * MINUTE };
          const batch = await tools.store.createBatch(
            await newBatch({ sensorIds: [one!, other!], ...period, startedAtMs: period.toMs }),
          );
          batches.push(batch);
          await tools.store.commitChunk(
            chunk(batch.id, 'one', [
              at === 1
                ? {
                    sensorId: one!,
                    status: 'failed',
                    class: 'model_corrupt',
                    message: 'bad',
                    windows: 0,
                    anomalies: 0,
                    attempt: 1,
                  }
                : scored(one!, { windows: 12, anomalies: at }),
              scored(other!, { windows: 12, anomalies: 9 }),
            ]),
          );
          if (at < 2) await tools.store.finishBatch(batch.id, { status: 'completed', finishedAtMs: period.toMs + 1 });
        }
        const span = { fromMs: T0, toMs: T0 + 3 * MINUTE };
        const row = (at: number) => ({
          batchId: batches[at]!.id,
          kind: 'score',
          release: batches[at]!.release,
          fromMs: T0 + at * MINUTE,
          toMs: T0 + (at + 1) * MINUTE,
        });
        const failed = { ...row(1), status: 'failed', class: 'model_corrupt', windows: 0, anomalies: 0 };
        // The third still runs: nothing of it is settled.
        expect(await tools.store.sensorHistory(one!, span, 10)).toEqual([
          { ...row(0), status: 'scored', windows: 12, anomalies: 0 },
          failed,
        ]);
        expect(await tools.store.sensorHistory(one!, span, 1)).toEqual([failed]);
        expect(await tools.store.sensorHistory(one!, { fromMs: T0 + MINUTE, toMs: T0 + MINUTE + 1 }, 10)).toEqual([
          failed,
        ]);
        expect(await tools.store.sensorHistory(one!, { fromMs: 0, toMs: T0 }, 10)).toEqual([]);
      },
    );

    test('windows come in slices, with the mean of their means and the lowest and highest of all', async () => {
      const [id] = await sensors(1);
      const values = Float64Array.of(1, 3, 8, 2, 5, 7);
      await tools.store.loadWindows({
        sensorIdFrom: id!,
        startMs: T0,
        stepMs: 5_000,
        windowsPerSensor: values.length,
        values,
      });
      const slice = (at: number, windows: number, mean: number, min: number, max: number) => ({
        startMs: T0 + at * 10_000,
        windows,
        mean,
        min,
        max,
      });
      expect(await tools.store.readBuckets(id!, { fromMs: T0, toMs: T0 + 25_000 }, 10_000)).toEqual([
        slice(0, 2, 2, 1, 3),
        slice(1, 2, 5, 2, 8),
        slice(2, 1, 5, 5, 5),
      ]);
      expect(await tools.store.readBuckets(id!, { fromMs: 0, toMs: T0 }, 10_000)).toEqual([]);
    });

    test('the log of actions keeps every entry, newest first, by target and page by page', async () => {
      const target = unique('schedule');
      const entry = {
        atMs: T0,
        by: 'ann@desk',
        action: 'schedule.pause',
        target,
        detail: 'line 2 is down',
        result: 'done',
      };
      const first = await tools.store.addAudit(entry);
      const second = await tools.store.addAudit({ ...entry, action: 'schedule.resume', detail: 'x'.repeat(3_000) });
      await tools.store.addAudit({ ...entry, target: unique('batch') });
      expect(first).toEqual({ ...entry, id: expect.any(Number) });
      expect(second.detail).toHaveLength(1_000);
      expect(await tools.store.listAudit({ target })).toEqual([second, first]);
      expect(await tools.store.listAudit({ target, before: second.id })).toEqual([first]);
      expect(await tools.store.listAudit({ limit: 1 })).toHaveLength(1);
      expect((await tools.store.listAudit()).map(({ id }) => id)).toContain(first.id);
    });
  });
}
