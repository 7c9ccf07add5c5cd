/** The types that the parts of telemetry share; none of its code is loaded with them. */
import type { InjectedSinks, WorkerInterceptors } from '@temporalio/worker';
import type { TraceSinks } from '../workflows/tracing.ts';
import type { Metric } from './metric.ts';

export interface Telemetry {
  /** For the worker's interceptors of activities: a span of each that belongs to a traced batch. */
  readonly activity: NonNullable<WorkerInterceptors['activity']>[number];
  /** For the worker's sinks: the spans of workflows. */
  readonly sinks: InjectedSinks<TraceSinks>;
  /** The same object, whose calls are spans of the activity that makes them. */
  spans<T extends object>(target: T, kind: SpanTarget): T;
  /** Sends these metrics from now on, at the interval of OTEL_METRIC_EXPORT_INTERVAL (default one minute). */
  metrics(collect: () => Promise<readonly Metric[]>): void;
  /** Looks at the metrics a last time, while what they ask is still open: that look is the last that is sent. */
  settle(): Promise<void>;
  /** Sends what waits, for a few seconds at most. */
  close(): Promise<void>;
}

/** What a traced object is: the name of its spans, and which of its methods count. */
export interface SpanTarget {
  readonly prefix: string;
  readonly methods?: readonly string[];
  readonly attributes?: Readonly<Record<string, string>>;
  /** True when another system is called. */
  readonly remote?: boolean;
}

export interface TelemetryTargets {
  /** True when OTEL_EXPORTER_OTLP_ENDPOINT (or the one of a signal) is set: its exporters read it themselves. */
  readonly otlpTraces: boolean;
  readonly otlpMetrics: boolean;
  readonly applicationInsights: string | undefined;
  /** Share of batches that are traced, 0 to 1. */
  readonly ratio: number;
}
