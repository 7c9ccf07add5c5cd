/**
 * Whether anybody will take the work of a batch that is started now. A batch without workers is no error: it waits, and
 * goes on when they come. Who starts one by hand wants to know.
 */
import type { Client } from '@temporalio/client';
import { countPollers } from '../../connect/task-queues.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { poolQuery, type PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';

const ANSWER_MS = 5_000;

/** A sentence for each part that nobody serves; none where that could not be asked, since the batch was started. */
export async function takerWarnings(context: Context): Promise<string[]> {
  try {
    const client = await context.client();
    if ((await countPollers(client, [CONTROL_QUEUE], 'workflow')) === 0)
      return ['No control worker runs: the batch waits until one does. `fleetscore doctor` says more.'];
    const said = [];
    for (const [pool, queue] of await poolQueues(context.config)) said.push(await poolWarning(client, pool, queue));
    return said.flatMap((one) => (one === undefined ? [] : [one]));
  } catch {
    return [];
  }
}

async function poolWarning(client: Client, pool: string, queue: string): Promise<string | undefined> {
  const state = await client.withDeadline(Date.now() + ANSWER_MS, () =>
    client.workflow
      .getHandle(poolWorkflowId(pool))
      .query(poolQuery)
      .catch(() => undefined),
  );
  const polled = (await countPollers(client, [queue], 'activity')) > 0;
  return whyNobody(pool, state, polled);
}

/** @param polled a worker asks for the work of this pool, whoever started it */
export function whyNobody(
  pool: string,
  state: Pick<PoolState, 'mode' | 'settings'> | undefined,
  polled: boolean,
): string | undefined {
  if (state?.mode === 'draining')
    return `Pool ${pool} drains: its workers end, and none is started until \`fleetscore pool resume --pool ${pool}\`. The batch waits.`;
  if (polled) return undefined;
  if (state === undefined)
    return `No scoring worker of pool ${pool} runs, and nothing starts one: the batch waits. \`fleetscore doctor\` says more.`;
  if (state.mode === 'paused')
    return `Pool ${pool} is paused and has no worker: none is started until \`fleetscore pool resume --pool ${pool}\`. The batch waits.`;
  if (state.settings.maxNodes === 0)
    return `Pool ${pool} may have no worker (its limit is 0): the batch waits. Raise it: fleetscore pool set --pool ${pool} --max 1`;
  return undefined;
}
