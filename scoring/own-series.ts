/**
 * What is read for sensors to be scored, each in its own windows: the fleet's as they are stored, longer ones rolled up
 * from these. Everybody who scores or recounts reads here, so all see the same windows. Memory is bounded: what longer
 * windows are made of is read in pieces, and only what they come to is kept. Without longer windows it is one read.
 */
import type { Period } from '../domain/time.ts';
import { isDue, startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import type { Window } from '../domain/reading.ts';
import type { IdRange, PlannedSensor, SeriesBlock, SeriesColumns, SeriesOptions, Store } from '../storage/store.ts';
import { maxLag, rowRanges } from './features.ts';
import type { FoundModels } from './resolve-models.ts';
import { rollUp, SERIES_FIELDS } from './roll-up.ts';

type Sensor = Pick<PlannedSensor, 'id' | 'windowMs'>;

/** What the models of some sensors need of their series. */
export interface SeriesNeed {
  /** Windows before the period. */
  readonly lookback: number;
  readonly columns: SeriesColumns;
  /** What these needs are of: scoring takes them as they were found. */
  readonly models: FoundModels;
}

export interface OwnSeries {
  /** By id ascending; all of `range` that windows are wanted of. */
  readonly sensors: readonly Sensor[];
  readonly range: IdRange;
  readonly period: Period;
  /** Of the fleet. */
  readonly shape: WindowShape;
  /** Of all releases that are scored over what is read. */
  readonly needs: readonly SeriesNeed[];
  /** Reads only what this batch plans, as {@link SeriesOptions.batchId}. */
  readonly batchId?: string;
}

/** Fleet windows in memory at once for longer ones: a few MB, whatever the length and however many sensors. */
const MOST_ROWS = 60_000;

/** Windows that belong to the period, and those before it that models look back to; by sensor id, then start. */
export async function readOwnSeries(store: Pick<Store, 'readSeries'>, wanted: OwnSeries): Promise<SeriesBlock> {
  const { sensors, range, period, shape, needs, batchId } = wanted;
  const lookback = Math.max(0, ...needs.map((need) => need.lookback));
  const columns = needs.every((need) => need.columns === 'mean') ? 'mean' : 'all';
  const options: SeriesOptions = { columns, ...(batchId === undefined ? {} : { batchId }) };
  const fleetPeriod = { fromMs: period.fromMs - lookback * shape.hopMs, toMs: period.toMs };
  const longer = sensors.filter(({ windowMs }) => windowMs !== undefined);
  if (longer.length === 0) return store.readSeries(range, fleetPeriod, options);
  const blocks: SeriesBlock[] = [];
  if (longer.length < sensors.length) blocks.push(await store.readSeries(range, fleetPeriod, options));
  for (const run of runsOf(longer, batchId !== undefined)) blocks.push(...(await readRun(store, wanted, run)));
  // Nothing is due: what was seen is asked for all the same.
  if (blocks.length === 0) blocks.push(await store.readSeries({ ...range, to: range.from }, period, options));
  return combined(sensors, blocks, columns);
}

/** The windows of its own of one sensor that start and end in a span of time. */
export async function ownWindows(
  store: Pick<Store, 'readSeries'>,
  { id, windowMs }: Required<Sensor>,
  span: Period,
  fleet: WindowShape,
): Promise<Window[]> {
  const { leadMs = 0 } = windowsOfSensor(fleet, windowMs);
  const { length, startMs, count, mean, min, max, last } = await readOwnSeries(store, {
    sensors: [{ id, windowMs }],
    range: { from: id, to: id + 1 },
    period: { fromMs: span.fromMs + leadMs, toMs: span.toMs },
    shape: fleet,
    needs: [{ lookback: 0, columns: 'all', models: new Map() }],
  });
  return Array.from({ length }, (_, row) => ({
    startMs: startMs[row]!,
    count: count[row]!,
    mean: mean[row]!,
    min: min[row]!,
    max: max[row]!,
    last: last[row]!,
  }));
}

/** Sensors of one length that can be read in one range of ids. */
function runsOf(longer: readonly Sensor[], isBatch: boolean): Sensor[][] {
  const runs: Sensor[][] = [];
  for (const sensor of longer) {
    const last = runs.at(-1)?.at(-1);
    // Outside of a batch a range holds every sensor there is: only neighbours are read together.
    if (last && last.windowMs === sensor.windowMs && (isBatch || sensor.id === last.id + 1)) runs.at(-1)!.push(sensor);
    else runs.push([sensor]);
  }
  return runs;
}

async function readRun(
  store: Pick<Store, 'readSeries'>,
  { range, period, shape: fleet, needs, batchId }: OwnSeries,
  run: readonly Sensor[],
): Promise<SeriesBlock[]> {
  const windowMs = run[0]!.windowMs!;
  const shape = windowsOfSensor(fleet, windowMs);
  if (!isDue(period, shape)) return [];
  const starts = startsIn(period, shape);
  const lag = run.reduce((most, { id }) => Math.max(most, ...needs.map((need) => lagOf(need.models, id))), 0);
  const fromMs = Math.max(0, (Math.ceil(starts.fromMs / windowMs) - lag) * windowMs);
  const toMs = Math.ceil(starts.toMs / windowMs) * windowMs;
  const read = async (sensors: readonly Sensor[], slice: Period): Promise<SeriesBlock> => {
    const ids = { ...range, from: sensors[0]!.id, to: sensors.at(-1)!.id + 1 };
    const block = await store.readSeries(ids, slice, batchId === undefined ? {} : { batchId });
    return rollUp(block, windowMs, fleet.windowMs);
  };
  const blocks: SeriesBlock[] = [];
  const rowsOfOne = (toMs - fromMs) / fleet.hopMs;
  const atOnce = Math.max(1, Math.floor(MOST_ROWS / rowsOfOne));
  const stepMs = Math.max(1, Math.floor((MOST_ROWS * fleet.hopMs) / windowMs)) * windowMs;
  for (let i = 0; i < run.length; i += atOnce)
    for (let at = fromMs; at < toMs; at += atOnce > 1 ? toMs - fromMs : stepMs)
      blocks.push(
        await read(run.slice(i, i + atOnce), { fromMs: at, toMs: Math.min(toMs, atOnce > 1 ? toMs : at + stepMs) }),
      );
  return blocks;
}

function lagOf(models: FoundModels, id: number): number {
  const model = models.get(id);
  return model && !('class' in model) ? maxLag(model.features) : 0;
}

/**
 * One block in the order of sensors. Of each sensor the rows of its own windows are taken: the first block may hold the
 * fleet's windows of all.
 */
function combined(sensors: readonly Sensor[], blocks: readonly SeriesBlock[], columns: SeriesColumns): SeriesBlock {
  const own = new Set(sensors.flatMap(({ id, windowMs }) => (windowMs === undefined ? [] : [id])));
  const hasFleet = own.size < sensors.length;
  const parts: { readonly block: SeriesBlock; readonly from: number; readonly to: number; readonly id: number }[] = [];
  for (const [i, block] of blocks.entries())
    for (const [id, { from, to }] of rowRanges(block))
      if (own.has(id) !== (hasFleet && i === 0)) parts.push({ block, from, to, id });
  // A stable sort: the pieces of one sensor stay in order of time.
  parts.sort((a, b) => a.id - b.id);
  const length = parts.reduce((sum, { from, to }) => sum + to - from, 0);
  const merged = (name: (typeof SERIES_FIELDS)[number]): Float64Array => {
    const values = new Float64Array(length);
    let at = 0;
    for (const { block, from, to } of parts) {
      values.set(block[name].subarray(from, to), at);
      at += to - from;
    }
    return values;
  };
  const rest = (name: (typeof SERIES_FIELDS)[number]): Float64Array =>
    columns === 'all' ? merged(name) : new Float64Array(0);
  return {
    length,
    sensorId: merged('sensorId'),
    startMs: merged('startMs'),
    mean: merged('mean'),
    count: rest('count'),
    min: rest('min'),
    max: rest('max'),
    last: rest('last'),
    // Of several reads the oldest: what came between them counts as not seen.
    changeId: Math.min(...blocks.map((block) => block.changeId)),
  };
}
