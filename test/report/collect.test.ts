/** From the store to the data of a report: a real SQLite store, a real Blob server, real predictions files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { batchFolder } from '../../domain/blob-names.ts';
import { collectBatchData, type CollectRequest } from '../../report/collect/collect.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { FROM_MS, QUARTER_MS } from './fixture.ts';
import { writeBatch as writeWhole, type WriteOptions, type Written } from './written-batch.ts';

const folder = mkdtempSync(join(tmpdir(), 'fleetscore-report-'));
const server = useBlobServer(join(folder, 'blobs'));
let store: Store;
let ids: number[] = [];
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

beforeAll(async () => {
  store = await openStore(`sqlite:${join(folder, 'store.db')}`);
  await store.migrate();
  ids = await store.registerSensors(NAMES.map((sensor) => ({ device: 'pump-1', sensor, unit: `unit ${sensor}` })));
  await store.createRelease('r1', 1, [], []);
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A batch of sensors of pump-1, by their names. */
const writeBatch = (
  id: string,
  quarter: number,
  sensors: readonly (Pick<Written, 'labels' | 'value'> & { sensor: string })[],
  options: WriteOptions = {},
): Promise<string> =>
  writeWhole(
    { store, blobs: server.blobs },
    id,
    quarter,
    sensors.map((sensor) => ({ ...sensor, id: ids[NAMES.indexOf(sensor.sensor)]!, device: 'pump-1' })),
    options,
  );

const collect = (
  batchIds: readonly string[],
  more: Partial<CollectRequest> = {},
): ReturnType<typeof collectBatchData> =>
  collectBatchData({ store, blobs: server.blobs, batchIds, decodePredictions, ...more });

test('outcomes come from SQL, predictions from the files of the manifest', async () => {
  await writeBatch('plain', 0, [
    { sensor: 'b', labels: 'model_corrupt' },
    { sensor: 'a', labels: [0, 1, 0] },
    { sensor: 'c', labels: 'no_data' },
  ]);
  const data = await collect(['plain']);
  expect(data).toMatchObject({ fromMs: FROM_MS, toMs: FROM_MS + QUARTER_MS, omitted: 0, problems: [] });
  expect(data.totals).toEqual({ sensors: 3, scored: 1, skipped: 1, failed: 1, cancelled: 0, windows: 3, anomalies: 1 });
  expect(data.sensors.map(({ sensor, unit, status }) => [sensor, unit, status])).toEqual([
    ['a', 'unit a', 'scored'],
    ['b', 'unit b', 'failed'],
    ['c', 'unit c', 'skipped'],
  ]);
  expect([...data.sensors[0]!.series.tsMs]).toEqual([FROM_MS, FROM_MS + 5_000, FROM_MS + 10_000]);
  expect([...data.sensors[0]!.series.prediction]).toEqual([0, 1, 0]);
  expect(data.causes).toEqual([
    {
      status: 'failed',
      class: 'model_corrupt',
      sensors: 1,
      example: { device: 'pump-1', sensor: 'b', message: 'model of b is corrupt' },
    },
    {
      status: 'skipped',
      class: 'no_data',
      sensors: 1,
      example: { device: 'pump-1', sensor: 'c', message: 'no windows' },
    },
  ]);
});

test('several batches are one report: series follow each other, a sensor shows its worst outcome', async () => {
  await writeBatch('q1', 1, [
    { sensor: 'a', labels: [0, 0] },
    { sensor: 'b', labels: [1] },
  ]);
  await writeBatch('q2', 2, [
    { sensor: 'a', labels: 'no_data' },
    { sensor: 'b', labels: [1, 1] },
  ]);
  const data = await collect(['q2', 'q1', 'q2']);
  expect(data.batches.map((batch) => batch.id)).toEqual(['q1', 'q2']);
  expect(data.totals).toMatchObject({ sensors: 2, scored: 1, skipped: 1, windows: 5, anomalies: 3 });
  expect(data.sensors[0]).toMatchObject({
    sensor: 'a',
    status: 'skipped',
    batches: 2,
    batchesWithStatus: 1,
    windows: 2,
  });
  expect(data.sensors[1]!.series.tsMs).toHaveLength(3);
});

test('a redrive renews outcomes and predictions of its sensors, and of no other', async () => {
  await writeBatch('first', 3, [
    { sensor: 'a', labels: 'model_corrupt' },
    { sensor: 'b', labels: [1, 0], value: 1 },
    { sensor: 'c', labels: [0], value: 1 },
  ]);
  await writeBatch(
    'again',
    3,
    [
      { sensor: 'a', labels: [0, 0] },
      { sensor: 'b', labels: [0, 0, 0], value: 2 },
    ],
    { supersedes: 'first', end: 9_000 },
  );
  const data = await collect(['again', 'first']);
  expect(data.totals).toMatchObject({ sensors: 3, scored: 3, failed: 0, windows: 6, anomalies: 0 });
  expect(data.sensors.map(({ series }) => [...series.value])).toEqual([[7, 7], [2, 2, 2], [1]]);
});

test('a file that differs from its manifest, or is missing, is not shown, and the report says so', async () => {
  await writeBatch('tampered', 4, [
    { sensor: 'a', labels: [0] },
    { sensor: 'b', labels: [0] },
    { sensor: 'c', labels: [1] },
    { sensor: 'd', labels: [1] },
    { sensor: 'e', labels: [1] },
  ]);
  const path = batchFolder(FROM_MS + 4 * QUARTER_MS, 'tampered');
  await server.blobs.put(
    'predictions',
    `${path}/chunk-000.csv`,
    Buffer.from('TS,Device,Sensor,Val,Prediction,Score\n'),
    'text/csv',
  );
  await server.blobs.delete('predictions', `${path}/chunk-002.csv`);
  const data = await collect(['tampered']);
  expect(data.problems).toEqual([
    expect.stringMatching(/chunk-000\.csv is not the one its manifest lists \(SHA-256 differs\)/),
    expect.stringMatching(/chunk-002\.csv is missing in Blob/),
  ]);
  expect(data.sensors.map(({ series }) => series.tsMs.length)).toEqual([0, 0, 0, 0, 1]);
});

test('files that no manifest lists do not exist for a report', async () => {
  await writeBatch('open', 5, [{ sensor: 'a', labels: [1, 1] }], { manifest: false });
  const data = await collect(['open']);
  expect(data.totals).toMatchObject({ sensors: 1, anomalies: 2 });
  expect(data.sensors[0]!.series.tsMs).toHaveLength(0);
  expect(data.problems).toEqual(['Batch open: it is running and has no manifest; its predictions are not shown.']);
});

test('a manifest of another batch is refused', async () => {
  const manifest = await writeBatch('mixed-up', 6, [{ sensor: 'a', labels: [1] }]);
  await server.blobs.put('predictions', manifest, Buffer.from('{"batch":"other","files":[]}'), 'application/json');
  expect((await collect(['mixed-up'])).problems).toEqual([expect.stringMatching(/is not a manifest of this batch/)]);
});

test('past the limit, sensors with known faults, failures and most anomalies stay; totals speak of all', async () => {
  await writeBatch('many', 7, [
    { sensor: 'a', labels: [0] },
    { sensor: 'b', labels: [1, 1, 0] },
    { sensor: 'c', labels: [1, 0, 0] },
    { sensor: 'd', labels: 'model_corrupt' },
    { sensor: 'e', labels: [0] },
    { sensor: 'f', labels: [1, 1, 1] },
  ]);
  const faults = [{ device: 'pump-1', sensor: 'e', kind: 'stuck', fromMs: FROM_MS, toMs: FROM_MS + 8 * QUARTER_MS }];
  const shown = async (more: Partial<CollectRequest>): Promise<string> =>
    (await collect(['many'], more)).sensors.map(({ sensor }) => sensor).join('');
  expect(await shown({ maxSensors: 4, faults })).toBe('bdef');
  expect(await shown({ maxSensors: 2 })).toBe('df');
  expect(await shown({ maxWindows: 7 })).toBe('abdf');
  const data = await collect(['many'], { maxSensors: 2 });
  expect(data).toMatchObject({ omitted: 4, totals: { sensors: 6, scored: 5, failed: 1, anomalies: 6 } });
});

test('past the rows that may be read, sensors are listed without their predictions', async () => {
  const data = await collect(['many'], { maxRows: 7 });
  // Files hold two sensors: that of f and e, with most anomalies, is read first; its neighbour then costs nothing.
  expect(data.sensors.filter(({ series }) => series.tsMs.length > 0).map(({ sensor }) => sensor)).toEqual([
    'c',
    'e',
    'f',
  ]);
  expect(data).toMatchObject({ omitted: 0, undrawn: 2, totals: { scored: 5 } });
});

test('a file with more rows than may be read is not read at all, also when it is the first', async () => {
  const read: string[] = [];
  const get = (container: 'predictions', name: string): Promise<Uint8Array> => {
    read.push(name);
    return server.blobs.get(container, name);
  };
  const data = await collect(['many'], { maxRows: 3, blobs: { get } });
  expect(data.sensors.filter(({ series }) => series.tsMs.length > 0).map(({ sensor }) => sensor)).toEqual(['c']);
  expect(data).toMatchObject({ omitted: 0, undrawn: 4 });
  expect(read).toHaveLength(2); // the manifest, and the file of c and d
});

test('an unknown batch is named, and so is the remedy', async () => {
  await expect(collect(['nope'])).rejects.toMatchObject({
    code: 'BATCH_UNKNOWN',
    message: expect.stringContaining('"nope"'),
  });
  await expect(collect([])).rejects.toMatchObject({ code: 'BATCH_UNKNOWN' });
});
