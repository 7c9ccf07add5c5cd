/**
 * A low-priority cluster with a dedicated one behind it. Low-priority machines cost a fifth, and for hours there may be
 * none: a node that has waited too long for one is taken back, and for as long again new nodes come from the dedicated
 * cluster; then the cheap one is tried anew. Workers of both poll the same queue.
 */
import { isGone, type Pool, type PoolNode, type PoolStatus } from '../pool.ts';
import { defined } from '../../domain/defined.ts';

export interface FallbackOptions {
  /** Names of the clusters, for notes. */
  readonly lowName: string;
  readonly dedicatedName: string;
  /** Longest wait of a node for a low-priority machine; new nodes are dedicated for as long afterwards. */
  readonly afterMs: number;
  /** Most nodes of the dedicated cluster; as many as the pool may have when absent. */
  readonly maxNodes?: number;
  /** Machine size of the dedicated cluster: what its nodes cost. */
  readonly vmSize: string;
  readonly now?: () => number;
}

/** `low` and `dedicated` are pools of the same name, each with a cluster of its own. */
export function withFallback(low: Pool, dedicated: Pool, options: FallbackOptions): Pool {
  const { lowName, dedicatedName, afterMs } = options;
  const now = options.now ?? Date.now;
  /** When a low-priority node was last seen on a machine: a preempted one waits from then. */
  const held = new Map<string, number>();
  const dedicatedIds = new Set<string>();
  let turnedAtMs: number | undefined;

  const isTurned = (): boolean => turnedAtMs !== undefined && now() - turnedAtMs < afterMs;

  /** Nodes that have waited too long, by the service's own clock of when they were asked for. */
  const lateOf = (nodes: readonly PoolNode[]): string[] => {
    for (const id of held.keys()) if (!nodes.some((node) => node.id === id)) held.delete(id);
    for (const node of nodes) if (node.state !== 'queued') held.set(node.id, now());
    return nodes
      .filter(
        (node) => node.state === 'queued' && now() - Math.max(node.requestedAtMs, held.get(node.id) ?? 0) >= afterMs,
      )
      .map(({ id }) => id);
  };

  /** Nodes that are to be had in all; undefined when nothing says so. */
  const capacityOf = (first: PoolStatus, second: PoolStatus): number | undefined => {
    const living = second.nodes.filter((node) => !isGone(node.state)).length;
    if (!isTurned()) return first.capacity === undefined ? undefined : first.capacity + living;
    const most = second.capacity ?? options.maxNodes;
    return most === undefined
      ? undefined
      : most + first.nodes.filter((node) => node.state !== 'queued' && !isGone(node.state)).length;
  };

  return {
    name: low.name,

    async prepare({ maxNodes }) {
      const notes = await low.prepare({ maxNodes });
      return [...notes, ...(await dedicated.prepare({ maxNodes: Math.min(maxNodes, options.maxNodes ?? maxNodes) }))];
    },

    async status() {
      const [first, second] = [await low.status(), await dedicated.status()];
      dedicatedIds.clear();
      for (const { id } of second.nodes) dedicatedIds.add(id);
      // After a restart: when the dedicated cluster was last asked says that the cheap one had nothing.
      turnedAtMs ??=
        second.nodes.length === 0 ? undefined : Math.max(...second.nodes.map((node) => node.requestedAtMs));

      const late = lateOf(first.nodes);
      // Cancelled here, not by the policy: it would ask for as many again, of the same cluster.
      const taken = new Set(late.length === 0 ? [] : await low.cancelQueued(late));
      const notes = [...first.notes, ...second.notes];
      if (taken.size > 0) {
        turnedAtMs = now();
        notes.push(
          `cluster ${lowName} gave no low-priority machine within ${Math.round(afterMs / 1_000)} s for ` +
            `${taken.size} of its nodes: asking cluster ${dedicatedName} for dedicated ones`,
        );
      }
      const capacity = capacityOf(first, second);
      const until = Math.max(first.throttledUntilMs ?? 0, second.throttledUntilMs ?? 0);
      return {
        nodes: [
          ...first.nodes.filter((node) => !taken.has(node.id)),
          ...second.nodes.map((node): PoolNode => ({ ...node, priority: 'dedicated', vmSize: options.vmSize })),
        ],
        notes,
        ...(first.outside ? { outside: first.outside } : {}),
        ...defined({ capacity }),
        ...(until === 0 ? {} : { throttledUntilMs: until }),
      };
    },

    grow: (ids) => (isTurned() ? dedicated : low).grow(ids),
    async drain(ids) {
      await low.drain(ids.filter((id) => !dedicatedIds.has(id)));
      await dedicated.drain(ids.filter((id) => dedicatedIds.has(id)));
    },
    async cancelQueued(ids) {
      return [
        ...(await low.cancelQueued(ids.filter((id) => !dedicatedIds.has(id)))),
        ...(await dedicated.cancelQueued(ids.filter((id) => dedicatedIds.has(id)))),
      ];
    },
  };
}
