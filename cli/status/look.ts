/**
 * One look at everything that runs, for `fleetscore status`. Each part is asked at once and for a bounded time;
 * one that does not answer is named with its reason, and costs only what it alone knows. Reads only.
 */
import type { Client } from '@temporalio/client';
import { eventHubsConnection } from '../../config.ts';
import { patience } from '../../domain/busy.ts';
import { ANSWER_MS, ask, on, type Answer } from '../../domain/answer.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { decided } from '../../domain/outcome.ts';
import { isOwnBlob, ownRoom } from '../../local/own-disk.ts';
import { openStore } from '../../storage/open-store.ts';
import { hasEnded, type Batch, type Store } from '../../storage/store.ts';
import { partitionStates } from '../../connect/partition-states.ts';
import type { HubReader } from '../../connect/partitions.ts';
import type { Context } from '../frame/context.ts';
import type { FailureSeen, Look, RunningSeen } from './seen.ts';
import { defined } from '../../domain/defined.ts';

const LAST = 6;
const FAILURES = 5;
/** Loaded when there is something to ask, as the clients below them. */
const ofTemporal = () => import('./look-temporal.ts');
const ofHub = async (context: Context) => {
  eventHubsConnection(context.config);
  return import('../../connect/partitions.ts');
};

export interface Looker {
  look(): Promise<Look>;
  close(): Promise<void>;
}

/** Keeps its connections between looks, and opens those that broke or never were again. */
export function openLooker(context: Context): Looker {
  let store: Promise<Store> | undefined;
  let hub: HubReader | undefined;
  const theStore = (): Promise<Store> =>
    (store ??= openStore(context.config.sqlUrl, { create: false, waitMs: patience(ANSWER_MS) - 1_000 }).catch(
      (error: unknown) => {
        store = undefined;
        throw error;
      },
    ));
  return {
    async look() {
      const batches = ask(async () => newestAndOpen(await theStore()));
      const temporal = ask(async () => context.client());
      const ends = ask(async () => (hub ??= (await ofHub(context)).openHubReader(context.config)).ends());
      const [temporalSeen, notScored, storeSeen, blob, running, pools, ingest, hubSeen, holders] = await Promise.all([
        temporal.then(on(async (client) => (await ofTemporal()).lookAtTemporal(client, context))),
        temporal.then(
          on(async (client) =>
            (await ofTemporal()).notScoredOf(client, await theStore(), context.config.keep.batchesMs),
          ),
        ),
        batches.then(on(async (found) => lookAtStore(await theStore(), found))),
        ask(async () => {
          // On a full disk the stack's own server answers, and takes nothing.
          if (isOwnBlob(context.config.home, context.config.blob)) ownRoom(context.config.home);
          await context.blobs().exists(CONTAINERS.models, 'status');
          return true as const;
        }),
        Promise.all([batches, temporal]).then(([found, client]) => runningOf(found, client, theStore)),
        temporal.then(on(async (client) => (await ofTemporal()).poolsOf(client, context))),
        ask(async () => {
          const [progress, found] = [await (await theStore()).listProgress(), await ends];
          const own = hub === undefined ? progress : progress.filter((p) => p.source === hub?.source);
          return partitionStates(own, hub?.source, found.value ?? []);
        }),
        ends,
        ends.then(
          on(async (found) =>
            (await import('../../connect/partition-owners.ts')).partitionHolders(
              context.config,
              hub!,
              found.map(({ partition }) => partition),
            ),
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

async function lookAtStore(store: Store, batches: readonly Batch[]): Promise<NonNullable<Look['store']['value']>> {
  const [sensors, release] = [await store.countSensors(), await store.currentRelease()];
  const room = await store.room();
  return {
    sensors,
    retired: await store.countRetired(),
    ...(room ? { room } : {}),
    ...defined({ release }),
    last: batches.filter(hasEnded).slice(0, LAST),
    bySchedule: newestBySchedule(batches),
    failures: await failuresOf(store, batches),
    dropped: await store.countDropped(),
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
  store: () => Promise<Store>,
): Promise<Answer<readonly RunningSeen[]>> {
  if (batches.problem !== undefined && temporal.problem !== undefined) return { problem: batches.problem };
  return ask(async () => {
    const rows = new Map((batches.value ?? []).filter((batch) => !hasEnded(batch)).map((batch) => [batch.id, batch]));
    const client = temporal.value;
    const workflows = client ? await (await ofTemporal()).runningWorkflows(client) : undefined;
    const lost =
      client && rows.size > 0
        ? await (await ofTemporal()).lostOf(client, await store(), [...rows.values()])
        : undefined;
    const ids = new Set([...rows.keys(), ...(workflows?.keys() ?? [])]);
    return [...ids]
      .map((id): RunningSeen | undefined => {
        const row = rows.get(id);
        const progress = workflows?.get(id);
        const seen = row ?? progress;
        if (!seen) return undefined;
        const counts = row?.counts ?? progress!.counts;
        const end = lost?.get(id)?.end;
        return {
          id,
          fromMs: seen.fromMs,
          toMs: seen.toMs,
          planned: seen.planned,
          done: decided(counts),
          failed: counts.failed,
          anomalies: counts.anomalies,
          phase: end === undefined ? (progress?.phase ?? unasked(row)) : `lost (${end})`,
          ...defined({ lost: end }),
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
