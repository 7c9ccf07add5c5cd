/**
 * A small plant in a real store and a Blob server: models, batches of an afternoon with their predictions, alarms. What
 * the application's tests look at.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { modelBlob } from '../../domain/blob-names.ts';
import { NO_MARKS, type AlarmFacts, type AlarmKind } from '../../domain/alarm.ts';
import type { Sensor } from '../../domain/sensor.ts';
import { loadConfig, type Config } from '../../config.ts';
import { encodeModel } from '../../scoring/onnx-proto.ts';
import { zScoreModel } from '../../scoring/packs/z-score.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { FROM_MS, QUARTER_MS } from '../report/fixture.ts';
import { writeBatch, type Written } from '../report/written-batch.ts';

export const EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>/../..%2f';
export const DEVICES = ['pump-1', 'pump-2', 'Kühler 7', EVIL, ...Array.from({ length: 8 }, (_, i) => `fan-${i + 1}`)];
export const SENSORS = ['flow', 'vibration'];
/** Quarters of an hour that were scored. */
const QUARTERS = 4;
export const NOW_MS = FROM_MS + QUARTERS * QUARTER_MS + 60_000;

export interface Plant {
  readonly store: Store;
  readonly config: Config;
  readonly sensors: readonly Sensor[];
  close(): Promise<void>;
}

/** Windows of every sensor have the value 7, anomalous ones 8; its model takes 6.5 to 7.5 for normal. */
export async function makePlant(folder: string, blobs: BlobStore): Promise<Plant> {
  const url = `sqlite:${join(folder, 'store.db')}`;
  const store = await openStore(url);
  await store.migrate();
  const named = DEVICES.flatMap((device) => SENSORS.map((sensor) => ({ device, sensor, unit: 'm3/h' })));
  const ids = await store.registerSensors(named);
  const sensors = named.map((one, i) => ({ ...one, id: ids[i]! }));
  const bytes = encodeModel(zScoreModel({ mean: 7, scale: 0.1, threshold: 5 }));
  const model = createHash('sha256').update(bytes).digest('hex');
  await blobs.put('models', modelBlob(model), bytes, 'application/octet-stream');
  await store.createRelease(
    'r1',
    FROM_MS,
    sensors.map(({ id }) => ({ sensorId: id, model })),
    [{ model, bytes: bytes.length, kind: 'zscore', features: ['mean'] }],
  );
  await store.setCurrentRelease('r1');
  for (let quarter = 0; quarter < QUARTERS; quarter++) {
    await loadQuarter(store, sensors, quarter);
    await writeBatch({ store, blobs }, `b${quarter}`, quarter, labelsIn(sensors, quarter), { schedule: 'every-15m' });
  }
  return {
    store,
    sensors,
    config: loadConfig({ FLEETSCORE_HOME: folder, FLEETSCORE_SQL_URL: url }),
    close: () => store.close(),
  };
}

const isHot = (sensor: Sensor, quarter: number, at: number): boolean =>
  (sensor.device === 'pump-1' && sensor.sensor === 'vibration' && quarter >= 2 && (quarter > 2 || at > 30)) ||
  (sensor.device === 'pump-2' && sensor.sensor === 'flow' && quarter === 1 && at > 30 && at < 45);

const WINDOWS = QUARTER_MS / 5_000;

const labelsIn = (sensors: readonly Sensor[], quarter: number): Written[] =>
  sensors.map((sensor) => {
    if (sensor.device === 'fan-3' && sensor.sensor === 'flow') return { ...sensor, labels: 'model_corrupt' };
    if (sensor.device === 'fan-4') return { ...sensor, labels: 'no_data' };
    return { ...sensor, labels: Array.from({ length: WINDOWS }, (_, at) => (isHot(sensor, quarter, at) ? 1 : 0)) };
  });

async function loadQuarter(store: Store, sensors: readonly Sensor[], quarter: number): Promise<void> {
  for (const sensor of sensors) {
    if (sensor.device === 'fan-4') continue;
    const values = Float64Array.from({ length: WINDOWS }, (_, at) => (isHot(sensor, quarter, at) ? 8 : 7));
    await store.loadWindows({
      sensorIdFrom: sensor.id,
      startMs: FROM_MS + quarter * QUARTER_MS,
      stepMs: 5_000,
      windowsPerSensor: WINDOWS,
      values,
    });
  }
}

/** Puts an alarm on record as a batch would. Returns its id. */
export async function addAlarm(
  store: Store,
  sensor: Sensor,
  kind: AlarmKind,
  facts: Partial<AlarmFacts> & Pick<AlarmFacts, 'sinceMs' | 'lastMs'>,
  incident?: string,
): Promise<string> {
  const id = `${sensor.id}-${kind}-${facts.sinceMs}`;
  await store.commitAlarms({
    epoch: await store.alarmEpoch(),
    receivedMs: NOW_MS,
    alarms: [
      {
        record: {
          id,
          sensorId: sensor.id,
          kind,
          facts: {
            activeMs: facts.sinceMs,
            windows: 10,
            severity: 700,
            raises: 1,
            quality: 'good',
            activations: 1,
            steps: [],
            firstBatch: 'b2',
            lastBatch: 'b3',
            ...facts,
          },
          marks: NO_MARKS,
          incident: incident ?? id,
          version: 1,
        },
        changes: [{ change: 'activated', timeMs: facts.sinceMs, batchId: 'b2' }],
      },
    ],
  });
  return id;
}
