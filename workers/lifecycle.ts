/**
 * Life of a worker process: says when it is ready, drains on SIGTERM, SIGINT and when the process that
 * started it is gone, and ends with a clear last line whatever happens.
 */
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { createLog, type Logger } from '../logging/log.ts';
import { loadConfig, type Config } from '../config.ts';
import { startTelemetry } from '../telemetry/telemetry.ts';
import type { Telemetry } from '../telemetry/types.ts';

/** Why a process ends whose supervisor died: the servers of its stack end, too. */
export const SUPERVISOR_GONE = 'the supervisor is gone';

export interface Life {
  readonly config: Config;
  readonly log: Logger;
  /** Absent when nothing is to be sent. */
  readonly telemetry: Telemetry | undefined;
  /** Tells the supervisor that this process can be counted on. */
  readonly ready: () => void;
  /** Resolves when the process is asked to end. */
  readonly ending: Promise<string>;
}

/** Runs a worker process to its end and sets the exit code: 0 when it drained, 1 when it died. */
export async function live(role: string, work: (life: Life) => Promise<void>): Promise<void> {
  let log: Logger | undefined;
  let telemetry: Telemetry | undefined;
  try {
    const config = loadConfig();
    log = createLog(config, role);
    const ending = new Promise<string>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
      process.on('disconnect', () => resolve(SUPERVISOR_GONE));
    });
    telemetry = await startTelemetry(role, process.env, log);
    const ready = (): void => {
      log?.info('ready');
      process.send?.({ ready: true });
    };
    await work({ config, log, telemetry, ready, ending });
    log.info('ended');
    process.exitCode = 0;
  } catch (error) {
    const code = error instanceof FleetscoreError ? error.code : undefined;
    if (log) log.fatal({ err: error, code }, messageOf(error));
    else process.stderr.write(`${role} worker: ${messageOf(error)}\n`);
    process.send?.({ error: messageOf(error), code });
    process.exitCode = 1;
  } finally {
    await telemetry?.close();
    if (process.connected) process.disconnect();
    // Native handles of Temporal and onnxruntime may outlive their close by a while.
    setTimeout(() => process.exit(), 5_000).unref();
  }
}
