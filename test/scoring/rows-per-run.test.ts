/** Rows of a run follow from the memory that runs before it took. */
import { createRowsPerRun } from '../../scoring/rows-per-run.ts';

const MiB = 1024 * 1024;

/** Rows of the runs of a job, where a row takes so much, and `hidden` of it is not seen. */
async function runsOf(rows: number, bytesPerRow: number, hidden = 0): Promise<number[]> {
  let running = 0;
  const limits = createRowsPerRun(16_384, async (work) => ({
    result: await work(),
    bytes: Math.max(0, running * bytesPerRow - hidden),
  }));
  const runs: number[] = [];
  for (let from = 0; from < rows; from += running) {
    running = Math.min(limits.next(), rows - from);
    await limits.run(running, async () => void runs.push(running));
  }
  return runs;
}

test('a small model soon takes as many rows as there may be', async () => {
  expect(await runsOf(40_000, 500)).toEqual([16, 64, 256, 1_024, 4_096, 16_384, 16_384, 1_776]);
  expect(await runsOf(15, 500)).toEqual([15]);
});

test('a model that holds much for every row keeps to the rows that fit', async () => {
  const runs = await runsOf(5_000, 130_000);
  expect(Math.max(...runs) * 130_000).toBeLessThan(128 * MiB);
  expect(Math.max(...runs)).toBeGreaterThan(900);
  // Also when a run alone is more than is meant for it.
  expect(new Set(await runsOf(100, 40 * MiB))).toEqual(new Set([16, 4]));
});

test('memory that is not seen to grow does not let runs grow without bound', async () => {
  const runs = await runsOf(20_000, 130_000, 64 * MiB);
  expect(Math.max(...runs) * 130_000).toBeLessThan(300 * MiB);
});
