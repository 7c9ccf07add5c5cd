/** Refusals of the store that do not depend on the engine: same code, same words from both. */
import { REFUSALS, type Refusal } from '../alarms/act.ts';
import { cutMessage } from '../domain/limits.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Batch, IngestCommit, NewBatch } from './store.ts';

export function progressConflict(commit: IngestCommit, seq: number): FleetscoreError {
  return new FleetscoreError(
    'PROGRESS_CONFLICT',
    `Partition ${commit.partition} of ${commit.source} stands at event ${seq} in the store, this worker expected ` +
      `${commit.expectedSeq}: another worker owns it now. Nothing was written; ` +
      'read the progress again and go on from there.',
  );
}

export function releaseExists(name: string): FleetscoreError {
  return new FleetscoreError(
    'RELEASE_EXISTS',
    `Release ${name} exists already, and releases never change. Use another name.`,
  );
}

export function challengerIsCurrent(name: string): FleetscoreError {
  return new FleetscoreError(
    'CHALLENGER_IS_CURRENT',
    `release ${name} is the current one: batches score with it already. ` +
      `Publish the challenger with \`fleetscore models publish DIR --no-promote\`.`,
  );
}

export function releaseUnknown(name: string): FleetscoreError {
  return new FleetscoreError('RELEASE_UNKNOWN', `There is no release ${name}. List the releases, or create it first.`);
}

export function releaseInvalid(name: string, problem: string): FleetscoreError {
  return new FleetscoreError('RELEASE_INVALID', `Release ${name} was not created: ${problem}.`);
}

export function batchUnknown(id: string): FleetscoreError {
  return new FleetscoreError(
    'BATCH_UNKNOWN',
    `There is no batch ${id}. List the batches to see their ids; old ones are pruned.`,
  );
}

export function batchConflict(
  batch: Pick<NewBatch, 'id' | 'runId'>,
  existing: Pick<Batch, 'workflowId' | 'runId'>,
): FleetscoreError {
  return new FleetscoreError(
    'BATCH_CONFLICT',
    `Batch ${batch.id} belongs to run ${existing.runId} of workflow ${existing.workflowId}, ` +
      `run ${batch.runId} cannot have it too. Start the new run under another batch id.`,
  );
}

export function batchClosed(id: string, status: string): FleetscoreError {
  return new FleetscoreError(
    'BATCH_CLOSED',
    `Batch ${id} is ${status}: it takes no more outcomes. Start a redrive for the sensors that are missing.`,
  );
}

export function sensorUnknown(batchId: string, ids: readonly number[]): FleetscoreError {
  const named = ids.slice(0, 5).join(', ') + (ids.length > 5 ? ', ...' : '');
  return new FleetscoreError(
    'SENSOR_UNKNOWN',
    `Batch ${batchId} names ${ids.length} sensor ids that are not in the sensor list: ${named}. Register them first.`,
  );
}

/** A message for its column: one that fits, NULL for none. */
export const clipMessage = (message: string | undefined): string | null =>
  message === undefined ? null : cutMessage(message);

export function alarmUnknown(id: string): FleetscoreError {
  return new FleetscoreError(
    'ALARM_UNKNOWN',
    `There is no alarm ${id.slice(0, 80)}. List them: fleetscore alarms list --all`,
  );
}

export function alarmRefused(id: string, refusal: Refusal): FleetscoreError {
  return new FleetscoreError('ALARM_REFUSED', `Alarm ${id}: ${REFUSALS[refusal]}.`);
}
