/** The life of a node as the page draws it, from its record. */
import type { NodeRecord } from '../../pool/ledger.ts';
import type { PoolNodeLife } from './data.ts';
import { defined } from '../../domain/defined.ts';

export function lifeOf({ id, requestedAtMs, billedFromMs, readyAtMs, endedAtMs, end }: NodeRecord): PoolNodeLife {
  const lost = end !== undefined && !end.startsWith('ended');
  return {
    id,
    requestedAtMs,
    ...defined({ billedFromMs, readyAtMs, endedAtMs, end }),
    ...(lost ? { lost } : {}),
  };
}
