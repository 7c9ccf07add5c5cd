/**
 * A pool on a compute cluster of Azure Machine Learning. Its machines come up only for queued jobs and go when
 * idle, so a node is a command job that runs one worker. The service keeps the state; nothing here is remembered
 * that a restart could lose, except when an end was first seen.
 */
import { defined } from '../../domain/defined.ts';
import { messageOf } from '../../domain/errors.ts';
import { isGone, type Pool, type PoolNode, type PoolStatus } from '../pool.ts';
import { createArmClient, type ArmOptions } from './client.ts';
import { ensureCluster, readCluster } from './cluster.ts';
import { QUOTA_REMEDY } from './errors.ts';
import { archive, cancelIfQueued, listNodes, submit } from './jobs.ts';
import type { AzureMlTarget } from './target.ts';
import { HOUR_MS } from '../../domain/time.ts';

export interface AzureMlPoolOptions extends Omit<ArmOptions, 'subscriptionId'> {
  readonly name: string;
  readonly target: AzureMlTarget;
  /** Tells the worker of a node to finish and end: no API call can do that without killing work. */
  readonly release: (node: string) => Promise<void>;
  /** A node is gone for good: what was kept for it can go too. */
  readonly forget?: (node: string) => Promise<void>;
  readonly now?: () => number;
  /** Between two looks at a long operation; the service's own advice when absent. */
  readonly pollMs?: number;
}

/** Jobs that ended are kept in the list this long; failed ones longer, for people. */
const ARCHIVE_AFTER_MS = 600_000;
const ARCHIVE_FAILED_AFTER_MS = 24 * HOUR_MS;
/** Archived at one look. */
const ARCHIVE_AT_ONCE = 5;

/** The oldest of the jobs that wait have the machines that no job runs on: these come up, and are paid for. */
function withMachines(nodes: readonly PoolNode[], free: number): readonly PoolNode[] {
  const first = nodes
    .filter((node) => node.state === 'queued')
    .toSorted((a, b) => a.requestedAtMs - b.requestedAtMs)
    .slice(0, free);
  const coming = new Set(first.map((node) => node.id));
  return nodes.map((node) => (coming.has(node.id) ? { ...node, state: 'starting' } : node));
}

export function createAzureMlPool(options: AzureMlPoolOptions): Pool {
  const { name, target } = options;
  const now = options.now ?? Date.now;
  const client = createArmClient({ ...options, subscriptionId: target.subscriptionId });
  const ended = new Map<string, number>();
  const leaving = new Set<string>();
  /** When each node was first seen to have a machine. The record in Blob keeps it over a restart. */
  const billedFrom = new Map<string, number>();

  const tidy = async (nodes: readonly PoolNode[]): Promise<string[]> => {
    const old = nodes.filter(
      (node) =>
        isGone(node.state) &&
        now() - (ended.get(node.id) ?? now()) > (node.state === 'failed' ? ARCHIVE_FAILED_AFTER_MS : ARCHIVE_AFTER_MS),
    );
    const trouble: string[] = [];
    for (const node of old.slice(0, ARCHIVE_AT_ONCE))
      try {
        await archive(client, target, node.id);
        await options.forget?.(node.id);
        ended.delete(node.id);
      } catch (error) {
        trouble.push(messageOf(error));
      }
    return trouble;
  };

  return {
    name,
    prepare: ({ maxNodes }) => ensureCluster(client, target, maxNodes, options.pollMs),

    async status(): Promise<PoolStatus> {
      const cluster = await readCluster(client, target);
      const jobs = withMachines(await listNodes(client, target, name), cluster?.free ?? 0);
      for (const id of billedFrom.keys()) if (!jobs.some((node) => node.id === id)) billedFrom.delete(id);
      const nodes = jobs.map((job): PoolNode => {
        if (job.state !== 'queued' && !billedFrom.has(job.id)) billedFrom.set(job.id, now());
        const node = { ...job, ...defined({ billedFromMs: billedFrom.get(job.id) }) };
        if (isGone(node.state)) {
          if (!ended.has(node.id)) ended.set(node.id, now());
          leaving.delete(node.id);
          return { ...node, endedAtMs: ended.get(node.id)! };
        }
        return leaving.has(node.id) ? { ...node, state: 'leaving' } : node;
      });
      const notes = [...(cluster?.errors ?? []), ...(await tidy(nodes))];
      if (cluster?.errors.some((text) => /quota/i.test(text))) notes.push(QUOTA_REMEDY);
      if (!cluster) notes.push(`cluster ${target.cluster} does not exist any more`);
      if (cluster && cluster.preempted > 0)
        notes.push(`${cluster.preempted} low-priority nodes were taken away; their work is tried again`);
      if (cluster && cluster.unusable > 0)
        notes.push(`${cluster.unusable} nodes of cluster ${target.cluster} are unusable`);
      return {
        nodes,
        notes,
        ...(cluster ? { outside: { maxNodes: cluster.maxNodes, minNodes: cluster.minNodes } } : {}),
        // Jobs beyond what is to be had would only wait, and come all at once later.
        ...(cluster?.full ? { capacity: cluster.nodes } : {}),
      };
    },

    async grow(ids) {
      for (const id of ids) await submit(client, target, name, id);
    },

    async drain(ids) {
      for (const id of ids) {
        await options.release(id);
        leaving.add(id);
      }
    },

    async cancelQueued(ids) {
      const cancelled: string[] = [];
      for (const id of ids) if (await cancelIfQueued(client, target, id, options.pollMs)) cancelled.push(id);
      return cancelled;
    },
  };
}
