/**
 * What the pages know of the plant: asked for once, kept for seconds, shared by everybody who looks. Each part answers
 * by itself, so that a page says which one does not rather than fail.
 */
import { lostBatches, workflowsEnd, type LostBatches } from '../../batches/lost.ts';
import { ask, type Answer } from '../../domain/answer.ts';
import type { WindowShape } from '../../domain/windowing.ts';
import { storedWindows } from '../../ingest/settings.ts';
import { hasEnded, type Batch } from '../../storage/store.ts';
import { kept } from '../cache.ts';
import type { UiDeps } from '../deps.ts';
import { openFleet, type Fleet } from './fleet.ts';
import { freshness, type Freshness } from './fresh.ts';
import { openNormal, type NormalOf } from './normal.ts';
import { missedPeriods, seeAll, type MissedPeriods, type ScheduleView } from './schedules.ts';
import { openSeries, type SeriesReader } from './series.ts';
import { openStretches, type Stretch } from './stretches.ts';
import { openSurveys, overlay, type SensorNow, type Survey } from './survey.ts';
import { weekView, type WeekView } from './week.ts';

export interface Look {
  readonly fleet: () => Promise<Fleet>;
  /** The newest batches and all that are open, newest start first. */
  readonly batches: () => Promise<readonly Batch[]>;
  /** Those of them that are open on record although their workflow has ended; none where Temporal does not say. */
  readonly lost: () => Promise<LostBatches>;
  readonly schedules: () => Promise<Answer<readonly ScheduleView[]>>;
  readonly missed: () => Promise<Answer<readonly MissedPeriods[]>>;
  readonly freshness: () => Promise<Answer<Freshness>>;
  /** Ids of sensors out of service. */
  readonly retired: () => Promise<ReadonlySet<number>>;
  /** What the newest batches made of each sensor that is in service, by id. */
  readonly sensors: () => Promise<ReadonlyMap<number, SensorNow>>;
  readonly week: () => Promise<WeekView>;
  readonly shape: () => Promise<WindowShape>;
  /** What the model of a sensor takes for normal. */
  readonly normal: NormalOf;
  /** One sensor over time. */
  readonly series: SeriesReader;
  /** What a closed batch made of each of its sensors. */
  readonly survey: (batchId: string) => Promise<Survey>;
  /** Anomalous stretches of the newest batches, while there are no alarms. */
  readonly stretches: () => Promise<readonly Stretch[]>;
  /** After an action: what it changed is asked for anew. */
  readonly forget: () => void;
}

const BATCHES_MS = 2_000;
/** There may be as many of them as sensors. */
const RETIRED_MS = 10_000;
const SCHEDULES_MS = 5_000;
/** Looking for gaps reads a week of batches. */
const MISSED_MS = 60_000;
const WEEK_VIEW_MS = 60_000;

const NEWEST = 200;
/** Batches whose surveys make the present: the newest of each schedule, and what renewed them. */
const MOST_SURVEYS = 12;

export function openLook(deps: UiDeps): Look {
  const { store, now } = deps;
  const batches = kept(BATCHES_MS, async () => newestAndOpen(await store()), now);
  const lost = kept(BATCHES_MS, async () => lostOf(deps, await batches()), now);
  const schedules = kept(SCHEDULES_MS, () => ask(async () => seeAll(await deps.client(), now())), now);
  const retired = kept(
    RETIRED_MS,
    async () => new Set((await (await store()).retiredSensors()).map(({ id }) => id)),
    now,
  );
  const survey = openSurveys(store);
  const sensors = kept(
    BATCHES_MS,
    async () => {
      const chosen = presentBatches(await batches());
      const found = overlay(await Promise.all(chosen.map(async (batch) => [batch, await survey(batch.id)] as const)));
      for (const id of await retired()) found.delete(id);
      return found;
    },
    now,
  );
  const stretches = openStretches(deps);
  const fleet = openFleet(store);
  const shape = kept(BATCHES_MS, async () => storedWindows(await store(), deps.config.ingest), now);
  const missed = kept(
    MISSED_MS,
    async () => {
      const seen = await schedules();
      if (seen.problem !== undefined) return seen;
      return ask(async () => missedPeriods(seen.value, await store(), now(), deps.config.keep.batchesMs));
    },
    now,
  );
  return {
    fleet,
    batches,
    lost,
    schedules,
    retired,
    sensors,
    shape,
    survey,
    normal: openNormal(deps),
    series: openSeries(deps),
    async stretches() {
      const [found, all, out] = [await stretches(presentBatches(await batches())), await fleet(), await retired()];
      const isOut = ({ device, sensor }: Stretch): boolean =>
        all.ofDevice(device).some((one) => one.sensor === sensor && out.has(one.id));
      return out.size === 0 ? found : found.filter((one) => !isOut(one));
    },
    missed,
    forget() {
      for (const one of [batches, lost, schedules, retired, sensors, missed]) one.forget();
    },
    freshness: () =>
      ask(async () => {
        const [seen, all, gone] = [await schedules(), await batches(), await lost()];
        return freshness(
          all.filter(({ id }) => !gone.has(id)),
          seen.value,
          now(),
        );
      }),
    week: kept(WEEK_VIEW_MS, async () => weekView(await store(), now()), now),
  };
}

async function lostOf({ store, client }: UiDeps, batches: readonly Batch[]): Promise<LostBatches> {
  const open = batches.filter((batch) => !hasEnded(batch));
  if (open.length === 0) return new Map();
  return (await ask(async () => lostBatches(await store(), workflowsEnd(await client()), open))).value ?? new Map();
}

async function newestAndOpen(store: Awaited<ReturnType<UiDeps['store']>>): Promise<readonly Batch[]> {
  const found = [
    ...(await store.listBatches({ limit: NEWEST })),
    ...(await store.listBatches({ status: 'waiting', limit: NEWEST })),
    ...(await store.listBatches({ status: 'running', limit: NEWEST })),
  ];
  return [...new Map(found.map((batch) => [batch.id, batch])).values()].sort((a, b) => b.startedAtMs - a.startedAtMs);
}

/**
 * The closed batches that say how sensors are now, in the order in which they count: the newest over a whole period of
 * each schedule, and those that scored sensors of one of them again. Pure.
 */
function presentBatches(batches: readonly Batch[]): Batch[] {
  const closed = batches.filter((batch) => hasEnded(batch) && batch.planned > 0);
  const newest = new Map<string, Batch>();
  for (const batch of closed) {
    if (batch.kind !== 'score') continue;
    const key = batch.schedule ?? '';
    const known = newest.get(key);
    if (!known || batch.toMs > known.toMs) newest.set(key, batch);
  }
  // By hand over an older period than the schedule's: that is the past.
  const lastMs = Math.max(...[...newest.values()].map(({ toMs }) => toMs), 0);
  const whole = [...newest.values()].filter(({ schedule, toMs }) => schedule !== undefined || toMs === lastMs);
  const chosen = new Set(whole.map(({ id }) => id));
  for (const batch of closed.toReversed())
    if (batch.supersedes !== undefined && chosen.has(batch.supersedes)) chosen.add(batch.id);
  return closed
    .filter(({ id }) => chosen.has(id))
    .sort((a, b) => a.toMs - b.toMs || a.startedAtMs - b.startedAtMs)
    .slice(-MOST_SURVEYS);
}
