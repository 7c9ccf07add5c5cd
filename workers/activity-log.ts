/**
 * A line of the log for what activities do, with the batch and the sensors it is about: `fleetscore logs` finds
 * them by these fields. Sensors are a range of ids, half open; failed ones are named.
 */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { RecordedChunk } from '../activities/scoring.ts';
import type { ClosedBatch } from '../batches/deps.ts';
import type { SensorRange } from '../workflows/activities.ts';
import { agreedOf } from '../domain/challenge.ts';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { countOutcomes } from '../domain/outcome.ts';
import type { Logger } from '../logging/log.ts';
import { defined } from '../domain/defined.ts';

/** Failed sensors of one chunk that are named; SQL has all. */
const NAMED = 100;

interface Input {
  readonly batchId?: string;
  readonly range?: SensorRange;
}

const fieldsOf = ({ batchId, range }: Input): object => ({
  ...defined({ batch: batchId }),
  ...(range === undefined ? {} : { sensorFrom: range.from, sensorTo: range.to, ...range.single }),
});

/** Says how each activity ended: failures as warnings, the rest for those who debug. */
export function logActivities(log: Logger): ActivityInterceptorsFactory {
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const startedAt = performance.now();
        const told = (): object => ({
          activity: info.activityType,
          ...fieldsOf(input.args[0] ?? {}),
          attempt: info.attempt,
          ms: Math.round(performance.now() - startedAt),
          workflowId: info.workflowExecution?.workflowId,
        });
        try {
          const result = await next(input);
          if (log.isLevelEnabled('debug')) log.debug(told(), 'activity done');
          return result;
        } catch (error) {
          const code = error instanceof FleetscoreError ? error.code : (error as { type?: unknown }).type;
          log.warn(
            { ...told(), ...(typeof code === 'string' ? { code } : {}), reason: messageOf(error) },
            'activity failed',
          );
          throw error;
        }
      },
    },
  });
}

/** What became of a chunk, and of each sensor in it that failed. */
export function logChunk(log: Logger, seen: RecordedChunk): void {
  const { batchId, chunk, range, outcomes, rows, attempt, ms } = seen;
  const about = { batch: batchId, chunk };
  const { scored, skipped, failed, windows, anomalies } = countOutcomes(outcomes);
  log.info(
    {
      ...about,
      sensorFrom: range.from,
      sensorTo: range.to,
      ...range.single,
      scored,
      skipped,
      failed,
      windows,
      anomalies,
      rows,
      attempt,
      ms: Math.round(ms),
    },
    'chunk recorded',
  );
  if (failed === 0) return;
  const names = new Map(seen.sensors.map((sensor) => [sensor.id, sensor]));
  for (const outcome of outcomes.filter(({ status }) => status === 'failed').slice(0, NAMED)) {
    const { device, sensor } = names.get(outcome.sensorId) ?? {};
    log.warn(
      {
        ...about,
        device,
        sensor,
        class: outcome.class,
        reason: outcome.message,
        attempt,
        ...defined({ model: outcome.model }),
      },
      'sensor failed',
    );
  }
}

export function logClosed(log: Logger, { batch, rows, causes, challenge }: ClosedBatch): void {
  const { id, kind, schedule, release, status, planned, counts, message, startedAtMs, finishedAtMs } = batch;
  const seconds = finishedAtMs === undefined ? undefined : (finishedAtMs - startedAtMs) / 1000;
  const fields = {
    batch: id,
    kind,
    schedule,
    release,
    status,
    planned,
    ...counts,
    rows,
    seconds,
    causes: causes.map((cause) => ({ class: cause.class, count: cause.count })),
    ...(challenge
      ? { challenger: challenge.challenger, agreed: agreedOf(challenge), compared: challenge.windows }
      : {}),
  };
  if (status === 'failed') log.error({ ...fields, reason: message }, 'batch closed');
  else log.info(fields, 'batch closed');
}
