/**
 * Traces and metrics for OpenTelemetry and Application Insights. Off unless a variable says where to: then none
 * of its code is even loaded. Trouble with sending never touches the work.
 */
import { hostname } from 'node:os';
import type { Env } from '../config.ts';
import { workerName } from '../domain/worker.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../logging/log.ts';
import type { Telemetry, TelemetryTargets } from './types.ts';

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
    const telemetry = createTelemetry(
      role,
      workerName({ role, node: env.FLEETSCORE_NODE, host: hostname(), pid: process.pid }),
      targets,
      (message) => log.warn(message),
    );
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
