/**
 * Whether a namespace of a Temporal server that somebody else runs can carry a stack: it is there, this client may
 * write in it, it has the search attributes, and no workers of another stack take its work. Each lack is one error with
 * its remedy, before anything starts.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import { FleetscoreError } from '../domain/errors.ts';
import { CONTROL_QUEUE } from '../domain/queues.ts';
import { GRPC, msOf } from '../domain/temporal-service.ts';
import { DAY_MS, formatDuration } from '../domain/time.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { refOf } from './processes.ts';
import { livePollers } from './task-queues.ts';
import { clientTrouble, grpcErrorOf } from './temporal-trouble.ts';

export interface NamespaceLook {
  readonly serverVersion: string;
  /** How long the server keeps the history of a workflow that has ended. */
  readonly retentionMs: number;
}

/**
 * Looks, and registers search attributes that are missing.
 * @throws FleetscoreError `NAMESPACE_MISSING`, `TEMPORAL_REFUSED`, `SEARCH_ATTRIBUTES`, `NAMESPACE_TAKEN`, and what
 *   {@link clientTrouble} knows
 */
export async function prepareNamespace(client: Client): Promise<NamespaceLook> {
  const { namespace } = client.options;
  try {
    const { serverVersion } = await client.workflowService.getSystemInfo({});
    const { config } = await client.workflowService.describeNamespace({ namespace });
    await mayWrite(client);
    await registerSearchAttributes(client, namespace);
    await notTaken(client);
    return {
      serverVersion: serverVersion ?? 'unknown',
      retentionMs: msOf(config?.workflowExecutionRetentionTtl),
    };
  } catch (error) {
    throw clientTrouble(error) ?? error;
  }
}

/** One line for people, with a word about a retention that is short. */
export function describeNamespace({ serverVersion, retentionMs }: NamespaceLook): string {
  const kept = `Temporal ${serverVersion}; histories are kept for ${formatDuration(retentionMs)}`;
  return retentionMs < DAY_MS
    ? `${kept}, so its Web UI shows batches no longer than that (they stay in SQL). Longer: ` +
        'temporal operator namespace update --retention 7d'
    : kept;
}

/** A signal to a workflow that is not there changes nothing, and is refused to whoever may only read. */
async function mayWrite(client: Client): Promise<void> {
  try {
    await client.workflowService.signalWorkflowExecution({
      namespace: client.options.namespace,
      workflowExecution: { workflowId: `fleetscore-may-write-${randomUUID()}` },
      signalName: 'none',
      identity: 'fleetscore',
    });
  } catch (error) {
    if (grpcErrorOf(error)?.code !== GRPC.NOT_FOUND) throw error;
  }
}

/** Workers of another stack have another store: batches of one would be taken by the other, and fail. */
async function notTaken(client: Client): Promise<void> {
  const others = (await livePollers(client, CONTROL_QUEUE, 'workflow'))
    .map(({ identity }) => identity ?? '')
    .filter((identity) => identity !== '' && !hasEnded(identity));
  if (others.length === 0) return;
  const { namespace } = client.options;
  throw new FleetscoreError(
    'NAMESPACE_TAKEN',
    `control workers take work in namespace ${namespace} already: ${others.join(', ')}. They have a store of their ` +
      'own, and would take batches of this stack. Give each stack a namespace: temporal operator namespace create ' +
      `--namespace ${namespace}-2 --retention 7d, then --namespace ${namespace}-2. If they have just been stopped, ` +
      'wait a minute.',
  );
}

/** Of a worker on this machine: the server names it for a while after its end. */
function hasEnded(identity: string): boolean {
  const [, host, pid] = /@(.+)#(\d+)$/.exec(identity) ?? [];
  return host === hostname() && pid !== undefined && refOf(Number(pid)) === undefined;
}
