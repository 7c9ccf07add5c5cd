/**
 * How many rows a model takes in one run. What its operators hold for a row cannot be seen in the file: 50 KB of
 * support vectors are 130 KB for every row. So the first runs are small, what they take is measured, and the next are
 * as large as fits the memory meant for them.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** Of the runs of a model, not counting what it takes when nothing runs. */
const RUN_BYTES = 128 * 1024 * 1024;
const FIRST_ROWS = 16;
/** One run to the next: what memory freed before hides of the first cannot make the second a danger. */
const GROWTH = 4;

export interface RowsPerRun {
  /** Rows that the next run may have. */
  next(): number;
  /** Does a run of so many rows, and learns from it. */
  run<T>(rows: number, work: () => Promise<T>): Promise<T>;
}

/** @param most rows of a run, however little they take */
export function createRowsPerRun(most: number, measure = peakGrowth): RowsPerRun {
  let rows = Math.min(FIRST_ROWS, most);
  let bytesPerRow = 0;
  return {
    next: () => rows,
    async run(count, work) {
      // Short runs tell nothing new, and large ones go on as they are.
      if (count < rows || rows >= most) return work();
      const { result, bytes } = await measure(work);
      bytesPerRow = Math.max(bytesPerRow, bytes / count);
      const fitting = bytesPerRow > 0 ? Math.floor(RUN_BYTES / bytesPerRow / FIRST_ROWS) * FIRST_ROWS : most;
      rows = Math.max(FIRST_ROWS, Math.min(most, rows * GROWTH, fitting));
      return result;
    },
  };
}

/** By how much resident memory rises above what it is now while `work` goes on; 0 where the system does not tell. */
async function peakGrowth<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly bytes: number }> {
  let before: number | undefined;
  try {
    // Linux, proc(5): the peak begins anew at what is resident now.
    writeFileSync('/proc/self/clear_refs', '5');
    before = peakBytes();
  } catch {
    // Not Linux, or not allowed: runs grow step by step all the same, up to the most rows.
  }
  const result = await work();
  return { result, bytes: before === undefined ? 0 : Math.max(0, peakBytes() - before) };
}

const peakBytes = (): number =>
  1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
