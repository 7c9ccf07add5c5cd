/**
 * A batch is on record from its start on and always closes: one that fails before it is planned is told like any
 * other, one that scored nothing is no success, and one that nobody closes is closed.
 */
import type { ErrorCode } from '../../domain/error-codes.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createControlActivities } from '../../activities/control.ts';
import type { BatchDeps, ClosedBatch } from '../../batches/deps.ts';
import { closeAbandoned } from '../../batches/abandoned.ts';
import { lostBatches } from '../../batches/lost.ts';
import type { Alert } from '../../batches/alerts.ts';
import { checkSelection } from '../../batches/select.ts';
import { judge } from '../../batches/verdict.ts';
import { predictionsFolder, CONTAINERS, manifestBlob } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { NO_OUTCOMES } from '../../domain/outcome.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { openStore } from '../../storage/open-store.ts';
import type { Batch, Store } from '../../storage/store.ts';
import { blobTarget, publishSite } from '../../report/index.ts';
import { decodePredictions } from '../../scoring/predictions-file.ts';
import { verifyBatch } from '../../verify/verify-batch.ts';
import { storeMetrics } from '../../workers/control-metrics.ts';
import { controlTotals } from '../../workers/control-totals.ts';
import { scoringTotals } from '../../workers/scoring-metrics.ts';
import { SMALL_PERIOD, smallStore } from '../support/batch-fixture.ts';
import { useBlobServer } from '../support/blob-server.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('on-record');
const server = useBlobServer(dir);
let store: Store;
let webhook: Server;
let names = 0;
const alerts: Alert[] = [];
const closed: ClosedBatch[] = [];
const warnings: string[] = [];

beforeAll(async () => {
  ({ store } = await smallStore(join(dir, 'fleet'), server.blobs));
  webhook = createServer((request, response) => {
    void text(request).then((body) => {
      alerts.push(JSON.parse(body) as Alert);
      response.end();
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  webhook.closeAllConnections();
  webhook.close();
  await store.close();
});
beforeEach(() => {
  for (const list of [alerts, closed, warnings]) list.length = 0;
});

const deps = (over: Partial<BatchDeps> = {}): BatchDeps => ({
  store,
  blobs: server.blobs,
  codeVersion: 'test',
  worker: 'control@test#1',
  now: Date.now,
  alerts: { url: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/` },
  onClosed: (batch) => void closed.push(batch),
  warn: (message) => void warnings.push(message),
  ...over,
});
const plan = (over: object = {}) => {
  const batchId = `b-${++names}`;
  return { batchId, workflowId: batchId, runId: batchId, schedule: 'minutely', ...SMALL_PERIOD, ...over };
};
const run = <I, R>(activity: (input: I) => Promise<R>, input: I): Promise<R> =>
  new MockActivityEnvironment().run<[I], R, (input: I) => Promise<R>>(activity, input);

test('a batch that fails before it is planned is told everywhere', async () => {
  const control = createControlActivities(deps());
  const input = plan({ release: 'nope' });
  await run(control.announceBatch, input);
  expect(await store.findBatch(input.batchId)).toMatchObject({
    status: 'waiting',
    release: 'nope',
    schedule: 'minutely',
  });
  await expect(run(control.planBatch, input)).rejects.toMatchObject({
    type: 'RELEASE_UNKNOWN',
    nonRetryable: true,
    message: expect.stringMatching(/there is no release "nope"\. There is r-/),
  });
  const end = {
    ...input,
    ending: 'aborted' as const,
    class: 'release_unknown' as const,
    toleratedFailurePercentage: 10,
  };
  const result = await run(control.finishBatch, { ...end, message: 'there is no release "nope".' });
  expect(result).toMatchObject({ status: 'failed', class: 'release_unknown', planned: 0, manifest: '' });
  const batch = (await store.findBatch(input.batchId))!;
  expect(batch).toMatchObject({ status: 'failed', class: 'release_unknown', message: 'there is no release "nope".' });
  expect(alerts).toEqual([
    expect.objectContaining({
      event: 'batch_failed',
      class: 'release_unknown',
      schedule: 'minutely',
      text: expect.stringContaining('there is no release "nope".'),
    }),
  ]);
  // What dashboards and alert rules go by.
  const totals = controlTotals();
  for (const one of closed) totals.record(one);
  const metrics = [...totals.metrics(), ...(await storeMetrics(store, Date.now()))];
  const value = (name: string, labels: object): number | undefined =>
    metrics
      .find((metric) => metric.name === name)
      ?.samples.find((sample) => Object.entries(labels).every(([key, label]) => sample.labels?.[key] === label))?.value;
  expect(value('fleetscore_batches_total', { schedule: 'minutely', status: 'failed' })).toBe(1);
  expect(
    value('fleetscore_last_batch_end_timestamp_seconds', { schedule: 'minutely', status: 'failed' }),
  ).toBeGreaterThan(0);
  // It verifies, and its page says why it failed.
  const report = await verifyBatch(
    { store, blobs: server.blobs, workflowEnd: async () => ({ state: 'failed', name: 'failed' }) },
    batch.id,
  );
  expect(report.findings).toEqual([]);
  expect(report.notes.join()).toContain('ended before its sensors were planned (release_unknown)');
  const source = { store, blobs: server.blobs, decodePredictions, now: Date.now };
  await publishSite(source, blobTarget(server.blobs), [batch.id], { maxSensors: 10 });
  const page = Buffer.from(await server.blobs.get('site', 'index.html')).toString();
  expect(page).toMatch(/chip failed/);
  expect(page).toContain('there is no release &quot;nope&quot;');
  // No manifest: readers see nothing of it, and there is nothing of it to drive again.
  expect(
    await server.blobs.exists(CONTAINERS.predictions, manifestBlob(predictionsFolder(batch.fromMs, batch.id))),
  ).toBe(false);
  await expect(checkSelection(store, { ...SMALL_PERIOD, redrive: batch.id })).rejects.toThrow(/batch run --from/);
});

test('a batch whose readings are complete is planned as it is put on record, with its chunks', async () => {
  const control = createControlActivities(deps());
  const sizes = { sensorsPerChild: 5, sensorsPerActivity: 2 };
  const input = plan({ ...sizes, waitUntilMs: 0 });
  const begun = await run(control.announceBatch, input);
  expect(begun).toMatchObject({ planned: 5, sensorsPerActivity: 2, groups: [{ count: 5 }] });
  expect(begun!.groups[0]!.chunks!.map(({ count }) => count)).toEqual([2, 2, 1]);
  expect(await store.findBatch(input.batchId)).toMatchObject({ status: 'running', planned: 5 });
  // Asked again, as after an answer that was lost, and by the activity of its own: the same.
  expect(await run(control.announceBatch, input)).toEqual(begun);
  expect(await run(control.planBatch, input)).toEqual(begun);
});

test('a batch that has to wait, or cannot be planned, is on record, and other activities tell why', async () => {
  const control = createControlActivities(deps());
  const future = { fromMs: Date.now(), toMs: Date.now() + 3_600_000 };
  for (const [input, release] of [
    [plan(), ''], // a workflow of before
    [plan({ ...future, waitUntilMs: future.toMs }), ''],
    [plan({ release: 'nope', waitUntilMs: 0 }), 'nope'],
  ] as const) {
    expect(await run(control.announceBatch, input)).toBeNull();
    expect(await store.findBatch(input.batchId)).toMatchObject({ status: 'waiting', planned: 0, release });
  }
  // Readings that are not complete yet.
  const behind = Object.create(store, {
    listProgress: { value: async () => [{ appliedSeq: 1, source: 'hub', watermarkMs: SMALL_PERIOD.fromMs }] },
  }) as Store;
  const input = plan({ waitUntilMs: Date.now() + 3_600_000 });
  expect(await run(createControlActivities(deps({ store: behind })).announceBatch, input)).toBeNull();
  expect(await store.findBatch(input.batchId)).toMatchObject({ status: 'waiting' });
});

test('counters begin with 0 for all that is known, so that the first hour counts', async () => {
  await store.announceBatch({
    ...plan({ schedule: 'hourly' }),
    id: `b-${++names}`,
    kind: 'score',
    codeVersion: '1',
    startedAtMs: 1,
  });
  const totals = controlTotals();
  await storeMetrics(store, Date.now(), totals.know);
  const series = (): string[] =>
    totals
      .metrics()
      .flatMap(({ name, samples }) => samples.map(({ labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`));
  for (const status of ['completed', 'failed', 'cancelled'])
    expect(series()).toContain(`fleetscore_batches_total {"schedule":"hourly","kind":"score","status":"${status}"} 0`);
  expect(series()).toContain('fleetscore_batch_seconds_total {"schedule":"hourly"} 0');
  expect(series()).toContain('fleetscore_batch_sensors_total {"outcome":"failed","class":"worker_lost"} 0');
  expect(series()).toContain('fleetscore_batch_sensors_total {"outcome":"skipped","class":""} 0');
  const batch = (await store.listBatches({ schedule: 'hourly' }))[0]!;
  totals.record({
    batch: { ...batch, status: 'completed', counts: { ...NO_OUTCOMES, scored: 3 } },
    rows: 0,
    causes: [],
  });
  totals.know({ schedules: ['hourly'] }); // what counts already goes on
  expect(series()).toContain('fleetscore_batches_total {"schedule":"hourly","kind":"score","status":"completed"} 1');
  expect(series()).toContain('fleetscore_batch_sensors_total {"outcome":"scored","class":""} 3');
  const scoring = scoringTotals({ labels: {}, running: () => 0, longestMs: () => 0, slots: 1 });
  expect(scoring.metrics().find(({ name }) => name === 'fleetscore_scoring_sensors_total')!.samples).toContainEqual({
    labels: { outcome: 'skipped', class: 'no_model' },
    value: 0,
  });
});

test('what would fail is refused before anything is started, with the remedy', async () => {
  const check = (request: object): Promise<void> => checkSelection(store, { ...SMALL_PERIOD, ...request });
  await expect(check({ release: 'nope' })).rejects.toMatchObject({
    code: 'RELEASE_UNKNOWN',
    message: expect.stringContaining('models list'),
  });
  await expect(check({ redrive: 'nobody' })).rejects.toMatchObject({ code: 'BATCH_UNKNOWN' });
  await expect(check({ sensors: ['no/such'] })).rejects.toMatchObject({
    code: 'SENSOR_UNKNOWN',
    message: expect.stringContaining('sensors list'),
  });
  await checkSelection(store, SMALL_PERIOD);
  const empty = await openStore(`sqlite:${join(dir, 'empty.db')}`);
  await empty.migrate();
  await expect(checkSelection(empty, SMALL_PERIOD)).rejects.toMatchObject({
    code: 'NO_RELEASE',
    message: expect.stringContaining('fleetscore models publish'),
  });
  await empty.close();
});

const limits = { ending: 'done', toleratedFailurePercentage: 10 } as const;
const counts = (over: object) => ({ ...NO_OUTCOMES, ...over });
test.each([
  [
    'nothing but sensors without a model, with readings',
    limits,
    counts({ skipped: 60, windows: 900 }),
    'nothing_scored',
  ],
  ['one scored and the rest skipped, no limit', limits, counts({ scored: 1, skipped: 59, windows: 900 }), undefined],
  ['no readings at all', limits, counts({ skipped: 60 }), undefined],
  ['nothing planned', limits, counts({}), undefined],
  [
    'skipped past their limit',
    { ...limits, toleratedSkippedPercentage: 50 },
    counts({ scored: 29, skipped: 31, windows: 9 }),
    'sensors_skipped',
  ],
  [
    'skipped at their limit',
    { ...limits, toleratedSkippedPercentage: 50 },
    counts({ scored: 30, skipped: 30, windows: 9 }),
    undefined,
  ],
  ['failed past theirs', limits, counts({ scored: 50, failed: 7, skipped: 3 }), 'sensors_failed'],
])('%s', (_, input, outcome, expected) => {
  const verdict = judge(input, 60, outcome, []);
  expect([verdict.status, verdict.class]).toEqual([expected === undefined ? 'completed' : 'failed', expected]);
});

/** A batch with an outcome for every sensor, as its scoring left it. */
async function scoredBatch(): Promise<string> {
  const control = createControlActivities(deps());
  const input = plan();
  await run(control.announceBatch, input);
  await run(control.planBatch, input);
  const sensors = await store.undecidedSensors(input.batchId, undefined, 100);
  await store.commitChunk({
    batchId: input.batchId,
    chunk: 'c',
    changeId: 0,
    outcomes: sensors.map(({ id }) => ({ sensorId: id, status: 'scored', windows: 1, anomalies: 0, attempt: 1 })),
  });
  return input.batchId;
}
const finish = (id: string, blobs: BlobStore) =>
  run(createControlActivities(deps({ blobs })).finishBatch, { batchId: id, ...SMALL_PERIOD, ...limits });
/** Blob storage where a name that is taken cannot be written again, as with a policy of the container. */
const immutable = (code: ErrorCode, retryable: boolean, lost: boolean): BlobStore => {
  let answers = 0;
  const write = async (taken: boolean): Promise<void> => {
    if (taken) throw new FleetscoreError(code, 'BlobImmutableDueToPolicy', { retryable });
  };
  return {
    ...server.blobs,
    async putIfAbsent(container, name, body, type) {
      await write(await server.blobs.exists(container, name));
      const put = await server.blobs.putIfAbsent(container, name, body, type);
      if (lost && answers++ === 0) await write(true);
      return put;
    },
    async put(container, name, body, type) {
      await write(await server.blobs.exists(container, name));
      return server.blobs.put(container, name, body, type);
    },
  };
};

test.each<[string, ErrorCode, boolean]>([
  ['told as trouble that passes', 'BLOB_UNAVAILABLE', true],
  ['told as final', 'BLOB_ERROR', false],
])('a manifest whose answer was lost closes its batch under a policy, %s', async (_, code, retryable) => {
  const id = await scoredBatch();
  expect(await finish(id, immutable(code, retryable, true))).toMatchObject({ status: 'completed' });
  expect((await store.findBatch(id))!.manifest).toBe(manifestBlob(predictionsFolder(SMALL_PERIOD.fromMs, id)));
  expect(alerts).toEqual([]);
});

test('a manifest of an earlier try with another verdict is not believed: the one that counts lies beside it', async () => {
  const id = await scoredBatch();
  const name = manifestBlob(predictionsFolder(SMALL_PERIOD.fromMs, id));
  await server.blobs.put(CONTAINERS.predictions, name, Buffer.from('{"status":"failed"}'), 'application/json');
  const blobs = immutable('BLOB_ERROR', false, false);
  expect(await finish(id, blobs)).toMatchObject({ status: 'completed' });
  const batch = (await store.findBatch(id))!;
  expect(batch.manifest).toMatch(/\/_manifest\.[0-9a-f]{12}\.json$/);
  const manifest = JSON.parse(Buffer.from(await server.blobs.get(CONTAINERS.predictions, batch.manifest!)).toString());
  expect(manifest).toMatchObject({ batch: id, status: 'completed' });
});

test('a batch whose manifest Blob refuses for good ends, and says so', async () => {
  const id = await scoredBatch();
  const full: BlobStore = {
    ...server.blobs,
    put: () => Promise.reject(new FleetscoreError('BLOB_ERROR', 'the quota of the account is used up')),
    putIfAbsent: () => Promise.reject(new FleetscoreError('BLOB_ERROR', 'the quota of the account is used up')),
  };
  expect(await finish(id, full)).toMatchObject({ status: 'failed', class: 'blob_error' });
  expect(alerts[0]!.text).toContain('the quota of the account is used up');
});

test('an open batch without a workflow is closed, with what it scored; others are left alone', async () => {
  const [scored, waiting, running, young] = [await scoredBatch(), plan(), await scoredBatch(), plan()];
  await run(createControlActivities(deps()).announceBatch, waiting);
  const later = deps({ now: () => Date.now() + 120_000 });
  await run(createControlActivities(later).announceBatch, young);
  const ends: Record<string, string> = {
    [scored]: 'terminated',
    [waiting.batchId]: 'timed out',
    [young.batchId]: 'terminated',
  };
  const done = await closeAbandoned(later, async ({ id }) => ends[id]);
  expect(done).toEqual(expect.arrayContaining([scored, waiting.batchId]));
  expect(done).toHaveLength(2);
  expect(await store.findBatch(scored)).toMatchObject({
    status: 'failed',
    class: 'workflow_lost',
    message: expect.stringContaining('its workflow is terminated'),
    counts: { scored: 5 },
    manifest: expect.any(String),
  });
  expect(await store.findBatch(waiting.batchId)).toMatchObject({ status: 'failed', class: 'workflow_lost' });
  expect((await store.findBatch(running))!.status).toBe('running');
  expect((await store.findBatch(young.batchId))!.status).toBe('waiting');
  expect(alerts.map(({ event }) => event)).toEqual(['batch_failed', 'batch_failed']);
  expect(await closeAbandoned(later, async ({ id }) => ends[id])).toEqual([]);
});

test('lost is what is open although its workflow has ended; what was closed meanwhile is not', async () => {
  const [lost, closing, runs, closed] = [
    await scoredBatch(),
    await scoredBatch(),
    await scoredBatch(),
    await scoredBatch(),
  ];
  await finish(closed, server.blobs);
  const seen = await Promise.all([lost, closing, runs, closed].map(async (id) => (await store.findBatch(id))!));
  const asked: string[] = [];
  const endOf = async ({ id }: Batch): Promise<string | undefined> => {
    asked.push(id);
    if (id === closing) await finish(closing, server.blobs);
    return id === runs ? undefined : 'terminated';
  };
  const found = await lostBatches(store, endOf, seen);
  expect([...found]).toEqual([[lost, { end: 'terminated', text: expect.stringContaining(`batch cancel ${lost}`) }]]);
  expect(asked.toSorted()).toEqual([lost, closing, runs].toSorted());
});

test('Temporal that does not answer closes nothing', async () => {
  const id = await scoredBatch();
  const later = deps({ now: () => Date.now() + 120_000 });
  expect(await closeAbandoned(later, () => Promise.reject(new Error('no answer')))).toEqual([]);
  expect((await store.findBatch(id))!.status).toBe('running');
  expect(warnings.join()).toContain('no answer');
});
