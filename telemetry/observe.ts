/**
 * The metrics of a worker as instruments of OpenTelemetry: one source for Prometheus, OTLP and Application Insights.
 */
import type { Meter, Observable, ObservableResult } from '@opentelemetry/api';
import type { Metric } from './metric.ts';

/** Instruments of one collection share one look. */
const SHARED_MS = 1_000;

/** Names that come later (a part that did not answer at first) are there from the collection after. */
export function observeMetrics(meter: Meter, collect: () => Promise<readonly Metric[]>): void {
  const known = new Set<string>();
  let look: { readonly atMs: number; readonly metrics: Promise<ReadonlyMap<string, Metric>> } | undefined;

  const shared = (): Promise<ReadonlyMap<string, Metric>> => {
    const now = performance.now();
    if (!look || now - look.atMs > SHARED_MS)
      look = {
        atMs: now,
        metrics: collect().then(
          (found) => {
            for (const metric of found) add(metric);
            return new Map(found.map((metric) => [metric.name, metric]));
          },
          () => new Map<string, Metric>(),
        ),
      };
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

  void shared();
}
