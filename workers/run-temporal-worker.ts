/** The part that control and scoring workers share: Temporal's runtime, logging, drain on request. */
import { hostname } from 'node:os';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type LogLevel,
  type TelemetryOptions,
  type WorkerOptions,
} from '@temporalio/worker';
import type { Config } from '../config.ts';
import { workerName, type WorkerRole } from '../domain/worker.ts';
import { messageOf } from '../domain/errors.ts';
import { FORCE_AFTER_MS, type Life } from './lifecycle.ts';
import type { Logger } from '../logging/log.ts';
import { temporalMetricsAddress } from '../telemetry/metrics.ts';

/**
 * Must run before the first connection of the process. With FLEETSCORE_METRICS_PORT the runtime serves its metrics
 * at the address returned; when it cannot, the worker goes on without.
 */
export async function installRuntime({ config, log }: Pick<Life, 'config' | 'log'>): Promise<string | undefined> {
  const bindAddress = await temporalMetricsAddress(config.metricsPort);
  if (bindAddress === undefined) {
    install(log);
    return undefined;
  }
  try {
    install(log, {
      metrics: {
        prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
      },
    });
    return bindAddress;
  } catch (error) {
    log.warn({ metrics: bindAddress }, `no metrics of Temporal's runtime: ${messageOf(error)}`);
    install(log);
    return undefined;
  }
}

/** What the SDK warns of and is meant: a scoring worker has activities alone. */
const MEANT: ReadonlySet<string> = new Set(['No workflows registered, not polling for workflow tasks']);

function install(log: Logger, telemetryOptions: TelemetryOptions = {}): void {
  const level: Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = {
    TRACE: 'trace',
    DEBUG: 'debug',
    INFO: 'info',
    WARN: 'warn',
    ERROR: 'error',
  };
  Runtime.install({
    logger: new DefaultLogger('INFO', (entry) => {
      const as = MEANT.has(entry.message) ? 'debug' : level[entry.level];
      log[as]({ ...entry.meta }, entry.message);
    }),
    // The lifecycle decides what ends this process, not the runtime.
    shutdownSignals: [],
    // How soon the pool sees which workers are busy; the default is a minute.
    workerHeartbeatInterval: '2s',
    telemetryOptions,
  });
}

/** The name of this process. */
export const nameOfThis = (role: WorkerRole, { worker: { node } }: Pick<Config, 'worker'>): string =>
  workerName({ role, node: role === 'scoring' ? node : undefined, host: hostname(), pid: process.pid });

/** @param polls called when the worker has begun to poll; the worker counts as ready when it resolves */
export async function runTemporalWorker(
  life: Life,
  role: WorkerRole,
  connection: NativeConnection,
  namespace: string,
  options: Omit<WorkerOptions, 'connection' | 'namespace'>,
  polls: () => Promise<void> = async () => {},
): Promise<void> {
  const grace = life.config.worker.drainGraceMs;
  const worker = await Worker.create({
    connection,
    namespace,
    identity: nameOfThis(role, life.config),
    shutdownGraceTime: grace,
    shutdownForceTime: grace + FORCE_AFTER_MS,
    ...options,
  });
  void life.ending.then((reason) => {
    life.log.info({ reason }, 'draining');
    if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  const running = worker.run();
  await Promise.race([polls(), running]);
  life.ready();
  await running;
}
