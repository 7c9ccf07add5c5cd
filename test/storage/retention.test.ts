/** What is no longer kept goes, what is kept stays; on a real SQLite store. */
import { expect, test } from '@jest/globals';
import { openStore } from '../../storage/open-store.ts';
import { cutOf, startRetention } from '../../storage/retention.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2026-06-10T00:00:00Z');
const quiet = { info: () => {}, warn: () => {} };

test('all is kept where nothing is set', () => {
  expect(cutOf({}, NOW)).toBeUndefined();
  expect(cutOf({ windowsMs: DAY }, NOW)).toEqual({ windowsBeforeMs: NOW - DAY });
});

test('windows past their age are deleted when a worker starts, the others stay', async () => {
  const store = await openStore('sqlite::memory:');
  try {
    await store.migrate();
    const [id] = await store.registerSensors([{ device: 'd', sensor: 's' }]);
    const windowsPerSensor = 10;
    await store.loadWindows({
      sensorIdFrom: id!,
      startMs: NOW - 10 * DAY,
      stepMs: DAY,
      windowsPerSensor,
      values: Float64Array.from({ length: windowsPerSensor }, (_, i) => i),
    });
    const stop = startRetention(store, { windowsMs: 3 * DAY }, quiet, () => NOW);
    await stop();
    const left = await store.readSensorWindows(id!, { fromMs: 0, toMs: NOW });
    expect(left.map((window) => window.mean)).toEqual([7, 8, 9]);
  } finally {
    await store.close();
  }
});

test('an old history is not too old: windows age from the newest reading on', async () => {
  const store = await openStore('sqlite::memory:');
  try {
    await store.migrate();
    const [id] = await store.registerSensors([{ device: 'd', sensor: 's' }]);
    const last = NOW - 900 * DAY;
    await store.loadWindows({
      sensorIdFrom: id!,
      startMs: last - 4 * DAY,
      stepMs: DAY,
      windowsPerSensor: 5,
      values: Float64Array.of(1, 2, 3, 4, 5),
    });
    await store.commitReadings({
      source: 'n/h/g',
      partition: '0',
      expectedSeq: -1,
      throughSeq: 0,
      watermarkMs: last,
      updates: [],
      readings: 1,
      late: 0,
      dead: 0,
    });
    await startRetention(store, { windowsMs: 2 * DAY }, quiet, () => NOW)();
    const left = await store.readSensorWindows(id!, { fromMs: 0, toMs: NOW });
    expect(left.map((window) => window.mean)).toEqual([3, 4, 5]);
    expect(cutOf({ windowsMs: Infinity, batchesMs: Infinity }, NOW)).toBeUndefined();
  } finally {
    await store.close();
  }
});
