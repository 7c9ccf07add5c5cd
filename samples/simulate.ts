/**
 * A synthetic fleet of any size, straight into the store and Blob: sensors, windows, packs, a release. The
 * same request gives the same fleet; repeated, it adds nothing but a release. Memory holds one slice of the
 * fleet, one pack, and the index of the release (about 200 bytes a sensor).
 *
 * Large fleets keep their models in packs alone: the release names every model by the SHA-256 of its ONNX
 * file, the pack lists it in its index, and the file itself is not stored. Should such a pack be lost, its
 * sensors fail as `model_missing`, as with any model that Blob does not hold.
 */
import { CONTAINERS, modelBlob, packBlob } from '../domain/blob-names.ts';
import { FleetscoreError } from '../domain/errors.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { compactTime, type Period } from '../domain/time.ts';
import { mapLimit } from '../scoring/concurrency.ts';
import { createPackBuilder } from '../scoring/packs/pack-builder.ts';
import { SCALER_OCSVM_RBF, scalerOcsvmRbf } from '../scoring/packs/scaler-ocsvm-rbf.ts';
import type { BlobStore } from '../storage/blobs.ts';
import type { ModelInfo, ReleaseModel, Store } from '../storage/store.ts';
import { noiseAt, uniformAt } from './random.ts';
import { type FailureCounts, failuresOf } from './simulate-failures.ts';
import { createModelWriter, simulatedParameters, SIMULATED_FEATURES } from './simulate-models.ts';

export interface SimulateOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly sensors: number;
  /** Windows of each sensor, one reading each. */
  readonly windows: number;
  /** Start of the first window, epoch ms. */
  readonly fromMs: number;
  /** Between the starts of two windows. */
  readonly intervalMs: number;
  readonly failures?: FailureCounts;
  /** Store the ONNX file of every model too; default: up to {@link FILES_UP_TO} sensors. */
  readonly modelFiles?: boolean;
  readonly nowMs: number;
  readonly onProgress?: (step: 'sensors' | 'models' | 'windows' | 'release', done: number) => void;
}

export interface SimulatedFleet extends Period {
  readonly release: string;
  readonly sensors: number;
  readonly windows: number;
  /** Windows that were not in the store before. */
  readonly windowsAdded: number;
  readonly models: number;
  readonly packs: number;
  /** ONNX files of single models that were stored. */
  readonly modelFiles: number;
}

/** Up to here the files of single models are stored as `models publish` does. */
const FILES_UP_TO = 1_000;
const SENSORS_PER_DEVICE = 10;
/** Readings out of order among those in order, on average. */
const ANOMALY_SHARE = 0.005;
const SLICE = 5_000;
const UPLOADS = 16;
const SEED = 0x5e_11;
const TYPE = 'application/octet-stream';

/** Names sort by index. */
export function simulatedSensor(index: number): SensorKey {
  return {
    device: `sim-${String(Math.floor(index / SENSORS_PER_DEVICE)).padStart(7, '0')}`,
    sensor: `s${index % SENSORS_PER_DEVICE}`,
  };
}

/** The value of a window: around the level of its model; now and then far out. */
function simulatedValue(index: number, window: number, mean: number, scale: number): number {
  const z =
    uniformAt(SEED, index, window) < ANOMALY_SHARE
      ? 6 + 2 * noiseAt(SEED, index, window, 1)
      : 0.8 * noiseAt(SEED, index, window, 2);
  return Math.round((mean + scale * z) * 10_000) / 10_000;
}

/** @throws FleetscoreError `FLEET_EXISTS` when the store holds sensors that were not simulated */
export async function simulateFleet(options: SimulateOptions): Promise<SimulatedFleet> {
  const { store, sensors, windows, fromMs, intervalMs, nowMs, onProgress = () => undefined } = options;
  await refuseRealFleet(store);
  const ids = await register(store, sensors, (done) => onProgress('sensors', done));
  const kindOf = failuresOf(options.failures ?? {}, sensors);
  const { models, infos, packs, files } = await makeModels(options, ids, kindOf, (done) => onProgress('models', done));
  const release = await freeRelease(store, nowMs);
  await store.createRelease(release, nowMs, models, infos);
  await store.setCurrentRelease(release);
  onProgress('release', models.length);

  let windowsAdded = 0;
  for (const run of runsOf(ids, (index) => kindOf(index) === 'no_data')) {
    for (let at = run.from; at < run.to; at += SLICE) {
      const count = Math.min(SLICE, run.to - at);
      const values = new Float64Array(count * windows);
      for (let i = 0; i < count; i++) {
        const { mean, scale } = simulatedParameters(at + i);
        for (let w = 0; w < windows; w++) values[i * windows + w] = simulatedValue(at + i, w, mean[0]!, scale[0]!);
      }
      windowsAdded += await store.loadWindows({
        sensorIdFrom: ids[at]!,
        startMs: fromMs,
        stepMs: intervalMs,
        windowsPerSensor: windows,
        values,
      });
      onProgress('windows', at + count);
    }
  }
  onProgress('windows', sensors);
  return {
    release,
    sensors,
    windows,
    windowsAdded,
    models: models.length,
    packs,
    modelFiles: files,
    fromMs,
    toMs: fromMs + windows * intervalMs,
  };
}

/** A release of the simulated fleet would leave every other sensor without a model. */
async function refuseRealFleet(store: Store): Promise<void> {
  for (let after = 0; ;) {
    const page = await store.listSensors({ after, limit: 50_000 });
    const real = page.find(({ device }) => !/^sim-\d{7,}$/.test(device));
    if (real)
      throw new FleetscoreError(
        'FLEET_EXISTS',
        `the store holds real sensors (${real.device} / ${real.sensor}), and a release of simulated models ` +
          'would leave them without one. Simulate in a store of its own: --home DIR.',
      );
    const last = page[page.length - 1];
    if (!last) return;
    after = last.id;
  }
}

/** Ids by index. */
async function register(store: Store, sensors: number, progress: (done: number) => void): Promise<Int32Array> {
  const ids = new Int32Array(sensors);
  for (let at = 0; at < sensors; at += SLICE) {
    const keys = Array.from({ length: Math.min(SLICE, sensors - at) }, (_, i) => simulatedSensor(at + i));
    ids.set(await store.registerSensors(keys), at);
    progress(at + keys.length);
  }
  return ids;
}

interface MadeModels {
  readonly models: ReleaseModel[];
  readonly infos: ModelInfo[];
  readonly packs: number;
  readonly files: number;
}

/** Packs and files go to Blob as they are made; what comes back is the index of the release. */
async function makeModels(
  { blobs, sensors, modelFiles = sensors <= FILES_UP_TO }: SimulateOptions,
  ids: Int32Array,
  kindOf: ReturnType<typeof failuresOf>,
  progress: (done: number) => void,
): Promise<MadeModels> {
  const models: ReleaseModel[] = [];
  const infos: ModelInfo[] = [];
  /** Indexes of the models that no pack has taken yet, in the order of their rows. */
  const open: number[] = [];
  let packs = 0;
  let files = 0;
  const builder = createPackBuilder(async (pack) => {
    await blobs.putIfAbsent(CONTAINERS.models, packBlob(pack.sha256), pack.bytes, TYPE);
    packs++;
    // The model that did not fit any more is in the pack after it.
    for (const [packRow, at] of open.splice(0, pack.models.length).entries())
      models[at] = { ...models[at]!, pack: pack.sha256, packRow };
  });
  const write = createModelWriter();
  for (let at = 0; at < sensors; at += SLICE) {
    const uploads: { readonly name: string; readonly bytes: Uint8Array }[] = [];
    const end = Math.min(at + SLICE, sensors);
    for (let index = at; index < end; index++) {
      const kind = kindOf(index);
      if (kind === 'no_model') continue;
      const parameters = simulatedParameters(index, kind);
      const { sha256, bytes } = write(parameters);
      models.push({ sensorId: ids[index]!, model: sha256 });
      infos.push({ model: sha256, bytes: bytes.byteLength, kind: SCALER_OCSVM_RBF, features: SIMULATED_FEATURES });
      if (kind === 'model_missing') continue;
      if (kind === 'model_corrupt') {
        // Half of the file: its bytes are not what its name says.
        uploads.push({ name: modelBlob(sha256), bytes: bytes.slice(0, bytes.length >> 1) });
        continue;
      }
      open.push(models.length - 1);
      if (modelFiles) uploads.push({ name: modelBlob(sha256), bytes: Uint8Array.from(bytes) });
      await builder.add(sha256, { fuser: scalerOcsvmRbf, parameters }, SIMULATED_FEATURES);
    }
    await mapLimit(uploads, UPLOADS, ({ name, bytes }) => blobs.put(CONTAINERS.models, name, bytes, TYPE));
    files += modelFiles ? uploads.length : 0;
    progress(end);
  }
  // A pack of one model is not made: its file is needed then.
  const alone = open.length === 1 && !modelFiles ? open[0] : undefined;
  await builder.finish();
  if (alone !== undefined && models[alone]!.pack === undefined) {
    const { bytes, sha256 } = write(simulatedParameters(ids.indexOf(models[alone]!.sensorId)));
    await blobs.put(CONTAINERS.models, modelBlob(sha256), bytes, TYPE);
    files++;
  }
  return { models, infos, packs, files };
}

async function freeRelease(store: Store, nowMs: number): Promise<string> {
  const taken = new Set((await store.listReleases()).map((release) => release.name));
  const base = `sim-${compactTime(nowMs)}`;
  let name = base;
  for (let i = 2; taken.has(name); i++) name = `${base}-${i}`;
  return name;
}

/** Stretches of indexes whose ids follow each other, without those left out: what one load can take. */
function* runsOf(
  ids: Int32Array,
  leaveOut: (index: number) => boolean,
): Generator<{ readonly from: number; readonly to: number }> {
  let from = -1;
  for (let i = 0; i <= ids.length; i++) {
    const goesOn = i < ids.length && !leaveOut(i) && (from === -1 || ids[i] === ids[i - 1]! + 1);
    if (goesOn && from === -1) from = i;
    else if (!goesOn && from !== -1) {
      yield { from, to: i };
      from = i < ids.length && !leaveOut(i) ? i : -1;
    }
  }
}
