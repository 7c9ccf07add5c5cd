/**
 * One event of a partition by its sequence number, read beside whoever reads the partition, without a position kept.
 */
import { openConsumer, type EventHubTarget } from './connect.ts';
import type { AppliedEvent } from '../storage/store.ts';

/** Undefined when the hub has no event of this number or a later one, or does not give it in time. */
export type EventAt = (
  partition: string,
  seq: number,
) => Promise<(AppliedEvent & { readonly seq: number }) | undefined>;

/** Longest wait for the event. */
const WAIT_S = 10;

export function createEventAt(target: EventHubTarget & { readonly consumerGroup: string }): EventAt {
  return async (partition, seq) => {
    const client = openConsumer(target);
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<EventAt>>>();
    const subscription = client.subscribe(
      partition,
      {
        async processEvents([event]) {
          resolve(
            event && {
              seq: event.sequenceNumber,
              offset: event.offset,
              enqueuedMs: event.enqueuedTimeUtc.getTime(),
            },
          );
        },
        async processError(error) {
          reject(error);
        },
      },
      {
        startPosition: { sequenceNumber: seq, isInclusive: true },
        // That of the client's own readers: beside a link of theirs that lingers, one without is refused.
        ownerLevel: 0,
        maxBatchSize: 1,
        prefetchCount: 1,
        maxWaitTimeInSeconds: WAIT_S,
        skipParsingBodyAsJson: true,
      },
    );
    try {
      return await promise;
    } finally {
      await subscription.close().catch(() => {});
      await client.close().catch(() => {});
    }
  };
}
