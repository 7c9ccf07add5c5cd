/** Labels of counters of sensors, each set known from the start, so that every series begins with 0. */
import { FAILURE_REMEDIES } from '../domain/failure-remedies.ts';

export type OutcomeLabels = { readonly outcome: string; readonly class: string };

const FAILED: readonly OutcomeLabels[] = Object.keys(FAILURE_REMEDIES).map((name) => ({
  outcome: 'failed',
  class: name,
}));

/** Of a control worker, which counts the sensors of batches that it closed. */
export const OUTCOME_LABELS: readonly OutcomeLabels[] = [
  ...['scored', 'skipped', 'cancelled'].map((outcome) => ({ outcome, class: '' })),
  ...FAILED,
];

/** Of a scoring worker, which knows why it skipped a sensor. */
export const SCORING_LABELS: readonly OutcomeLabels[] = [
  { outcome: 'scored', class: '' },
  { outcome: 'skipped', class: 'no_data' },
  { outcome: 'skipped', class: 'no_model' },
  ...FAILED,
];
