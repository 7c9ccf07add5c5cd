/** The alarms that rules would have given of predictions there are. Reads only; nothing is raised. */
import { itemsOfPredictions } from '../alarms/evidence.ts';
import type { FoundAlarm } from '../alarms/excursion.ts';
import { fold, openAlarms } from '../alarms/fold.ts';
import { ruleFor, senseOf, type AlarmRules } from '../alarms/rules.ts';
import type { Sensor } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import { windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { readPredictions, type PredictionRow } from '../scoring/read-predictions.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { Store } from '../storage/store.ts';

export interface TriedRules {
  readonly alarms: number;
  /** Sensors that had one. */
  readonly sensors: number;
  /** By kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Window time of all of them, and of the longest, ms; of those that go on, up to the end of the period. */
  readonly totalMs: number;
  readonly longestMs: number;
  readonly goOn: number;
}

const NONE: TriedRules = { alarms: 0, sensors: 0, kinds: {}, totalMs: 0, longestMs: 0, goOn: 0 };

interface TryDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly windows: WindowShape;
}

/** What each of several rules gives, in their order; every predictions file is read once a sensor. */
export async function tryRules(
  deps: TryDeps,
  all: readonly AlarmRules[],
  sensors: readonly Sensor[],
  period: Period,
  release: string,
): Promise<TriedRules[]> {
  const tried = all.map(() => NONE);
  for (const sensor of sensors) {
    const rows = await readPredictions(deps, sensor, period);
    if (rows.length === 0) continue;
    for (const [i, rules] of all.entries())
      tried[i] = added(tried[i]!, alarmsOf(rules, sensor, rows, period, release, deps.windows), period);
  }
  return tried;
}

function alarmsOf(
  rules: AlarmRules,
  sensor: Sensor,
  all: readonly PredictionRow[],
  { fromMs, toMs }: Period,
  release: string,
  fleet: WindowShape,
): FoundAlarm[] {
  const rule = ruleFor(rules, sensor, release);
  // Of windows of several lengths, those of the newest.
  const { windowMs } = all.at(-1)!;
  const rows = all.filter((row) => row.windowMs === windowMs);
  const shape = windowsOfSensor(fleet, windowMs);
  const { leadMs = 0 } = shape;
  const items = itemsOfPredictions(rows, senseOf(rules), shape);
  const period = { fromMs: fromMs + leadMs, toMs: toMs + leadMs };
  const stretch = { ...period, batchId: 'try', verdict: 'scored' as const, seen: true, items };
  // What was before the period is not asked: it begins at rest.
  const { state, ended } = fold(undefined, stretch, rule, shape, { seenMs: rows[0]!.tsMs });
  return [...ended, ...openAlarms(state)];
}

function added(sum: TriedRules, alarms: readonly FoundAlarm[], { toMs }: Period): TriedRules {
  if (alarms.length === 0) return sum;
  const kinds: Record<string, number> = { ...sum.kinds };
  let { totalMs, longestMs, goOn } = sum;
  for (const { kind, facts } of alarms) {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    const ms = (facts.clearedMs === undefined ? toMs : facts.lastMs) - facts.sinceMs;
    totalMs += ms;
    longestMs = Math.max(longestMs, ms);
    if (facts.clearedMs === undefined) goOn += 1;
  }
  return { alarms: sum.alarms + alarms.length, sensors: sum.sensors + 1, kinds, totalMs, longestMs, goOn };
}
