/**
 * Every timeout and retry policy of the workflows, in one place. Nothing retries without an end, nothing
 * waits without a limit; an activity that can hang heartbeats.
 */
import type { ActivityOptions } from '@temporalio/workflow';
import { CONTROL_QUEUE } from '../domain/queues.ts';

/** Most children of a batch, or activities of a child, that are under way at once (Temporal fails past 2,000). */
export const MAX_PENDING = 500;

/**
 * Most children of a batch that are asked for and not started yet. The server writes each start into the history of
 * the batch, one after the other: with hundreds at once they wait for each other and for the batch's own tasks, which
 * then run into their timeout. On a dev server 300 children took 15 s with 10 at once, 28 s with all.
 */
export const MAX_STARTS = 10;

/**
 * Planning and finishing touch the whole fleet in SQL and Blob: minutes at a million sensors. A task that is handed to
 * a connection that just breaks is noticed by the heartbeats that do not come, as is a worker that vanishes. An attempt
 * that meets a service that is away ends after 10 to 30 s: all of them take more than half an hour.
 */
export const CONTROL_ACTIVITY = {
  taskQueue: CONTROL_QUEUE,
  startToCloseTimeout: '15m',
  heartbeatTimeout: '25s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s', maximumAttempts: 100 },
} as const satisfies ActivityOptions;

/**
 * Putting a batch on record and closing it: tried for as long as SQL and Blob may be away. Without the first nobody
 * hears of the batch, without the last nobody can read what was scored.
 */
export const RECORD_ACTIVITY = {
  taskQueue: CONTROL_QUEUE,
  startToCloseTimeout: '15m',
  scheduleToCloseTimeout: '24h',
  heartbeatTimeout: '25s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
} as const satisfies ActivityOptions;

/** Attempts of a chunk before it is halved, or a single sensor is given up. */
export const SCORE_ATTEMPTS = 5;

/** From this attempt on a chunk has its worker process for itself: another one may be what took the worker down. */
export const ALONE_FROM_ATTEMPT = 4;

/**
 * One chunk. No schedule-to-start limit: a pool that scales from zero takes minutes to come. A worker that
 * vanishes is noticed by the missing heartbeat.
 */
export const SCORE_ACTIVITY = {
  startToCloseTimeout: '10m',
  heartbeatTimeout: '15s',
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: SCORE_ATTEMPTS },
} as const satisfies ActivityOptions;

/**
 * How long one attempt of a chunk waits for Blob or SQL to come back, inside of the attempt: history grows with
 * attempts only. Leaves most of the attempt's time to the scoring itself.
 */
export const PATIENCE_MS = 120_000;

/**
 * How often all attempts of a chunk may end because Blob or SQL is away, or lets nobody in. With {@link PATIENCE_MS}
 * such a round takes ten minutes, so outages of twenty pass; a role or a key that was forgotten fails after half an
 * hour.
 */
export const OUTAGE_ROUNDS = 3;

/**
 * How often all attempts of a chunk may fail because no worker has the key of its payloads. Such attempts come a
 * minute apart, so a chunk waits about five hours for the key, and then fails.
 */
export const KEY_ROUNDS = 60;

/**
 * Events of a child's history past which no chunk is halved or started over: it is recorded as failed as it is. Leaves
 * room for what is under way below the 4,096 events at which Temporal wants a workflow to begin a new history.
 */
export const LONG_HISTORY = 3_000;

/**
 * Milliseconds between two looks at the watermark while a batch waits for its readings: after some minutes a hundredth
 * of what it has waited, so that a wait of days is some hundred looks and fills no history.
 */
export const waitPollMs = (waitedMs: number): number => Math.min(600_000, Math.max(5_000, Math.floor(waitedMs / 100)));

/** Readings of a period are waited for at most this long after its end. */
export const DEFAULT_WAIT_FOR_READINGS = '2m';

/**
 * Batches of a schedule look this far back for sensors whose readings came after they were scored, and start a
 * batch of its own for each period that has some.
 */
export const DEFAULT_RESCORE_LATE = '1d';

/** Period of a batch when neither from and to nor a period is given. */
export const DEFAULT_PERIOD = '15m';

/** Share of failed sensors, in percent, up to which a batch still counts as completed. */
export const DEFAULT_TOLERATED_FAILURE_PERCENTAGE = 10;
