/**
 * Life of a worker process: says when it is ready, drains on SIGTERM, SIGINT and when the process that
 * started it is gone, and ends with a clear last line whatever happens. One that is asked to end before it is ready
 * ends at once, whatever it waits for; after the drain no call of a service holds it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { plainText } from '../domain/plain-text.ts';
import { createLog, type Logger } from '../logging/log.ts';
import { loadConfig, type Config } from '../config.ts';
import { endingWith } from '../storage/deadline.ts';
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

/** After the drain: what does not heed that it is called off is left behind. */
export const FORCE_AFTER_MS = 5_000;
/** A start that is called off may let go of what it has. */
const EARLY_END_MS = 1_000;
/** Native handles of Temporal and onnxruntime, and retries of telemetry, may outlive their close by a while. */
const EXIT_AFTER_MS = 1_000;

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
    const calledOff = new AbortController();
    let isReady = false;
    const ready = (): void => {
      isReady = true;
      log?.info('ready');
      process.send?.({ ready: true });
    };
    const callOff = (reason: string): void =>
      calledOff.abort(new FleetscoreError('WORKER_ENDS', `the worker ends: ${reason}`));
    const endedEarly = ending.then(async (reason) => {
      if (isReady) {
        setTimeout(callOff, config.worker.drainGraceMs + FORCE_AFTER_MS, reason).unref();
        return new Promise<never>(() => {});
      }
      log?.info({ reason }, 'asked to end before it was ready');
      callOff(reason);
      await sleep(EARLY_END_MS, undefined, { ref: false });
    });
    const working = endingWith(calledOff.signal, () => work({ config, log: log!, telemetry, ready, ending }));
    working.catch(() => {});
    try {
      await Promise.race([working, endedEarly]);
    } catch (error) {
      if (isReady || !calledOff.signal.aborted) throw error;
    }
    log.info('ended');
    process.exitCode = 0;
  } catch (error) {
    const code = error instanceof FleetscoreError ? error.code : undefined;
    if (log) log.fatal({ err: error, code }, messageOf(error));
    else process.stderr.write(`${role} worker: ${plainText(messageOf(error))}\n`);
    process.send?.({ error: messageOf(error), code });
    process.exitCode = 1;
  } finally {
    await telemetry?.close();
    if (process.connected) process.disconnect();
    setTimeout(() => process.exit(), EXIT_AFTER_MS).unref();
  }
}
