/** The part that control and scoring workers share: Temporal's runtime, logging, drain on request. */
import { hostname } from 'node:os';
import { DefaultLogger, NativeConnection, Runtime, Worker, type LogLevel, type WorkerOptions } from '@temporalio/worker';
import type { Life } from './lifecycle.ts';
import type { Logger } from './log.ts';

/** Time that running activities get to end on SIGTERM before they are cancelled. */
export const SHUTDOWN_GRACE = '20s';

/** Must run before the first connection of the process. */
export function installRuntime(log: Logger): void {
  const level: Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' };
  Runtime.install({
    logger: new DefaultLogger('INFO', (entry) => log[level[entry.level]]({ ...entry.meta }, entry.message)),
    // The lifecycle decides what ends this process, not the runtime.
    shutdownSignals: [],
  });
}

export async function runTemporalWorker(
  life: Life, role: string, connection: NativeConnection, namespace: string, options: Omit<WorkerOptions, 'connection' | 'namespace'>,
): Promise<void> {
  const worker = await Worker.create({
    connection, namespace, identity: `${role}@${hostname()}#${process.pid}`, shutdownGraceTime: SHUTDOWN_GRACE, shutdownForceTime: '25s', ...options,
  });
  void life.ending.then((reason) => {
    life.log.info({ reason }, 'draining');
    if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  const running = worker.run();
  life.ready();
  await running;
}
