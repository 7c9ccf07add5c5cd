/**
 * One look at everything that runs, for `fleetscore status`. Each part is asked at once and for a bounded time;
 * one that does not answer is named with its reason, and costs only what it alone knows. Reads only.
 */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { ANSWER_MS, ask, on, type Answer } from '../../domain/answer.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError, messageOf } from '../../domain/errors.ts';
import { decided } from '../../domain/outcome.ts';
import type { Holder } from '../../ingest/holders.ts';
import { CONTROL_QUEUE } from '../../domain/queues.ts';
import { poolQueues } from '../../pool/queues.ts';
import { poolWorkflowId } from '../../pool/settings.ts';
import { isOwnBlob, ownRoom } from '../../local/own-disk.ts';
import { openStore } from '../../storage/open-store.ts';
import { hasEnded, type Batch, type Store, type StoreRoom } from '../../storage/store.ts';
import { openHubReader, partitionStates, type HubReader, type PartitionState } from '../../connect/partitions.ts';
import { partitionHolders } from '../../connect/partition-owners.ts';
import { countMissed, findGaps } from '../../batches/schedule-gaps.ts';
import { seeSchedules } from '../../connect/schedule-times.ts';
import { countPollers } from '../../connect/task-queues.ts';
import { stuckWorkflows, type StuckWorkflow } from '../../connect/workflow-problems.ts';
import { ATTRIBUTES } from '../../workflows/attributes.ts';
import type { BatchProgress } from '../../workflows/details.ts';
import type { PoolState } from '../../workflows/pool-messages.ts';
import type { Context } from '../frame/context.ts';
import { SCORE_BATCH } from '../../workflows/names.ts';
import { defined } from '../../domain/defined.ts';

export interface ScheduleSeen {
  readonly name: string;
  readonly paused: boolean;
  /** Epoch ms; absent when none is to come. */
  readonly nextMs?: number;
}

export interface RunningSeen {
  readonly id: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** As its workflow says; `unknown` when that could not be asked, `no workflow` when it is gone. */
  readonly phase: string;
  readonly paused: boolean;
  readonly planned: number;
  readonly done: number;
  readonly failed: number;
  readonly anomalies: number;
  readonly startedAtMs: number;
}

export interface PoolSeen {
  readonly name: string;
  /** Null where no loop of this pool runs. */
  readonly loop: Answer<PoolState | null>;
}

/** What failed in a batch: a sensor, or the batch as a whole. */
export interface FailureSeen {
  readonly batch: string;
  readonly device?: string;
  readonly sensor?: string;
  readonly class: string;
  readonly message: string;
}

export interface Look {
  readonly atMs: number;
  readonly temporal: Answer<{
    readonly schedules: readonly ScheduleSeen[];
    readonly workers: { readonly control: number; readonly scoring: number };
    readonly stuck: readonly StuckWorkflow[];
  }>; // scoring: of all pools
  /** By schedule: periods of the last week that no batch scored. */
  readonly notScored: Answer<ReadonlyMap<string, number>>;
  readonly store: Answer<{
    readonly sensors: number;
    readonly release?: string;
    readonly last: readonly Batch[];
    /** The newest batch of each schedule. */
    readonly bySchedule: ReadonlyMap<string, Batch>;
    readonly failures: readonly FailureSeen[];
    /** Where the store is a file. */
    readonly room?: StoreRoom;
  }>;
  readonly blob: Answer<true>;
  readonly eventHubs: Answer<true>;
  readonly running: Answer<readonly RunningSeen[]>;
  /** Those that are configured here, in their order. */
  readonly pools: Answer<readonly PoolSeen[]>;
  /** By partition; without lag when Event Hubs does not answer. */
  readonly ingest: Answer<readonly PartitionState[]>;
  /** Who reads each partition of the hub; absent where Event Hubs or Blob does not answer. */
  readonly holders?: ReadonlyMap<string, Holder>;
}

const LAST = 6;
const FAILURES = 5;
/** Batches under way whose workflow is asked for its phase. */
const ASKED = 8;

export interface Looker {
  look(): Promise<Look>;
  close(): Promise<void>;
}

/** Keeps its connections between looks, and opens those that broke or never were again. */
export function openLooker(context: Context): Looker {
  let store: Promise<Store> | undefined;
  let hub: HubReader | undefined;
  const theStore = (): Promise<Store> =>
    (store ??= openStore(context.config.sqlUrl, { create: false, waitMs: ANSWER_MS - 1_000 }).catch(
      (error: unknown) => {
        store = undefined;
        throw error;
      },
    ));
  return {
    async look() {
      const batches = ask(async () => newestAndOpen(await theStore()));
      const temporal = ask(async () => context.client());
      const ends = ask(async () => (hub ??= openHubReader(context.config)).ends());
      const [temporalSeen, notScored, storeSeen, blob, running, pools, ingest, hubSeen, holders] = await Promise.all([
        temporal.then(on((client) => lookAtTemporal(client, context))),
        temporal.then(on(async (client) => notScoredOf(client, await theStore(), context.config.keep.batchesMs))),
        batches.then(on(async (found) => lookAtStore(await theStore(), found))),
        ask(async () => {
          // On a full disk the stack's own server answers, and takes nothing.
          if (isOwnBlob(context.config.home, context.config.blob)) ownRoom(context.config.home);
          await context.blobs().exists(CONTAINERS.models, 'status');
          return true as const;
        }),
        Promise.all([batches, temporal]).then(([found, client]) => runningOf(found, client)),
        temporal.then(on((client) => poolsOf(client, context))),
        ask(async () => {
          const [progress, found] = [await (await theStore()).listProgress(), await ends];
          const own = hub === undefined ? progress : progress.filter((p) => p.source === hub?.source);
          return partitionStates(own, hub?.source, found.value ?? []);
        }),
        ends,
        ask(async () =>
          partitionHolders(
            context.config,
            hub!,
            (await ends).value!.map(({ partition }) => partition),
          ),
        ),
      ]);
      return {
        atMs: Date.now(),
        temporal: temporalSeen,
        notScored,
        store: storeSeen,
        blob,
        running,
        pools,
        ingest,
        ...(holders.value ? { holders: holders.value } : {}),
        eventHubs: hubSeen.problem === undefined ? { value: true } : { problem: hubSeen.problem },
      };
    },
    async close() {
      await Promise.allSettled([store?.then((opened) => opened.close()), hub?.close()]);
    },
  };
}

/** The newest batches, and all that are open, however old; newest first. */
async function newestAndOpen(store: Store): Promise<Batch[]> {
  const found = [
    ...(await store.listBatches({ limit: 50 })),
    ...(await store.listBatches({ status: 'waiting', limit: 50 })),
    ...(await store.listBatches({ status: 'running', limit: 50 })),
  ];
  return [...new Map(found.map((batch) => [batch.id, batch])).values()].sort((a, b) => b.startedAtMs - a.startedAtMs);
}

async function lookAtTemporal(client: Client, { config }: Context): Promise<NonNullable<Look['temporal']['value']>> {
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

async function notScoredOf(client: Client, store: Store, keepBatchesMs?: number): Promise<ReadonlyMap<string, number>> {
  const gaps = await findGaps(store, await seeSchedules(client), { nowMs: Date.now(), keepBatchesMs });
  return new Map([...gaps].map(([name, of]) => [name, countMissed(of)]));
}

async function lookAtStore(store: Store, batches: readonly Batch[]): Promise<NonNullable<Look['store']['value']>> {
  const [sensors, release] = [await store.countSensors(), await store.currentRelease()];
  const room = await store.room();
  return {
    sensors,
    ...(room ? { room } : {}),
    ...defined({ release }),
    last: batches.filter(hasEnded).slice(0, LAST),
    bySchedule: newestBySchedule(batches),
    failures: await failuresOf(store, batches),
  };
}

/** Newest first in, the newest of each schedule out. */
export function newestBySchedule(batches: readonly Batch[]): Map<string, Batch> {
  const newest = new Map<string, Batch>();
  for (const batch of batches)
    if (batch.schedule !== undefined && !newest.has(batch.schedule)) newest.set(batch.schedule, batch);
  return newest;
}

/** Of the newest batches with failures: why a batch failed as a whole, or the first sensors that did. */
async function failuresOf(store: Store, batches: readonly Batch[]): Promise<FailureSeen[]> {
  const failures: FailureSeen[] = [];
  for (const batch of batches.filter(({ counts, status }) => counts.failed > 0 || status === 'failed').slice(0, 3)) {
    const room = FAILURES - failures.length;
    if (room <= 0) break;
    if (batch.status === 'failed' && batch.class !== 'sensors_failed')
      failures.push({ batch: batch.id, class: batch.class ?? 'internal', message: batch.message ?? '' });
    if (batch.counts.failed === 0) continue;
    for (const { device, sensor, class: why = 'internal', message = '' } of await store.listOutcomes(batch.id, {
      status: 'failed',
      limit: room,
    }))
      failures.push({ batch: batch.id, device, sensor, class: why, message });
  }
  return failures.slice(0, FAILURES);
}

/**
 * Batches under way, by the workflows that run and the rows in SQL: one that no worker took up yet has no row, and a
 * row whose workflow was terminated stays open until the control worker closes it.
 */
async function runningOf(
  batches: Answer<readonly Batch[]>,
  temporal: Answer<Client>,
): Promise<Answer<readonly RunningSeen[]>> {
  if (batches.problem !== undefined && temporal.problem !== undefined) return { problem: batches.problem };
  return ask(async () => {
    const rows = new Map((batches.value ?? []).filter((batch) => !hasEnded(batch)).map((batch) => [batch.id, batch]));
    const workflows = temporal.value ? await runningWorkflows(temporal.value) : undefined;
    const ids = new Set([...rows.keys(), ...(workflows?.keys() ?? [])]);
    return [...ids]
      .map((id): RunningSeen | undefined => {
        const row = rows.get(id);
        const progress = workflows?.get(id);
        const seen = row ?? progress;
        if (!seen) return undefined;
        const counts = row?.counts ?? progress!.counts;
        return {
          id,
          fromMs: seen.fromMs,
          toMs: seen.toMs,
          planned: seen.planned,
          done: decided(counts),
          failed: counts.failed,
          anomalies: counts.anomalies,
          phase: progress?.phase ?? (workflows === undefined || workflows.has(id) ? unasked(row) : 'no workflow'),
          paused: progress?.paused ?? false,
          startedAtMs: row?.startedAtMs ?? Date.now(),
        };
      })
      .filter((seen) => seen !== undefined)
      .sort((a, b) => a.startedAtMs - b.startedAtMs);
  });
}

/** The phase of a batch whose workflow does not answer. */
const unasked = (row: Batch | undefined): string => (row?.status === 'waiting' ? 'waiting' : 'unknown');

/** By batch id; undefined where a workflow does not answer its query. */
async function runningWorkflows(client: Client): Promise<Map<string, BatchProgress | undefined>> {
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
          .query<BatchProgress>('progress')
          .then(
            (progress) => void found.set(id, progress),
            () => {},
          ),
      );
    if (found.size >= 50) break;
  }
  await Promise.race([Promise.all(asked), new Promise((resolve) => setTimeout(resolve, ANSWER_MS / 2).unref())]);
  return found;
}

async function poolsOf(client: Client, { config }: Context): Promise<PoolSeen[]> {
  const names = [...(await poolQueues(config)).keys()];
  return Promise.all(names.map(async (name) => ({ name, loop: await ask(() => poolOf(client, name)) })));
}

async function poolOf(client: Client, name: string): Promise<PoolState | null> {
  const handle = client.workflow.getHandle(poolWorkflowId(name));
  try {
    return await handle.query<PoolState>('pool');
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw new FleetscoreError('POOL_SILENT', `its loop does not answer (${messageOf(error)})`, { cause: error });
  }
}
