/**
 * Whether a partition is still the one whose events were applied. A hub that was deleted and made again, an alias that
 * points to another namespace, and a failover that lost events all give sequence numbers anew: what is new would be
 * taken for old and dropped without a word. Numbers alone cannot tell; the time of the hub's creation, the epoch in
 * offsets, and the time at which the last applied event came to the hub can. Pure.
 */
import { isoTime } from '../domain/time.ts';
import type { AppliedEvent, PartitionProgress } from '../storage/store.ts';

/** What the service says of a partition now; sequence numbers -1 before the first event. */
export interface HubPartition {
  /** Of the hub, epoch ms. */
  readonly createdMs: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Of the newest event. */
  readonly lastOffset: string;
  readonly lastEnqueuedMs: number;
  readonly empty: boolean;
}

export type Identity =
  | { readonly kind: 'same' }
  /** The event with this number in the hub decides; see {@link sameEvent}. */
  | { readonly kind: 'look'; readonly seq: number; readonly why: string }
  | { readonly kind: 'other'; readonly why: string };

const SAME: Identity = { kind: 'same' };

/** @param doubted the service refused a position of ours, so that nothing but the event itself proves anything */
export function identify(stored: PartitionProgress | undefined, now: HubPartition, doubted = false): Identity {
  if (!stored || stored.appliedSeq < 0) return SAME;
  const { appliedSeq, last } = stored;
  const doubt = doubted ? 'the service refuses the position up to which it was read' : doubtOf(stored, now);
  if (now.lastSeq < appliedSeq)
    return {
      kind: 'other',
      why:
        `it ends at sequence number ${now.lastSeq}, but events up to ${appliedSeq} were ` +
        `read${doubt ? `; ${doubt}` : ''}`,
    };
  if (last && now.lastSeq === appliedSeq && last.enqueuedMs !== now.lastEnqueuedMs)
    return { kind: 'other', why: notThatEvent(appliedSeq, last, now.lastEnqueuedMs) };
  if (!doubt || (last && now.lastSeq === appliedSeq && !doubted)) return SAME;
  // What is proven by an event needs one that is still there.
  return last && !now.empty && now.firstSeq <= appliedSeq
    ? { kind: 'look', seq: appliedSeq, why: doubt }
    : { kind: 'other', why: doubt };
}

/** What speaks against it; undefined: nothing. */
function doubtOf({ last, hubCreatedMs }: PartitionProgress, now: HubPartition): string | undefined {
  if (hubCreatedMs !== undefined && hubCreatedMs !== now.createdMs)
    return `the hub that was read was created ${isoTime(hubCreatedMs)}, this one ${isoTime(now.createdMs)}`;
  if (!last || now.lastSeq < 0) return undefined;
  const [before, after] = [epochOf(last.offset), epochOf(now.lastOffset)];
  return before === after
    ? undefined
    : `its offsets begin with ${after || 'no epoch'}, those that were read with ${before || 'none'}`;
}

/** @param found the event at `appliedSeq` as the hub has it now; undefined when there is none */
export function sameEvent(
  stored: PartitionProgress,
  found: (AppliedEvent & { readonly seq: number }) | undefined,
  why: string,
): Identity {
  const { appliedSeq, last } = stored;
  if (found?.seq === appliedSeq && found.enqueuedMs === last?.enqueuedMs) return SAME;
  return { kind: 'other', why: found && last ? notThatEvent(appliedSeq, last, found.enqueuedMs) : why };
}

const notThatEvent = (seq: number, last: AppliedEvent, foundMs: number): string =>
  `event ${seq} that was read came to the hub at ${isoTime(last.enqueuedMs)}, the one that is there at ` +
  isoTime(foundMs);

/**
 * The part of an offset before its first colon: with geo-replication offsets are `{epoch}:{...}`, and each failover
 * begins a new epoch (Event Hubs documentation, "Geo-replication"). Empty for offsets without.
 */
export function epochOf(offset: string): string {
  return /^([^:]*):/.exec(offset)?.[1] ?? '';
}

/** Events that wait in a hub of which nothing was read yet. */
export const waitingIn = ({ empty, firstSeq, lastSeq }: Pick<HubPartition, 'empty' | 'firstSeq' | 'lastSeq'>): number =>
  empty ? 0 : lastSeq - firstSeq + 1;
