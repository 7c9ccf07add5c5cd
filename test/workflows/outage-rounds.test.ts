/**
 * A chunk whose service is away past all attempts begins them anew; what does not pass, and what lasts, is recorded.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import { CONTROL_QUEUE, SCORING_QUEUE } from '../../domain/queues.ts';
import { findTemporal } from '../../local/temporal-binary.ts';
import { workflowCode } from '../../workers/workflow-code.ts';
import type { ChunkOutcome, FailRangeInput } from '../../workflows/activities.ts';
import { OUTAGE_ROUNDS, SCORE_ATTEMPTS } from '../../workflows/policies.ts';
import { scoreSensors, type ScoreSensorsInput } from '../../workflows/score-sensors.ts';
import { TOOLS } from '../support/cli.ts';

const SENSORS = 4;
const INPUT: ScoreSensorsInput = {
  batchId: 'b',
  fromMs: 0,
  toMs: 1,
  range: { from: 0, to: SENSORS, count: SENSORS },
  sensorsPerActivity: SENSORS,
  scoringQueue: SCORING_QUEUE,
};
const SCORED: ChunkOutcome = { counts: { ...NO_OUTCOMES, scored: SENSORS }, failures: [] };

let env: TestWorkflowEnvironment;
let workflowBundle: { readonly code: string };
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
  const path = await findTemporal(TOOLS, () => {});
  env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
  workflowBundle = await workflowCode({ encrypted: false, traced: false });
}, 120_000);
afterAll(() => env?.teardown());

/** The first `times` attempts fail with this code. */
async function run(code: string, times: number, nonRetryable = false) {
  let attempts = 0;
  const failed: FailRangeInput[] = [];
  const control = {
    async failRange(input: FailRangeInput): Promise<ChunkOutcome> {
      failed.push(input);
      return { counts: { ...NO_OUTCOMES, failed: input.range.count }, failures: [] };
    },
  };
  const scoring = {
    async scoreChunk(): Promise<ChunkOutcome> {
      if (++attempts > times) return SCORED;
      throw ApplicationFailure.create({ message: 'it is away', type: code, nonRetryable, nextRetryDelay: 10 });
    },
  };
  const { nativeConnection: connection } = env;
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: CONTROL_QUEUE,
      workflowBundle,
      activities: control,
    }),
    Worker.create({ connection, taskQueue: SCORING_QUEUE, activities: scoring }),
  ]);
  const running = workers.map((worker) => worker.run());
  try {
    const handle = await env.client.workflow.start(scoreSensors, {
      taskQueue: CONTROL_QUEUE,
      workflowId: `outage-${code}-${times}`,
      args: [INPUT],
    });
    const { counts } = await handle.result();
    return { counts, attempts, failed, events: (await handle.describe()).historyLength };
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  }
}

test.each(['BLOB_UNAVAILABLE', 'BLOB_FORBIDDEN', 'BLOB_CONTAINER_MISSING', 'STORE_UNAVAILABLE'])(
  '%s past all attempts of a round is waited for, and scored',
  async (code) => {
    const { counts, attempts, failed, events } = await run(code, SCORE_ATTEMPTS + 2);
    expect(counts).toEqual(SCORED.counts);
    expect([attempts, failed]).toEqual([SCORE_ATTEMPTS + 3, []]);
    expect(events).toBeLessThan(30);
  },
  60_000,
);

test('an outage that lasts past all rounds is recorded', async () => {
  const { counts, attempts, failed } = await run('BLOB_UNAVAILABLE', Number.POSITIVE_INFINITY);
  expect(counts.failed).toBe(SENSORS);
  expect(attempts).toBe(SCORE_ATTEMPTS * OUTAGE_ROUNDS);
  expect(failed).toEqual([
    expect.objectContaining({ class: 'blob_error', message: expect.stringContaining('it is away') }),
  ]);
}, 60_000);

test('what does not pass is recorded at once', async () => {
  const { attempts, failed } = await run('BLOB_ARCHIVED', Number.POSITIVE_INFINITY, true);
  expect([attempts, failed.length]).toEqual([1, 1]);
}, 60_000);
