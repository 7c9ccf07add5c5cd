/**
 * Long loops in a process that has others to answer: a part of the work a turn of the event loop, and between two of
 * them heartbeats, probes and other batches are served. A batch may hold millions of windows of one sensor.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Rows of predictions a turn: some 20 ms. */
export const ROWS_PER_TURN = 4_096;

/** A part of a list, as of `slice`. */
export interface Turn {
  readonly from: number;
  readonly to: number;
}

/** The parts of a list of `length`, each in a turn of its own. */
export async function* inTurns(length: number, perTurn = ROWS_PER_TURN): AsyncGenerator<Turn, undefined> {
  for (let from = 0; from < length; from += perTurn) {
    if (from > 0) await nextTurn();
    yield { from, to: Math.min(length, from + perTurn) };
  }
  return undefined;
}
