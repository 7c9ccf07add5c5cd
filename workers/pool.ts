/** Serves the loop of pools whose nodes this process owns: a worker for the pool's activities and nothing else. */
import type { DataConverter } from '@temporalio/common';
import { Worker, type NativeConnection } from '@temporalio/worker';
import { createPoolActivities, type PoolDeps } from '../activities/pool.ts';

export interface ServedPools {
  /** Rejects when the worker breaks. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

export interface ServeOptions extends PoolDeps {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly dataConverter?: DataConverter;
  /** The pool's `activityQueue`. */
  readonly taskQueue: string;
}

export async function servePools(options: ServeOptions): Promise<ServedPools> {
  const { connection, namespace, dataConverter, taskQueue, ...deps } = options;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    ...(dataConverter ? { dataConverter } : {}),
    identity: `pool@${taskQueue}#${process.pid}`,
    activities: { ...createPoolActivities(deps) },
    shutdownGraceTime: '5s',
    shutdownForceTime: '10s',
  });
  const done = worker.run();
  done.catch(() => {});
  return {
    done,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await done;
    },
  };
}
