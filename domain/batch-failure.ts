/**
 * Why a batch failed as a whole, as one of a few classes, and what a person does about it. Stable text that people
 * filter by: classes are added, never renamed. Failures of single sensors have classes of their own (outcome.ts).
 */
import type { ErrorCode } from './error-codes.ts';
import { PAYLOAD_KEY_UNKNOWN } from './errors.ts';

export type BatchClass =
  | 'invalid_request' //   a field of the request is wrong
  | 'no_models' //         no release was ever published
  | 'release_unknown' //   the request names a release that is not there
  | 'sensor_unknown' //    the request names a sensor that is not there
  | 'batch_unknown' //     the batch to redrive is not there, or still runs
  | 'windows_changed' //   the length of windows is not that of the stored ones
  | 'store_error' //       SQL kept failing
  | 'blob_error' //        Blob kept failing
  | 'timeout' //           a step of the batch kept running out of time
  | 'worker_lost' //       control workers kept vanishing
  | 'key_missing' //       no worker has the key of its payloads
  | 'workflow_lost' //     its workflow ended without closing it: terminated, timed out, gone
  | 'sensors_failed' //    more sensors failed than tolerated
  | 'sensors_skipped' //   more sensors were skipped than tolerated
  | 'nothing_scored' //    there were readings, and not one sensor was scored
  | 'internal'; //         anything else

const PUBLISH = 'publish models: fleetscore models publish DIR';
const WAIT = 'see that it answers (fleetscore doctor), then run the period again';

/** What to do before the period is scored again, in a few words. */
export const BATCH_REMEDIES: Readonly<Record<BatchClass, string>> = {
  invalid_request: 'correct the field that the message names, in the command or in the input of the schedule',
  no_models: PUBLISH,
  release_unknown: 'name a release that is there (fleetscore models list), or leave it out for the current one',
  sensor_unknown: 'name sensors that are there: fleetscore sensors list',
  batch_unknown: 'name a batch that is there and has ended: fleetscore batch list',
  windows_changed: 'set the windows back to what the store was filled with, or begin a new store',
  store_error: `the SQL store was away: ${WAIT}`,
  blob_error: `Blob storage was away: ${WAIT}`,
  timeout: 'look at the log of the control workers: fleetscore logs --worker control',
  worker_lost: 'look at the memory and the log of the control workers: fleetscore logs --worker control',
  key_missing: 'give the workers the key of the payloads (FLEETSCORE_PAYLOAD_KEYS), then run the period again',
  workflow_lost: 'run the period again, or redrive the batch: what was scored is kept',
  sensors_failed: 'mend the causes, then redrive the batch',
  sensors_skipped: 'publish models for sensors without one, and see why the others are silent',
  nothing_scored: 'publish models for the sensors that have readings: fleetscore models publish DIR --merge',
  internal: 'look at the message and at the log of the control workers: fleetscore logs --worker control',
};

/** By the code of a FleetscoreError, which is the type of the activity's failure. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, BatchClass>>> = {
  INVALID_REQUEST: 'invalid_request',
  INVALID_TIME: 'invalid_request',
  INVALID_DURATION: 'invalid_request',
  INVALID_NAME: 'invalid_request',
  INVALID_ZONE: 'invalid_request',
  NO_RELEASE: 'no_models',
  RELEASE_UNKNOWN: 'release_unknown',
  SENSOR_UNKNOWN: 'sensor_unknown',
  BATCH_UNKNOWN: 'batch_unknown',
  BATCH_RUNNING: 'batch_unknown',
  INTERVAL_CHANGED: 'windows_changed',
  [PAYLOAD_KEY_UNKNOWN]: 'key_missing',
};

export function batchClassOf(code: string | undefined | null): BatchClass {
  if (!code) return 'internal';
  if (code.startsWith('STORE_') || code.startsWith('SCHEMA_')) return 'store_error';
  return code.startsWith('BLOB_') ? 'blob_error' : (BY_CODE[code as ErrorCode] ?? 'internal');
}
