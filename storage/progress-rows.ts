/** Rows of the progress of partitions, and the marks that late readings leave; of either engine. */
import { defined } from '../domain/defined.ts';
import type { PartitionProgress } from './store.ts';

/** Event time that one mark of late readings stands for. */
export const LATE_STEP_MS = 60_000;
/** Clocks of ingest and control workers may differ by this much. */
export const CLOCK_SLACK_MS = 5_000;

/** Starts of the minutes with windows that start before `endMs`. */
export function lateMinutes(startsMs: Iterable<number>, endMs: number): number[] {
  const minutes = new Set<number>();
  for (const start of startsMs) if (start < endMs) minutes.add(Math.floor(start / LATE_STEP_MS) * LATE_STEP_MS);
  return [...minutes].sort((a, b) => a - b);
}

/** Numbers of SQL Server come as text. */
export type ProgressRow = {
  readonly [K in keyof Omit<PartitionProgress, 'source' | 'partition' | 'hubCreatedMs' | 'last' | 'problem'>]:
    | number
    | string;
} & {
  readonly source: string;
  readonly partition: string;
  readonly hubCreatedMs: number | string | null;
  readonly lastSeq: number | string | null;
  readonly lastOffset: string | null;
  readonly lastEnqueuedMs: number | string | null;
  readonly problem: string | null;
};

/** What is kept of an event that is not the newest is of a version that did not know of it. */
export function progressOf(row: ProgressRow): PartitionProgress {
  const appliedSeq = Number(row.appliedSeq);
  return defined({
    source: row.source,
    partition: row.partition,
    appliedSeq,
    capturedSeq: Number(row.capturedSeq),
    watermarkMs: Number(row.watermarkMs),
    readings: Number(row.readings),
    late: Number(row.late),
    dead: Number(row.dead),
    updatedAtMs: Number(row.updatedAtMs),
    hubCreatedMs: row.hubCreatedMs === null ? undefined : Number(row.hubCreatedMs),
    last:
      row.lastOffset === null || row.lastEnqueuedMs === null || Number(row.lastSeq) !== appliedSeq
        ? undefined
        : { offset: row.lastOffset, enqueuedMs: Number(row.lastEnqueuedMs) },
    problem: row.problem ?? undefined,
  });
}
