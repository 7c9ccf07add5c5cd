/**
 * Where a prediction comes from: file, batch, release, model, the window that was scored, and the raw data
 * that window was made of. Reads only; the file is checked against the hash on record on the way.
 */
import type { Alarm } from '../domain/alarm.ts';
import { CONTAINERS, packBlob, modelBlob } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { Prediction } from '../domain/prediction.ts';
import type { Window } from '../domain/reading.ts';
import type { Sensor } from '../domain/sensor.ts';
import { HOUR_MS, type Period } from '../domain/time.ts';
import { parseCaptureName } from '../ingest/capture.ts';
import { hubFolder } from '../ingest/event.ts';
import { findRaw, type RawSearch } from '../ingest/find-raw.ts';
import type { EventParser } from '../ingest/parse-event.ts';
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
}
type Deps = ExplainDeps;

/**
 * @param startMs start of the window, epoch milliseconds
 * @param windowMs its length
 * @throws FleetscoreError `PREDICTIONS_CORRUPT` when the file on record was changed
 */
export async function explain(
  deps: Deps,
  sensor: Sensor,
  startMs: number,
  windowMs: number,
): Promise<Lineage | NotPredicted> {
  const made: MadeBy[] = [];
  const start = { fromMs: startMs, toMs: startMs + 1 };
  // Oldest first: the last has the word.
  for (const source of await deps.store.predictionSources(sensor.id, start)) {
    const found = await predictionOf(deps, source, sensor, startMs);
    if (found) made.unshift(found);
  }
  const [served, ...superseded] = made;
  return served
    ? lineageOf(deps, sensor, { fromMs: startMs, toMs: startMs + windowMs }, served, superseded)
    : notPredicted(deps.store, sensor, start);
}

const alarmsAt = (store: Store, sensor: Sensor, within: Period): Promise<Alarm[]> =>
  store.listAlarms({ sensorId: sensor.id, within });

async function predictionOf(
  { store, blobs }: Deps,
  { batchId, file }: PredictionSource,
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
  const prediction = (await decodePredictions(bytes, sensor)).find((row) => row.tsMs === startMs);
  const batch = prediction && (await store.findBatch(batchId));
  return batch && { prediction, batch, file };
}

async function lineageOf(
  deps: Deps,
  sensor: Sensor,
  span: Period,
  served: MadeBy,
  superseded: readonly MadeBy[],
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
  const [window] = await store.readSensorWindows(sensor.id, { ...span, toMs: span.fromMs + 1 });
  const [readings] = await store.readWindowReadings(sensor.id, { ...span, toMs: span.fromMs + 1 });
  return {
    ...served,
    outcome,
    model,
    modelBlob: modelBlob(model.model),
    ...(model.pack === undefined ? {} : { packBlob: packBlob(model.pack) }),
    ...(window ? { window } : {}),
    changedSince: window !== undefined && window.mean !== prediction.value,
    ...(readings ? { readings } : {}),
    found: await findRaw({
      ...deps,
      folders: await captureFolders(store),
      sensor,
      period: span,
      times: readings?.tsMs ?? [],
    }),
    captures: await captureFiles(store, blobs, span),
    alarms: await alarmsAt(store, sensor, span),
    superseded,
  };
}

/** Batches told of a sensor that has no prediction. */
const SHOWN_BATCHES = 10;

async function notPredicted(store: Store, sensor: Sensor, { fromMs, toMs }: Period): Promise<NotPredicted> {
  const covering = await store.listBatches({ covering: { fromMs, toMs }, limit: SHOWN_BATCHES });
  const outcomes = [];
  for (const batch of covering) {
    const [outcome] = await store.listOutcomes(batch.id, { after: sensor.id - 1, limit: 1 });
    outcomes.push({ batch, ...(outcome?.sensorId === sensor.id ? { outcome } : {}) });
  }
  return { outcomes, alarms: await alarmsAt(store, sensor, { fromMs, toMs }) };
}

/** Folders of raw capture of the partitions that were read. */
export async function captureFolders(store: Pick<Store, 'listProgress'>): Promise<string[]> {
  const folders = (await store.listProgress()).map(({ source, partition }) => {
    const [namespace, hub] = source.split('/') as [string, string];
    return `${hubFolder({ namespace, hub })}/${partition}`;
  });
  // Several consumer groups read the same events.
  return [...new Set(folders)];
}

/** Files of raw capture that were begun before the end of the window, and not long before it. */
async function captureFiles(store: Store, blobs: BlobStore, { fromMs, toMs }: Period): Promise<string[]> {
  const files: string[] = [];
  for (const folder of await captureFolders(store)) {
    let before: { readonly name: string; readonly timeMs: number } | undefined;
    const hours = new Set(
      [fromMs - HOUR_MS, fromMs, toMs].map((ms) => new Date(ms).toISOString().slice(0, 13).replace(/[-T]/g, '/')),
    );
    for (const hour of hours)
      for await (const { name } of blobs.list(CONTAINERS.raw, `${folder}/${hour}/`)) {
        const file = parseCaptureName(name);
        if (!file || file.timeMs >= toMs) continue;
        if (file.timeMs >= fromMs) files.push(name);
        else if (!before || file.timeMs >= before.timeMs) before = { name, timeMs: file.timeMs };
      }
    if (before) files.push(before.name);
  }
  return files.sort();
}
