/**
 * A worker in the foreground, as `fleetscore worker` and the image start it: the worker's program as a child whose
 * output goes on to our streams and, unless it is switched off, to Blob. Signals go on to it, so it drains; its end is
 * our end, and what it dies of is told.
 */
import { loadConfig, type Env } from '../config.ts';
import { logContainer } from '../connect/blob-storage.ts';
import { defined } from '../domain/defined.ts';
import { createAppendSink } from '../logging/append-blob.ts';
import { carryWorker } from '../logging/carry.ts';
import { codeFile } from '../paths.ts';

const ROLES = ['control', 'scoring', 'ingest'] as const;
export type Role = (typeof ROLES)[number];

export interface WorkerEnd {
  /** Exit code: 0 when it drained; 128 and the signal's number when a signal ended it. */
  readonly exitCode: number;
  /** What it died of, when it said so; `code` is one of ERROR_CODES, or absent. */
  readonly problem?: { readonly code?: string; readonly message: string };
}

/**
 * Resolves once it has ended and its last lines are stored, or given up. @param ready called when it takes work
 * @throws FleetscoreError `INVALID_CONFIG`
 */
export async function runWorker(role: Role, env: Env, ready: () => void = () => {}): Promise<WorkerEnd> {
  const config = loadConfig(env);
  const sink = config.logsToBlob && config.blob !== undefined ? createAppendSink(logContainer(config)) : undefined;
  let problem: WorkerEnd['problem'];
  const exitCode = await carryWorker({
    role,
    file: codeFile(`workers/${role}`),
    env,
    ...defined({ sink }),
    onMessage(message) {
      if (message.ready) ready();
      if (message.error !== undefined) problem = { message: message.error, ...defined({ code: message.code }) };
    },
  });
  return { exitCode, ...defined({ problem }) };
}
