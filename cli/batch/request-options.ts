/** Options that become fields of a batch's request, shared by `batch run` and `schedule create`. */
import type { ScoreBatchRequest } from '../../workflows/requests.ts';

export interface RequestOptions {
  readonly release?: string;
  readonly sensorsPerChild?: number;
  readonly sensorsPerActivity?: number;
  readonly toleratedFailurePercentage?: number;
  readonly toleratedFailureCount?: number;
  readonly toleratedSkippedPercentage?: number;
  readonly waitForReadings?: string;
  readonly rescoreLate?: string;
}

export function requestOf(options: RequestOptions): ScoreBatchRequest {
  const {
    release,
    sensorsPerChild,
    sensorsPerActivity,
    toleratedFailurePercentage,
    toleratedFailureCount,
    toleratedSkippedPercentage,
    waitForReadings,
    rescoreLate,
  } = options;
  const fields = {
    release,
    sensorsPerChild,
    sensorsPerActivity,
    toleratedFailurePercentage,
    toleratedFailureCount,
    toleratedSkippedPercentage,
    waitForReadings,
    rescoreLate,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
