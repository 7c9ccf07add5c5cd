/**
 * Holds each partition to the hub that was read (hub-identity.ts): before it is taken, and before anything is applied
 * after a connection was lost or the hub looks new. What is found is kept with the progress, so that a restart does not
 * forget it. Where it is another hub, the partition stands still, or begins anew, as configured.
 */
import type { EventHubConsumerClient } from '@azure/event-hubs';
import { FleetscoreError } from '../domain/errors.ts';
import type { AppliedEvent, Store } from '../storage/store.ts';
import type { EventAt } from './event-at.ts';
import { epochOf, identify, sameEvent, waitingIn, type HubPartition } from './hub-identity.ts';
import type { IngestLog } from './log.ts';

export type OnNewHub = 'stop' | 'read';

export interface HubCheckDeps {
  readonly client: Pick<EventHubConsumerClient, 'getEventHubProperties' | 'getPartitionProperties'>;
  readonly store: Pick<Store, 'listProgress' | 'noteHub' | 'beginHub'>;
  readonly source: string;
  readonly onNewHub: OnNewHub;
  readonly log: IngestLog;
  /** The event of a number, when the hub has it. */
  readonly eventAt: EventAt;
  /** The position of the hub that was read before is of no use any more. */
  readonly dropCheckpoint: (partition: string) => Promise<void>;
}

export interface HubCheck {
  /** For a partition that is about to be taken. False: leave it alone. @throws when nobody answers */
  admit(partition: string): Promise<boolean>;
  /**
   * For a partition that is read. @param offset of an event that came @throws FleetscoreError `HUB_RECREATED` when it
   * must not go on
   */
  hold(partition: string, offset?: string): Promise<void>;
  /** A connection was lost: who answers now may be another. */
  doubtAll(): void;
  /** The service refused the position from which to read. */
  doubtPosition(partition: string): void;
  /** The hub says when it was created. */
  heard(createdMs: number): void;
}

/** A partition that stands still is looked at again so often. */
const AGAIN_MS = 30_000;

export function createHubCheck(deps: HubCheckDeps): HubCheck {
  const { client, store, source, onNewHub, log } = deps;
  /**
   * Those that are known to be the same: the epoch of the newest event of each then, and of the event that was read
   * last. After a failover a partition holds events of both epochs, and all of them are read.
   */
  const known = new Map<string, { readonly newest: string | undefined; readonly seen: string | undefined }>();
  const know = (partition: string, now: HubPartition, last: AppliedEvent | undefined): void => {
    const newest = now.lastSeq < 0 ? undefined : epochOf(now.lastOffset);
    known.set(partition, { newest, seen: last && epochOf(last.offset) });
  };
  const stoppedAtMs = new Map<string, number>();
  const refused = new Set<string>();
  let createdMs: number | undefined;

  const look = async (partition: string, mayBegin: boolean): Promise<boolean> => {
    const [all, now] = await Promise.all([store.listProgress(source), partitionNow(client, partition)]);
    const stored = all.find((progress) => progress.partition === partition);
    createdMs = now.createdMs;
    let found = identify(stored, now, refused.has(partition));
    // Its own reader would shut the look out; it lets go, and the next turn looks.
    if (found.kind === 'look' && !mayBegin) return false;
    if (found.kind === 'look') found = sameEvent(stored!, await deps.eventAt(partition, found.seq), found.why);
    if (found.kind === 'same') {
      if (refused.delete(partition)) await deps.dropCheckpoint(partition);
      if (stored?.hubCreatedMs !== now.createdMs || stored.problem !== undefined)
        await store.noteHub(source, partition, now.createdMs, undefined);
      know(partition, now, stored?.last);
      return true;
    }
    if (onNewHub === 'read' && mayBegin) {
      await deps.dropCheckpoint(partition);
      refused.delete(partition);
      if (!(await store.beginHub(source, partition, stored!.appliedSeq, now.createdMs))) return false;
      log.warn(
        { partition, appliedSeq: stored!.appliedSeq, waiting: waitingIn(now) },
        `this is not the hub that was read before (${found.why}): it is read from its first event on`,
      );
      know(partition, now, undefined);
      return true;
    }
    if (stored?.problem !== found.why)
      await store.noteHub(source, partition, stored?.hubCreatedMs ?? now.createdMs, found.why);
    log.error(
      { partition, appliedSeq: stored?.appliedSeq, waiting: waitingIn(now) },
      `this partition stands still: it is not the one that was read before (${found.why}). ${REMEDY}`,
    );
    return false;
  };

  return {
    async admit(partition) {
      const nowMs = performance.now();
      if (nowMs - (stoppedAtMs.get(partition) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false;
      const may = await look(partition, true);
      if (may) stoppedAtMs.delete(partition);
      else stoppedAtMs.set(partition, nowMs);
      return may;
    },
    async hold(partition, offset) {
      const same = known.get(partition);
      if (same) {
        if (offset === undefined) return;
        const epoch = epochOf(offset);
        if (mayFollow(epoch, same.seen, same.newest)) {
          if (epoch !== same.seen) known.set(partition, { newest: same.newest ?? epoch, seen: epoch });
          return;
        }
        known.delete(partition);
      }
      if (await look(partition, false)) return;
      throw new FleetscoreError(
        'HUB_RECREATED',
        `partition ${partition} of ${source} is not the one that was read before. ${REMEDY}`,
      );
    },
    doubtAll: () => known.clear(),
    doubtPosition(partition) {
      known.delete(partition);
      refused.add(partition);
    },
    heard(nowMs) {
      if (createdMs !== undefined && createdMs !== nowMs) known.clear();
      createdMs = nowMs;
    },
  };
}

async function partitionNow(client: HubCheckDeps['client'], partition: string): Promise<HubPartition> {
  const [hub, end] = await Promise.all([client.getEventHubProperties(), client.getPartitionProperties(partition)]);
  return {
    createdMs: hub.createdOn.getTime(),
    firstSeq: end.beginningSequenceNumber,
    lastSeq: end.lastEnqueuedSequenceNumber,
    lastOffset: String(end.lastEnqueuedOffset),
    lastEnqueuedMs: end.lastEnqueuedOnUtc.getTime(),
    empty: end.isEmpty,
  };
}

/** What to do where a hub is another. */
export const REMEDY =
  'Its events would be taken for old ones. Set FLEETSCORE_ON_NEW_HUB=read for the ingest workers to read it ' +
  'from its first event on: the windows stay, and what is there twice counts once; ' +
  'or give ingest the hub that was read.';

/**
 * Whether an event of this epoch may come after one of `seen` in a hub whose newest event is of `newest`. Where nothing
 * was read yet the first may be of any; epochs in between are those of failovers that happened meanwhile.
 */
function mayFollow(epoch: string, seen: string | undefined, newest: string | undefined): boolean {
  if (seen === undefined || epoch === seen || epoch === newest) return true;
  return newest !== undefined && Number(seen) < Number(epoch) && Number(epoch) < Number(newest);
}
