/**
 * Which files of predictions need not be read. A period that overlapping or repeated batches scored many times has a
 * file of each of them, and mostly the newest has every window: what earlier ones said of its time nobody is served.
 */
import type { Period } from '../domain/time.ts';
import { startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { PredictionSource } from '../storage/store.ts';

/** How many windows of a shape belong to a period, with readings or not. */
function windowsIn(period: Period, shape: WindowShape): number {
  const { fromMs, toMs } = startsIn(period, shape);
  return Math.ceil(toMs / shape.hopMs) - Math.ceil(fromMs / shape.hopMs);
}

const common = (a: Period, b: Period): Period => ({
  fromMs: Math.max(a.fromMs, b.fromMs),
  toMs: Math.min(a.toMs, b.toMs),
});

/**
 * Sources of one sensor without those of which nothing is served in a period.
 * @param sources in the order of batches: of several predictions for one window the last counts
 * @param fleet the fleet's windows
 * @param countIn how many windows of a source's own length belong to a period and have a prediction in its file
 */
export async function withoutShadowed(
  sources: readonly PredictionSource[],
  period: Period,
  fleet: WindowShape,
  countIn: (source: PredictionSource, period: Period) => Promise<number>,
): Promise<PredictionSource[]> {
  let left = [...sources];
  for (let rest = left.length - 1; rest > 0; rest--) {
    const newer = left[rest]!;
    const own = common(newer, period);
    const isUnder = (older: PredictionSource): boolean => {
      const { fromMs, toMs } = common(older, period);
      return older.windowMs === newer.windowMs && fromMs >= own.fromMs && toMs <= own.toMs;
    };
    const under = new Set(left.slice(0, rest).filter(isUnder));
    // To find out means to read the newer one once more: of a single file that is as dear as to read it.
    if (under.size < 2) continue;
    if ((await countIn(newer, own)) < windowsIn(own, windowsOfSensor(fleet, newer.windowMs))) continue;
    left = left.filter((source) => !under.has(source));
    rest -= under.size;
  }
  return left;
}
