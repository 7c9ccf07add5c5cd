/** What a verdict over a stretch says of a sensor, where it is not that its windows were scored. */
import { MODEL_FAILURES } from '../domain/outcome.ts';
import type { StretchVerdict } from './evidence.ts';

/** Classes that say that a sensor cannot be scored because of its model. */
const MODEL_TROUBLE: ReadonlySet<StretchVerdict> = new Set<StretchVerdict>([
  'no_model',
  ...MODEL_FAILURES,
  'pool_unknown',
]);

/** A batch that was cancelled, or that services failed, says nothing of a sensor: it is taken as seen, and no more. */
const UNKNOWN: ReadonlySet<StretchVerdict> = new Set<StretchVerdict>([
  'cancelled',
  'store_error',
  'blob_error',
  'timeout',
  'worker_lost',
  'internal',
]);

/** It is taken as seen, and no more. */
export const saysNothing = (verdict: StretchVerdict): boolean => UNKNOWN.has(verdict);

export const isModelTrouble = (verdict: StretchVerdict): boolean => MODEL_TROUBLE.has(verdict);
