/**
 * Sensors that report more slowly than the windows that their models look back over: the window before is then never
 * there, and nothing of them is ever scored. Told when a model is published, from the readings that are held, and by
 * every batch that skips a sensor for it. A bounded look: some sensors, the newest hour or day of each.
 */
import { formatPace, windowFor } from '../domain/pace.ts';
import { DAY_MS, formatDuration, HOUR_MS } from '../domain/time.ts';
import { ownWindowProblem, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { ReleaseModel, Store } from '../storage/store.ts';

export interface SlowReadings {
  /** Sensors that are too slow, of those looked at. */
  readonly slow: number;
  readonly looked: number;
  /** Usual time between windows with readings, and the window that their models look at, ms: of the median of them. */
  readonly everyMs: number;
  readonly windowMs: number;
  /** A window that they fill, ms; absent where none is allowed that is long enough. */
  readonly fitsMs?: number;
}

/** Sensors looked at: enough to see what is usual. */
const MOST_SENSORS = 200;
/** With fewer windows in an hour, a day is looked at. */
const LEAST_WINDOWS = 4;

/** @param models of sensors, whose features look at earlier windows */
export async function slowReadings(
  store: Pick<Store, 'windowStats' | 'readSeries'>,
  models: readonly Pick<ReleaseModel, 'sensorId' | 'windowMs'>[],
  fleet: WindowShape,
): Promise<SlowReadings | undefined> {
  const step = Math.max(1, Math.ceil(models.length / MOST_SENSORS));
  const found: { readonly everyMs: number; readonly windowMs: number }[] = [];
  let looked = 0;
  for (let i = 0; i < models.length; i += step) {
    const { sensorId, windowMs } = models[i]!;
    const everyMs = await usualStep(store, sensorId);
    if (everyMs === undefined) continue;
    looked += 1;
    const shape = windowsOfSensor(fleet, windowMs);
    if (isTooSlow(everyMs, shape)) found.push({ everyMs, windowMs: shape.windowMs });
  }
  if (found.length === 0) return undefined;
  const { everyMs, windowMs } = found.sort((a, b) => a.everyMs - b.everyMs)[found.length >> 1]!;
  const fitsMs = fitting(everyMs, fleet);
  return { slow: found.length, looked, everyMs, windowMs, ...(fitsMs === undefined ? {} : { fitsMs }) };
}

/** A few windows may be missing; with every other one missing no window has the one before. */
const isTooSlow = (everyMs: number, { hopMs }: WindowShape): boolean => everyMs >= 2 * hopMs;

/** The shortest window of a sensor's own that readings of this pace fill. */
function fitting(everyMs: number, fleet: WindowShape): number | undefined {
  const least = Math.ceil(everyMs / fleet.windowMs) * fleet.windowMs;
  // A usual length where it fits.
  return [windowFor(everyMs), least].find((ms) => ms >= everyMs && ownWindowProblem(ms, fleet) === undefined);
}

/** For people, without a full stop; undefined where windows follow each other as they should. */
export function slowText(starts: ArrayLike<number>, shape: WindowShape, fleet: WindowShape): string | undefined {
  const everyMs = medianStep(starts);
  if (everyMs === undefined || !isTooSlow(everyMs, shape)) return undefined;
  return paceText({ everyMs, windowMs: shape.windowMs, fitsMs: fitting(everyMs, fleet) });
}

export const paceText = ({
  everyMs,
  windowMs,
  fitsMs,
}: Pick<SlowReadings, 'everyMs' | 'windowMs'> & { readonly fitsMs?: number | undefined }): string =>
  `readings come every ${formatPace(everyMs)} and windows are ${formatDuration(windowMs)}, so the window before ` +
  `is missing${fitsMs === undefined ? '' : `; publish with --window ${formatDuration(fitsMs)}`}`;

async function usualStep(
  store: Pick<Store, 'windowStats' | 'readSeries'>,
  sensorId: number,
): Promise<number | undefined> {
  const range = { from: sensorId, to: sensorId + 1 };
  const [stats] = await store.windowStats(range);
  if (!stats) return undefined;
  for (const spanMs of [HOUR_MS, DAY_MS]) {
    const period = { fromMs: stats.lastMs - spanMs, toMs: stats.lastMs + 1 };
    const { length, startMs } = await store.readSeries(range, period, { columns: 'mean' });
    if (length >= LEAST_WINDOWS || spanMs === DAY_MS) return medianStep(startMs);
  }
  return undefined;
}

/** The usual time from one start to the next, ms; undefined for fewer than two. */
function medianStep(starts: ArrayLike<number>): number | undefined {
  const steps = Float64Array.from({ length: Math.max(0, starts.length - 1) }, (_, i) => starts[i + 1]! - starts[i]!);
  return steps.sort()[steps.length >> 1];
}
