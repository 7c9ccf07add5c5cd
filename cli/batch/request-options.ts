/** Options that become fields of a batch's request, shared by `batch run` and `schedule create`. */
import type { ScoreBatchRequest } from '../../workflows/requests.ts';

const FIELDS = [
  'release',
  'sensorsPerChild',
  'sensorsPerActivity',
  'toleratedFailurePercentage',
  'toleratedFailureCount',
  'toleratedSkippedPercentage',
  'waitForReadings',
  'rescoreLate',
] as const;

export type RequestOptions = Pick<ScoreBatchRequest, (typeof FIELDS)[number]>;

/** Those of the options that were given. */
export const requestOf = (options: RequestOptions): ScoreBatchRequest =>
  Object.fromEntries(FIELDS.filter((field) => options[field] !== undefined).map((field) => [field, options[field]]));
