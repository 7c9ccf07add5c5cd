/**
 * Counts what becomes of the readings of every send in one commit. Ids come from senders: at most so many are counted
 * in a commit, and events without one cost nothing.
 */
import { addTallies, EMPTY_TALLY, isSendId, SEND_PROPERTY, type SendTally } from '../domain/send-tally.ts';
import type { SendOutcome } from '../storage/store.ts';
import type { Admitted } from './admit.ts';

/** Sends counted in one commit. */
const MOST_SENDS = 16;

export interface SendCounter {
  /** Place of the event's send in {@link results}, from 1; 0 when it has none. */
  indexOf(event: Admitted['event']): number;
  add(index: number, tally: Partial<SendTally>): void;
  readonly results: readonly SendOutcome[];
}

export function countSends(): SendCounter {
  const places = new Map<string, number>();
  const tallies: SendTally[] = [];
  return {
    indexOf({ properties }) {
      const id = properties?.[SEND_PROPERTY];
      if (!isSendId(id)) return 0;
      const known = places.get(id);
      if (known !== undefined) return known;
      if (places.size === MOST_SENDS) return 0;
      tallies.push(EMPTY_TALLY);
      places.set(id, tallies.length);
      return tallies.length;
    },
    add(index, tally) {
      tallies[index - 1] = addTallies(tallies[index - 1]!, { ...EMPTY_TALLY, ...tally });
    },
    get results() {
      return [...places].map(([id, place]) => ({ id, tally: tallies[place - 1]! }));
    },
  };
}
