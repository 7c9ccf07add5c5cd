/** The life of a node as the page draws it, from its record. */
import type { NodeRecord } from '../../pool/ledger.ts';
import type { PoolNodeLife } from './data.ts';

export function lifeOf({ id, requestedAtMs, billedFromMs, readyAtMs, endedAtMs, end }: NodeRecord): PoolNodeLife {
  const lost = end !== undefined && !end.startsWith('ended');
  return {
    id,
    requestedAtMs,
    ...(billedFromMs === undefined ? {} : { billedFromMs }),
    ...(readyAtMs === undefined ? {} : { readyAtMs }),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(end === undefined ? {} : { end }),
    ...(lost ? { lost } : {}),
  };
}
