/**
 * Names that people type, looked up: a sensor as `device/sensor` or as two words, a batch, a release. One that is not
 * there is an error that names those nearest to it.
 */
import { closest, didYouMean } from '../../domain/closest.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { nameProblem, parseSensorName, sensorName, type Sensor, type SensorKey } from '../../domain/sensor.ts';
import type { Batch, Store } from '../../storage/store.ts';
import type { Context } from './context.ts';

/** `device/sensor`, or device and sensor. */
export type SensorWords = readonly [string, (string | undefined)?];

/** Names among which the nearest are looked for: more take too long to read. */
const LOOKED_AT = 20_000;
const BATCHES = 2_000;

/**
 * The sensor that one word `device/sensor`, or two words, name. Where a device has a slash in its name all ways to
 * divide the word are tried; when two sensors fit, the slash of the device is written `%2F`, or two words are given.
 * @throws FleetscoreError `SENSOR_UNKNOWN`, `INVALID_NAME`, `INVALID_ARGUMENT`
 */
export async function knownSensor(context: Context, words: SensorWords): Promise<Sensor> {
  const [first, second] = words;
  const store = await context.store();
  const keys = second === undefined ? readingsOf(first) : [{ device: first, sensor: second }];
  const found: Sensor[] = [];
  for (const key of keys) {
    const sensor = await store.findSensor(key);
    if (sensor && !found.some(({ id }) => id === sensor.id)) found.push(sensor);
  }
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new FleetscoreError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(first)} names ${found.length} sensors: ${found.map(sensorName).join(' and ')}. ` +
        'Write it so, or give the device and the sensor as two arguments.',
    );
  throw await unknownSensor(store, first, second);
}

/** The sensors that a word can mean, the usual way to read it first. */
function readingsOf(word: string): SensorKey[] {
  const keys = word.includes('/') ? [parseSensorName(word)] : [];
  for (let at = word.indexOf('/'); at >= 0; at = word.indexOf('/', at + 1)) {
    const key = { device: word.slice(0, at), sensor: word.slice(at + 1) };
    if (nameProblem('device', key.device) === undefined && nameProblem('sensor', key.sensor) === undefined)
      keys.push(key);
  }
  return keys;
}

async function unknownSensor(store: Store, first: string, second: string | undefined): Promise<FleetscoreError> {
  const key = second === undefined ? readingsOf(first)[0] : { device: first, sensor: second };
  const own = await store.listSensors({ device: key?.device ?? first, limit: LOOKED_AT });
  const list =
    own.length > 0 || (await store.countSensors()) > 0
      ? '`fleetscore sensors list` shows those there are.'
      : 'There are none yet: they appear when their first reading is ingested (`fleetscore ingest status`).';
  if (!key) {
    const what = own.length > 0 ? 'is a device' : 'is not the name of a sensor';
    const examples = own.length > 0 ? own.slice(0, 3) : await nearSensors(store, first);
    const remedy = examples.length > 0 ? didYouMean(examples.map(sensorName)) : '';
    return new FleetscoreError(
      'SENSOR_UNKNOWN',
      `${JSON.stringify(first)} ${what}: a sensor is named device/sensor.${remedy} ${list}`,
    );
  }
  const near =
    own.length > 0
      ? closest(
          key.sensor,
          own.map(({ sensor }) => sensor),
        ).map((sensor) => sensorName({ device: key.device, sensor }))
      : (await nearSensors(store, sensorName(key))).map(sensorName);
  return new FleetscoreError(
    'SENSOR_UNKNOWN',
    `there is no sensor ${JSON.stringify(key.sensor)} of a device ` +
      `${JSON.stringify(key.device)}.${didYouMean(near)} ${list}`,
  );
}

/** Of all devices: by the whole name, or by that of the sensor where it is alone. */
async function nearSensors(store: Store, word: string): Promise<Sensor[]> {
  const sensors = await store.listSensors({ limit: LOOKED_AT });
  const byName = new Map(sensors.map((sensor) => [sensorName(sensor), sensor]));
  return closest(word, byName.keys()).map((name) => byName.get(name)!);
}

/** @throws FleetscoreError `DEVICE_UNKNOWN` */
export async function unknownDevice(store: Store, device: string): Promise<FleetscoreError> {
  const devices = (await store.listSensors({ limit: LOOKED_AT })).map((sensor) => sensor.device);
  return new FleetscoreError(
    'DEVICE_UNKNOWN',
    `there is no sensor of a device ${JSON.stringify(device)}.${didYouMean(closest(device, devices))} ` +
      `\`fleetscore sensors list\` shows those there are.`,
  );
}

/** @throws FleetscoreError `BATCH_UNKNOWN` */
export async function knownBatch(context: Context, id: string): Promise<Batch> {
  const store = await context.store();
  const batch = await store.findBatch(id);
  if (batch) return batch;
  const newest = await store.listBatches({ limit: BATCHES });
  const ofWorkflow = newest.find(({ workflowId }) => workflowId === id);
  if (ofWorkflow)
    throw new FleetscoreError(
      'BATCH_UNKNOWN',
      `${JSON.stringify(id)} is the workflow of batch ${ofWorkflow.id}: name the batch.`,
    );
  const near = closest(
    id,
    newest.map((other) => other.id),
    2,
  );
  throw new FleetscoreError(
    'BATCH_UNKNOWN',
    `there is no batch ${JSON.stringify(id)}.${didYouMean(near)} \`fleetscore batch list\` shows those there are.`,
  );
}
