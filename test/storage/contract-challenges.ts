/** The contract: the challenger and what batches record of it. */
import type { ChallengedSensor } from '../../domain/challenge.ts';
import { failing, MINUTE, T0, type ContractTools } from './contract-tools.ts';

export function challengesContract(tools: ContractTools): void {
  const { unique, sensors, release, newBatch, scored, chunk } = tools;
  const said = (sensorId: number, over: Partial<ChallengedSensor> = {}): ChallengedSensor => ({
    sensorId,
    status: 'scored',
    windows: 15,
    both: 1,
    onlyBase: 0,
    onlyChallenger: 0,
    ...over,
  });

  describe('challengers', () => {
    afterAll(() => tools.store.setChallenger(undefined));

    test('one is set at a time, and a batch keeps the one of its planning', async () => {
      const [base, one, two] = [await release(), await release(), await release()];
      await tools.store.setChallenger(undefined);
      expect(await tools.store.findChallenger()).toBeUndefined();
      const before = await tools.store.createBatch(await newBatch({ release: base }));
      await tools.store.setChallenger({ release: one, share: 0.25, sinceMs: T0 });
      expect(await tools.store.findChallenger()).toEqual({ release: one, share: 0.25, sinceMs: T0 });
      expect(await failing(tools.store.setChallenger({ release: 'nobody', share: 1, sinceMs: T0 }))).toBe(
        'RELEASE_UNKNOWN',
      );
      const planned = await newBatch({ release: base });
      const during = await tools.store.createBatch(planned);
      const own = await tools.store.createBatch(await newBatch({ release: one }));
      const redrive = await tools.store.createBatch(await newBatch({ release: base, kind: 'redrive', sensorIds: [] }));
      await tools.store.setChallenger({ release: two, share: 1, sinceMs: T0 + 1 });
      expect(await tools.store.findChallenger()).toEqual({ release: two, share: 1, sinceMs: T0 + 1 });
      // Planned again after a lost answer: still the first.
      await tools.store.createBatch(planned);
      expect(await tools.store.batchChallenger(during.id)).toEqual({ release: one, share: 0.25 });
      for (const { id } of [before, own, redrive]) expect(await tools.store.batchChallenger(id)).toBeUndefined();
      expect(await failing(tools.store.batchChallenger('nobody'))).toBe('BATCH_UNKNOWN');
      await tools.store.setChallenger(undefined);
      expect(
        await tools.store.batchChallenger((await tools.store.createBatch(await newBatch({ release: base }))).id),
      ).toBeUndefined();
    });

    test('what is recorded of a sensor stays, and is summed by base and challenger', async () => {
      const ids = await sensors(4);
      const [base, other, challenger] = [await release(), await release(), await release()];
      await tools.store.setChallenger({ release: challenger, share: 1, sinceMs: T0 });
      const batch = async (name: string, fromMs: number): Promise<string> =>
        (await tools.store.createBatch(await newBatch({ release: name, fromMs, toMs: fromMs + MINUTE }))).id;
      const [first, second, third] = [await batch(base, T0), await batch(base, T0 + MINUTE), await batch(other, T0)];
      const failed = said(ids[2]!, {
        status: 'failed',
        class: 'model_failed',
        message: 'x'.repeat(1_500),
        windows: 0,
        both: 0,
      });
      await tools.store.commitChallenge(first, [
        said(ids[0]!),
        said(ids[1]!, { onlyBase: 2, onlyChallenger: 3 }),
        failed,
      ]);
      // A retry that saw something else, with a sensor that is new.
      await tools.store.commitChallenge(first, [
        said(ids[0]!, { onlyBase: 9 }),
        failed,
        said(ids[3]!, { status: 'skipped', class: 'no_model', windows: 0, both: 0 }),
      ]);
      await tools.store.commitChallenge(first, []);
      await tools.store.commitChallenge(second, [
        said(ids[0]!, { onlyChallenger: 1 }),
        said(ids[1]!, { onlyChallenger: 1 }),
      ]);
      await tools.store.commitChallenge(third, [said(ids[0]!)]);
      expect(await failing(tools.store.commitChallenge('nobody', [said(ids[0]!)]))).toBe('BATCH_UNKNOWN');

      const whole = {
        base,
        challenger,
        batches: 2,
        fromMs: T0,
        toMs: T0 + 2 * MINUTE,
        sensors: 4,
        differing: 2,
        scored: 4,
        skipped: 1,
        failed: 1,
        causes: { model_failed: 1 },
        windows: 60,
        both: 4,
        onlyBase: 2,
        onlyChallenger: 5,
      };
      const beside = {
        ...whole,
        base: other,
        batches: 1,
        toMs: T0 + MINUTE,
        sensors: 1,
        differing: 0,
        scored: 1,
        skipped: 0,
        failed: 0,
        causes: {},
        windows: 15,
        both: 1,
        onlyBase: 0,
        onlyChallenger: 0,
      };
      expect(await tools.store.challengeSummaries({ challenger })).toEqual([beside, whole]);
      expect(await tools.store.challengeSummaries()).toEqual(expect.arrayContaining([beside, whole]));
      expect(await tools.store.challengeSummaries({ challenger, base })).toEqual([whole]);
      expect(await tools.store.challengeSummaries({ batchId: second })).toEqual([
        {
          ...whole,
          batches: 1,
          fromMs: T0 + MINUTE,
          sensors: 2,
          scored: 2,
          skipped: 0,
          failed: 0,
          causes: {},
          windows: 30,
          both: 2,
          onlyBase: 0,
          onlyChallenger: 2,
        },
      ]);
      expect(
        await tools.store.challengeSummaries({ challenger, within: { fromMs: T0, toMs: T0 + MINUTE } }),
      ).toMatchObject([{ base: other }, { base, windows: 30 }]);
      expect(await tools.store.challengeSummaries({ challenger: 'nobody' })).toEqual([]);

      const device = expect.any(String) as string;
      expect(await tools.store.challengeDifferences({ challenger, base }, 10)).toEqual([
        { device, sensor: 's1', windows: 30, onlyBase: 2, onlyChallenger: 4 },
        { device, sensor: 's0', windows: 30, onlyBase: 0, onlyChallenger: 1 },
      ]);
      expect(await tools.store.challengeDifferences({ challenger, base }, 1)).toHaveLength(1);
      expect(await tools.store.challengeDifferences({ batchId: third }, 10)).toEqual([]);
    });

    test('goes with its batch when that is pruned', async () => {
      const ids = await sensors(5);
      const [base, challenger] = [await release(), await release()];
      await tools.store.setChallenger({ release: challenger, share: 1, sinceMs: T0 });
      const batch = await tools.store.createBatch(
        await newBatch({ id: unique('old'), release: base, startedAtMs: 1_000 }),
      );
      await tools.store.commitChunk(
        chunk(
          batch.id,
          'one',
          ids.map((id) => scored(id)),
        ),
      );
      await tools.store.commitChallenge(
        batch.id,
        ids.map((id) => said(id)),
      );
      await tools.store.finishBatch(batch.id, { status: 'completed', finishedAtMs: 2_000 });
      expect(await tools.store.challengeSummaries({ challenger })).toHaveLength(1);
      await tools.store.prune({ batchesBeforeMs: 3_000, rowsPerTransaction: 2 });
      expect(await tools.store.findBatch(batch.id)).toBeUndefined();
      expect(await tools.store.challengeSummaries({ challenger })).toEqual([]);
    });
  });
}
