/**
 * What happens when the SDK hands over a partition, events of it, or trouble, and when it takes the partition away. An
 * error that nobody but a person can mend ends the worker; every other one ends the reading of one partition, which
 * begins again by itself.
 */
import { CloseReason, type PartitionContext, type SubscriptionEventHandlers } from '@azure/event-hubs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode } from '../domain/error-codes.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { eventsOf } from './amqp/gather.ts';
import type { HubClient } from './hub-client.ts';
import { reasonOf, refusesPosition, wasTaken } from './hub-errors.ts';
import type { IngestLog } from './log.ts';
import type { Partitions } from './partitions.ts';
import { untilDone } from './retry.ts';
import type { IngestSettings } from './settings.ts';

export interface SubscriptionDeps {
  readonly hub: HubClient;
  readonly partitions: Partitions;
  readonly settings: IngestSettings;
  readonly log: IngestLog;
  /** The worker ends: no pauses any more. */
  readonly ending: AbortSignal;
  /** Ends retries. */
  readonly giveUp: AbortSignal;
  /** The worker cannot go on by itself. */
  readonly fail: (error: FleetscoreError) => void;
}

/** Events that wait for raw capture and are written also when the partition was lost. */
const FLUSHED_EVENTS = 100;
/** Before a partition whose reading ended twice within the time of ownership is free for another try. */
const REST_MS = 3_000;

/** Codes with which the reading of a partition ends while the worker goes on. */
const ENDS_READING: ReadonlySet<string> = new Set<ErrorCode>(['INGEST_STOPPED', 'HUB_RECREATED']);

/** `HUB_RECREATED` was reported where it was found. */
const EXPECTED: ReadonlySet<string> = new Set(['ReceiverDisconnectedError', 'AbortError', 'HUB_RECREATED']);

export function subscriptionHandlers(deps: SubscriptionDeps): SubscriptionEventHandlers {
  const { hub, partitions, settings, log } = deps;
  const stopWith = (error: unknown): void => {
    if (error instanceof FleetscoreError && !ENDS_READING.has(error.code)) deps.fail(error);
  };
  const giveBack = returnOfPartitions(deps);
  return {
    async processInitialize(reader) {
      const { partitionId } = reader;
      try {
        const pipeline = await partitions.open(partitionId, reader);
        log.info({ partition: partitionId, appliedSeq: pipeline.appliedSeq }, 'partition taken');
      } catch (error) {
        stopWith(error);
      }
    },
    async processEvents(received, reader) {
      const { partitionId } = reader;
      const startedAtMs = performance.now();
      const events = eventsOf(received);
      try {
        await untilDone(() => hub.check.hold(partitionId, events[0]?.offset), {
          what: `look at the hub of partition ${partitionId}`,
          log,
          signal: deps.giveUp,
          answers: ['HUB_RECREATED'],
        });
        if (events.length === 0) return;
        const pipeline = await (partitions.get(partitionId, reader) ?? partitions.open(partitionId, reader));
        await pipeline.process(events);
      } catch (error) {
        stopWith(error);
        throw error;
      }
      // Little traffic: let some gather, rather than commit every few events.
      const restMs = settings.commitIntervalMs - (performance.now() - startedAtMs);
      if (events.length < settings.maxBatchEvents && restMs > 1)
        await sleep(restMs, undefined, { signal: deps.ending }).catch(() => {});
    },
    async processError(error, { partitionId }) {
      if (refusesPosition(error)) hub.check.doubtPosition(partitionId);
      if (wasTaken(error) && !deps.ending.aborted) void hub.strangers.lost(partitionId);
      logTrouble(log, error, partitionId, deps.ending.aborted);
    },
    async processClose(reason, reader: PartitionContext) {
      const { partitionId } = reader;
      const pipeline = await partitions.get(partitionId, reader)?.catch(() => undefined);
      // Whoever owns the partition now captures these events again from the last file on.
      // With many, it may be lost again before its file is due, and so for ever.
      const flush = reason === CloseReason.Shutdown || (pipeline?.captureWaiting ?? 0) >= FLUSHED_EVENTS;
      await pipeline?.close(flush).catch(() => {});
      partitions.drop(partitionId, reader);
      log.info({ partition: partitionId, reason }, 'partition let go');
      if (reason !== CloseReason.OwnershipLost && !deps.ending.aborted) await giveBack(partitionId);
    },
  };
}

/**
 * After an error that it takes for a lasting one (EPIPE, for example) the client stops reading but stays the owner: the
 * partition is given back, so that it is taken again. Where the error does last, it rests in between.
 */
function returnOfPartitions({ hub, partitions, settings, ending }: SubscriptionDeps): (id: string) => Promise<void> {
  const givenUpAtMs = new Map<string, number>();
  return async (partition) => {
    const nowMs = performance.now();
    const again = nowMs - (givenUpAtMs.get(partition) ?? Number.NEGATIVE_INFINITY) < settings.ownershipTimeoutMs;
    givenUpAtMs.set(partition, nowMs);
    const giveBack = (): Promise<void> =>
      hub.release(
        ({ ownerId, partitionId }) =>
          ownerId === hub.identifier && partitionId === partition && !partitions.has(partition),
        'reading ended with an error',
      );
    if (again) void sleep(REST_MS, undefined, { signal: ending }).then(giveBack, () => {});
    else await giveBack();
  };
}

function logTrouble(log: IngestLog, thrown: Error, partition: string, ending: boolean): void {
  const { code, error, tries, name } = reasonOf(thrown);
  const fields = {
    ...(partition === '' ? undefined : { partition }),
    code,
    error,
    ...(tries > 1 ? { tries } : undefined),
  };
  // Another worker has taken the partition, or this one ends.
  if (ending || EXPECTED.has(String(code)) || EXPECTED.has(name)) log.debug(fields, 'reading was ended');
  else log.warn(fields, 'reading from Event Hubs is in trouble, trying again');
}
