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
import type { TemporalConnection } from '../connect/temporal.ts';
import { watchTemporal, type WatchTimes } from './watch-temporal.ts';

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

type Options = Omit<WorkerOptions, 'connection' | 'namespace'>;

interface Running {
  readonly worker: Worker;
  readonly ended: Promise<void>;
}

/**
 * Runs until the life ends. On a connection that is dead while the server answers over another one, a new worker takes
 * over in this process: what the old one has under way it finishes over a fresh connection. Closes its connections.
 * @param polls called when the worker has begun to poll; the worker counts as ready when it resolves
 */
export async function runTemporalWorker(
  life: Pick<Life, 'config' | 'log' | 'ready' | 'ending'>,
  role: WorkerRole,
  { connection, namespace, again, reachable }: TemporalConnection,
  options: Options,
  { polls = async () => {}, times }: { readonly polls?: () => Promise<void>; readonly times?: WatchTimes } = {},
): Promise<void> {
  const { log } = life;
  const grace = life.config.worker.drainGraceMs;
  const start = async (own: NativeConnection): Promise<Running> => {
    const worker = await Worker.create({
      connection: own,
      namespace,
      identity: nameOfThis(role, life.config),
      shutdownGraceTime: grace,
      shutdownForceTime: grace + FORCE_AFTER_MS,
      ...options,
    });
    const ended = worker.run();
    ended.catch(() => {});
    return { worker, ended };
  };
  let current = await start(connection);
  let draining = false;
  const drain = ({ worker }: Running): void => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  void life.ending.then((reason) => {
    log.info({ reason }, 'draining');
    draining = true;
    drain(current);
  });
  const replaced: Promise<void>[] = [];
  const onDead = async (): Promise<void> => {
    log.warn({}, 'the connection to Temporal is dead, while a new one is answered: a new worker takes over');
    const old = current;
    // What it has under way it finishes there, and tells the server that its polls are void. One connection each: a
    // connection takes one worker of a task queue.
    const [dead, farewell] = [old.worker.connection, await again()];
    old.worker.connection = farewell;
    // Where a word still gets through, the server hears at once that its polls are void.
    await dead?.close().catch(() => {});
    const fresh = await again();
    if (draining) return fresh.close();
    current = await start(fresh);
    drain(old);
    if (draining) drain(current);
    log.info({}, 'goes on over a fresh connection to Temporal');
    replaced.push(
      old.ended
        .catch((error: unknown) => log.warn({ err: error }, 'the worker of the dead connection did not end by itself'))
        .then(() => farewell.close())
        .catch(() => {}),
    );
  };
  const stopWatching = watchTemporal({ own: () => current.worker.connection!, reachable, onDead }, times);
  try {
    await Promise.race([polls(), current.ended]);
    life.ready();
    for (let one; one !== current;) {
      one = current;
      await one.ended.catch((error: unknown) => {
        if (one === current) throw error;
      });
    }
  } finally {
    stopWatching();
    await Promise.all(replaced);
    await current.worker.connection?.close().catch(() => {});
  }
}
