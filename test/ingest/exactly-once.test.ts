import { join } from 'node:path';
import { FleetscoreError } from '../../domain/errors.ts';
import { createCommitter, loadProgress, type CommitPart, type Committer } from '../../ingest/exactly-once.ts';
import { untilDone } from '../../ingest/retry.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { tempDir } from '../support/temp.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const SOURCE = 'ns/hub/$default';

let store: Store;
let partitions = 0;
beforeAll(async () => {
  store = await openStore(`sqlite:${join(tempDir('exactly-once'), 'store.db')}`);
  await store.migrate();
  await store.registerSensors([{ device: 'd', sensor: 's' }]);
});
afterAll(() => store.close());

interface Worker {
  readonly committer: Committer;
  readonly conflicts: () => number;
}

/** As many workers as there are stores, all of one new partition. */
async function workersOn(...stores: readonly Pick<Store, 'commitReadings'>[]): Promise<[Worker, ...Worker[]]> {
  const partition = String(partitions++);
  const workers = await Promise.all(
    stores.map(async ({ commitReadings }): Promise<Worker> => {
      let conflicts = 0;
      const deps = {
        source: SOURCE,
        partition,
        store: { commitReadings, listProgress: (source: string) => store.listProgress(source) },
        log,
        onConflict: () => void conflicts++,
        retry: <T>(what: string, work: () => Promise<T>, options = {}) =>
          untilDone(work, { what, log, signal: new AbortController().signal, ...options }),
      };
      return { committer: createCommitter(deps, await loadProgress(deps)), conflicts: () => conflicts };
    }),
  );
  return workers as [Worker, ...Worker[]];
}

const plain = { commitReadings: (commit: Parameters<Store['commitReadings']>[0]) => store.commitReadings(commit) };

/** One reading, in the event of this number. */
const reading = (seq: number, value = seq): CommitPart => ({
  throughSeq: seq,
  watermarkMs: seq * 1_000,
  readings: 1,
  updates: [{ sensorId: 1, startMs: 0, tsMs: [seq], values: [value] }],
});

test('a commit moves windows and progress together, and the next one starts behind it', async () => {
  const [{ committer, conflicts }] = await workersOn(plain);
  expect(await committer.commit(reading(3))).toBe(true);
  expect(await committer.commit(reading(4))).toBe(true);
  expect(committer).toMatchObject({ appliedSeq: 4, watermarkMs: 4_000 });
  expect(conflicts()).toBe(0);
});

test('of two workers on one partition the second stores nothing, and goes on behind the first', async () => {
  const [fast, slow] = await workersOn(plain, plain);
  await fast.committer.commit(reading(10, 1));
  expect(await slow!.committer.commit(reading(10, -5))).toBe(false);
  expect(slow!.committer).toMatchObject({ appliedSeq: 10, watermarkMs: 10_000 });
  expect(slow!.conflicts()).toBe(1);
  expect(await slow!.committer.commit(reading(11))).toBe(true);
  // What the slow one had of event 10 is nowhere.
  const [window] = await store.readSensorWindows(1, { fromMs: 0, toMs: 1 });
  expect(window).toMatchObject({ min: 1 });
});

test('a commit whose confirmation was lost counts once', async () => {
  let answers = 0;
  const [{ committer, conflicts }] = await workersOn({
    async commitReadings(commit) {
      await store.commitReadings(commit);
      if (answers++ === 0) throw new FleetscoreError('STORE_UNAVAILABLE', 'the connection broke', { retryable: true });
    },
  });
  // The second try finds the progress moved: by itself.
  expect(await committer.commit(reading(20))).toBe(false);
  expect(committer.appliedSeq).toBe(20);
  expect(conflicts()).toBe(1);
});

test('a store that lost what was committed ends the worker, with the remedy', async () => {
  let restored = false;
  const [{ committer }] = await workersOn({
    async commitReadings(commit) {
      if (!restored) return;
      throw new FleetscoreError('PROGRESS_CONFLICT', `not at ${commit.expectedSeq}`);
    },
  });
  expect(await committer.commit(reading(30))).toBe(true);
  restored = true;
  await expect(committer.commit(reading(31))).rejects.toThrow(
    expect.objectContaining({
      code: 'PROGRESS_WENT_BACK',
      message: expect.stringMatching(/applied up to -1, but .* up to 30.*Start the worker again/),
    }),
  );
});

test('what the store refuses for good is thrown after the tries that were asked for, and nothing moves', async () => {
  let tries = 0;
  const [{ committer }] = await workersOn({
    async commitReadings() {
      tries++;
      throw new Error('no such column');
    },
  });
  await expect(committer.commit(reading(40), 2)).rejects.toThrow('no such column');
  expect({ tries, appliedSeq: committer.appliedSeq }).toEqual({ tries: 2, appliedSeq: -1 });
});
