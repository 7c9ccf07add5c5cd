/**
 * What became of the readings of one `send`. Its events carry an id; ingest counts them by it in the transaction that
 * moves its progress, so each is counted once, whatever is delivered again. Only a send that waits has asked for it:
 * ids that nobody registered are counted nowhere. Pure.
 */
import { FleetscoreError } from './errors.ts';
import { DAY_MS } from './time.ts';

/** Property of an event that names its send. */
export const SEND_PROPERTY = 'fleetscore-send';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const isSendId = (value: unknown): value is string => typeof value === 'string' && ID.test(value);

/** An id that sorts by its time, as a UUID of version 7 (RFC 9562). @param random hex digits of 10 bytes */
export function newSendId(nowMs: number, random: string): string {
  const time = nowMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

/** Name of the store's setting that holds the tally of a send. */
export const sendSetting = (id: string): string => `send:${id}`;

const KEPT_MS = DAY_MS;
/** Names of sends that began before this one are forgotten. */
export const sendCut = (nowMs: number): string => sendSetting(newSendId(nowMs - KEPT_MS, '0'.repeat(18)));

export interface SendTally {
  readonly events: number;
  /** Readings that are in windows, those counted below as duplicates or late among them. */
  readonly readings: number;
  /** A reading of this sensor and time was there already, or came twice. */
  readonly duplicates: number;
  /** Came after a window of theirs had ended; they are in it all the same. */
  readonly late: number;
  /** In no window, because they came later than the late limit. */
  readonly tooLate: number;
  /** Left out by a filter. */
  readonly filtered: number;
  /** Not taken, by the reason of the dead letter. */
  readonly dead: Readonly<Record<string, number>>;
}

export const EMPTY_TALLY: SendTally = {
  events: 0,
  readings: 0,
  duplicates: 0,
  late: 0,
  tooLate: 0,
  filtered: 0,
  dead: {},
};

export function addTallies(a: SendTally, b: SendTally): SendTally {
  const dead: Record<string, number> = { ...a.dead };
  for (const [reason, count] of Object.entries(b.dead)) dead[reason] = (dead[reason] ?? 0) + count;
  return {
    events: a.events + b.events,
    readings: a.readings + b.readings,
    duplicates: a.duplicates + b.duplicates,
    late: a.late + b.late,
    tooLate: a.tooLate + b.tooLate,
    filtered: a.filtered + b.filtered,
    dead,
  };
}

/** The tally as the store keeps it. */
export const tallyText = (tally: SendTally): string => JSON.stringify(tally);

/** @throws FleetscoreError `STORE_ERROR` */
export function tallyOf(text: string): SendTally {
  try {
    return { ...EMPTY_TALLY, ...(JSON.parse(text) as Partial<SendTally>) };
  } catch (error) {
    throw new FleetscoreError('STORE_ERROR', `the store's tally of a send cannot be read: ${text.slice(0, 100)}`, {
      cause: error,
    });
  }
}

/** Readings that reached no window though nobody wished that, as a filter does. */
export const notTaken = ({ tooLate, dead }: SendTally): number =>
  tooLate + Object.values(dead).reduce((sum, count) => sum + count, 0);
