/**
 * A pool of worker processes on this machine. One process is one node. A process that dies while it is wanted
 * counts as failed, and the policy asks for another; nothing here restarts by itself.
 */
import { messageOf } from '../../domain/errors.ts';
import { isGone, type Pool, type PoolNode } from '../pool.ts';

/** A worker process, as the stack starts it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves with a description of how it ended. */
  readonly ended: Promise<string>;
  /** SIGTERM, and after the grace SIGKILL; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface LocalPoolOptions {
  readonly name: string;
  /** Most processes at once, whatever is asked for. */
  readonly maxWorkers: number;
  /** Starts a worker for this node (FLEETSCORE_NODE in its environment). */
  readonly start: (node: string) => WorkerProcess;
  /** Resolves when the worker can be counted on. @throws when it cannot */
  readonly ready: (worker: WorkerProcess) => Promise<void>;
  /** A worker gets this long to finish what it has. */
  readonly drainGraceMs?: number;
  readonly log?: (line: string) => void;
  readonly now?: () => number;
}

export interface LocalPool extends Pool {
  /** Process ids of the nodes that live. */
  pids(): readonly number[];
  /** Drains all and waits until they are gone. */
  close(): Promise<void>;
}

interface LocalNode {
  readonly worker: WorkerProcess;
  node: PoolNode;
}

const DRAIN_GRACE_MS = 60_000;
/** Nodes that went are listed for this long, so that no look misses them. */
const REMEMBER_MS = 300_000;

export function createLocalPool(options: LocalPoolOptions): LocalPool {
  const now = options.now ?? Date.now;
  const nodes = new Map<string, LocalNode>();
  const alive = (): LocalNode[] => [...nodes.values()].filter(({ node }) => !isGone(node.state));
  let closed = false;

  const set = (entry: LocalNode, part: Partial<PoolNode>): void => {
    entry.node = { ...entry.node, ...part };
  };

  const watch = async (entry: LocalNode): Promise<void> => {
    const { worker } = entry;
    const how = await worker.ended;
    const clean = entry.node.state === 'leaving' || how === 'exit code 0';
    set(entry, { state: clean ? 'ended' : 'failed', endedAtMs: now(), detail: how });
    if (!clean) options.log?.(`worker ${entry.node.id} of pool ${options.name} ended (${how})`);
  };

  const start = async (id: string): Promise<void> => {
    const worker = options.start(id);
    const entry: LocalNode = { worker, node: { id, state: 'starting', requestedAtMs: now() } };
    nodes.set(id, entry);
    void watch(entry);
    try {
      await options.ready(worker);
      if (entry.node.state === 'starting') set(entry, { state: 'ready', readyAtMs: now() });
    } catch (error) {
      options.log?.(`worker ${id} of pool ${options.name} did not start: ${messageOf(error)}`);
      await worker.stop(0);
    }
  };

  const drain = async (id: string): Promise<void> => {
    const entry = nodes.get(id);
    if (!entry || isGone(entry.node.state) || entry.node.state === 'leaving') return;
    set(entry, { state: 'leaving' });
    await entry.worker.stop(options.drainGraceMs ?? DRAIN_GRACE_MS);
  };

  return {
    name: options.name,
    async prepare({ maxNodes }) {
      return maxNodes > options.maxWorkers
        ? [`${maxNodes} nodes are allowed, but this machine runs ${options.maxWorkers} at the most`]
        : [];
    },
    async status() {
      for (const [id, { node }] of nodes)
        if (isGone(node.state) && now() - (node.endedAtMs ?? 0) > REMEMBER_MS) nodes.delete(id);
      return { nodes: [...nodes.values()].map(({ node }) => node), capacity: options.maxWorkers, notes: [] };
    },
    async grow(ids) {
      for (const id of ids) if (!closed && !nodes.has(id) && alive().length < options.maxWorkers) void start(id);
    },
    // Draining takes as long as the work does; the state tells when it is over.
    async drain(ids) {
      for (const id of ids) void drain(id);
    },
    cancelQueued: async () => [], // a process starts at once: nothing is ever queued
    pids: () => alive().map(({ worker }) => worker.pid),
    async close() {
      closed = true;
      await Promise.all(alive().map(({ node, worker }) => (node.state === 'leaving' ? worker.ended : drain(node.id))));
    },
  };
}
