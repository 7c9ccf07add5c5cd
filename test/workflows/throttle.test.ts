/** What `batch pause`, `resume` and `concurrency` rest on: nothing starts that should not, and nothing hangs. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { findTemporal } from '../../local/temporal-binary.ts';
import { TOOLS } from '../support/cli.ts';
import { throttled, type Seen, type Step, type TickActivities } from './throttle-workflow.ts';

const QUEUE = 'throttled';

let env: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<void>;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
  const path = await findTemporal(TOOLS, () => {});
  env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
  const workflowsPath = fileURLToPath(new URL('throttle-workflow.ts', import.meta.url));
  worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: QUEUE,
    activities: { tick: async () => {} } satisfies TickActivities,
    workflowBundle: await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') }),
  });
  running = worker.run();
}, 120_000);
afterAll(async () => {
  worker?.shutdown();
  await running;
  await env?.teardown();
});

let count = 0;
const run = (items: number, limit: number, starts: number, steps: readonly Step[]): Promise<Seen> =>
  env.client.workflow.execute(throttled, {
    taskQueue: QUEUE,
    workflowId: `throttled-${count++}`,
    args: [items, limit, starts, steps],
  });
const inOrder = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('paused, nothing new starts, what runs may end, and it goes on where it was', async () => {
  const seen = await run(6, 2, 10, [
    { do: 'pause' },
    { do: 'end' },
    { do: 'end' },
    { do: 'end' }, // nothing is under way: the third has not started
    { do: 'resume' },
  ]);
  expect(seen).toEqual({ started: inOrder(6), wrong: [], ended: 6, error: undefined, left: 0 });
}, 120_000);

test('a failure starts nothing more, and comes out when the others have ended', async () => {
  const seen = await run(6, 3, 10, [{ do: 'fail' }, { do: 'end' }]);
  expect(seen).toEqual({ started: [0, 1, 2], wrong: [], ended: 3, error: 'an item failed', left: 0 });
}, 120_000);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>({ do: 'pause' }, { do: 'resume' }, { do: 'started' }, { do: 'fail' }),
  { arbitrary: fc.constant<Step>({ do: 'end' }), weight: 4 },
  fc.record({ do: fc.constant('limit' as const), limit: fc.integer({ min: 0, max: 5 }) }),
);

const example = fc.tuple(
  fc.integer({ min: 0, max: 10 }),
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 3 }),
  fc.array(step, { maxLength: 8 }),
);

test('whatever people do meanwhile: in order, never more than the limit, never while paused, and to the end', async () => {
  // Ten at once: each waits for the server most of the time.
  await fc.assert(
    fc.asyncProperty(fc.array(example, { minLength: 10, maxLength: 10 }), async (examples) => {
      await Promise.all(
        examples.map(async ([items, limit, starts, steps]) => {
          const seen = await run(items, limit, starts, steps);
          expect(seen.wrong).toEqual([]);
          expect(seen.started).toEqual(inOrder(seen.started.length));
          expect(seen.left).toBe(0);
          expect(seen.ended).toBe(seen.started.length);
          if (seen.error === undefined) expect(seen.started).toHaveLength(items);
          else expect(seen.error).toBe('an item failed');
        }),
      );
    }),
    { numRuns: 3 },
  );
}, 600_000);
