/**
 * What a batch is for: its release and its sensors. What makes that impossible is told by the same words before
 * anything is started (the command line) and when it is planned (the control worker).
 */
import { FleetscoreError } from '../domain/errors.ts';
import type { OutcomeStatus } from '../domain/outcome.ts';
import { parseSensorName } from '../domain/sensor.ts';
import { isoTime, type Period } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import { lagOf } from '../scoring/features.ts';
import type { BlobStore } from '../storage/blobs.ts';
import { hasEnded, type Batch, type ChangedOptions, type NewBatch, type Store } from '../storage/store.ts';
import { lostSensors } from './holes.ts';
import type { PlanInput } from '../workflows/activities.ts';
import { outcomePages } from '../storage/pages.ts';

/** Rows of one page of ids. */
const PAGE = 5_000;

interface Windowed {
  readonly store: Store;
  /** Absent: files that are lost are not looked for. */
  readonly blobs?: BlobStore;
  readonly windows?: WindowShape;
}

type Selection = Pick<PlanInput, 'redrive' | 'sensors' | 'rescore' | 'fromMs' | 'toMs'>;

/**
 * Refuses a request that would fail before it is planned.
 * @throws FleetscoreError `NO_RELEASE`, `RELEASE_UNKNOWN`, `BATCH_UNKNOWN`, `BATCH_RUNNING`, `SENSOR_UNKNOWN`,
 *   `INVALID_REQUEST`
 */
export async function checkSelection(
  store: Store,
  request: Pick<PlanInput, 'release' | 'redrive' | 'sensors'> & Period,
): Promise<void> {
  await releaseFor(store, request.release);
  if (request.redrive !== undefined) await redriven(store, request.redrive, request);
  if (request.sensors) await chosenIds(store, request.sensors);
}

/** The release that was asked for, or the current one. @throws FleetscoreError `NO_RELEASE`, `RELEASE_UNKNOWN` */
export async function releaseFor(store: Store, asked: string | undefined): Promise<string> {
  if (asked === undefined) {
    const current = await store.currentRelease();
    if (current !== undefined) return current;
    throw new FleetscoreError(
      'NO_RELEASE',
      'no models are published yet, so there is nothing to score with. Run `fleetscore models publish DIR`.',
    );
  }
  const releases = await store.listReleases();
  if (releases.some(({ name }) => name === asked)) return asked;
  const newest = releases.slice(0, 5).map(({ name }) => name);
  throw new FleetscoreError(
    'RELEASE_UNKNOWN',
    `there is no release ${JSON.stringify(asked)}. ` +
      (newest.length === 0
        ? 'Publish one: `fleetscore models publish DIR`'
        : `There is ${newest.join(', ')}${releases.length > newest.length ? ', ...' : ''}; ` +
          `\`fleetscore models list\` shows all`) +
      '.',
  );
}

/** The batch to redrive. @throws FleetscoreError `BATCH_UNKNOWN`, `BATCH_RUNNING`, `INVALID_REQUEST` */
async function redriven(store: Store, id: string, { fromMs, toMs }: Period): Promise<Batch> {
  const base = await store.findBatch(id);
  if (!base) throw new FleetscoreError('BATCH_UNKNOWN', `there is no batch ${JSON.stringify(id)} to redrive.`);
  if (!hasEnded(base))
    throw new FleetscoreError('BATCH_RUNNING', `batch ${base.id} still runs: redrive it when it has ended.`);
  if (base.planned === 0 && base.manifest === undefined)
    throw new FleetscoreError(
      'INVALID_REQUEST',
      `batch ${base.id} ended before its sensors were planned, so there is nothing of it to score again. ` +
        `Run the period: \`fleetscore batch run --from ${isoTime(fromMs)} --to ${isoTime(toMs)}\`.`,
    );
  if (base.fromMs !== fromMs || base.toMs !== toMs)
    throw new FleetscoreError(
      'INVALID_REQUEST',
      `from and to of a redrive must be the period of batch ${base.id}: ${isoTime(base.fromMs)} to ` +
        `${isoTime(base.toMs)}.`,
    );
  return base;
}

/**
 * Which sensors a batch is for: all that are in service, those that failed in another batch, or those whose readings
 * changed since. @throws FleetscoreError as {@link checkSelection}
 */
export async function selectSensors(
  deps: Windowed,
  input: Selection,
  release: string,
): Promise<Pick<NewBatch, 'kind' | 'sensorIds' | 'leftOut' | 'supersedes'>> {
  const { store } = deps;
  if (input.redrive !== undefined) {
    const base = await redriven(store, input.redrive, input);
    if (input.sensors)
      return { kind: 'redrive', supersedes: base.id, sensorIds: await chosenIds(store, input.sensors) };
    const again = [
      ...(await outcomeIds(store, base.id, 'failed')),
      ...(await outcomeIds(store, base.id, 'cancelled')),
      ...(await lostOf(deps, base)),
    ];
    return { kind: 'redrive', supersedes: base.id, sensorIds: await inService(store, again) };
  }
  if (input.rescore) {
    const { fromMs, toMs } = input;
    // Several may have scored it: the newest is what readers saw until now.
    const before = (await store.listBatches({ period: { fromMs, toMs } })).find(
      (batch) => batch.manifest !== undefined,
    );
    const supersedes = before === undefined ? {} : { supersedes: before.id };
    const lookback = await lookbackOf(deps, release);
    const sensorIds: number[] = [];
    for (let after = -1; ; after = sensorIds[sensorIds.length - 1]!) {
      const page = await store.changedSensors({ fromMs, toMs }, { after, limit: PAGE, ...lookback.changed });
      if (page.length === 0) {
        const changed = [...sensorIds, ...(await lostOf(deps, before))];
        return { kind: 'rescore', ...supersedes, sensorIds: await inService(store, changed) };
      }
      sensorIds.push(...page);
    }
  }
  return { kind: 'score', leftOut: await store.sensorsLeftOut(release) };
}

/** Each once, ascending, without those that somebody took out of service since. */
async function inService(store: Store, ids: readonly number[]): Promise<number[]> {
  const retired = new Set((await store.retiredSensors()).map(({ id }) => id));
  return unique(ids).filter((id) => !retired.has(id));
}

/** @throws FleetscoreError `SENSOR_UNKNOWN`; `INVALID_REQUEST` for one that is out of service */
async function chosenIds(store: Store, names: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const name of names) {
    const sensor = await store.findSensor(parseSensorName(name));
    if (!sensor)
      throw new FleetscoreError(
        'SENSOR_UNKNOWN',
        `there is no sensor ${JSON.stringify(name)}. Names are DEVICE/SENSOR; ` +
          `\`fleetscore sensors list\` shows those there are.`,
      );
    ids.push(sensor.id);
  }
  const served = new Set(await inService(store, ids));
  const retired = names.filter((_, i) => !served.has(ids[i]!));
  if (retired.length > 0)
    throw new FleetscoreError(
      'INVALID_REQUEST',
      `${retired
        .slice(0, 3)
        .map((name) => JSON.stringify(name))
        .join(', ')}${retired.length > 3 ? ', ...' : ''} ` +
        `${retired.length === 1 ? 'is' : 'are'} out of service, and no batch is for that. ` +
        '`fleetscore sensors restore` takes sensors back into service.',
    );
  return [...served];
}

const unique = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b);

/** Scored, and the file is lost: as good as not scored. */
async function lostOf({ store, blobs }: Windowed, batch: Batch | undefined): Promise<number[]> {
  return blobs && batch ? lostSensors({ store, blobs }, batch) : [];
}

/** How far before a period models look: what changed there changes predictions of the period. */
export interface Lookback {
  /** The furthest of all, ms: for {@link Store.latePeriods}. */
  readonly furthestMs: number;
  /** For {@link Store.changedSensors}. */
  readonly changed: Pick<ChangedOptions, 'lookbackMs' | 'own'>;
}

/** Of the models of a release. */
export async function lookbackOf({ store, windows }: Windowed, release: string | undefined): Promise<Lookback> {
  if (windows === undefined || release === undefined) return { furthestMs: 0, changed: {} };
  const looks = (await store.releaseLooks(release)).map(({ features, windowMs }) => ({
    lag: Math.max(0, ...features.map(lagOf)),
    windowMs,
  }));
  const lagOfThose = (some: typeof looks): number => Math.max(0, ...some.map(({ lag }) => lag));
  const [fleets, own] = [
    looks.filter(({ windowMs }) => windowMs === undefined),
    looks.filter(({ windowMs }) => windowMs !== undefined),
  ];
  const lookbackMs = lagOfThose(fleets) * windows.hopMs;
  if (own.length === 0) return { furthestMs: lookbackMs, changed: { lookbackMs } };
  const lag = lagOfThose(own);
  const ownMs = (1 + lag) * Math.max(...own.map(({ windowMs = 0 }) => windowMs));
  return {
    furthestMs: Math.max(lookbackMs, ownMs),
    changed: { lookbackMs, own: { fleetMs: windows.windowMs, lag } },
  };
}

async function outcomeIds(store: Store, batchId: string, status: OutcomeStatus): Promise<number[]> {
  const ids: number[] = [];
  for await (const page of outcomePages(store, batchId, PAGE, { status }))
    ids.push(...page.map((outcome) => outcome.sensorId));
  return ids;
}
