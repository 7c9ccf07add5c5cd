/**
 * A fleet of windows of 5 s in which some sensors have windows of an hour of their own, through batches of a quarter of
 * an hour, verify, explain, late readings and a challenger, beside a fleet whose windows are an hour.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createEventParser } from '../../ingest/parse-event.ts';
import { claimWindows, INGEST_DEFAULTS, parseSettings } from '../../ingest/settings.ts';
import { createScoringEngine, type ScoringEngine } from '../../scoring/engine.ts';
import { readPredictions } from '../../scoring/read-predictions.ts';
import { openStore } from '../../storage/open-store.ts';
import type { ReleaseModel, Store } from '../../storage/store.ts';
import { keptTooShort, tooShortText } from '../../batches/kept-too-short.ts';
import { raiseAlarms } from '../../batches/raise-alarms.ts';
import { dryRun } from '../../batches/dry-run.ts';
import { compareReleases } from '../../verify/compare-releases.ts';
import { explain } from '../../verify/explain.ts';
import { verifyBatch, type VerifyReport } from '../../verify/verify-batch.ts';
import { putModel } from '../scoring/fleet.ts';
import { svmBytes } from '../scoring/models.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { runBatch } from '../support/run-activities.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('own-windows');
const server = useBlobServer(join(dir, 'blob'));
const SHAPE = { windowMs: 5_000, hopMs: 5_000 };
const HOUR = 3_600_000;
const QUARTER = HOUR / 4;
const T0 = Date.parse('2026-03-02T08:00:00Z');
const HOURS = 3;
const FEATURES = ['mean', 'max', 'mean[-1]'];
const NAMES = ['fast', 'slow', 'silent', 'slower', 'fast-2'];
let store: Store;
let hourly: Store;
let engine: ScoringEngine;
let ids: readonly number[];
let batches = 0;
/** The batches of every quarter of an hour. */
const quarters: Ran[] = [];

const valueAt = (i: number): number => 10 + 0.2 * Math.sin(i / 700) + (i > 1_500 && i < 1_560 ? 40 : 0);

async function publish(
  target: Store,
  name: string,
  over: readonly (Partial<ReleaseModel> | undefined)[],
): Promise<void> {
  const model = await putModel(server.blobs, svmBytes(10, FEATURES));
  await target.createRelease(
    name,
    T0,
    over.flatMap((more, i) => (more ? [{ sensorId: ids[i]!, model, ...more }] : [])),
    [{ model, bytes: 1, kind: 'onnx', features: FEATURES }],
  );
  await target.setCurrentRelease(name);
}

beforeAll(async () => {
  [store, hourly] = (await Promise.all(
    ['fleet', 'hourly'].map(async (name) => {
      const opened = await openStore(`sqlite:${join(dir, `${name}.db`)}`);
      await opened.migrate();
      return opened;
    }),
  )) as [Store, Store];
  engine = await createScoringEngine({ blobs: server.blobs, cacheDir: join(dir, 'cache'), threads: 1 });
  await claimWindows(store, SHAPE);
  await claimWindows(hourly, { windowMs: HOUR, hopMs: HOUR });
  const named = NAMES.map((sensor) => ({ device: 'plant', sensor }));
  ids = await store.registerSensors(named);
  await hourly.registerSensors(named);
  const windows = (HOURS * HOUR) / SHAPE.windowMs;
  for (const sensorIdFrom of [ids[0]!, ids[1]!, ids[3]!, ids[4]!])
    await store.loadWindows({
      sensorIdFrom,
      startMs: T0,
      stepMs: SHAPE.windowMs,
      windowsPerSensor: windows,
      values: Float64Array.from({ length: windows }, (_, i) => valueAt(i)),
    });
  // The same readings in windows of an hour, as ingest writes them.
  const tsMs = Array.from({ length: windows }, (_, i) => T0 + i * SHAPE.windowMs);
  await hourly.commitReadings({
    source: 'plant/hub',
    partition: '0',
    expectedSeq: -1,
    throughSeq: 0,
    watermarkMs: T0 + HOURS * HOUR,
    readings: windows,
    late: 0,
    dead: 0,
    updates: Array.from({ length: HOURS }, (_, h) => {
      const own = tsMs.filter((ts) => Math.floor((ts - T0) / HOUR) === h);
      return {
        sensorId: ids[1]!,
        startMs: T0 + h * HOUR,
        tsMs: own,
        values: own.map((ts) => valueAt((ts - T0) / 5_000)),
      };
    }),
  });
  const rules = [{ sensor: 'slow*', onDelay: '1 window', offDelay: '1 window' }];
  await store.setAlarmRules({ text: JSON.stringify({ rules }), by: 'test', atMs: T0 });
  const own = { windowMs: HOUR };
  await publish(store, 'mixed', [{}, own, own, { windowMs: 2 * HOUR }, {}]);
  await publish(hourly, 'hourly', [undefined, {}, undefined, undefined, undefined]);
});
afterAll(async () => {
  await engine?.close();
  await Promise.all([store?.close(), hourly?.close()]);
});

interface Ran extends VerifyReport {
  readonly id: string;
}

async function batch(
  of: { readonly store: Store; readonly shape: typeof SHAPE },
  fromMs: number,
  lengthMs: number,
  more: { readonly rescore?: boolean } = {},
): Promise<Ran> {
  const id = `20260302T000000Z-${String(++batches).padStart(8, '0')}`;
  const { end } = await runBatch(
    { blobs: server.blobs, store: of.store, engine, hopMs: of.shape.hopMs, windows: of.shape },
    { batchId: id, fromMs, toMs: fromMs + lengthMs, sensorsPerChild: 5, sensorsPerActivity: 5, ...more },
    100,
  );
  await raiseAlarms({ store: of.store, blobs: server.blobs, windows: of.shape, now: Date.now }, id);
  return { id, ...(await verifyBatch({ store: of.store, blobs: server.blobs, workflowEnd: async () => end }, id)) };
}

const RAW = { parse: createEventParser(parseSettings(INGEST_DEFAULTS)), clockSkewMs: INGEST_DEFAULTS.clockSkewMs };
const FLEET = {
  shape: SHAPE,
  get store() {
    return store;
  },
};
const outcomesOf = async (id: string): Promise<[string, string, number][]> =>
  (await store.listOutcomes(id)).map(({ sensor, status, class: why, windows }) => [sensor, why ?? status, windows]);

test('a longer window is scored with the period of its end, and every batch verifies', async () => {
  for (let at = T0; at < T0 + HOURS * HOUR; at += QUARTER) quarters.push(await batch(FLEET, at, QUARTER));
  const ran = quarters;
  expect(ran.flatMap(({ findings, notes }) => [...findings, ...notes])).toEqual([]);
  expect(await outcomesOf(ran[5]!.id)).toEqual([
    ['fast', 'scored', 180],
    ['slow', 'scored', 0],
    ['silent', 'scored', 0],
    ['slower', 'scored', 0],
    ['fast-2', 'scored', 180],
  ]);
  expect(await outcomesOf(ran[7]!.id)).toEqual([
    ['fast', 'scored', 180],
    ['slow', 'scored', 1],
    ['silent', 'no_data', 0],
    // Of its one window so far the one before is missing.
    ['slower', 'no_data', 1],
    ['fast-2', 'scored', 180],
  ]);
});

test('an alarm of a longer window lasts as long as the window, and a wait for its end is no silence', async () => {
  const alarms = await store.listAlarms();
  expect(
    alarms
      .filter(({ sensor }) => sensor.startsWith('slow'))
      .map(({ sensor, kind, facts: { sinceMs, lastMs, windows } }) => ({ sensor, kind, sinceMs, lastMs, windows })),
  ).toEqual([{ sensor: 'slow', kind: 'anomaly', sinceMs: T0 + 2 * HOUR, lastMs: T0 + 3 * HOUR, windows: 1 }]);
});

test('its predictions are those of a fleet with windows of that length', async () => {
  const reference = await batch({ store: hourly, shape: { windowMs: HOUR, hopMs: HOUR } }, T0, HOURS * HOUR);
  expect(reference).toMatchObject({ findings: [], rows: HOURS - 1 });
  const sensor = { id: ids[1]!, device: 'plant', sensor: 'slow', unit: '' };
  const period = { fromMs: T0, toMs: T0 + HOURS * HOUR };
  const read = async (from: Store): Promise<object[]> =>
    (await readPredictions({ store: from, blobs: server.blobs }, sensor, period)).map(
      ({ tsMs, value, prediction, score }) => ({ tsMs, value, prediction, score }),
    );
  const own = await read(store);
  expect(own).toEqual(await read(hourly));
  expect(own.map((row) => (row as { tsMs: number }).tsMs)).toEqual([T0 + HOUR, T0 + 2 * HOUR]);
  // By when it belongs to a period, as alarms ask.
  const last = { fromMs: T0 + 2 * HOUR - QUARTER, toMs: T0 + 2 * HOUR };
  const belonging = await readPredictions({ store, blobs: server.blobs }, sensor, last, { belonging: SHAPE });
  expect(belonging.map(({ tsMs, windowMs }) => [tsMs, windowMs])).toEqual([[T0 + HOUR, HOUR]]);
});

test('explain finds the window that holds a time, of either length', async () => {
  const deps = { store, blobs: server.blobs, ...RAW };
  const at = T0 + HOUR + 17 * 60_000 + 3_000;
  const [fast, slow] = await Promise.all(
    [0, 1].map((i) => explain(deps, { id: ids[i]!, device: 'plant', sensor: NAMES[i]!, unit: '' }, at, SHAPE)),
  );
  expect(fast).toMatchObject({ span: { fromMs: at - 3_000, toMs: at + 2_000 }, changedSince: false });
  expect(slow).toMatchObject({
    span: { fromMs: T0 + HOUR, toMs: T0 + 2 * HOUR },
    prediction: { windowMs: HOUR },
    batch: { fromMs: T0 + 2 * HOUR - QUARTER },
    window: { count: 720 },
    readings: { count: 720, tsMs: { length: 720 } },
    changedSince: false,
    superseded: [],
  });
});

test('a late reading has the longer window scored again, in its period and in no other', async () => {
  const lateAt = T0 + HOUR + 60_000;
  await store.commitReadings({
    source: 'plant/hub',
    partition: '0',
    expectedSeq: -1,
    throughSeq: 0,
    watermarkMs: T0 + HOURS * HOUR,
    readings: 1,
    late: 1,
    dead: 0,
    updates: [{ sensorId: ids[1]!, startMs: lateAt, tsMs: [lateAt + 1], values: [400] }],
  });
  const again: [number, string[]][] = [];
  for (let at = T0; at < T0 + HOURS * HOUR; at += QUARTER) {
    const { id, findings } = await batch(FLEET, at, QUARTER, { rescore: true });
    expect(findings).toEqual([]);
    const names = (await store.listOutcomes(id)).map(({ sensor }) => sensor);
    if (names.length > 0) again.push([(at - T0) / QUARTER, names]);
  }
  // Its own window, and the one that looks back at it.
  expect(again).toEqual([
    [7, ['slow']],
    [11, ['slow']],
  ]);
  const deps = { store, blobs: server.blobs, ...RAW };
  const sensor = { id: ids[1]!, device: 'plant', sensor: 'slow', unit: '' };
  expect(await explain(deps, sensor, lateAt, SHAPE)).toMatchObject({
    window: { count: 721, max: 400 },
    changedSince: false,
    superseded: [{ prediction: { tsMs: T0 + HOUR } }],
  });
});

test('a dry run counts the windows that a batch would score', async () => {
  const counted = async (fromMs: number): Promise<object> => {
    const { wouldScore, windows, skipped } = await dryRun(store, { fromMs, toMs: fromMs + QUARTER }, {}, SHAPE);
    return { wouldScore, windows, skipped };
  };
  expect(await counted(T0)).toEqual({ wouldScore: 5, windows: 360, skipped: { no_data: 0, no_model: 0 } });
  expect(await counted(T0 + 3 * QUARTER)).toEqual({
    wouldScore: 4,
    windows: 361,
    skipped: { no_data: 1, no_model: 0 },
  });
});

test('a challenger may look at windows of another length, and only the same windows are compared', async () => {
  const own = { windowMs: HOUR };
  await publish(store, 'other', [own, own, undefined, undefined, {}]);
  await store.setCurrentRelease('mixed');
  await store.setChallenger({ release: 'other', share: 1, sinceMs: T0 });
  const { id, findings } = await batch(FLEET, T0 + 2 * HOUR - QUARTER, QUARTER);
  expect(findings).toEqual([]);
  // `slow` has one window in both, `fast-2` a quarter of an hour of them; those of `fast` are none of the same.
  expect(await store.challengeSummaries({ batchId: id })).toMatchObject([{ windows: 181, scored: 3, both: 1 }]);
  const period = { fromMs: T0, toMs: T0 + HOURS * HOUR };
  const compared = await compareReleases(
    { store, engine },
    { base: 'mixed', challenger: 'other', period, shape: SHAPE },
  );
  expect(compared.windows).toBe(2 + (HOURS * HOUR) / 5_000 - 1);
});

test('windows that are kept for less than models look back over are told of, with what is enough', async () => {
  const models = ids.map((_, i) => (i === 1 ? { windowMs: HOUR } : undefined));
  await publish(store, 'looks-back', models);
  // A window of an hour, and the one before it.
  expect(await keptTooShort(store, SHAPE, 'looks-back', 2 * HOUR)).toBeUndefined();
  expect(await keptTooShort(store, SHAPE, 'looks-back', undefined)).toBeUndefined();
  expect(await keptTooShort(store, SHAPE, undefined, 1)).toBeUndefined();
  const short = await keptTooShort(store, SHAPE, 'looks-back', 2 * HOUR - 1);
  expect(short).toEqual({ release: 'looks-back', needsMs: 2 * HOUR, keptMs: 2 * HOUR - 1 });
  expect(tooShortText({ ...short!, keptMs: HOUR }, '--windows')).toMatch(
    /^models of release looks-back look back over 2h of windows, and --windows keeps 1h: .*KEEP_WINDOWS=2d or more/,
  );
});
