/**
 * Traces and metrics for OpenTelemetry and Application Insights. Off unless a variable says where to: then none
 * of its code is even loaded. Trouble with sending never touches the work.
 */
import type { InjectedSinks, WorkerInterceptors } from '@temporalio/worker';
import type { Env } from '../config.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../logging/log.ts';
import type { Metric } from './metrics.ts';
import type { TraceSinks } from '../workflows/tracing.ts';

export interface Telemetry {
  /** For the worker's interceptors of activities: a span of each that belongs to a traced batch. */
  readonly activity: NonNullable<WorkerInterceptors['activity']>[number];
  /** For the worker's sinks: the spans of workflows. */
  readonly sinks: InjectedSinks<TraceSinks>;
  /** The same object, whose calls are spans of the activity that makes them. */
  spans<T extends object>(target: T, kind: SpanTarget): T;
  /** Sends these metrics from now on, at the interval of OTEL_METRIC_EXPORT_INTERVAL (default one minute). */
  metrics(collect: () => Promise<readonly Metric[]>): void;
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

/** Where telemetry goes, by the standard variables; undefined: nowhere. Pure. */
export function telemetryTargets(env: Env): TelemetryTargets | undefined {
  if (/^true$/i.test(env.OTEL_SDK_DISABLED ?? '')) return undefined;
  const all = Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT);
  const wants = (signal: 'TRACES' | 'METRICS'): boolean =>
    (all || Boolean(env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`])) && env[`OTEL_${signal}_EXPORTER`] !== 'none';
  const targets = {
    otlpTraces: wants('TRACES'),
    otlpMetrics: wants('METRICS'),
    applicationInsights: env.APPLICATIONINSIGHTS_CONNECTION_STRING || undefined,
    ratio: ratioOf(env),
  };
  return targets.otlpTraces || targets.otlpMetrics || targets.applicationInsights ? targets : undefined;
}

function ratioOf(env: Env): number {
  const sampler = env.OTEL_TRACES_SAMPLER ?? '';
  if (sampler.endsWith('always_off')) return 0;
  if (!sampler.endsWith('traceidratio')) return 1;
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  return ratio >= 0 && ratio <= 1 ? ratio : 1;
}

/** Undefined when nothing is to be sent, or the SDK does not start (said in the log). */
export async function startTelemetry(role: string, env: Env, log: Logger): Promise<Telemetry | undefined> {
  const targets = telemetryTargets(env);
  if (!targets) return undefined;
  try {
    const { createTelemetry } = await import('./sdk.ts');
    const telemetry = createTelemetry(role, targets, (message) => log.warn(message));
    log.info(
      {
        otlp: targets.otlpTraces || targets.otlpMetrics,
        applicationInsights: targets.applicationInsights !== undefined,
        ratio: targets.ratio,
      },
      'telemetry',
    );
    return telemetry;
  } catch (error) {
    log.warn(
      { reason: messageOf(error) },
      'no telemetry: check the OTEL_ variables and APPLICATIONINSIGHTS_CONNECTION_STRING',
    );
    return undefined;
  }
}
