/**
 * The faults of the sample plant, known in advance: ten in every hour (aligned to the epoch), in ten
 * different sensors, each inside its own six minutes of the hour, so that any 15 minutes see two or three.
 * Pure: the same seed and hour give the same faults, however the time around it is cut.
 */
import { pickAt, uniformAt } from './random.ts';
import { SAMPLE_FLEET, type SampleSensor } from './fleet.ts';
import { HOUR_MS } from '../domain/time.ts';

/**
 * - `spike`: two to four readings far outside
 * - `level-shift`: the level jumps out of its envelope and back
 * - `drift`: the level moves out of its envelope at a steady pace
 * - `noise-burst`: the noise grows until readings leave the envelope on both sides
 * - `dropout`: the signal falls to the lowest value the instrument can show (a broken wire)
 * - `stuck`: the reading does not move any more, at a normal value
 * - `slight-shift`: a shift that stays inside the envelope
 */
export type FaultKind = 'spike' | 'level-shift' | 'drift' | 'noise-burst' | 'dropout' | 'stuck' | 'slight-shift';

/** A fault that is put into the readings of one sensor in [fromMs, toMs). */
export interface Fault {
  readonly kind: FaultKind;
  readonly sensor: SampleSensor;
  /** Epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** 1 upward, -1 downward; kinds without a direction ignore it. */
  readonly sign: 1 | -1;
  /**
   * Whether a model of single windows can find it. `stuck` and `slight-shift` look like normal readings
   * one by one: they are here to stay honest about what such models miss.
   */
  readonly findable: boolean;
}

export const DEFAULT_SEED = 20180828;

const STEP_MS = 5_000;

/** Kinds of one hour. Their order over the hour is drawn. */
const KINDS: readonly FaultKind[] = [
  'spike',
  'spike',
  'level-shift',
  'level-shift',
  'drift',
  'noise-burst',
  'dropout',
  'dropout',
  'stuck',
  'slight-shift',
];
const SLOT_MS = HOUR_MS / KINDS.length;

/** Shortest and longest length in readings; with the latest start (a minute into the slot) it stays in its slot. */
const STEPS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  spike: [2, 4],
  'level-shift': [24, 48],
  drift: [36, 54],
  'noise-burst': [18, 30],
  dropout: [12, 30],
  stuck: [36, 54],
  'slight-shift': [24, 48],
};

// Streams of random numbers, so that no two decisions share a draw.
const SENSOR = 101;
const KIND = 102;
const START = 103;
const LENGTH = 104;
const SIGN = 105;

/** Faults that touch [fromMs, toMs), by start. @param seed whole number; the feed and the faults take the same */
export function faultsIn(fromMs: number, toMs: number, seed: number = DEFAULT_SEED): readonly Fault[] {
  const found: Fault[] = [];
  for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS < toMs; hour++)
    for (const fault of faultsOfHour(hour, seed)) if (fault.fromMs < toMs && fault.toMs > fromMs) found.push(fault);
  return found;
}

/** @param hour hours since the epoch */
function faultsOfHour(hour: number, seed: number): readonly Fault[] {
  const sensors = drawn(SAMPLE_FLEET, KINDS.length, seed, hour, SENSOR);
  return drawn(KINDS, KINDS.length, seed, hour, KIND).map((kind, slot): Fault => {
    const [shortest, longest] = STEPS[kind];
    const fromMs = hour * HOUR_MS + slot * SLOT_MS + pickAt(13, seed, hour, START, slot) * STEP_MS;
    const steps = shortest + pickAt(longest - shortest + 1, seed, hour, LENGTH, slot);
    return {
      kind,
      sensor: sensors[slot]!,
      fromMs,
      toMs: fromMs + steps * STEP_MS,
      sign: uniformAt(seed, hour, SIGN, slot) < 0.5 ? -1 : 1,
      findable: kind !== 'stuck' && kind !== 'slight-shift',
    };
  });
}

/** The first `count` items of a shuffle. */
function drawn<T>(items: readonly T[], count: number, ...coordinates: readonly number[]): readonly T[] {
  const left = [...items];
  return Array.from({ length: count }, (_, at) => left.splice(pickAt(left.length, ...coordinates, at), 1)[0]!);
}
