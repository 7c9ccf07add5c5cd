/**
 * The metrics of a worker as instruments of OpenTelemetry: one source for Prometheus, OTLP and Application Insights.
 */
import type { Meter, Observable, ObservableResult } from '@opentelemetry/api';
import type { Metric, Sample } from './metric.ts';

/** Instruments of one collection share one look. */
const SHARED_MS = 1_000;
/** Until the next look while none has found anything to measure. */
const AGAIN_MS = 5_000;

export interface Observed {
  /**
   * Looks anew; what is collected from now on is what this look found, as the services that it asks are closed next.
   */
  settle(): Promise<void>;
}

export interface ObserveOptions {
  /**
   * For an exporter that sends differences: what was counted before the first look at a total that outlives processes,
   * and while another process told of it, is no difference of this one.
   */
  readonly differences?: boolean;
}

type Looked = ReadonlyMap<string, Metric>;

/** Names that come later (a part that did not answer at first) are there from the collection after. */
export function observeMetrics(
  meter: Meter,
  collect: () => Promise<readonly Metric[]>,
  { differences = false }: ObserveOptions = {},
): Observed {
  const known = new Set<string>();
  const since = differences ? sinceFirstSeen() : (metric: Metric): Metric => metric;
  let look: { readonly atMs: number; readonly metrics: Promise<Looked> } | undefined;

  const lookNow = (): Promise<Looked> =>
    collect().then(
      (found) => {
        for (const metric of found) add(metric);
        return new Map(found.map((metric) => [metric.name, since(metric)]));
      },
      () => new Map<string, Metric>(),
    );
  const shared = (): Promise<Looked> => {
    const now = performance.now();
    if (!look || now - look.atMs > SHARED_MS) look = { atMs: now, metrics: lookNow() };
    return look.metrics;
  };

  const add = ({ name, type, help, unit }: Metric): void => {
    if (known.has(name)) return;
    known.add(name);
    const options = { description: help, ...(unit === undefined ? {} : { unit }) };
    const instrument: Observable =
      type === 'counter' ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options);
    instrument.addCallback(async (result: ObservableResult) => {
      for (const sample of (await shared()).get(name)?.samples ?? [])
        result.observe(sample.value, { ...sample.labels });
    });
  };

  // Without an instrument nobody would ever look.
  const begin = async (): Promise<void> => {
    await shared();
    if (known.size === 0 && !settled) setTimeout(() => void begin(), AGAIN_MS).unref();
  };
  let settled = false;
  void begin();
  return {
    async settle() {
      settled = true;
      const last = lookNow();
      look = { atMs: Number.POSITIVE_INFINITY, metrics: last };
      await last;
    },
  };
}

/**
 * Totals that outlive processes, as what was added to them between looks of this process. Series that were away begin
 * anew.
 */
function sinceFirstSeen(): (metric: Metric) => Metric {
  const told = new Map<string, number>();
  let before = new Map<string, Map<string, number>>();
  return (metric) => {
    if (metric.stored !== true) return metric;
    const last = before.get(metric.name);
    const now = new Map<string, number>();
    const samples = metric.samples.map((sample): Sample => {
      const series = `${metric.name} ${JSON.stringify(sample.labels ?? {})}`;
      const added = Math.max(0, sample.value - (last?.get(series) ?? sample.value));
      const total = (told.get(series) ?? 0) + added;
      told.set(series, total);
      now.set(series, sample.value);
      return { ...sample, value: total };
    });
    before = new Map([...before, [metric.name, now]]);
    return { ...metric, samples };
  };
}
