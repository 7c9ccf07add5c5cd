/**
 * Health of the models at the end of a batch, where the fleet is small enough to look at as a whole. Minutes of
 * readings tell nothing of drift: neighbouring quarters of an hour always differ. So short batches are judged
 * together, over a day, by what the models made of the readings; the readings themselves are compared only
 * when a batch is hours long.
 */
import { DAY_MS, HOUR_MS, isoTime, type Period } from '../../domain/time.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { fleetHealth, type FleetHealth } from '../../verify/model-health.ts';

/** Shortest batch whose readings are compared with those before. */
const LEAST_FOR_DRIFT_MS = 6 * HOUR_MS;

export interface HealthView {
  /** Absent when it was not looked at, for the reason in `why`. */
  readonly health?: FleetHealth;
  readonly why?: 'too_large' | 'part_of_fleet';
  readonly span?: HealthSpan;
}

export interface HealthSpan {
  readonly period: Period;
  /** Absent where no batch was closed in it. */
  readonly baseline?: Period;
  /** Whether readings are compared. */
  readonly readings: boolean;
}

/**
 * Time that is judged, and with what it is compared. Pure.
 * @param batches of the fleet, any order @param mostRows outcomes, and windows, that may be read
 */
export function healthSpan(
  batch: Pick<Batch, 'fromMs' | 'toMs' | 'planned' | 'counts'>,
  batches: readonly Pick<Batch, 'fromMs' | 'toMs' | 'manifest'>[],
  mostRows: number,
): HealthSpan {
  const own = batch.toMs - batch.fromMs;
  const within = (fromMs: number, toMs: number): number =>
    batches.filter((one) => one.manifest !== undefined && one.fromMs >= fromMs && one.toMs <= toMs).length;
  let span = Math.max(DAY_MS, own);
  if (own >= LEAST_FOR_DRIFT_MS) span = own;
  while (span / 2 >= own && within(batch.toMs - 2 * span, batch.toMs) * batch.planned > mostRows) span /= 2;
  const period = { fromMs: batch.toMs - span, toMs: batch.toMs };
  // A day is compared with the day before, half a day with the same half: what changes every day is no change.
  const back = span < DAY_MS && span >= LEAST_FOR_DRIFT_MS ? DAY_MS : span;
  const baseline = { fromMs: period.fromMs - back, toMs: period.toMs - back };
  return {
    period,
    ...(within(baseline.fromMs, baseline.toMs) > 0 ? { baseline } : {}),
    readings: own >= LEAST_FOR_DRIFT_MS && batch.counts.windows <= mostRows,
  };
}

/** @param maxSensors larger fleets are not looked at @param mostRows bounds what is read */
export async function collectHealth(
  store: Store,
  batch: Batch,
  { maxSensors, mostRows }: { readonly maxSensors: number; readonly mostRows: number },
): Promise<HealthView> {
  if (batch.kind !== 'score') return { why: 'part_of_fleet' };
  if (batch.planned > maxSensors) return { why: 'too_large' };
  // Twice the longest span that may be judged, and the day that it may be compared with.
  const span = Math.max(DAY_MS, batch.toMs - batch.fromMs);
  const within = { fromMs: batch.toMs - 2 * span - DAY_MS, toMs: batch.toMs };
  const judged = healthSpan(batch, await store.listBatches({ within }), mostRows);
  const health = await fleetHealth(store, judged.period, judged.baseline, { readings: judged.readings });
  return { span: judged, health };
}

const short = (ms: number): string => isoTime(ms).replace(/(:00)?\.000Z$/, 'Z');

/** The command that looks closer, for people. */
export function healthCommand({ period, baseline }: HealthSpan): string {
  const times = (from: string, to: string, of: Period): string =>
    `--${from} ${short(of.fromMs)} --${to} ${short(of.toMs)}`;
  return (
    'fleetscore models health ' +
    `${times('from', 'to', period)}${baseline ? ` ${times('baseline-from', 'baseline-to', baseline)}` : ''}`
  );
}
