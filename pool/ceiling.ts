/**
 * A pool that never holds more nodes than its configuration says, whatever its loop asks for. The loop lives in
 * Temporal, and whoever reaches Temporal can tell it other limits: what machines may cost is decided here, in the
 * process that has the right to start them. Counts all nodes of the pool, those of a fallback cluster too.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { isGone, type Pool } from './pool.ts';

/** @param most nodes: the `maxNodes` that the pool is configured with */
export function withCeiling(pool: Pool, most: number): Pool {
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: two calls at once would count the same nodes. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
  const raise = 'set FLEETSCORE_POOL_MAX_NODES, or maxNodes in the file of pools, and start the worker again';
  return {
    ...pool,
    async prepare({ maxNodes }) {
      const notes = await pool.prepare({ maxNodes: Math.min(maxNodes, most) });
      if (maxNodes <= most) return notes;
      return [...notes, `${maxNodes} nodes are more than the ${most} that the pool is configured with: ${raise}`];
    },
    async status() {
      const status = await pool.status();
      const { outside, capacity = most } = status;
      return {
        ...status,
        capacity: Math.min(capacity, most),
        ...(outside?.maxNodes === undefined
          ? {}
          : { outside: { ...outside, maxNodes: Math.min(outside.maxNodes, most) } }),
      };
    },
    grow: (ids) =>
      inTurn(async () => {
        const { nodes } = await pool.status();
        const known = new Set(nodes.map(({ id }) => id));
        const fresh = [...new Set(ids)].filter((id) => !known.has(id));
        const room = Math.max(0, most - nodes.filter(({ state }) => !isGone(state)).length);
        await pool.grow([...ids.filter((id) => known.has(id)), ...fresh.slice(0, room)]);
        if (fresh.length > room)
          throw new FleetscoreError(
            'POOL_REFUSED',
            `pool ${pool.name} gets no ${fresh.length - room} more nodes: it is configured with ${most} at ` +
              `the most. For more, ${raise}.`,
          );
      }),
  };
}
