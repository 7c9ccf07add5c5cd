/** The OpenTelemetry SDK of a worker process: exporters, and what makes spans and metrics for them. */
import { hostname } from 'node:os';
import { AzureMonitorMetricExporter, AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';
import { context, diag, DiagLogLevel, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../version.ts';
import { traceActivities } from './activity-spans.ts';
import { traceAzureSdk } from './azure-sdk.ts';
import { observeMetrics } from './observe.ts';
import { isSampled, traced } from './spans.ts';
import type { Telemetry, TelemetryTargets } from './types.ts';
import { workflowSpans } from './workflow-spans.ts';

const CLOSE_MS = 5_000;
const SCOPE = { name: 'fleetscore', version: VERSION };

export function createTelemetry(role: string, targets: TelemetryTargets, warn: (message: string) => void): Telemetry {
  // Statistics about itself that the exporter would send to its maker.
  process.env['APPLICATIONINSIGHTS_STATSBEAT_DISABLED'] ??= 'true';
  diag.setLogger(quietly(warn), DiagLogLevel.WARN);
  const resource = resourceFromAttributes({
    'service.name': `fleetscore-${role}`,
    'service.namespace': 'fleetscore',
    'service.version': VERSION,
    'service.instance.id': `${hostname()}-${process.pid}`,
    'host.name': hostname(),
  }).merge(detectResources({ detectors: [envDetector] }));
  const azure =
    targets.applicationInsights === undefined
      ? undefined
      : { connectionString: targets.applicationInsights, disableOfflineStorage: true };

  const processors: SpanProcessor[] = [
    ...(targets.otlpTraces ? [new BatchSpanProcessor(new OTLPTraceExporter())] : []),
    ...(azure ? [new BatchSpanProcessor(new AzureMonitorTraceExporter(azure))] : []),
  ];
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new BasicTracerProvider({ resource, spanProcessors: processors });
  trace.setGlobalTracerProvider(provider);
  const tracer = provider.getTracer(SCOPE.name, SCOPE.version);
  const sampled = isSampled(targets.ratio);
  traceAzureSdk(tracer);

  const intervalMs = Number(process.env['OTEL_METRIC_EXPORT_INTERVAL']) || 60_000;
  const every = { exportIntervalMillis: intervalMs, exportTimeoutMillis: Math.min(intervalMs, 30_000) };
  const meters = new MeterProvider({
    resource,
    readers: [
      ...(targets.otlpMetrics
        ? [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), ...every })]
        : []),
      ...(azure
        ? [new PeriodicExportingMetricReader({ exporter: new AzureMonitorMetricExporter(azure), ...every })]
        : []),
    ],
  });

  return {
    activity: traceActivities(tracer, sampled),
    sinks: {
      trace: {
        ended: {
          fn: (_, span) =>
            workflowSpans(span, sampled, resource, SCOPE).forEach((one) =>
              processors.forEach((processor) => processor.onEnd(one)),
            ),
          callDuringReplay: false,
        },
      },
    },
    spans: (target, kind) => traced(tracer, target, kind),
    metrics: (collect) => observeMetrics(meters.getMeter(SCOPE.name, SCOPE.version), collect),
    async close() {
      await Promise.race([
        Promise.allSettled([
          provider.forceFlush().then(() => provider.shutdown()),
          meters.forceFlush().then(() => meters.shutdown()),
        ]),
        new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref()),
      ]);
    },
  };
}

/** What the SDK complains about goes to the log once a minute at most: a collector that is away is no news each second. */
function quietly(warn: (message: string) => void): { error: Say; warn: Say; info: Say; debug: Say; verbose: Say } {
  let lastMs = 0;
  const say: Say = (message, ...rest) => {
    const now = Date.now();
    if (now - lastMs < 60_000) return;
    lastMs = now;
    warn(
      `telemetry: ${[message, ...rest.map((part) => (part instanceof Error ? part.message : String(part)))].join(' ').slice(0, 500)}`,
    );
  };
  const none: Say = () => {};
  return { error: say, warn: say, info: none, debug: none, verbose: none };
}

type Say = (message: string, ...rest: unknown[]) => void;
