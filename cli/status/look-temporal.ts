/** What Temporal knows, for `fleetscore status`. Loaded when there is a server to ask: its client is large. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { lostBatches, workflowsEnd, type LostBatches } from '../../batches/lost.ts';
import { countMissed, findGaps } from '../../batches/schedule-gaps.ts';
import { seeSchedules } from '../../connect/schedule-times.ts';
import { countPollers } from '../../connect/task-queues.ts';
import { stuckWorkflows } from '../../connect/workflow-problems.ts';
import { patience } from '../../domain/busy.ts';
import { ANSWER_MS, ask } from '../../domain/answer.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { ATTRIBUTES } from '../../workflows/attributes.ts';
import type { BatchProgress } from '../../workflows/details.ts';
import { progressQuery } from '../../workflows/messages.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';
import { poolQuery, type PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';
import type { Look, PoolSeen, ScheduleSeen } from './seen.ts';

/** Batches under way whose workflow is asked for its phase. */
const ASKED = 8;

/** What is scheduled, who works, and what stands still. */
export async function lookAtTemporal(
  client: Client,
  { config }: Context,
): Promise<NonNullable<Look['temporal']['value']>> {
  const queues = await poolQueues(config);
  const [control, scoring] = await Promise.all([
    countPollers(client, [CONTROL_QUEUE], 'workflow'),
    countPollers(client, queues.values(), 'activity'),
  ]);
  const schedules: ScheduleSeen[] = [];
  for await (const entry of client.schedule.list()) {
    if (entry.action?.workflowType !== SCORE_BATCH) continue;
    const next = entry.state.paused ? undefined : entry.info.nextActionTimes[0];
    schedules.push({ name: entry.scheduleId, paused: entry.state.paused, ...(next ? { nextMs: next.getTime() } : {}) });
  }
  return {
    schedules: schedules.sort((a, b) => (a.nextMs ?? Infinity) - (b.nextMs ?? Infinity)),
    workers: { control, scoring },
    stuck: await stuckWorkflows(client),
  };
}

/** By schedule: periods of the last week that no batch scored. */
export async function notScoredOf(
  client: Client,
  store: Store,
  keepBatchesMs?: number,
): Promise<ReadonlyMap<string, number>> {
  const gaps = await findGaps(store, await seeSchedules(client), { nowMs: Date.now(), keepBatchesMs });
  return new Map([...gaps].map(([name, of]) => [name, countMissed(of)]));
}

/** By batch id; undefined where a workflow does not answer its query. */
export async function runningWorkflows(client: Client): Promise<Map<string, BatchProgress | undefined>> {
  const found = new Map<string, BatchProgress | undefined>();
  const asked: Promise<void>[] = [];
  for await (const run of client.workflow.list({
    query: `${ATTRIBUTES.batch.name} IS NOT NULL AND ExecutionStatus = "Running"`,
  })) {
    const id = run.typedSearchAttributes.get(ATTRIBUTES.batch);
    if (id === undefined) continue;
    found.set(id, undefined);
    if (asked.length < ASKED)
      asked.push(
        client.workflow
          .getHandle(run.workflowId, run.runId)
          .query(progressQuery)
          .then(
            (progress) => void found.set(id, progress),
            () => {},
          ),
      );
    if (found.size >= 50) break;
  }
  await Promise.race([
    Promise.all(asked),
    new Promise((resolve) => setTimeout(resolve, patience(ANSWER_MS) / 2).unref()),
  ]);
  return found;
}

/** Those of some open batches whose workflow has ended. */
export const lostOf = (client: Client, store: Store, open: readonly Batch[]): Promise<LostBatches> =>
  lostBatches(store, workflowsEnd(client), open);

/** Those that are configured here, in their order. */
export async function poolsOf(client: Client, { config }: Context): Promise<PoolSeen[]> {
  const names = [...(await poolQueues(config)).keys()];
  return Promise.all(names.map(async (name) => ({ name, loop: await ask(() => poolOf(client, name)) })));
}

async function poolOf(client: Client, name: string): Promise<PoolState | null> {
  const handle = client.workflow.getHandle(poolWorkflowId(name));
  try {
    return await handle.query(poolQuery);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw new FleetscoreError('POOL_SILENT', `its loop does not answer (${messageOf(error)})`, { cause: error });
  }
}
