/**
 * A network that takes everything and answers nothing is found by the client's own idle time-out, after two minutes,
 * and all partitions stand still so long. Here the hub is asked all the while: when it leaves questions unanswered over
 * the client's connection, and answers over a fresh one, the connection is cut, and the client makes a new one.
 */
import type { EventHubConsumerClient } from '@azure/event-hubs';
import { cutConnection } from './amqp/heed-close.ts';
import { orAborted } from '../storage/deadline.ts';
import { openConsumer, type EventHubTarget } from './connect.ts';
import type { IngestLog } from './log.ts';

const EVERY_MS = 4_000;
const ANSWER_MS = 4_000;
/** Questions in a row without an answer. */
const UNANSWERED = 2;

/** Ends with `signal`. */
export function watchConnection(
  client: EventHubConsumerClient,
  target: EventHubTarget & { readonly consumerGroup: string },
  log: IngestLog,
  signal: AbortSignal,
): void {
  let unanswered = 0;
  let asking = false;
  const look = async (): Promise<void> => {
    if (await answers(client)) unanswered = 0;
    else unanswered++;
    if (unanswered < UNANSWERED || signal.aborted) return;
    const fresh = openConsumer(target);
    try {
      if (!(await answers(fresh)) || (await answers(client))) return;
      log.warn({}, 'the connection to Event Hubs is dead, while a new one is answered: it is made anew');
      unanswered = 0;
      cutConnection(client);
    } finally {
      // In a black hole this, too, may take minutes, in which nothing would be asked.
      void fresh.close().catch(() => {});
    }
  };
  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    look()
      .catch(() => {})
      .finally(() => (asking = false));
  }, EVERY_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** A refusal is an answer, too; what counts is whether anything comes back in time. */
async function answers(client: EventHubConsumerClient): Promise<boolean> {
  const abortSignal = AbortSignal.timeout(ANSWER_MS);
  try {
    // The client heeds the signal only once its link is open.
    await orAborted(client.getPartitionIds({ abortSignal }), abortSignal);
    return true;
  } catch {
    return !abortSignal.aborted;
  }
}
