/** A challenger: a second release that batches score beside their own, and how the labels of the two compare. */
import type { FailureClass, OutcomeStatus, SkipClass } from './outcome.ts';
import type { SensorKey } from './sensor.ts';
import type { Period } from './time.ts';

/** A release that batches score beside their own, without serving it. */
export interface Challenger {
  readonly release: string;
  /** Share of the sensors, above 0 and at most 1. */
  readonly share: number;
  readonly sinceMs: number;
}

/** Windows that two releases both predicted, by their labels. */
export interface LabelCounts {
  readonly windows: number;
  /** Anomalies for both, for the base alone, for the challenger alone. */
  readonly both: number;
  readonly onlyBase: number;
  readonly onlyChallenger: number;
}

/** What the challenger of a batch made of one sensor, beside the batch's own release. */
export interface ChallengedSensor extends LabelCounts {
  readonly sensorId: number;
  readonly status: Exclude<OutcomeStatus, 'cancelled'>;
  /** Set when skipped or failed. */
  readonly class?: SkipClass | FailureClass;
  readonly message?: string;
}

export interface ChallengeFilter {
  readonly challenger?: string;
  readonly base?: string;
  readonly batchId?: string;
  /** Only batches whose period lies inside. */
  readonly within?: Period;
}

/** How two releases differ on one sensor. */
export type SensorDifference = SensorKey & Omit<LabelCounts, 'both'>;

/**
 * What batches recorded of a challenger beside one base. A sensor counts once for each batch, but for `sensors` and
 * `differing`.
 */
export interface ChallengeSummary extends LabelCounts {
  readonly base: string;
  readonly challenger: string;
  readonly batches: number;
  /** From the start of the first period to the end of the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly sensors: number;
  /** Sensors with windows that have another label. */
  readonly differing: number;
  readonly scored: number;
  readonly skipped: number;
  readonly failed: number;
  /** Failures by class. */
  readonly causes: Readonly<Record<string, number>>;
}

/** Windows with the same label. */
export const agreedOf = ({ windows, onlyBase, onlyChallenger }: Omit<LabelCounts, 'both'>): number =>
  windows - onlyBase - onlyChallenger;

/**
 * Whether a sensor is in a share (0 to 1) of the fleet. Knuth's multiplicative hash: spread evenly, and the same
 * sensors each time.
 */
export const inShare = (id: number, share: number): boolean => (Math.imul(id, 2_654_435_761) >>> 0) / 2 ** 32 < share;
