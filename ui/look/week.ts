/**
 * The last day hour by hour, beside the same hours a week before: from the counts that batches carry, no windows are
 * read.
 */
import type { Batch, Store } from '../../storage/store.ts';
import { HOUR_MS } from '../../domain/time.ts';

/** Sums over the batches whose period ends in an hour. */
export interface Hour {
  /** Start, epoch ms. */
  readonly fromMs: number;
  readonly windows: number;
  readonly anomalies: number;
  /** Sensors that were not scored for want of readings, and because something failed. */
  readonly skipped: number;
  readonly failed: number;
}

export interface WeekView {
  /** The last 24 hours, the one that is not over included; oldest first. */
  readonly now: readonly Hour[];
  /** The same hours a week before, each at the same place. */
  readonly before: readonly Hour[];
}

const WEEK_MS = 7 * 24 * HOUR_MS;
const HOURS = 24;
/** Batches of a day; one a minute of two schedules is more than enough to tell hours apart. */
const MOST = 3_000;

export async function weekView(store: Pick<Store, 'listBatches'>, nowMs: number): Promise<WeekView> {
  const toMs = Math.ceil(nowMs / HOUR_MS) * HOUR_MS;
  const fromMs = toMs - HOURS * HOUR_MS;
  const read = (shiftMs: number): Promise<Batch[]> =>
    store.listBatches({ within: { fromMs: fromMs - shiftMs - HOUR_MS, toMs: toMs - shiftMs }, limit: MOST });
  const [now, before] = [await read(0), await read(WEEK_MS)];
  return { now: hoursOf(now, fromMs), before: hoursOf(before, fromMs - WEEK_MS) };
}

/** Only whole batches: what is scored again would count twice. Pure. */
function hoursOf(batches: readonly Batch[], fromMs: number): Hour[] {
  const hours = Array.from({ length: HOURS }, (_, i) => ({
    fromMs: fromMs + i * HOUR_MS,
    windows: 0,
    anomalies: 0,
    skipped: 0,
    failed: 0,
  }));
  for (const { kind, toMs, counts } of batches) {
    const hour = hours[Math.floor((toMs - 1 - fromMs) / HOUR_MS)];
    if (kind !== 'score' || !hour) continue;
    hour.windows += counts.windows;
    hour.anomalies += counts.anomalies;
    hour.skipped += counts.skipped;
    hour.failed += counts.failed;
  }
  return hours;
}

export const sumOf = (hours: readonly Hour[], of: (hour: Hour) => number): number =>
  hours.reduce((sum, hour) => sum + of(hour), 0);
