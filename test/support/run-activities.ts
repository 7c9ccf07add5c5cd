/**
 * Runs the activities of one batch in this process, in the order in which the workflow asks for them, each
 * retried as Temporal would (attempt after attempt, at once). For tests that need thousands of small faults;
 * the workflow itself is tested with a server.
 */
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createControlActivities } from '../../activities/control.ts';
import type { BatchDeps } from '../../batches/deps.ts';
import { createScoringActivities, type ScoringDeps } from '../../activities/scoring.ts';
import { createBudget } from '../../scoring/concurrency.ts';
import type { BatchResult, PlanInput } from '../../workflows/activities.ts';
import type { WorkflowEnd } from '../../verify/workflow-end.ts';

export interface BatchRun {
  readonly result: BatchResult;
  readonly end: WorkflowEnd;
  /** Attempts beyond the first, of all activities. */
  readonly retries: number;
}

export interface RunDeps
  extends
    Pick<BatchDeps, 'store' | 'blobs' | 'pools' | 'filePerSensor' | 'windows'>,
    Pick<ScoringDeps, 'engine' | 'hopMs'>,
    Partial<Pick<ScoringDeps, 'format'>> {}

const ATTEMPTS = 20;
/** Failures are what these tests are about: nobody needs a stack for each. */
const QUIET = new DefaultLogger('ERROR', () => {});

export async function runBatch(
  deps: RunDeps,
  plan: Omit<PlanInput, 'workflowId' | 'runId'> & Partial<Pick<PlanInput, 'workflowId' | 'runId'>>,
  tolerated = 10,
): Promise<BatchRun> {
  let retries = 0;
  const { store, blobs, engine, hopMs, format = 'csv' } = deps;
  const control = createControlActivities({
    store,
    blobs,
    codeVersion: 'test',
    worker: 'control@test#1',
    now: Date.now,
    ...(deps.pools ? { pools: deps.pools } : {}),
    ...(deps.filePerSensor === undefined ? {} : { filePerSensor: deps.filePerSensor }),
    ...(deps.windows ? { windows: deps.windows } : {}),
  });
  const scoring = createScoringActivities({
    store,
    blobs,
    engine,
    hopMs,
    ...(deps.windows ? { windowMs: deps.windows.windowMs } : {}),
    worker: 'scoring@test#2',
    format,
    budget: createBudget(1_000_000),
    patienceMs: 0,
  });
  const run = async <I, R>(activity: (input: I) => Promise<R>, input: I): Promise<R> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await new MockActivityEnvironment({ attempt }, { logger: QUIET }).run(activity, input);
      } catch (error) {
        if (attempt === ATTEMPTS || (error instanceof ApplicationFailure && error.nonRetryable)) throw error;
        retries += 1;
      }
    }
  };
  const { batchId, fromMs, toMs } = plan;
  const { groups, sensorsPerActivity } = await run(control.planBatch, { workflowId: batchId, runId: batchId, ...plan });
  for (const { chunks: listed, ...range } of groups) {
    const size = range.sensorsPerActivity ?? sensorsPerActivity;
    const chunks =
      listed ??
      (range.count <= size ? [range] : await run(control.planGroup, { batchId, range, sensorsPerActivity: size }));
    for (const chunk of chunks) await run(scoring.scoreChunk, { batchId, fromMs, toMs, range: chunk });
  }
  const result = (await run(control.finishBatch, {
    batchId,
    fromMs,
    toMs,
    ending: 'done',
    toleratedFailurePercentage: tolerated,
  }))!;
  const state = result.status;
  return { result, end: { state, name: state, result }, retries };
}
