/** The OpenTelemetry SDK of a worker process: exporters, and what makes spans and metrics for them. */
import { hostname } from 'node:os';
import { AzureMonitorMetricExporter, AzureMonitorTraceExporter } from '@azure/monitor-opentelemetry-exporter';
import type { PipelinePolicy } from '@azure/core-rest-pipeline';
import { context, diag, DiagLogLevel, trace, type Attributes } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../version.ts';
import { requestLimit } from '../storage/request-limit.ts';
import { traceActivities } from './activity-spans.ts';
import { traceAzureSdk } from './azure-sdk.ts';
import { observeMetrics, type Observed } from './observe.ts';
import { isSampled, traced } from './spans.ts';
import type { Telemetry, TelemetryTargets } from './types.ts';
import { workflowSpans } from './workflow-spans.ts';

/** Of the last export: what is not taken by then is lost, the worker ends. */
const CLOSE_MS = 3_000;
/**
 * Of one export request, its answer included, as OpenTelemetry's own exporters have it (OTEL_EXPORTER_OTLP_TIMEOUT,
 * ms).
 */
const requestMs = (): number => Number(process.env['OTEL_EXPORTER_OTLP_TIMEOUT']) || 10_000;
const AZURE_TRIES = 2;
/** A longer pause that the service asks for is not waited for inside of an export: they would pile up. */
const LONGEST_PAUSE_S = 5;
const SCOPE = { name: 'fleetscore', version: VERSION };

export function createTelemetry(
  role: string,
  worker: string,
  targets: TelemetryTargets,
  warn: (message: string) => void,
): Telemetry {
  // Statistics about itself that the exporter would send to its maker: each variable ends another part of them.
  process.env['APPLICATIONINSIGHTS_STATSBEAT_DISABLED'] ??= 'true';
  process.env['APPLICATION_INSIGHTS_NO_STATSBEAT'] ??= '1';
  // A row of `customMetrics` that says the resource again with each batch of spans.
  process.env['APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED'] ??= 'true';
  const quiet = quietly(warn);
  diag.setLogger(quiet, DiagLogLevel.WARN);
  const resource = resourceFromAttributes({
    'service.name': `fleetscore-${role}`,
    'service.version': VERSION,
    'service.instance.id': worker,
    'host.name': hostname(),
  }).merge(detectResources({ detectors: [envDetector] }));
  const azure =
    targets.applicationInsights === undefined
      ? undefined
      : {
          connectionString: targets.applicationInsights,
          disableOfflineStorage: true,
          retryOptions: { maxRetries: AZURE_TRIES - 1 },
          additionalPolicies: [{ position: 'perRetry' as const, policy: exportPolicy(quiet.warn) }],
        };

  // So that its sums of items count a sampled span for all that it stands for.
  const sampleRate = targets.ratio < 1 ? { 'microsoft.sample_rate': targets.ratio * 100 } : {};
  const processors: SpanProcessor[] = [
    ...(targets.otlpTraces ? [new BatchSpanProcessor(new OTLPTraceExporter())] : []),
    ...(azure ? [new BatchSpanProcessor(new AzureMonitorTraceExporter(azure))] : []),
  ];
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new BasicTracerProvider({ resource, spanProcessors: [marking(sampleRate), ...processors] });
  trace.setGlobalTracerProvider(provider);
  const tracer = provider.getTracer(SCOPE.name, SCOPE.version);
  const sampled = isSampled(targets.ratio);
  traceAzureSdk(tracer);

  const metered = meterProviders(targets, azure, resource);
  let observed: readonly Observed[] = [];

  return {
    activity: traceActivities(tracer, sampled),
    sinks: {
      trace: {
        ended: {
          fn: (_, span) =>
            workflowSpans(span, { sampled, resource, scope: SCOPE, attributes: sampleRate }).forEach((one) =>
              processors.forEach((processor) => processor.onEnd(one)),
            ),
          callDuringReplay: false,
        },
      },
    },
    spans: (target, kind) => traced(tracer, target, kind),
    metrics(collect) {
      observed = metered.map(({ provider: meters, differences }) =>
        observeMetrics(meters.getMeter(SCOPE.name, SCOPE.version), collect, { differences }),
      );
    },
    async settle() {
      await inTime(observed.map((one) => one.settle()));
    },
    async close() {
      await inTime([provider, ...metered.map(({ provider: meters }) => meters)].map(flushed));
    },
  };
}

const flushed = (provider: { forceFlush(): Promise<void>; shutdown(): Promise<void> }): Promise<void> =>
  provider.forceFlush().then(() => provider.shutdown());

/** Waits for all of it, well or not, and not for long. */
async function inTime(work: readonly Promise<void>[]): Promise<void> {
  await Promise.race([Promise.allSettled(work), new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
}

/** Gives every span these attributes. */
const marking = (attributes: Attributes): SpanProcessor => ({
  onStart: (span) => void span.setAttributes(attributes),
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
});

/** Of its own each: Application Insights takes differences, which begin with the process. */
function meterProviders(
  targets: TelemetryTargets,
  azure: ConstructorParameters<typeof AzureMonitorMetricExporter>[0],
  resource: Resource,
): { readonly provider: MeterProvider; readonly differences: boolean }[] {
  const intervalMs = Number(process.env['OTEL_METRIC_EXPORT_INTERVAL']) || 60_000;
  const every = { exportIntervalMillis: intervalMs, exportTimeoutMillis: Math.min(intervalMs, 30_000) };
  return [
    ...(targets.otlpMetrics ? [{ exporter: new OTLPMetricExporter(), differences: false }] : []),
    ...(azure ? [{ exporter: new AzureMonitorMetricExporter(azure), differences: true }] : []),
  ].map(({ exporter, differences }) => ({
    differences,
    provider: new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter, ...every })] }),
  }));
}

/**
 * One request of the Application Insights exporter ends by itself, and a refusal is told: the exporter takes 403, 429,
 * 439, 500, 503 and refused items for success and says nothing (@azure/monitor-opentelemetry-exporter 1.0.0-beta.47).
 */
function exportPolicy(warn: Say): PipelinePolicy {
  const limit = requestLimit(requestMs());
  return {
    name: 'fleetscoreExport',
    async sendRequest(request, next) {
      const answer = await limit.sendRequest(request, next);
      if (answer.status !== 200 && answer.status !== 307 && answer.status !== 308)
        warn(`Application Insights answered ${answer.status}: telemetry of this export is lost, or some of it`);
      for (const header of ['retry-after', 'retry-after-ms', 'x-ms-retry-after-ms'])
        if (tooLong(answer.headers.get(header), header.endsWith('ms'))) answer.headers.delete(header);
      return answer;
    },
  };
}

/** @param value seconds (or `inMs`), or a date */
function tooLong(value: string | undefined, inMs: boolean): boolean {
  if (value === undefined) return false;
  const seconds = /^\d+$/.test(value) ? Number(value) / (inMs ? 1_000 : 1) : (Date.parse(value) - Date.now()) / 1_000;
  return !(seconds <= LONGEST_PAUSE_S);
}

/**
 * What the SDK complains about goes to the log once a minute at most: a collector that is away is no news each second.
 */
function quietly(warn: (message: string) => void): { error: Say; warn: Say; info: Say; debug: Say; verbose: Say } {
  let lastMs = 0;
  const say: Say = (message, ...rest) => {
    const now = Date.now();
    if (now - lastMs < 60_000) return;
    lastMs = now;
    warn(
      'telemetry: ' +
        [message, ...rest.map((part) => (part instanceof Error ? part.message : String(part)))].join(' ').slice(0, 500),
    );
  };
  const none: Say = () => {};
  return { error: say, warn: say, info: none, debug: none, verbose: none };
}

type Say = (message: string, ...rest: unknown[]) => void;
