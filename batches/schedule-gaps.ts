/**
 * Periods that a schedule should have scored and no batch did: it was paused, the stack was down for longer than its
 * catch-up, or the batch failed. Told by the calendar of the schedule and the batches on record, whoever started them.
 */
import { expectedPeriods, type ExpectedPeriod } from '../domain/schedule-expected.ts';
import type { SeenSchedule } from '../domain/schedule-spec.ts';
import type { Period } from '../domain/time.ts';
import type { Batch, Store } from '../storage/store.ts';
import { DEFAULT_PERIOD } from '../workflows/policies.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';

/** `missing`: no batch was started. `failed`, `cancelled`: the newest one over it ended so. `running`: it is on its way. */
export type GapState = 'missing' | 'failed' | 'cancelled' | 'running';

/** Periods that follow each other, of one state. */
export interface ScheduleGap extends Period {
  readonly state: GapState;
  readonly periods: number;
  /** What `schedule backfill` takes to start their batches, epoch ms. */
  readonly backfill: Period;
  /** Batches over them that did not complete and can be redriven, newest first in each period; at most ten. */
  readonly batches: readonly string[];
}

type Scored = Pick<Batch, 'id' | 'fromMs' | 'toMs' | 'status' | 'kind' | 'planned'>;

/** Gaps are looked for so far back where nobody says how far. */
export const GAPS_MS = 7 * 86_400_000;
/** A start this old has its batch on record, or will have none. */
const STARTED_MS = 3_600_000;
/** A time so near is about to be started. */
const DUE_MS = 60_000;
const MOST_NAMED = 10;

/**
 * @param within the scheduled times to look at: (from, to]
 * @param batches all that may lie over them, newest first
 * @param dueMs so near a time its batch is only about to be started; 0 while the schedule is paused
 */
export function scheduleGaps(
  seen: SeenSchedule,
  request: Pick<ScoreBatchRequest, 'period' | 'delay'>,
  within: Period,
  batches: readonly Scored[],
  dueMs = DUE_MS,
): ScheduleGap[] {
  const { period = DEFAULT_PERIOD, delay } = request;
  const latest = within.toMs - dueMs - seen.spec.jitterMs;
  const expected = expectedPeriods(
    seen.spec,
    { period, ...(delay === undefined ? {} : { delay }) },
    { fromMs: within.fromMs, toMs: latest },
    MOST_PERIODS,
  );
  const full = batches.filter(({ kind }) => kind !== 'rescore');
  const covered = union(full.filter(({ status }) => status === 'completed'));
  const gaps: ScheduleGap[] = [];
  let cursor = 0;
  for (const one of expected) {
    while (cursor < covered.length && covered[cursor]!.toMs <= one.fromMs) cursor += 1;
    if (isCovered(one, covered.slice(cursor, cursor + 1))) continue;
    const own = full.filter(({ toMs }) => toMs === one.toMs);
    add(gaps, one, stateOf(one, own, seen, within.toMs), own);
  }
  return gaps;
}

/** More are not looked at one by one. */
const MOST_PERIODS = 20_000;

const isCovered = (period: Period, near: readonly Period[]): boolean =>
  near.some(({ fromMs, toMs }) => fromMs <= period.fromMs && toMs >= period.toMs);

function stateOf(one: ExpectedPeriod, own: readonly Scored[], seen: SeenSchedule, nowMs: number): GapState {
  if (own.some(({ status }) => status === 'running' || status === 'waiting')) return 'running';
  if (own.length === 0 && seen.started.includes(one.atMs) && one.atMs > nowMs - STARTED_MS) return 'running';
  const newest = own[0]?.status;
  return newest === 'failed' || newest === 'cancelled' ? newest : 'missing';
}

function add(gaps: ScheduleGap[], one: ExpectedPeriod, state: GapState, own: readonly Scored[]): void {
  // What was never planned has nothing to redrive.
  const ids = own.filter(({ status, planned }) => status !== 'completed' && planned > 0).map(({ id }) => id);
  const last = gaps.at(-1);
  if (last?.state === state && last.backfill.toMs === one.afterMs)
    gaps[gaps.length - 1] = {
      ...last,
      toMs: Math.max(last.toMs, one.toMs),
      periods: last.periods + 1,
      backfill: { fromMs: last.backfill.fromMs, toMs: one.atMs },
      batches: [...last.batches, ...ids].slice(0, MOST_NAMED),
    };
  else
    gaps.push({
      fromMs: one.fromMs,
      toMs: one.toMs,
      state,
      periods: 1,
      backfill: { fromMs: one.afterMs, toMs: one.atMs },
      batches: ids.slice(0, MOST_NAMED),
    });
}

/** Periods joined where they touch or overlap, oldest first. */
function union(periods: readonly Period[]): Period[] {
  const joined: Period[] = [];
  for (const { fromMs, toMs } of [...periods].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = joined.at(-1);
    if (last && fromMs <= last.toMs) joined[joined.length - 1] = { ...last, toMs: Math.max(last.toMs, toMs) };
    else joined.push({ fromMs, toMs });
  }
  return joined;
}

/** How many periods these are, without those that are on their way. */
export const countMissed = (gaps: readonly ScheduleGap[]): number =>
  gaps.reduce((sum, { state, periods }) => sum + (state === 'running' ? 0 : periods), 0);

/** So many batches are read: more than a schedule of every minute starts in a week. */
const MOST_BATCHES = 20_000;

/** The batches that {@link scheduleGaps} takes. */
export const batchesForGaps = (store: Pick<Store, 'listBatches'>): Promise<readonly Batch[]> =>
  store.listBatches({ limit: MOST_BATCHES });
