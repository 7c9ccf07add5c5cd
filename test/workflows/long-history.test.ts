/** What a child does when nearly all of its sensors fail as whole chunks: its history has an end before Temporal's. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ControlActivities, FailRangeInput, ScoringActivities } from '../../workflows/activities.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { CONTROL_QUEUE, SCORING_QUEUE } from '../../domain/queues.ts';
import { findTemporal } from '../../local/temporal-binary.ts';
import { workflowCode } from '../../workers/workflow-code.ts';
import { scoreSensors, type ScoreSensorsInput } from '../../workflows/score-sensors.ts';
import { TOOLS } from '../support/cli.ts';

/** At which Temporal wants a workflow to begin a new history. */
const MOST_EVENTS = 4_096;
const SENSORS = 800;

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
  const path = await findTemporal(TOOLS, () => {});
  env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
}, 60_000);
afterAll(() => env?.teardown());

test('a child whose every sensor takes its worker down records each once, and stays below 4,096 events', async () => {
  const failed: FailRangeInput[] = [];
  const control: Pick<ControlActivities, 'planGroup' | 'failRange'> = {
    async planGroup({ range, sensorsPerActivity }) {
      const ranges = [];
      for (let from = range.from; from < range.to; from += sensorsPerActivity) {
        const to = Math.min(range.to, from + sensorsPerActivity);
        ranges.push({ from, to, count: to - from });
      }
      return ranges;
    },
    async failRange(input) {
      failed.push(input);
      return { counts: { ...NO_OUTCOMES, failed: input.range.count }, failures: [] };
    },
  };
  const scoring: ScoringActivities = {
    async scoreChunk() {
      throw ApplicationFailure.nonRetryable('the worker is gone');
    },
  };
  const { nativeConnection: connection } = env;
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: CONTROL_QUEUE,
      workflowBundle: await workflowCode({ encrypted: false, traced: false }),
      activities: control,
    }),
    Worker.create({ connection, taskQueue: SCORING_QUEUE, activities: { ...scoring } }),
  ]);
  const running = workers.map((worker) => worker.run());
  try {
    const input: ScoreSensorsInput = {
      batchId: 'b',
      fromMs: 0,
      toMs: 1,
      range: { from: 0, to: SENSORS, count: SENSORS },
      sensorsPerActivity: SENSORS / 8,
      scoringQueue: SCORING_QUEUE,
    };
    const handle = await env.client.workflow.start(scoreSensors, {
      taskQueue: CONTROL_QUEUE,
      workflowId: 'long',
      args: [input],
    });
    expect((await handle.result()).counts).toEqual({ ...NO_OUTCOMES, failed: SENSORS });
    expect((await handle.describe()).historyLength).toBeLessThan(MOST_EVENTS);
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
  const ids = failed.flatMap(({ range }) => Array.from({ length: range.to - range.from }, (_, i) => range.from + i));
  expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: SENSORS }, (_, i) => i));
  // Some were found one by one before; the rest says how to go on.
  expect(failed.some(({ range }) => range.count === 1)).toBe(true);
  expect(failed.filter(({ range }) => range.count > 1).every(({ message }) => message.includes('batch redrive'))).toBe(
    true,
  );
}, 120_000);
