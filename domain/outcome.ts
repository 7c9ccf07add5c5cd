/**
 * What became of one sensor in one batch. Every planned sensor ends in exactly one outcome; a class is
 * stable text that people filter by, so classes are added, never renamed.
 */
import { cutMessage } from './limits.ts';
import { defined } from './defined.ts';

export type OutcomeStatus = 'scored' | 'skipped' | 'failed' | 'cancelled';

/** Skipped is not failed: there was nothing to score, or nothing to score with. */
export type SkipClass = 'no_data' | 'no_model';

/** What is wrong with a model itself, and stays wrong until another one is published. */
export const MODEL_FAILURES = [
  'model_missing', //     the release names a model that Blob does not hold
  'model_corrupt', //     not ONNX, hash differs, does not load
  'model_wrong_shape', // loads, but breaks the model contract
  'model_too_large', //   past the size cap
  'model_failed', //      loads, but run() throws or gives no usable output
  'not_finite', //        a score that is not a number
] as const;

export type FailureClass =
  | (typeof MODEL_FAILURES)[number]
  | 'pool_unknown' //       the model names a pool of workers that is not configured any more
  | 'store_error' //        SQL kept failing
  | 'blob_error' //         Blob kept failing
  | 'timeout' //            the activity kept running out of time
  | 'worker_lost' //        workers kept vanishing under it (heartbeats stopped)
  | 'internal'; //          anything else: a bug of ours until shown otherwise

interface Outcome {
  readonly sensorId: number;
  /** Windows read for the period. */
  readonly windows: number;
  /** Windows labelled anomalous. */
  readonly anomalies: number;
  /** SHA-256 of the model, when there was one. */
  readonly model?: string;
  /** Activity attempt that decided it, from 1. */
  readonly attempt: number;
}

/** It has neither a class nor a message: there is nothing to say. */
interface Unremarkable {
  readonly class?: never;
  readonly message?: never;
  readonly worker?: never;
}

export interface ScoredOutcome extends Outcome, Unremarkable {
  readonly status: 'scored';
}

export interface CancelledOutcome extends Outcome, Unremarkable {
  readonly status: 'cancelled';
}

export interface SkippedOutcome extends Outcome {
  readonly status: 'skipped';
  readonly class: SkipClass;
  /** For people: what was missing, and what to do. At most 1000 characters. */
  readonly message?: string;
  readonly worker?: never;
}

export interface FailedOutcome extends Outcome {
  readonly status: 'failed';
  readonly class: FailureClass;
  /** For people: what was wrong, with which value, and what to do. At most 1000 characters. */
  readonly message: string;
  /** Process that recorded it, by its name (worker.ts). At most 400 characters. */
  readonly worker?: string;
}

/** What a failed outcome is made of. */
export interface Failure {
  readonly sensorId: number;
  readonly model?: string | undefined;
  readonly class: FailureClass;
  /** For people; cut to what is kept. */
  readonly message: string;
  readonly attempt: number;
  readonly worker: string;
  /** Of a sensor whose windows were read. Default 0. */
  readonly windows?: number;
  readonly anomalies?: number;
}

/** The one place where a sensor is recorded as failed. */
export const failedOutcome = ({ message, model, windows = 0, anomalies = 0, ...rest }: Failure): FailedOutcome => ({
  ...rest,
  status: 'failed',
  message: cutMessage(message),
  windows,
  anomalies,
  ...defined({ model }),
});

export type SensorOutcome = ScoredOutcome | SkippedOutcome | FailedOutcome | CancelledOutcome;

/** Of a failed sensor; `internal` where a store holds no class. */
export const failureClassOf = (outcome: SensorOutcome): FailureClass =>
  outcome.status === 'failed' ? (outcome.class ?? 'internal') : 'internal';

/** Sums over a range of sensors. */
export interface OutcomeCounts {
  readonly scored: number;
  readonly skipped: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly windows: number;
  readonly anomalies: number;
}

export const NO_OUTCOMES: OutcomeCounts = { scored: 0, skipped: 0, failed: 0, cancelled: 0, windows: 0, anomalies: 0 };

export function addCounts(a: OutcomeCounts, b: OutcomeCounts): OutcomeCounts {
  return {
    scored: a.scored + b.scored,
    skipped: a.skipped + b.skipped,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    windows: a.windows + b.windows,
    anomalies: a.anomalies + b.anomalies,
  };
}

/** Sensors that have an outcome. */
export function decided(counts: OutcomeCounts): number {
  return counts.scored + counts.skipped + counts.failed + counts.cancelled;
}

export function countOutcomes(
  outcomes: Iterable<Pick<SensorOutcome, 'status' | 'windows' | 'anomalies'>>,
): OutcomeCounts {
  const counts = { ...NO_OUTCOMES };
  for (const outcome of outcomes) {
    counts[outcome.status] += 1;
    counts.windows += outcome.windows;
    counts.anomalies += outcome.anomalies;
  }
  return counts;
}

/** Why a batch for all sensors leaves some out: it is not for them, so they have no outcome. */
export const LEFT_OUT = 'out of service, or without a model and any reading';
