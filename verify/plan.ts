/**
 * What a batch over a period would do, without doing it: the same sensors, release and sizes as
 * `planBatch` takes, and the windows that are there now. Reads only, in pages.
 */
import { chooseSizes, type Sizes, type SizesAsked } from '../domain/sizing.ts';
import type { SensorKey } from '../domain/sensor.ts';
import type { Period } from '../domain/time.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Batch, Store } from '../storage/store.ts';

export interface DryRun extends Sizes {
  readonly release: string;
  readonly planned: number;
  readonly wouldScore: number;
  readonly windows: number;
  readonly skipped: { readonly no_data: number; readonly no_model: number };
  /** The first of each. */
  readonly examples: readonly (SensorKey & { readonly class: 'no_data' | 'no_model' })[];
  readonly groups: number;
  readonly chunks: number;
  /** From past batches; absent when there are none. */
  readonly expected?: { readonly ms: number; readonly batches: number };
}

const PAGE = 2_000;
const EXAMPLES = 10;

/** @throws FleetscoreError `NO_RELEASE`, `RELEASE_UNKNOWN`, `INVALID_SIZES` */
export async function dryRun(store: Store, period: Period, asked: SizesAsked & { readonly release?: string }): Promise<DryRun> {
  const release = asked.release ?? (await store.currentRelease());
  if (release === undefined) throw new FleetscoreError('NO_RELEASE', 'no models are published yet, so there is nothing to score with. Run `fleetscore models publish DIR`.');
  const skipped = { no_data: 0, no_model: 0 };
  const examples: (SensorKey & { class: 'no_data' | 'no_model' })[] = [];
  const named = { no_data: 0, no_model: 0 };
  let planned = 0;
  let wouldScore = 0;
  let windows = 0;
  for (let after = 0; ; ) {
    const sensors = await store.listSensors({ after, limit: PAGE });
    const last = sensors.at(-1);
    if (!last) break;
    const models = new Set((await store.listReleaseModels(release, { after, limit: PAGE })).map((model) => model.sensorId));
    const series = await store.readSeries({ from: after + 1, to: last.id + 1 }, period);
    const counts = new Map<number, number>();
    for (let row = 0; row < series.length; row++) counts.set(series.sensorId[row]!, (counts.get(series.sensorId[row]!) ?? 0) + 1);
    for (const { id, device, sensor } of sensors) {
      const held = counts.get(id) ?? 0;
      const reason = models.has(id) ? (held === 0 ? 'no_data' : undefined) : 'no_model';
      if (reason === undefined) {
        wouldScore += 1;
        windows += held;
        continue;
      }
      skipped[reason] += 1;
      if (named[reason]++ < EXAMPLES) examples.push({ device, sensor, class: reason });
    }
    planned += sensors.length;
    after = last.id;
  }
  const sizes = chooseSizes(planned, asked);
  const groups = Math.ceil(planned / sizes.sensorsPerChild);
  const whole = Math.floor(planned / sizes.sensorsPerChild);
  const chunksOf = (sensors: number): number => Math.ceil(sensors / sizes.sensorsPerActivity);
  const expected = expectedTime(await store.listBatches({ status: 'completed', limit: 50 }), planned);
  return {
    release, planned, wouldScore, windows, skipped, examples, ...sizes, groups,
    chunks: whole * chunksOf(sizes.sensorsPerChild) + chunksOf(planned - whole * sizes.sensorsPerChild), ...(expected ? { expected } : {}),
  };
}

/** Batches of half to twice the size say most; others are scaled by their sensors. The median, so that one bad day does not count. */
export function expectedTime(batches: readonly Batch[], planned: number): DryRun['expected'] {
  const timed = batches.filter((batch) => batch.finishedAtMs !== undefined && batch.planned > 0);
  const alike = timed.filter((batch) => batch.planned >= planned / 2 && batch.planned <= planned * 2);
  const used = alike.length > 0 ? alike : timed;
  const times = used.map((batch) => ((batch.finishedAtMs! - batch.startedAtMs) * (alike.length > 0 ? 1 : planned / batch.planned))).sort((a, b) => a - b);
  return times.length === 0 ? undefined : { ms: Math.round(times[times.length >> 1]!), batches: times.length };
}
