/** Who polls a task queue, as the server tells. */
import type { Client } from '@temporalio/client';
import { msOf, QUEUE_TYPE } from '../domain/temporal-service.ts';

/** A poll lasts a minute at most; the server names pollers for five minutes after their last one. */
const POLL_LOST_AFTER_MS = 75_000;

/** Pollers that may still live. One that ended without a word is seen for a minute more. */
export async function livePollers(client: Client, queue: string, type: keyof typeof QUEUE_TYPE, nowMs = Date.now()) {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: queue },
    taskQueueType: QUEUE_TYPE[type],
  });
  return (pollers ?? []).filter((poller) => nowMs - msOf(poller.lastAccessTime) <= POLL_LOST_AFTER_MS);
}

/** Workers of all of these queues. */
export async function countPollers(
  client: Client,
  queues: Iterable<string>,
  type: keyof typeof QUEUE_TYPE,
): Promise<number> {
  const lists = await Promise.all([...new Set(queues)].map((queue) => livePollers(client, queue, type)));
  return lists.reduce((sum, list) => sum + list.length, 0);
}
