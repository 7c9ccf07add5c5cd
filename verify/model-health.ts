/**
 * Health of models: those that flag nearly everything or nothing, and sensors whose readings or anomaly rate
 * have moved away from a baseline period. Reads only, in pages of sensors.
 */
import type { SensorKey } from '../domain/sensor.ts';
import { pageOfSensors, windowsOf } from '../domain/sizing.ts';
import type { Period } from '../domain/time.ts';
import { INGEST_DEFAULTS, storedWindows } from '../ingest/settings.ts';
import { sensorsWithModels } from '../scoring/challenger.ts';
import { readOwnSeries, type OwnSeries } from '../scoring/own-series.ts';
import type { Batch, Store } from '../storage/store.ts';
import { defined } from '../domain/defined.ts';

export type HealthSign = 'flags_everything' | 'flags_nothing' | 'readings_drifted' | 'anomaly_rate_moved';

export interface SensorHealth extends SensorKey {
  readonly windows: number;
  /** Share of anomalous windows, 0 to 1; absent where nothing was scored. */
  readonly anomalyRate?: number;
  readonly baselineAnomalyRate?: number;
  /** Population stability index of the window means against the baseline; absent with too few windows. */
  readonly psi?: number;
  readonly signs: readonly HealthSign[];
}

export interface FleetHealth {
  readonly sensors: number;
  readonly signs: Readonly<Record<HealthSign, number>>;
  /** Sensors with a sign, the most drifted first. */
  readonly worst: readonly SensorHealth[];
}

/** The usual reading of the index: below 0.1 stable, above 0.25 another distribution. */
export const PSI_DRIFTED = 0.25;
const BINS = 10;
/** With fewer windows the bins hold chance. */
const LEAST_FOR_PSI = 100;
const LEAST_FOR_RATE = 50;
/** Rule of three: none of 10,000 windows means a rate below 0.03 % (95 % confidence). */
const LEAST_FOR_NOTHING = 10_000;
const NEARLY_EVERYTHING = 0.95;
/** The anomaly rate counts as moved when it at least doubled or halved, by this many points of share. */
const RATE_MOVED = 0.05;
const PAGE = 1_000;
const SHOWN = 200;

/**
 * Population stability index over deciles of the baseline: sum of (p - q) ln(p / q), shares of at least 1e-4.
 * Undefined when either has fewer than 100 values. A baseline of one value has one bin below and one above.
 */
export function populationStability(baseline: readonly number[], now: readonly number[]): number | undefined {
  if (baseline.length < LEAST_FOR_PSI || now.length < LEAST_FOR_PSI) return undefined;
  const sorted = baseline.toSorted((a, b) => a - b);
  const edges = [
    ...new Set(Array.from({ length: BINS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)]!)),
  ];
  const shares = (values: readonly number[]): number[] => {
    const counts = Array.from({ length: edges.length * 2 + 1 }, () => 0);
    for (const value of values) {
      let low = 0;
      let high = edges.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (edges[middle]! < value) low = middle + 1;
        else high = middle;
      }
      // A value on an edge has a bin of its own: readings of few distinct values drift too.
      counts[edges[low] === value ? low * 2 + 1 : low * 2]! += 1;
    }
    return counts.map((count) => Math.max(count / values.length, 1e-4));
  };
  const [q, p] = [shares(baseline), shares(now)];
  return p.reduce((sum, share, i) => sum + (share - q[i]!) * Math.log(share / q[i]!), 0);
}

export interface HealthOptions {
  /**
   * False: readings are not looked at, only what the models made of them; then nothing is told to have drifted. Default
   * true.
   */
  readonly readings?: boolean;
  /**
   * From the start of one window to the start of the next, milliseconds: bounds what is read at once. Absent: the
   * periods are known to be short.
   */
  readonly hopMs?: number;
}

export async function fleetHealth(
  store: Store,
  period: Period,
  baseline: Period | undefined,
  { readings = true, hopMs }: HealthOptions = {},
): Promise<FleetHealth> {
  const limit =
    readings && hopMs !== undefined
      ? pageOfSensors(PAGE, windowsOf(period, { hopMs }) + (baseline ? windowsOf(baseline, { hopMs }) : 0))
      : PAGE;
  const signs: Record<HealthSign, number> = {
    flags_everything: 0,
    flags_nothing: 0,
    readings_drifted: 0,
    anomaly_rate_moved: 0,
  };
  const committed = async (within: Period): Promise<Batch[]> =>
    (await store.listBatches({ within })).filter((batch) => batch.manifest !== undefined);
  const [batches, before] = [await committed(period), baseline ? await committed(baseline) : []];
  // Where models look at longer windows than the fleet's, their readings are judged in these.
  const release = await ownRelease(store, batches[0]);
  const shape = await storedWindows(store, INGEST_DEFAULTS);
  const worst: SensorHealth[] = [];
  let sensors = 0;
  for (let after = 0; ;) {
    const page = await store.listSensors({ after, limit });
    const last = page.at(-1);
    if (!last) break;
    const range = { from: after + 1, to: last.id + 1 };
    const [rates, ratesBefore] = [await anomalyRates(store, batches, range), await anomalyRates(store, before, range)];
    const own = readings && release !== undefined ? await sensorsWithModels(store, release, page) : page;
    const read = (within: Period): Promise<ReadonlyMap<number, number[]>> =>
      windowMeans(store, { sensors: own, range, period: within, shape, needs: [] });
    const [means, meansBefore] = [
      readings ? await read(period) : NONE,
      readings && baseline ? await read(baseline) : NONE,
    ];
    for (const { id, device, sensor } of page) {
      const health = judge(
        { device, sensor },
        rates.get(id),
        ratesBefore.get(id),
        means.get(id) ?? [],
        meansBefore.get(id) ?? [],
      );
      for (const sign of health.signs) signs[sign] += 1;
      if (health.signs.length > 0) worst.push(health);
    }
    worst.sort((a, b) => (b.psi ?? 0) - (a.psi ?? 0) || (b.anomalyRate ?? 0) - (a.anomalyRate ?? 0)).splice(SHOWN);
    sensors += page.length;
    after = last.id;
  }
  return { sensors, signs, worst };
}

const NONE: ReadonlyMap<number, number[]> = new Map();

interface Rate {
  windows: number;
  anomalies: number;
}

function judge(
  key: SensorKey,
  now: Rate | undefined,
  before: Rate | undefined,
  means: readonly number[],
  meansBefore: readonly number[],
): SensorHealth {
  const share = (rate: Rate | undefined, least: number): number | undefined =>
    rate && rate.windows >= least ? rate.anomalies / rate.windows : undefined;
  const [rate, rateBefore] = [share(now, LEAST_FOR_RATE), share(before, LEAST_FOR_RATE)];
  const psi = populationStability(meansBefore, means);
  const signs: HealthSign[] = [];
  if (rate !== undefined && rate >= NEARLY_EVERYTHING) signs.push('flags_everything');
  if (now && now.anomalies === 0 && now.windows >= LEAST_FOR_NOTHING) signs.push('flags_nothing');
  if (psi !== undefined && psi > PSI_DRIFTED) signs.push('readings_drifted');
  if (
    rate !== undefined &&
    rateBefore !== undefined &&
    Math.abs(rate - rateBefore) >= RATE_MOVED &&
    Math.max(rate, rateBefore) >= 2 * Math.min(rate, rateBefore)
  )
    signs.push('anomaly_rate_moved');
  return {
    ...key,
    windows: now?.windows ?? means.length,
    ...defined({ anomalyRate: rate, baselineAnomalyRate: rateBefore, psi }),
    signs,
  };
}

/**
 * A window counts once: of batches that overlap the longest one that scored the sensor is taken, of equal ones the
 * newest. Taking the newest of all would drop a day for the sake of an hour that was scored again.
 */
async function anomalyRates(
  store: Store,
  batches: readonly Batch[],
  range: { readonly from: number; readonly to: number },
): Promise<Map<number, Rate>> {
  const rates = new Map<number, Rate>();
  const ordered = batches.toSorted((a, b) => lengthOf(b) - lengthOf(a) || b.startedAtMs - a.startedAtMs);
  const overlaps = earlierOverlaps(ordered);
  const counted = ordered.map(() => new Set<number>());
  for (const [at, batch] of ordered.entries()) {
    const before = overlaps[at]!;
    for (const { sensorId, windows, anomalies } of await store.listOutcomes(batch.id, {
      status: 'scored',
      after: range.from - 1,
      limit: range.to - range.from,
    })) {
      if (sensorId >= range.to) break;
      if (before.some((other) => counted[other]!.has(sensorId))) continue;
      counted[at]!.add(sensorId);
      const rate = rates.get(sensorId);
      if (!rate) rates.set(sensorId, { windows, anomalies });
      else {
        rate.windows += windows;
        rate.anomalies += anomalies;
      }
    }
  }
  return rates;
}

const lengthOf = ({ fromMs, toMs }: Period): number => toMs - fromMs;

/** For each of these periods, those earlier in the list that overlap with it. */
function earlierOverlaps(periods: readonly Period[]): readonly (readonly number[])[] {
  const overlaps = periods.map((): number[] => []);
  const byStart = [...periods.keys()].sort((a, b) => periods[a]!.fromMs - periods[b]!.fromMs);
  let open: number[] = [];
  for (const at of byStart) {
    open = open.filter((other) => periods[other]!.toMs > periods[at]!.fromMs);
    for (const other of open) overlaps[Math.max(at, other)]!.push(Math.min(at, other));
    open.push(at);
  }
  return overlaps;
}

/** The release of a batch, where sensors have windows of their own in it. */
async function ownRelease(store: Store, batch: Batch | undefined): Promise<string | undefined> {
  if (!batch) return undefined;
  return (await store.releaseWindows(batch.release)).length > 0 ? batch.release : undefined;
}

async function windowMeans(store: Store, wanted: OwnSeries): Promise<Map<number, number[]>> {
  const means = new Map<number, number[]>();
  const series = await readOwnSeries(store, wanted);
  for (let row = 0; row < series.length; row++) {
    const id = series.sensorId[row]!;
    const list = means.get(id);
    if (list) list.push(series.mean[row]!);
    else means.set(id, [series.mean[row]!]);
  }
  return means;
}
