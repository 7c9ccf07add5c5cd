/**
 * Periods that a schedule should have scored and no batch did: it was paused, the stack was down for longer than its
 * catch-up, or the batch failed. Told by the calendar of the schedule and the batches on record, whoever started them.
 */
import { expectedPeriods, type ExpectedPeriod } from '../domain/schedule-expected.ts';
import type { SeenSchedule } from '../domain/schedule-spec.ts';
import { DAY_MS, HOUR_MS, parseDurationOrZero, type Period } from '../domain/time.ts';
import type { Batch, Store } from '../storage/store.ts';
import { DEFAULT_PERIOD } from '../workflows/policies.ts';
import type { ScoreBatchRequest } from '../workflows/requests.ts';
import { defined } from '../domain/defined.ts';

/**
 * `missing`: no batch was started. `failed`, `cancelled`: the newest one over it ended so. `running`: it is on its way.
 */
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
const GAPS_MS = 7 * DAY_MS;
/** A start this old has its batch on record, or will have none. */
const STARTED_MS = HOUR_MS;
const MOST_NAMED = 10;

/** A schedule of batches, as far as it matters here. */
export interface WatchedSchedule {
  readonly name: string;
  readonly seen: SeenSchedule;
  readonly request: Pick<ScoreBatchRequest, 'period' | 'delay'>;
}

export interface GapQuestion {
  readonly nowMs: number;
  /** Times after this one; default: {@link GAPS_MS} ago. */
  readonly sinceMs?: number | undefined;
  /** Age at which batches are deleted: of what is older nobody can tell whether it was scored. */
  readonly keepBatchesMs?: number | undefined;
}

/** The gaps of each schedule, by its name. @throws what the store throws */
export async function findGaps(
  store: Pick<Store, 'listBatches'>,
  schedules: readonly WatchedSchedule[],
  { nowMs, sinceMs = nowMs - GAPS_MS, keepBatchesMs = Infinity }: GapQuestion,
): Promise<ReadonlyMap<string, readonly ScheduleGap[]>> {
  const asked = { fromMs: Math.max(sinceMs, nowMs - keepBatchesMs), toMs: nowMs };
  const batches = await batchesForGaps(store, schedules, asked);
  return new Map(
    schedules.map((schedule) => {
      const within = { fromMs: Math.max(asked.fromMs, beginningOf(schedule, batches)), toMs: nowMs };
      return [schedule.name, scheduleGaps(schedule.seen, schedule.request, within, batches)];
    }),
  );
}

/**
 * The batches that {@link scheduleGaps} takes, newest first: all that share time with a period of the scheduled times
 * in (from, to].
 */
export async function batchesForGaps(
  store: Pick<Store, 'listBatches'>,
  schedules: readonly WatchedSchedule[],
  within: Period,
): Promise<readonly Batch[]> {
  let [fromMs, toMs] = [Infinity, -Infinity];
  for (const { seen, request } of schedules)
    for (const period of expectedOf(seen, request, within)) {
      fromMs = Math.min(fromMs, period.fromMs);
      toMs = Math.max(toMs, period.toMs);
    }
  return fromMs < toMs ? store.listBatches({ covering: { fromMs, toMs } }) : [];
}

/** A schedule is there since it was made, or since the oldest time that it was backfilled over. */
function beginningOf({ name, seen, request }: WatchedSchedule, batches: readonly Batch[]): number {
  const delayMs = parseDurationOrZero(request.delay ?? '0s', 'delay');
  return batches.reduce(
    (oldest, { schedule, toMs }) => (schedule === name ? Math.min(oldest, toMs + delayMs - 1) : oldest),
    seen.createdMs,
  );
}

function expectedOf(
  seen: SeenSchedule,
  { period = DEFAULT_PERIOD, delay }: Pick<ScoreBatchRequest, 'period' | 'delay'>,
  within: Period,
): ExpectedPeriod[] {
  const dealtWithMs = Math.min(within.toMs, (seen.nextMs ?? Infinity) - 1) - seen.spec.jitterMs;
  const asked = { period, ...defined({ delay }) };
  return expectedPeriods(seen.spec, asked, { fromMs: within.fromMs, toMs: dealtWithMs }, MOST_PERIODS);
}

/**
 * What the server has not come to yet is no gap, however late it is: after an outage it catches up one by one.
 * @param within the scheduled times to look at: (from, to]
 * @param batches all that may lie over them, newest first
 */
export function scheduleGaps(
  seen: SeenSchedule,
  request: Pick<ScoreBatchRequest, 'period' | 'delay'>,
  within: Period,
  batches: readonly Scored[],
): ScheduleGap[] {
  const full = batches.filter(({ kind }) => kind !== 'rescore');
  const covered = union(full.filter(({ status }) => status === 'completed'));
  const open: { readonly one: ExpectedPeriod; readonly own: readonly Scored[] }[] = [];
  let cursor = 0;
  for (const one of expectedOf(seen, request, within)) {
    while (cursor < covered.length && covered[cursor]!.toMs <= one.fromMs) cursor += 1;
    if (isCovered(one, covered.slice(cursor, cursor + 1))) continue;
    open.push({ one, own: full.filter(({ toMs }) => toMs === one.toMs) });
  }
  // Those that wait for the batch before them are the newest that were not started.
  const unstarted = open.filter(({ one, own }) => own.length === 0 && !seen.started.includes(one.atMs));
  const waiting = new Set(unstarted.slice(Math.max(0, unstarted.length - seen.waiting)).map(({ one }) => one.atMs));
  const gaps: ScheduleGap[] = [];
  for (const { one, own } of open)
    add(gaps, one, waiting.has(one.atMs) ? 'running' : stateOf(one, own, seen, within.toMs), own);
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
