/**
 * A sensor's series as the small JSON that the script of the charts draws. Its shape is known to assets/charts-*.js
 * only.
 */
import type { Period } from '../../domain/time.ts';
import { medianStep, thin } from '../../report/charts/chart-data.ts';
import { levels } from '../../report/charts/levels.ts';
import type { Range } from '../../scoring/normal-range.ts';
import { bandOf, type Normal } from './normal.ts';
import type { SensorSeries } from './series.ts';

/** Windows drawn in one chart: more are closer than the pixels of a screen. */
const MOST_POINTS = 2_400;

const ROUND = 7;
const short = (value: number): number => Number(value.toPrecision(ROUND));
const endOf = (value: number): number | null => (Number.isFinite(value) ? short(value) : null);

/** @param normals what was normal, by release */
export function chartJson(
  series: SensorSeries,
  period: Period,
  normals: ReadonlyMap<string, Normal>,
  alarmText: (alarm: SensorSeries['alarms'][number]) => string,
): object {
  const { buckets, history, alarms, sensor, stepMs } = series;
  const predictions = series.predictions && levels(series.predictions, period);
  const kept = predictions ? thin(predictions, MOST_POINTS) : [];
  const t = kept.map((i) => predictions!.tsMs[i]!);
  const step = predictions ? medianStep(predictions.tsMs) : 0;
  const scored = history.filter(({ status }) => status === 'scored');
  return {
    unit: sensor.unit,
    t,
    v: kept.map((i) => short(predictions!.value[i]!)),
    s: kept.map((i) => short(predictions!.score[i]!)),
    a: kept.flatMap((i, at) => (predictions!.prediction[i] === 1 ? [at] : [])),
    gap: predictions && kept.length < predictions.tsMs.length ? step * 8 : step * 2.5,
    env: buckets.map(({ startMs, min, max, mean }) => [startMs, short(min), short(max), short(mean)]),
    step: stepMs,
    zero: scored.length > 0 && scored.every(({ release }) => isKnownKind(normals.get(release))),
    band: bands(history, period, normals).map(([from, to, ranges]) => [
      from,
      to,
      ranges.map((range) => [endOf(range.from), endOf(range.to)]),
    ]),
    hot: predictions
      ? []
      : scored
          .filter(({ anomalies }) => anomalies > 0)
          .map(({ fromMs, toMs, anomalies, windows }) => [fromMs, toMs, anomalies / Math.max(1, windows)]),
    bad: history
      .filter(({ status }) => status !== 'scored')
      .map(({ fromMs, toMs, status, class: why }) => [fromMs, toMs, why ?? status]),
    alarms: alarms.map((alarm) => [
      alarm.facts.sinceMs,
      alarm.active ? Math.max(alarm.facts.lastMs, lastOf(series)) : alarm.facts.lastMs,
      alarm.facts.severity,
      alarmText(alarm),
    ]),
    releases: releaseChanges(history),
    batches: [...new Set(history.map(({ fromMs }) => fromMs))],
  };
}

/** Packs know kinds whose scores are above 0 for what is normal. */
const isKnownKind = (normal: Normal | undefined): boolean => normal?.kind === 'range' || normal?.kind === 'several';

const lastOf = ({ history }: SensorSeries): number => history.reduce((last, { toMs }) => Math.max(last, toMs), 0);

/** The normal values over time: of each batch those of its release, joined while they stay the same. Pure. */
function bands(
  history: SensorSeries['history'],
  period: Period,
  normals: ReadonlyMap<string, Normal>,
): [fromMs: number, toMs: number, ranges: readonly Range[]][] {
  const found: [number, number, readonly Range[]][] = [];
  for (const { fromMs, toMs, release } of history.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const normal = normals.get(release);
    const ranges = normal && bandOf(normal);
    if (!ranges) continue;
    const [from, to] = [Math.max(fromMs, period.fromMs), Math.min(toMs, period.toMs)];
    const last = found.at(-1);
    if (last && last[2] === ranges && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([Math.max(from, last?.[1] ?? from), to, ranges]);
  }
  return found.filter(([from, to]) => to > from);
}

/**
 * Where another release took over, of the batches that count: where several looked at the same time, the one that
 * began last. Pure. @param history the batch that began first comes first
 */
export function releaseChanges(history: SensorSeries['history']): [number, string][] {
  const scored = history.filter(({ kind }) => kind === 'score');
  const waiting = scored.map((row, rank) => ({ ...row, rank })).toSorted((a, b) => a.fromMs - b.fromMs);
  const times = [...new Set(scored.flatMap(({ fromMs, toMs }) => [fromMs, toMs]))].sort((a, b) => a - b);
  const found: [number, string][] = [];
  let open: typeof waiting = [];
  let before: string | undefined;
  for (const at of times) {
    open = open.filter(({ toMs }) => toMs > at);
    while (waiting[0] && waiting[0].fromMs <= at) open.push(waiting.shift()!);
    if (open.length === 0) continue;
    const { release } = open.reduce((a, b) => (a.rank > b.rank ? a : b));
    if (before !== undefined && release !== before) found.push([at, release]);
    before = release;
  }
  return found;
}
