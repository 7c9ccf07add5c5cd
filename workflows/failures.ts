/** What a failed activity or child says about the sensors it held. Pure. */
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, TimeoutFailure } from '@temporalio/common';
import { batchClassOf, type BatchClass } from '../domain/batch-failure.ts';
import { OUTAGE_CODES, PAYLOAD_KEY_UNKNOWN } from '../domain/errors.ts';
import type { ChunkOutcome, FailRangeInput } from './activities.ts';

export interface FailureReason {
  readonly class: FailRangeInput['class'];
  readonly message: string;
  /** True when one sensor of the chunk may have caused it: then it pays to halve the chunk. */
  readonly sensorAtFault: boolean;
  /** True when no worker that took it had the key of its payloads: one that has it will come. */
  readonly keyMissing?: boolean;
  /** True when a service was away, or let nobody in: that passes. */
  readonly outage?: boolean;
}

export function whyFailed(error: unknown): FailureReason {
  const cause =
    error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? (error.cause ?? error) : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof TimeoutFailure) {
    return cause.timeoutType === 'HEARTBEAT'
      ? {
          class: 'worker_lost',
          message:
            'workers that scored this sensor vanished (no heartbeat): out of memory, or a crash of the native runtime?',
          sensorAtFault: true,
        }
      : { class: 'timeout', message: `scoring did not end in time (${cause.timeoutType})`, sensorAtFault: true };
  }
  if (cause instanceof ApplicationFailure) {
    if (cause.type === PAYLOAD_KEY_UNKNOWN)
      return { class: 'internal', message: text, sensorAtFault: false, keyMissing: true };
    const away = { message: text, sensorAtFault: false, outage: OUTAGE_CODES.has(cause.type ?? '') };
    if (cause.type?.startsWith('STORE_')) return { class: 'store_error', ...away };
    if (cause.type?.startsWith('BLOB_')) return { class: 'blob_error', ...away };
  }
  return { class: 'internal', message: text, sensorAtFault: true };
}

/** The same for what ended a batch as a whole. */
export function batchClass(error: unknown): BatchClass {
  const cause =
    error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? (error.cause ?? error) : error;
  if (cause instanceof TimeoutFailure) return cause.timeoutType === 'HEARTBEAT' ? 'worker_lost' : 'timeout';
  return cause instanceof ApplicationFailure ? batchClassOf(cause.type) : 'internal';
}

/** Sensors per half of a chunk of `count`. */
export const halve = (count: number): number => Math.ceil(count / 2);

/** The outcome that the child of a single failed sensor carries in its failure. */
export function outcomeOfFailedChild(error: unknown, type: string): ChunkOutcome | undefined {
  if (!(error instanceof ChildWorkflowFailure)) return undefined;
  const { cause } = error;
  return cause instanceof ApplicationFailure && cause.type === type ? (cause.details?.[0] as ChunkOutcome) : undefined;
}
