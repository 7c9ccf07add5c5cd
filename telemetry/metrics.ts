/**
 * Metrics of a worker process in the text format of Prometheus (0.0.4), on loopback only. Names hold the unit,
 * counters end in `_total`. Metrics never cost work: a port that is taken is a warning, and a source that does not
 * answer leaves its metrics out of the page.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { isLoopbackHost } from '../domain/loopback.ts';
import { VERSION } from '../version.ts';
import type { Logger } from '../logging/log.ts';
import type { Config } from '../config.ts';
import type { Metric, Sample } from './metric.ts';
import type { Telemetry } from './types.ts';

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The page of these metrics; those without samples are left out. */
export function formatMetrics(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, type, help, samples }) =>
        `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n` +
        samples.map(({ labels, value }) => `${name}${labelText(labels)} ${valueText(value)}\n`).join(''),
    )
    .join('');
}

function labelText(labels: Sample['labels'] = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value).replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

function valueText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

/** What every process tells of itself, under the names that Prometheus' own clients use. */
export function processMetrics(role: string): Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    {
      name: 'fleetscore_build_info',
      type: 'gauge',
      unit: '1',
      help: 'Version of fleetscore and role of the process.',
      samples: [{ labels: { role, version: VERSION }, value: 1 }],
    },
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      unit: 's',
      help: 'User and system CPU time.',
      samples: [{ value: (user + system) / 1e6 }],
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      unit: 'By',
      help: 'Resident memory.',
      samples: [{ value: process.memoryUsage.rss() }],
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      unit: 's',
      help: 'When the process started, Unix time.',
      samples: [{ value: performance.timeOrigin / 1000 }],
    },
  ];
}

/**
 * Serves `GET /metrics`. Scrapes at the same time share one collection.
 * @param port 0 takes a free one
 * @param more text that goes below, in the same format
 * @throws FleetscoreError `METRICS_PORT_BUSY`
 */
export async function serveMetrics(
  port: number,
  collect: () => Promise<readonly Metric[]>,
  more: () => Promise<string> = async () => '',
): Promise<MetricsServer> {
  let collecting: Promise<string> | undefined;
  const build = async (): Promise<string> => {
    const [own, others] = await Promise.all([collect(), more()]);
    return `${formatMetrics(own)}${others}`;
  };
  const page = (): Promise<string> => (collecting ??= build().finally(() => (collecting = undefined)));
  const server = createServer((request, response) => {
    const end = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': status === 200 ? CONTENT_TYPE : 'text/plain; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (!isLoopbackHost(request.headers.host)) end(421, 'Ask under the name localhost\n');
    else if (request.url?.split('?')[0] !== '/metrics') end(404, 'The metrics are at /metrics\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') end(405, 'Only GET is answered\n');
    else
      page().then(
        (text) => end(200, text),
        (error: unknown) => end(500, `${messageOf(error)}\n`),
      );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(busy(port, error)));
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A worker process as far as its metrics are concerned. */
export interface MeasuredProcess {
  readonly config: Pick<Config, 'metricsPort'>;
  readonly log: Logger;
  /** Absent when nothing is to be sent. */
  readonly telemetry?: Telemetry | undefined;
}

/** What a worker does to its metrics at its end. */
export interface WorkerMetrics {
  /** Of the page, where there is one. */
  readonly port?: number;
  /** Ends the page, and looks a last time for what is sent: call it while store and services are open. */
  close(): Promise<void>;
}

/**
 * The metrics of a worker, sent where telemetry is on, and as a page when FLEETSCORE_METRICS_PORT is set; its log says
 * where, or why there is none.
 * @param temporal address of the page of Temporal's own runtime, which becomes part of this one
 * @returns undefined when nobody is told anything
 */
export async function startMetrics(
  life: MeasuredProcess,
  collect: () => Promise<readonly Metric[]>,
  temporal?: string,
): Promise<WorkerMetrics | undefined> {
  const { telemetry } = life;
  telemetry?.metrics(collect);
  const server = await startPage(life, collect, temporal);
  if (!telemetry) return server;
  return {
    ...(server ? { port: server.port } : {}),
    async close() {
      await Promise.all([telemetry.settle(), server?.close()]);
    },
  };
}

async function startPage(
  { config: { metricsPort }, log }: MeasuredProcess,
  collect: () => Promise<readonly Metric[]>,
  temporal: string | undefined,
): Promise<MetricsServer | undefined> {
  if (metricsPort === undefined) return undefined;
  try {
    const server = await serveMetrics(metricsPort, collect, async () =>
      temporal === undefined ? '' : pageOf(temporal),
    );
    log.info({ metrics: `http://${LOOPBACK}:${server.port}/metrics` }, 'metrics');
    // For whoever started this process and tells Prometheus of it.
    process.send?.({ metricsPort: server.port });
    return server;
  } catch (error) {
    log.warn({ port: metricsPort }, `no metrics of this process: ${messageOf(error)}`);
    return undefined;
  }
}

/** Longest wait for the runtime's page: it is in this process. */
const PAGE_MS = 5_000;

async function pageOf(address: string): Promise<string> {
  try {
    const answer = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(PAGE_MS) });
    return answer.ok ? await answer.text() : '';
  } catch {
    return '';
  }
}

/**
 * A free address for the exporter of Temporal's own runtime, which is served by native code; undefined without
 * FLEETSCORE_METRICS_PORT.
 */
export async function temporalMetricsAddress(port: number | undefined): Promise<string | undefined> {
  if (port === undefined) return undefined;
  const probe = await serveMetrics(0, async () => []);
  await probe.close();
  return `${LOOPBACK}:${probe.port}`;
}

function busy(port: number, cause: unknown): FleetscoreError {
  return new FleetscoreError(
    'METRICS_PORT_BUSY',
    `port ${port} on ${LOOPBACK} cannot be used (${messageOf(cause)}). ` +
      'Every process needs a port of its own: set FLEETSCORE_METRICS_PORT to another one, or to auto.',
    { cause },
  );
}
