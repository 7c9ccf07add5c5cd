/** What is done about each class of failure, and what a person does: the one place that says so. */
import type { FailureClass } from './outcome.ts';

export interface FailureRule {
  /**
   * `never`: another try would end the same. `calls and attempts`: the call is tried again inside the attempt, the
   * attempt waits minutes for the service, and then all attempts begin anew (docs/outages.md). `attempts`: tried again
   * with backoff, the last times alone in its process; a chunk is halved until the sensor at fault is alone. Numbers:
   * workflows/policies.ts.
   */
  readonly retried: 'never' | 'calls and attempts' | 'attempts';
  /** What to do before the sensor is driven again, in a few words. */
  readonly remedy: string;
}

const PUBLISH = 'publish a good model';
const WAIT = 'see that it answers';

export const FAILURE_RULES: Readonly<Record<FailureClass, FailureRule>> = {
  model_missing: {
    retried: 'never',
    remedy: 'publish the models again (`fleetscore models publish` puts missing files back)',
  },
  model_corrupt: {
    retried: 'never',
    remedy: 'publish the models again (`fleetscore models publish` mends damaged files)',
  },
  model_wrong_shape: { retried: 'never', remedy: PUBLISH },
  model_too_large: {
    retried: 'never',
    remedy: 'publish a smaller model, or raise the variable that its message names',
  },
  model_failed: { retried: 'never', remedy: PUBLISH },
  not_finite: { retried: 'never', remedy: PUBLISH },
  pool_unknown: {
    retried: 'never',
    remedy:
      'give the control worker a pool of that name (FLEETSCORE_POOLS_FILE), or publish the models for a pool it has',
  },
  store_error: { retried: 'calls and attempts', remedy: `the SQL store was away: ${WAIT}` },
  blob_error: { retried: 'calls and attempts', remedy: `Blob storage was away: ${WAIT}` },
  // The scoring activity as a whole; a model past FLEETSCORE_MODEL_TIMEOUT has the same class and is given up at once.
  timeout: {
    retried: 'attempts',
    remedy: 'give the model more time (FLEETSCORE_MODEL_TIMEOUT) or publish a faster one',
  },
  worker_lost: {
    retried: 'attempts',
    remedy: 'look at the memory and the log of the scoring workers: the model may crash them',
  },
  internal: { retried: 'attempts', remedy: 'look at the message and the log of the worker' },
};
