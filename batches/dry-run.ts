/**
 * What a batch over a period would do, without doing it: the same sensors, release and sizes as
 * `planBatch` takes, and the windows that are there now. Reads only, in pages.
 */
import { chooseSizes, chunkOfPool, type Sizes, type SizesAsked } from '../domain/sizing.ts';
import { defined } from '../domain/defined.ts';
import type { Sensor, SensorKey } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import { isDue, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { rowRanges } from '../scoring/features.ts';
import { readOwnSeries } from '../scoring/own-series.ts';
import { releaseFor } from './select.ts';
import type { Batch, ReleaseModel, Store } from '../storage/store.ts';

export interface DryRun extends Sizes {
  readonly release: string;
  readonly planned: number;
  /** Sensors of the list that the batch is not for: out of service, or nothing was ever heard of them. */
  readonly leftOut: number;
  readonly wouldScore: number;
  readonly windows: number;
  readonly skipped: { readonly no_data: number; readonly no_model: number };
  /** The first of each. */
  readonly examples: readonly (SensorKey & { readonly class: 'no_data' | 'no_model' })[];
  readonly groups: number;
  readonly chunks: number;
  /** By the pool that the sensors' models name, '' for none; one entry when no model names any. */
  readonly pools: readonly PoolPlan[];
  /** From past batches; absent when there are none. */
  readonly expected?: { readonly ms: number; readonly batches: number };
}

export interface PoolPlan {
  readonly pool: string;
  readonly planned: number;
  readonly wouldScore: number;
  readonly groups: number;
  readonly chunks: number;
}

const PAGE = 2_000;
const EXAMPLES = 10;

/** @throws FleetscoreError `NO_RELEASE`, `RELEASE_UNKNOWN`, `INVALID_SIZES` */
export async function dryRun(
  store: Store,
  period: Period,
  asked: SizesAsked & { readonly release?: string },
  fleet: WindowShape,
): Promise<DryRun> {
  const release = await releaseFor(store, asked.release);
  const skipped = { no_data: 0, no_model: 0 };
  const examples: (SensorKey & { class: 'no_data' | 'no_model' })[] = [];
  const named = { no_data: 0, no_model: 0 };
  const byPool = new Map<string, { planned: number; wouldScore: number }>();
  let planned = 0;
  let wouldScore = 0;
  let windows = 0;
  const leftOut = new Set(await store.sensorsLeftOut(release));
  for (let after = 0; ;) {
    const listed = await store.listSensors({ after, limit: PAGE });
    const last = listed.at(-1);
    if (!last) break;
    const sensors = listed.filter(({ id }) => !leftOut.has(id));
    const models = new Map(
      (await store.listReleaseModels(release, { after, limit: PAGE })).map((model) => [model.sensorId, model]),
    );
    const counts = await windowsHeld(store, sensors, models, period, fleet);
    for (const { id, device, sensor } of sensors) {
      const model = models.get(id);
      const held = counts.get(id) ?? 0;
      const pool = model?.pool ?? '';
      const own = byPool.get(pool) ?? { planned: 0, wouldScore: 0 };
      byPool.set(pool, own);
      own.planned += 1;
      const reason = skippedFor(model, held, period, fleet);
      if (reason === undefined) {
        wouldScore += 1;
        own.wouldScore += 1;
        windows += held;
        continue;
      }
      skipped[reason] += 1;
      if (named[reason]++ < EXAMPLES) examples.push({ device, sensor, class: reason });
    }
    planned += sensors.length;
    after = last.id;
  }
  // A release whose models name no pool is planned as one.
  const routed = [...byPool.keys()].some((pool) => pool !== '');
  const sizes = chooseSizes(planned, { ...asked, pools: routed ? byPool.size : 0 });
  const pools = [...byPool]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([pool, own]): PoolPlan => ({
      pool,
      ...own,
      ...countGroups(own.planned, {
        ...sizes,
        ...(pool === '' || asked.sensorsPerActivity !== undefined
          ? {}
          : { sensorsPerActivity: chunkOfPool(own.planned, sizes) }),
      }),
    }));
  const expected = expectedTime(await store.listBatches({ status: 'completed', limit: 50 }), planned);
  return {
    release,
    planned,
    leftOut: leftOut.size,
    wouldScore,
    windows,
    skipped,
    examples,
    ...sizes,
    groups: pools.reduce((sum, pool) => sum + pool.groups, 0),
    chunks: pools.reduce((sum, pool) => sum + pool.chunks, 0),
    pools,
    ...(expected ? { expected } : {}),
  };
}

function countGroups(
  planned: number,
  { sensorsPerChild, sensorsPerActivity }: Sizes,
): { readonly groups: number; readonly chunks: number } {
  const whole = Math.floor(planned / sensorsPerChild);
  const chunksOf = (sensors: number): number => Math.ceil(sensors / sensorsPerActivity);
  return {
    groups: Math.ceil(planned / sensorsPerChild),
    chunks: whole * chunksOf(sensorsPerChild) + chunksOf(planned - whole * sensorsPerChild),
  };
}

/**
 * Batches of half to twice the size say most; others are scaled by their sensors. The median, so that one bad day does
 * not count.
 */
function expectedTime(batches: readonly Batch[], planned: number): DryRun['expected'] {
  const timed = batches.filter((batch) => batch.finishedAtMs !== undefined && batch.planned > 0);
  const alike = timed.filter((batch) => batch.planned >= planned / 2 && batch.planned <= planned * 2);
  const used = alike.length > 0 ? alike : timed;
  const times = used
    .map((batch) => (batch.finishedAtMs! - batch.startedAtMs) * (alike.length > 0 ? 1 : planned / batch.planned))
    .sort((a, b) => a - b);
  return times.length === 0 ? undefined : { ms: Math.round(times[times.length >> 1]!), batches: times.length };
}

/** Why a sensor is not scored; undefined when it is. */
function skippedFor(
  model: ReleaseModel | undefined,
  held: number,
  period: Period,
  fleet: WindowShape,
): 'no_data' | 'no_model' | undefined {
  if (!model) return 'no_model';
  return held === 0 && isDue(period, windowsOfSensor(fleet, model.windowMs)) ? 'no_data' : undefined;
}

/** Windows that belong to the period, by sensor. */
async function windowsHeld(
  store: Store,
  sensors: readonly Sensor[],
  models: ReadonlyMap<number, ReleaseModel>,
  period: Period,
  shape: WindowShape,
): Promise<Map<number, number>> {
  if (sensors.length === 0) return new Map();
  const own = sensors.map(({ id }) => ({ id, ...defined({ windowMs: models.get(id)?.windowMs }) }));
  const range = { from: own[0]!.id, to: own.at(-1)!.id + 1 };
  const counts = new Map<number, number>();
  const series = await readOwnSeries(store, { sensors: own, range, period, shape, needs: [] });
  // Those of the fleet that lie before the period are not read: nothing looks back.
  for (const [id, { from, to }] of rowRanges(series)) counts.set(id, to - from);
  return counts;
}
