/**
 * The child workflow: scores one group of sensors, a sensor or many thousands. It returns counts whatever
 * happens to single sensors; a child of a single sensor fails when that sensor failed, so that the Web UI
 * shows it in red under its name.
 */
import {
  ApplicationFailure,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChunkOutcome, ControlActivities, FailureNote, ScoringActivities, SensorRange } from './activities.ts';
import { addCounts, NO_OUTCOMES, type OutcomeCounts } from '../domain/outcome.ts';
import type { Period } from '../domain/time.ts';
import { failureTable, nameOf, SHOWN_FAILURES } from './details.ts';
import { halve, whyFailed } from './failures.ts';
import {
  CONTROL_ACTIVITY,
  KEY_ROUNDS,
  LONG_HISTORY,
  OUTAGE_ROUNDS,
  SCORE_ACTIVITY,
  SCORE_ATTEMPTS,
} from './policies.ts';
import { forEachThrottled, fullSpeed } from './throttle.ts';

export interface ScoreSensorsInput extends Period {
  readonly batchId: string;
  readonly range: SensorRange;
  /** The ranges of its scoring activities, where the plan lists them. */
  readonly chunks?: readonly SensorRange[];
  readonly sensorsPerActivity: number;
  /** Task queue of the pool that scores. */
  readonly scoringQueue: string;
}

/** Type of the failure of a single sensor's child; its details hold the {@link ChunkOutcome}. */
export const SENSOR_FAILED = 'SensorFailed';

const { planGroup, failRange } = proxyActivities<ControlActivities>(CONTROL_ACTIVITY);

export async function scoreSensors(input: ScoreSensorsInput): Promise<ChunkOutcome> {
  const { scoreChunk } = proxyActivities<ScoringActivities>({ ...SCORE_ACTIVITY, taskQueue: input.scoringQueue });
  const { batchId, fromMs, toMs, sensorsPerActivity } = input;
  let counts: OutcomeCounts = NO_OUTCOMES;
  let failures: readonly FailureNote[] = [];

  const add = (outcome: ChunkOutcome): void => {
    counts = addCounts(counts, outcome.counts);
    if (outcome.failures.length === 0 || failures.length >= SHOWN_FAILURES) return;
    failures = [...failures, ...outcome.failures].slice(0, SHOWN_FAILURES);
    setCurrentDetails(failureTable(failures, counts.failed));
  };

  const score = async (range: SensorRange, round = 1): Promise<void> => {
    try {
      add(await scoreChunk.executeWithOptions({ summary: nameOf(range) }, [{ batchId, fromMs, toMs, range }]));
    } catch (error) {
      if (isCancellation(error)) throw error;
      const reason = whyFailed(error);
      const more = workflowInfo().historyLength < LONG_HISTORY;
      if (reason.keyMissing && round < KEY_ROUNDS && more) return score(range, round + 1);
      if (reason.outage && round < OUTAGE_ROUNDS && more && patched('outage-rounds')) return score(range, round + 1);
      // Lost workers and time-outs do not name the sensor at fault: halve the chunk until it is alone.
      const halvable = reason.sensorAtFault && range.count > 1;
      if (halvable && more) {
        for (const half of await planGroup.executeWithOptions({ summary: `halve ${nameOf(range)}` }, [
          { batchId, range, sensorsPerActivity: halve(range.count) },
        ]))
          await score(half);
        return;
      }
      const message = halvable
        ? `${reason.message}; too much failed beside it to find the sensor at fault: \`fleetscore batch ` +
          `redrive\` goes on`
        : reason.message;
      add(
        await failRange.executeWithOptions({ summary: `record ${nameOf(range)} as failed` }, [
          { batchId, range, class: reason.class, message, attempt: SCORE_ATTEMPTS },
        ]),
      );
    }
  };

  // A single activity needs no bounds: each promise and condition of a workflow costs the control worker.
  if (input.range.count <= sensorsPerActivity) await score(input.range);
  else {
    const chunks =
      input.chunks ??
      (await planGroup.executeWithOptions({ summary: `split ${nameOf(input.range)}` }, [
        { batchId, range: input.range, sensorsPerActivity },
      ]));
    await forEachThrottled(chunks, fullSpeed(), (range) => score(range));
  }

  const outcome: ChunkOutcome = { counts, failures };
  const only = failures[0];
  if (input.range.single && only)
    throw ApplicationFailure.create({
      message: `${only.class}: ${only.message}`,
      type: SENSOR_FAILED,
      nonRetryable: true,
      details: [outcome],
    });
  return outcome;
}
