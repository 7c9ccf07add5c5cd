/** Starts one worker of the laptop stack: its process, its log, and its place in the list of metrics. */
import { join } from 'node:path';
import type { Config, Env } from '../config.ts';
import { codeFile } from '../paths.ts';
import { FEW_HEAPS, leanOf, startChild } from './child.ts';
import type { Parts } from './parts.ts';
import type { PrometheusTargets } from './prometheus-targets.ts';

/** What the workers of a stack have in common. */
export interface WorkersDeps {
  readonly config: Config;
  readonly parts: Pick<Parts, 'logs'>;
  readonly log: (line: string) => void;
  /** The list by which a Prometheus finds them, where there are metrics. */
  readonly targets: PrometheusTargets | undefined;
}

/** @param index among the workers of the stack, from 0: its port of metrics follows from it */
export function startWorker(
  { config, parts: { logs }, log, targets }: WorkersDeps,
  role: string,
  index: number,
  env: Env,
): ReturnType<typeof startChild> {
  const own = workerEnv(env, config, index);
  const worker = logs.carry(role, own, (onOutput) =>
    startChild({
      name: `${role} worker`,
      file: codeFile(`workers/${role}`),
      env: own,
      logFile: join(config.home, 'logs', `${role}.log`),
      nodeArgs: leanOf(role),
      onLogLost: log,
      ...(onOutput ? { onOutput } : {}),
    }),
  );
  worker.process.on('message', ({ metricsPort: port }: { readonly metricsPort?: number }) => {
    if (port !== undefined) targets?.add(worker.pid, role, port);
  });
  void worker.ended.then(() => targets?.remove(worker.pid));
  return worker;
}

/** What differs between the workers of a stack: the name of an ingest worker, and the port of the metrics. */
function workerEnv(env: Env, config: Config, index: number): Env {
  const metrics = config.metricsPort ? { FLEETSCORE_METRICS_PORT: String(config.metricsPort + index) } : {};
  return { ...FEW_HEAPS, ...env, ...metrics, FLEETSCORE_INGEST_WORKER: `ingest-${index}` };
}
