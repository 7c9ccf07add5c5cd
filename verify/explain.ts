/**
 * Where a prediction comes from: file, batch, release, model, the window that was scored, and the raw data
 * that window was made of. Reads only; the file is checked against the hash on record on the way.
 */
import type { Alarm } from '../domain/alarm.ts';
import { CONTAINERS, packBlob, modelBlob } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import { windowKey, type Prediction } from '../domain/prediction.ts';
import type { Window } from '../domain/reading.ts';
import type { Sensor } from '../domain/sensor.ts';
import { HOUR_MS, windowStart, type Period } from '../domain/time.ts';
import { startsIn, windowsOfSensor, type WindowShape } from '../domain/windowing.ts';
import { captureLayouts, type CaptureLayout } from '../ingest/capture-layout.ts';
import { findRaw, type RawSearch } from '../ingest/find-raw.ts';
import type { EventParser } from '../ingest/parse-event.ts';
import { ownWindows } from '../scoring/own-series.ts';
import { decodePredictions } from '../scoring/predictions-file.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type {
  Batch,
  BatchFile,
  ModelInfo,
  OutcomeRow,
  PredictionSource,
  ReleaseModel,
  Store,
  WindowReadings,
} from '../storage/store.ts';
import { sha256Of } from '../domain/sha256.ts';

/** A prediction with the batch that made it. */
export interface MadeBy {
  readonly prediction: Prediction;
  readonly batch: Batch;
  readonly file: BatchFile;
}

export interface Lineage extends MadeBy {
  /** Where the window is: the fleet's, or one of the sensor's own. */
  readonly span: Period;
  readonly outcome: OutcomeRow;
  readonly model: ReleaseModel & ModelInfo;
  /** Blobs of model and pack, in the container `models`. */
  readonly modelBlob: string;
  readonly packBlob?: string;
  /** The window as it is now; absent when it was pruned. */
  readonly window?: Window;
  /** Readings came after it was scored: the window is not what the model saw. */
  readonly changedSince: boolean;
  /** The readings of the window as the store keeps them; absent when it was pruned. */
  readonly readings?: WindowReadings;
  /** Where raw capture has them. */
  readonly found: RawSearch;
  /**
   * Raw capture files that were open at the time of the window, in the container `raw`; readings that came late lie in
   * later ones.
   */
  readonly captures: readonly string[];
  /** Alarms that lasted then; withdrawn ones are told too. */
  readonly alarms: readonly Alarm[];
  /** Earlier predictions of the same window, newest first: nobody is served these any more. */
  readonly superseded: readonly MadeBy[];
}

/** What batches that cover a time say of a sensor without a prediction there; newest first. */
export interface NotPredicted {
  /** Where the window would be that the current release looks at. */
  readonly span: Period;
  readonly outcomes: readonly { readonly batch: Batch; readonly outcome?: OutcomeRow }[];
  /** Alarms that lasted then: a silent sensor, a model that fails. */
  readonly alarms: readonly Alarm[];
}

export interface ExplainDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  /** As ingest reads events. */
  readonly parse: EventParser;
  readonly clockSkewMs: number;
  /** How Event Hubs Capture names its files, where that is said. */
  readonly captureNames?: string;
}
type Deps = ExplainDeps;

/**
 * The window that holds a time, as the batch scored it that began last. Where windows overlap, the newest one.
 * @param timeMs epoch milliseconds
 * @param fleet the fleet's windows
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when the file on record was changed
 */
export async function explain(
  deps: Deps,
  sensor: Sensor,
  timeMs: number,
  fleet: WindowShape,
): Promise<Lineage | NotPredicted> {
  const { store } = deps;
  const made: MadeBy[] = [];
  const longest = Math.max(0, ...(await store.windowsOfSensor(sensor.id)));
  const batches = { fromMs: windowStart(timeMs, fleet.windowMs), toMs: timeMs + longest + 1 };
  // Oldest first: the last one counts.
  for (const source of await store.predictionSources(sensor.id, batches)) {
    const shape = windowsOfSensor(fleet, source.windowMs);
    const startMs = windowStart(timeMs, shape.hopMs);
    const { fromMs, toMs } = startsIn(source, shape);
    const found = startMs >= fromMs && startMs < toMs && (await predictionOf(deps, source, sensor, startMs));
    if (found) made.unshift(found);
  }
  const [served, ...others] = made;
  if (!served) return notPredicted(store, sensor, timeMs, fleet);
  const { tsMs, windowMs } = served.prediction;
  const superseded = others.filter(({ prediction }) => windowKey(prediction) === windowKey(served.prediction));
  return lineageOf(deps, sensor, fleet, {
    served,
    superseded,
    span: { fromMs: tsMs, toMs: tsMs + (windowMs ?? fleet.windowMs) },
  });
}

const alarmsAt = (store: Store, sensor: Sensor, within: Period): Promise<Alarm[]> =>
  store.listAlarms({ sensorId: sensor.id, within });

async function predictionOf(
  { store, blobs }: Deps,
  { batchId, file, windowMs }: PredictionSource,
  sensor: Sensor,
  startMs: number,
): Promise<MadeBy | undefined> {
  const bytes = await blobs.get(CONTAINERS.predictions, file.blob);
  if (sha256Of(bytes) !== file.sha256)
    throw new FleetscoreError(
      'PREDICTIONS_CORRUPT',
      `predictions/${file.blob} is not the file that batch ${batchId} wrote (its SHA-256 differs). ` +
        `Look closer with: fleetscore verify ${batchId}`,
    );
  const prediction = (await decodePredictions(bytes, sensor)).find(
    (row) => row.tsMs === startMs && row.windowMs === windowMs,
  );
  const batch = prediction && (await store.findBatch(batchId));
  return batch && { prediction, batch, file };
}

async function lineageOf(
  deps: Deps,
  sensor: Sensor,
  fleet: WindowShape,
  { span, served, superseded }: Pick<Lineage, 'span' | 'superseded'> & { readonly served: MadeBy },
): Promise<Lineage> {
  const { store, blobs } = deps;
  const { batch, prediction } = served;
  const [outcome] = await store.listOutcomes(batch.id, { after: sensor.id - 1, limit: 1 });
  const [model] = await store.listReleaseModels(batch.release, { after: sensor.id - 1, limit: 1 });
  if (outcome?.sensorId !== sensor.id || model?.sensorId !== sensor.id)
    throw new FleetscoreError(
      'LINEAGE_BROKEN',
      `batch ${batch.id} has predictions of this sensor without an outcome or a model. ` +
        `Look closer with: fleetscore verify ${batch.id}`,
    );
  const { windowMs } = prediction;
  const layouts = captureLayouts(await store.listProgress(), deps.captureNames);
  const window = await windowAt(store, sensor, span, fleet, windowMs);
  const readings = await readingsAt(store, sensor, span, fleet, windowMs);
  return {
    ...served,
    span,
    outcome,
    model,
    modelBlob: modelBlob(model.model),
    ...(model.pack === undefined ? {} : { packBlob: packBlob(model.pack) }),
    ...(window ? { window } : {}),
    changedSince: window !== undefined && window.mean !== prediction.value,
    ...(readings ? { readings } : {}),
    found: await findRaw({
      ...deps,
      layouts,
      sensor,
      period: span,
      times: readings?.tsMs ?? [],
    }),
    captures: await captureFiles(blobs, layouts, span),
    alarms: await alarmsAt(store, sensor, span),
    superseded,
  };
}

/** Batches told of a sensor that has no prediction. */
const SHOWN_BATCHES = 10;

async function notPredicted(store: Store, sensor: Sensor, timeMs: number, fleet: WindowShape): Promise<NotPredicted> {
  const release = await store.currentRelease();
  const [model] =
    release === undefined ? [] : await store.listReleaseModels(release, { after: sensor.id - 1, limit: 1 });
  const shape = windowsOfSensor(fleet, model?.sensorId === sensor.id ? model.windowMs : undefined);
  const fromMs = windowStart(timeMs, shape.hopMs);
  const belongsMs = fromMs + (shape.leadMs ?? 0);
  const covering = await store.listBatches({
    covering: { fromMs: belongsMs, toMs: belongsMs + 1 },
    limit: SHOWN_BATCHES,
  });
  const outcomes = [];
  for (const batch of covering) {
    const [outcome] = await store.listOutcomes(batch.id, { after: sensor.id - 1, limit: 1 });
    outcomes.push({ batch, ...(outcome?.sensorId === sensor.id ? { outcome } : {}) });
  }
  const span = { fromMs, toMs: fromMs + shape.windowMs };
  return { span, outcomes, alarms: await alarmsAt(store, sensor, { fromMs: timeMs, toMs: timeMs + 1 }) };
}

/** The window as it is now. */
async function windowAt(
  store: Store,
  { id }: Sensor,
  span: Period,
  fleet: WindowShape,
  windowMs: number | undefined,
): Promise<Window | undefined> {
  const [window] =
    windowMs === undefined
      ? await store.readSensorWindows(id, { ...span, toMs: span.fromMs + 1 })
      : await ownWindows(store, { id, windowMs }, span, fleet);
  return window;
}

/** The readings of a window; of a longer one than the fleet's, those of all that it is made of. */
async function readingsAt(
  store: Store,
  { id }: Sensor,
  span: Period,
  fleet: WindowShape,
  windowMs: number | undefined,
): Promise<WindowReadings | undefined> {
  if (windowMs === undefined) return (await store.readWindowReadings(id, { ...span, toMs: span.fromMs + 1 }))[0];
  const parts = (await store.readWindowReadings(id, span)).filter(({ startMs }) => startMs % fleet.windowMs === 0);
  if (parts.length === 0) return undefined;
  return {
    startMs: span.fromMs,
    count: parts.reduce((sum, { count }) => sum + count, 0),
    tsMs: parts.flatMap(({ tsMs }) => tsMs),
    values: parts.flatMap(({ values }) => values),
  };
}

/** Files of raw capture that were begun before the end of the window, and not long before it. */
async function captureFiles(
  blobs: BlobStore,
  layouts: readonly CaptureLayout[],
  { fromMs, toMs }: Period,
): Promise<string[]> {
  const files = new Set<string>();
  const times = Array.from({ length: Math.ceil((toMs - fromMs) / HOUR_MS) + 1 }, (_, i) => fromMs + (i - 1) * HOUR_MS);
  const hours = new Set([...times, toMs].map((ms) => new Date(ms).toISOString().slice(0, 13)));
  for (const { prefixes, parse } of layouts) {
    const all = [...hours].flatMap((hour) => {
      const [Year, Month, Day, Hour] = hour.split(/[-T]/) as [string, string, string, string];
      return prefixes({ Year, Month, Day, Hour });
    });
    /** By partition: of what was begun before, only the newest can hold something of the window. */
    const before = new Map<string, { readonly name: string; readonly timeMs: number }>();
    for (const prefix of new Set(all))
      for await (const { name } of blobs.list(CONTAINERS.raw, prefix)) {
        const file = parse(name);
        if (!file || file.timeMs >= toMs) continue;
        if (file.timeMs >= fromMs) files.add(name);
        else if (file.timeMs >= fromMs - HOUR_MS && file.timeMs >= (before.get(file.partition)?.timeMs ?? 0))
          before.set(file.partition, file);
      }
    for (const { name } of before.values()) files.add(name);
  }
  return [...files].sort();
}
