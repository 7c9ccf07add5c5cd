/** Kills a scoring worker in the middle of its work, the way a machine dies: SIGKILL, no word to anyone. */
import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import { nodeOfWorker } from '../../domain/worker.ts';
import { pendingChunks } from './pending.ts';

export interface Killed {
  readonly node: string;
  readonly pid: number;
  readonly atMs: number;
  /** Scoring activities that it had begun. */
  readonly underWay: number;
}

const PID = /^scoring\/[A-Za-z0-9-]+@(.+)#(\d+)$/;

/** Kills the worker that has the most activities of a batch under way; undefined while none has any. */
export async function killBusiest(client: Client, batchId: string): Promise<Killed | undefined> {
  const busy = new Map<string, number>();
  for (const { worker } of await pendingChunks(client, batchId))
    if (worker !== undefined) busy.set(worker, (busy.get(worker) ?? 0) + 1);
  const [identity, underWay] = [...busy].sort((a, b) => b[1] - a[1])[0] ?? [];
  const [, host, pid] = PID.exec(identity ?? '') ?? [];
  const node = nodeOfWorker(identity ?? '');
  // Only a process of this machine, started by the pool.
  if (node === undefined || host !== hostname() || pid === undefined) return undefined;
  process.kill(Number(pid), 'SIGKILL');
  return { node, pid: Number(pid), atMs: Date.now(), underWay: underWay! };
}
