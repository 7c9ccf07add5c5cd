/**
 * What a control worker looks for beside its work, every minute unless told otherwise: open batches without a workflow,
 * which it closes; workflows that do not go on, which it tells the webhook, once each, and counts for the metrics;
 * readings that no batch is for; and notices of alarms that are due.
 */
import type { Client } from '@temporalio/client';
import { postAlert, stuckAlert } from '../batches/alerts.ts';
import { closeAbandoned } from '../batches/abandoned.ts';
import { workflowsEnd } from '../batches/lost.ts';
import { tellWaiting } from '../batches/raise-alarms.ts';
import type { BatchDeps } from '../batches/deps.ts';
import { watchUnplanned } from '../batches/unplanned.ts';
import { stuckWorkflows } from '../connect/workflow-problems.ts';
import { messageOf } from '../domain/errors.ts';
import type { Metric } from '../telemetry/metric.ts';

const PATIENCE_MS = 10 * 60_000;

export interface BatchWatch {
  /** Of the last look; none before the first, or while Temporal does not answer. */
  metrics(): Metric[];
  /** Ends looking, after a look under way. */
  stop(): Promise<void>;
}

export function watchBatches(deps: BatchDeps, client: Client, everyMs: number): BatchWatch {
  const { alerts, warn = () => undefined } = deps;
  const endOf = workflowsEnd(client, deps.now);
  /** Runs that were told: those that still do not go on are not told again. */
  let told: ReadonlySet<string> = new Set();
  let stuckNow: number | undefined;

  const closeLost = async (): Promise<void> => {
    for (const id of await closeAbandoned(deps, endOf)) warn(`batch ${id} had no workflow any more and was closed`);
  };
  const tellStuck = async (): Promise<void> => {
    stuckNow = undefined;
    const stuck = await stuckWorkflows(client);
    stuckNow = stuck.length;
    for (const one of stuck.filter(({ runId }) => !told.has(runId))) {
      warn(`workflow ${one.workflowId} does not go on: ${one.problem}`);
      if (alerts) await postAlert(stuckAlert(one), alerts, warn);
    }
    told = new Set(stuck.map(({ runId }) => runId));
  };
  const unplanned = watchUnplanned(deps);
  const patientUntilMs = deps.now() + PATIENCE_MS;
  /** Not in the first minutes: after an outage batches are caught up with one by one. */
  const lookForBatches = async (): Promise<void> => {
    if (deps.now() >= patientUntilMs) await unplanned.look();
  };
  const look = async (): Promise<void> => {
    for (const [part, what] of [
      [closeLost, 'nobody looked for batches that do not go on'],
      [tellStuck, 'nobody looked for batches that do not go on'],
      [lookForBatches, 'nobody looked for sensors that are in no batch'],
      [() => tellWaiting(deps), 'notices of alarms that wait were not sent'],
    ] as const)
      try {
        await part();
      } catch (error) {
        warn(`${what}: ${messageOf(error)}`);
      }
  };
  let round = look();
  const timer = setInterval(() => {
    round = round.then(look);
  }, everyMs);
  return {
    metrics: () => [
      {
        name: 'fleetscore_workflows_stuck',
        type: 'gauge',
        unit: '{workflow}',
        help: 'Workflows whose task fails again and again: they never end by themselves.',
        samples: stuckNow === undefined ? [] : [{ value: stuckNow }],
      },
    ],
    async stop() {
      clearInterval(timer);
      await round;
    },
  };
}
