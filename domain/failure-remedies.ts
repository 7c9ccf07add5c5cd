/** What to do about each class of failure: the one place that says so. */
import type { FailureClass } from './outcome.ts';

const PUBLISH = 'publish a good model';
const WAIT = 'see that it answers';

/**
 * What a person does before the sensor is scored again, in a few words. What is tried again by itself: docs/runbook.md,
 * by the numbers of workflows/policies.ts.
 */
export const FAILURE_REMEDIES: Readonly<Record<FailureClass, string>> = {
  model_missing: 'publish the models again (`fleetscore models publish` puts missing files back)',
  model_corrupt: 'publish the models again (`fleetscore models publish` mends damaged files)',
  model_wrong_shape: PUBLISH,
  model_too_large: 'publish a smaller model, or raise the variable that its message names',
  model_failed: PUBLISH,
  not_finite: PUBLISH,
  pool_unknown:
    'give the control worker a pool of that name (FLEETSCORE_POOLS_FILE), or publish the models for a pool it has',
  store_error: `the SQL store was away: ${WAIT}`,
  blob_error: `Blob storage was away: ${WAIT}`,
  // The scoring activity as a whole; a model past FLEETSCORE_MODEL_TIMEOUT has the same class and is given up at once.
  timeout: 'give the model more time (FLEETSCORE_MODEL_TIMEOUT) or publish a faster one',
  worker_lost: 'look at the memory and the log of the scoring workers: the model may crash them',
  internal: 'look at the message and the log of the worker',
};
