/**
 * The groups of a batch: ranges of its planned sensors, each for one pool. Where the release names no pool, all groups
 * are for the default pool.
 */
import { chooseSizes, chunkOfPool, windowsOf, type Sizes } from '../domain/sizing.ts';
import { poolUnknown, SCORING_QUEUE } from '../domain/queues.ts';
import { failedOutcome } from '../domain/outcome.ts';
import type { Batch, BatchPool, Store } from '../storage/store.ts';
import type { BatchDeps } from './deps.ts';
import { decideRest } from './undecided.ts';
import type { BatchPlan, PlanInput, PlannedGroup, SensorRange } from '../workflows/activities.ts';

/** All ids: the store cuts it to what is planned. */
const ALL_IDS = { from: 0, to: Number.MAX_SAFE_INTEGER } as const;

/** Chunks that a plan lists, of all groups together: each is some 50 bytes in two histories. */
const MOST_LISTED = 100;

export async function planGroups(
  deps: BatchDeps,
  batch: Batch,
  input: PlanInput,
): Promise<Pick<BatchPlan, 'groups' | 'sensorsPerActivity'>> {
  const { store } = deps;
  const pools = await store.batchPools(batch.id);
  const sizes = chooseSizes(batch.planned, {
    ...input,
    pools: pools.length,
    ...(deps.windows === undefined ? {} : { windows: windowsOf(input, deps.windows) }),
  });
  const groups: SensorRange[] = [];
  if (pools.length === 0) groups.push(...(await store.planRanges(batch.id, sizes.sensorsPerChild)));
  else
    for (const pool of pools)
      groups.push(...(await groupsOfPool(deps, batch, pool, sizes, input.sensorsPerActivity !== undefined)));
  return {
    sensorsPerActivity: sizes.sensorsPerActivity,
    groups:
      sizes.sensorsPerChild === 1
        ? await nameSensors(store, batch.id, groups)
        : await withChunks(store, batch.id, groups, sizes),
  };
}

/** Few chunks are listed with their groups, so that no child has to ask for its own. */
async function withChunks(
  store: Store,
  batchId: string,
  groups: readonly SensorRange[],
  { sensorsPerActivity }: Sizes,
): Promise<PlannedGroup[]> {
  const sizeOf = (group: SensorRange): number => group.sensorsPerActivity ?? sensorsPerActivity;
  const chunks = groups.reduce((sum, group) => sum + Math.ceil(group.count / sizeOf(group)), 0);
  if (chunks > MOST_LISTED) return [...groups];
  const listed: PlannedGroup[] = [];
  for (const group of groups) {
    const size = sizeOf(group);
    listed.push(group.count <= size ? group : { ...group, chunks: await store.planRanges(batchId, size, group) });
  }
  return listed;
}

/** A pool that was configured away costs its sensors, not the batch: nobody would ever take their chunks. */
async function groupsOfPool(
  { store, pools, worker }: BatchDeps,
  batch: Batch,
  { pool, planned }: BatchPool,
  sizes: Sizes,
  chunkIsAsked: boolean,
): Promise<SensorRange[]> {
  const queue = pool === '' ? SCORING_QUEUE : pools?.get(pool);
  const range = { ...ALL_IDS, pool };
  if (queue === undefined) {
    const message =
      `${poolUnknown(pool, pools?.keys() ?? [])}; ` +
      `then \`fleetscore batch redrive ${batch.id}\` scores these sensors`;
    await decideRest(store, batch.id, { ...range, count: 0 }, ({ id: sensorId, model }) =>
      failedOutcome({ sensorId, model, class: 'pool_unknown', message, attempt: 1, worker }),
    );
    return [];
  }
  const ranges = await store.planRanges(batch.id, sizes.sensorsPerChild, range);
  if (pool === '') return ranges;
  const sensorsPerActivity = chunkIsAsked ? sizes.sensorsPerActivity : chunkOfPool(planned, sizes);
  return ranges.map((one) => ({
    ...one,
    queue,
    ...(sensorsPerActivity === sizes.sensorsPerActivity ? {} : { sensorsPerActivity }),
  }));
}

/** Groups of one sensor carry its name, for the ids of child workflows and files. */
async function nameSensors(store: Store, batchId: string, groups: readonly SensorRange[]): Promise<SensorRange[]> {
  if (groups.length === 0) return [];
  const from = Math.min(...groups.map((group) => group.from));
  const to = Math.max(...groups.map((group) => group.to));
  const byId = new Map((await store.plannedSensors(batchId, { from, to })).map((sensor) => [sensor.id, sensor]));
  return groups.map((group) => {
    const sensor = byId.get(group.from);
    return sensor ? { ...group, single: { device: sensor.device, sensor: sensor.sensor } } : group;
  });
}
