/**
 * Files of the drop on a real Blob server and SQLite: each version once, whatever happens to whoever reads it, with raw
 * capture that makes the same windows again.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createControlActivities } from '../../activities/control.ts';
import { CONTAINERS } from '../../domain/blob-names.ts';
import { FleetscoreError } from '../../domain/errors.ts';
import { createRound, type DropOptions } from '../../ingest/drop/drop-worker.ts';
import { isIgnored, sortDrop } from '../../ingest/drop/candidates.ts';
import { formatFilesOf, parseFormat } from '../../ingest/drop/format.ts';
import { DROP_SOURCE } from '../../ingest/drop/marks.ts';
import { listDeadLetters, replayDeadLetters } from '../../ingest/dead-letters.ts';
import { ownLayout } from '../../ingest/capture-layout.ts';
import { findRaw } from '../../ingest/find-raw.ts';
import { createEventParser } from '../../ingest/parse-event.ts';
import { rebuildAll } from '../../ingest/rebuild.ts';
import { openDropBox, type DropBox } from '../../storage/drop-box.ts';
import { openStore } from '../../storage/open-store.ts';
import type { HeldDrop } from '../../domain/drop.ts';
import type { Store } from '../../storage/store.ts';
import { startBlobServer, type BlobServer } from '../support/own-blob-server.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, capturedEvents, expectedWindows, T0, type SentReading } from './pipeline-stage.ts';

const dir = tempDir('drop');
const FOLDER = 'file_drop/drop';
let server: BlobServer;
let box: DropBox;
let store: Store;
const logged: string[] = [];
const note = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
const log = { debug: note, info: note, warn: note, error: note };

beforeAll(async () => {
  server = await startBlobServer(dir);
  box = openDropBox({ connectionString: server.connectionString });
}, 60_000);
afterAll(() => server?.stop());

/** A store and a drop without files. */
beforeEach(async () => {
  await store?.close();
  logged.length = 0;
  for (const container of [CONTAINERS.drop, CONTAINERS.raw, CONTAINERS.deadletters])
    for await (const { name } of server.blobs.list(container, '')) await server.blobs.delete(container, name);
  store = await openStore(`sqlite:${join(dir, `${randomUUID()}.db`)}`);
  await store.migrate();
});
afterAll(() => store?.close());

const iso = (ms: number): string => new Date(ms).toISOString();
const readings = (count: number, device = 'd', value = (i: number): number => i): SentReading[] =>
  Array.from({ length: count }, (_, i) => ({ device, sensor: `s${i % 3}`, ts: T0 + i * 1_000, value: value(i) }));
const csv = (rows: readonly SentReading[]): string =>
  ['TS,Device,Sensor,Value', ...rows.map((r) => `${iso(r.ts)},${r.device},${r.sensor},${r.value}`)].join('\n');

async function put(name: string, content: string | Uint8Array, format?: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'to-put');
  writeFileSync(file, content);
  await box.put(name, file, format);
}

type Trouble = Partial<Pick<DropOptions, 'store' | 'box' | 'settings' | 'maxBytes' | 'codeVersion' | 'settleMs'>>;

function worker(trouble: Trouble = {}) {
  const counts = { answers: true, waiting: 0, done: 0, failed: 0, readings: 0, dead: 0 };
  const ending = new AbortController();
  const options: DropOptions = {
    box,
    store,
    blobs: server.blobs,
    log,
    everyMs: 1_000,
    settleMs: 0,
    maxBytes: 1e9,
    codeVersion: '1.0.0',
    tempDir: dir,
    ...trouble,
  };
  return {
    counts,
    ending,
    round: createRound(options, { counts, ending: ending.signal, giveUp: new AbortController().signal }),
  };
}

const recordOf = async (name: string): Promise<HeldDrop | undefined> =>
  (await store.listDropped()).find((record) => record.name === name);
const wanted = (...all: readonly SentReading[][]) => expectedWindows(all.flat());
const progress = async () => (await store.listProgress(DROP_SOURCE))[0]!;

test('a file is read once; its bad rows go to the dead letters, and raw capture makes the windows again', async () => {
  const rows = readings(1_200);
  await put('plant/a.csv', `${csv(rows)}\n${iso(T0)},d,s0,broken\nnot,a\n`);
  const { round, counts } = worker();
  await round();
  await round();
  expect(counts).toEqual({ answers: true, waiting: 0, done: 1, failed: 0, readings: 1_200, dead: 2 });
  expect(await allWindows(store)).toEqual(wanted(rows));
  const record = (await recordOf('plant/a.csv'))!;
  expect(record).toMatchObject({ state: 'done', bytes: expect.any(Number), result: { read: 1_200, missing: 0 } });
  expect(record.result!.tally).toMatchObject({ readings: 1_200, duplicates: 0, dead: { bad_row: 2 } });
  expect(await progress()).toMatchObject({ readings: 1_200, dead: 2 });
  // Nothing waits for raw capture.
  expect((await progress()).capturedSeq).toBe((await progress()).appliedSeq);

  const letters = [];
  for await (const letter of listDeadLetters(server.blobs, FOLDER)) letters.push(letter);
  expect(letters).toHaveLength(1);
  expect(letters[0]!.problems.map(({ reason, message }) => `${reason} ${message}`)).toEqual([
    expect.stringMatching(/^bad_row plant\/a\.csv, row 1202: .*broken/),
    expect.stringMatching(/^bad_row plant\/a\.csv, row 1203: /),
  ]);
  // Sent again they would come back for ever.
  expect(await replayDeadLetters(server.blobs, undefined as never, `${FOLDER}/`)).toBe(0);

  const other = await openStore(`sqlite:${join(dir, `${randomUUID()}.db`)}`);
  await other.migrate();
  const rebuilt = await rebuildAll({
    store: other,
    blobs: server.blobs,
    hub: { namespace: 'localhost', hub: 'none' },
    consumerGroup: '$Default',
    period: { fromMs: T0, toMs: T0 + 3_600_000 },
    // Events of the hub need it; those of files are in our own form.
    settings: { mapping: { name: 'own', forms: [] } as never },
    log,
  });
  expect(rebuilt).toMatchObject({ readings: 1_200, dead: 2 });
  expect(await allWindows(other)).toEqual(wanted(rows));
  await other.close();
  const found = await findRaw({
    blobs: server.blobs,
    layouts: [ownLayout([`${FOLDER}/0`])],
    sensor: { device: 'd', sensor: 's1' },
    period: { fromMs: T0, toMs: T0 + 4_000 },
    times: [T0 + 1_000],
    parse: createEventParser(),
    clockSkewMs: 0,
  });
  expect(found.readings).toMatchObject([{ tsMs: T0 + 1_000, value: 1 }]);
});

test('JSON lines are read as events, and a line that is no reading goes to the dead letters', async () => {
  const rows = readings(4);
  await put('lake/a.jsonl', [...rows.map((row) => JSON.stringify({ ...row, ts: iso(row.ts) })), '{"ts":1}'].join('\n'));
  const { round, counts } = worker();
  await round();
  expect(counts).toMatchObject({ done: 1, failed: 0, readings: 4, dead: 1 });
  expect(await allWindows(store)).toEqual(wanted(rows));
});

test('a file that comes again, corrected and longer, is read again, and windows hold each reading once', async () => {
  await put('a.csv', csv(readings(30)));
  const { round } = worker();
  await round();
  const later = readings(40, 'd', (i) => (i === 7 ? 99 : i));
  await put('a.csv', csv(later));
  await put('copy.csv', csv(later));
  await round();
  expect(await allWindows(store)).toEqual(wanted(later));
  expect((await recordOf('a.csv'))!.result!.tally).toMatchObject({ readings: 40, duplicates: 30 });
  expect((await recordOf('copy.csv'))!.result!.tally).toMatchObject({ readings: 40, duplicates: 40 });
});

test('who takes over a half read file goes on where it stood, and nothing counts twice', async () => {
  const rows = readings(9_000);
  const settings = { maxCommitReadings: 1_000 };
  await put('big.csv', csv(rows));
  // It never answers again, as a process that was killed.
  let killed: () => void = () => {};
  const dead = new Promise<void>((resolve) => (killed = resolve));
  let commits = 0;
  const first = worker({
    settings,
    store: Object.assign(Object.create(store) as Store, {
      commitReadings: async (commit: Parameters<Store['commitReadings']>[0]) => {
        await store.commitReadings(commit);
        if (++commits < 4) return;
        killed();
        await new Promise(() => {});
      },
    }),
  });
  void first.round();
  await dead;
  const half = (await recordOf('big.csv'))!;
  expect(half.state).toBe('reading');
  expect((await progress()).readings).toBeLessThan(rows.length);
  const second = worker({ settings });
  // Until its time is over nobody else takes it.
  await second.round();
  expect((await recordOf('big.csv'))!.holder).toBe(half.holder);
  await store.holdDropped('big.csv', half.holder, 0);
  await second.round();
  const whole = (await recordOf('big.csv'))!;
  expect(whole).toMatchObject({ state: 'done', firstSeq: half.firstSeq, begunMs: half.begunMs });
  expect(whole.result!.tally).toMatchObject({ readings: rows.length, duplicates: 0 });
  expect((await progress()).readings).toBe(rows.length);
  expect(await allWindows(store)).toEqual(wanted(rows));
  const seqs = (await capturedEvents(server.blobs, FOLDER)).map(({ seq }) => seq);
  expect(seqs.toSorted((a, b) => a - b)).toEqual([...new Set(seqs)]);
  expect(seqs).toHaveLength(rows.length / 500);
});

test('of two workers at once, and of a file replaced in the middle, one counts', async () => {
  const [old, now] = [readings(2_000, 'x'), readings(2_500, 'x', (i) => 5_000 - i)];
  await put('x.csv', csv(old));
  const replacing: DropBox = {
    ...box,
    async download(entry, file) {
      await put('x.csv', csv(now));
      return box.download(entry, file);
    },
  };
  await worker({ box: replacing }).round();
  expect(await recordOf('x.csv')).toMatchObject({ state: 'reading' });
  const both = [worker(), worker()];
  await Promise.all(both.map(({ round }) => round()));
  expect(await recordOf('x.csv')).toMatchObject({
    state: 'done',
    result: { tally: { readings: 2_500, duplicates: 0 } },
  });
  expect((await progress()).readings).toBe(2_500);
  expect(await allWindows(store)).toEqual(wanted(now));
});

test('what cannot be read fails with its reason, stops nobody, and is read once its format is said', async () => {
  // Nobody but whoever made the test knows when it began.
  const doubtful = 'elapsed,a,b\n0,1,2\n1,2,3\n2,2,3\n';
  await put('in/bench.csv', doubtful);
  await put('in/broken.parquet', Buffer.from('PAR1 and nothing'));
  await put('large.csv', csv(readings(2_000)));
  await put('z.csv', csv(readings(5, 'z')));
  const limit = { maxBytes: 50_000 };
  await worker(limit).round();
  expect(await store.countDropped()).toEqual({ reading: 0, done: 1, failed: 3 });
  const reason = async (name: string) => (await recordOf(name))!.result!.reason!;
  expect(await reason('large.csv')).toContain('FLEETSCORE_DROP_MAX_BYTES');
  expect(await reason('in/broken.parquet')).toMatch(/parquet/i);
  const told = await reason('in/bench.csv');
  const [, advised] = /drop\/in\/_format\.json, with what is in doubt set right: (\{.*\})$/.exec(told)!;
  // Nothing is tried again by itself, and nothing is told twice.
  const again = worker(limit);
  await again.round();
  expect(again.counts.failed).toBe(0);
  await put('in/_format.json', '{"wide": "yes"}');
  await again.round();
  expect(await reason('in/bench.csv')).toBe(
    'the format in drop/in/_format.json cannot be used: wide takes true or false, got "yes".',
  );
  await put('in/_format.json', advised!);
  await again.round();
  expect(await recordOf('in/bench.csv')).toMatchObject({ state: 'done', result: { tally: { readings: 6 } } });
  // What was said when it was put there counts before what lies beside it.
  await put(
    'in/wide.csv',
    'when,a,b\n2026-04-03T10:00:00Z,1,2\n',
    '{"columns":{"ts":"when"},"wide":true,"device":"w"}',
  );
  await again.round();
  expect(await recordOf('in/wide.csv')).toMatchObject({ state: 'done', result: { tally: { readings: 2 } } });
});

test('a file that goes away while it is read fails, and is known as such', async () => {
  await put('a.csv', csv(readings(10)));
  const gone: DropBox = {
    ...box,
    async download({ name }) {
      await server.blobs.delete(CONTAINERS.drop, name);
      return false;
    },
  };
  await worker({ box: gone }).round();
  await worker().round();
  expect((await recordOf('a.csv'))!.result!.reason).toMatch(/went away while it was read/);
});

test('a file in whose middle worker after worker ends is left alone, so that ingestion goes on', async () => {
  await put('deadly.csv', csv(readings(10)));
  for await (const entry of box.list()) {
    for (const [i, holder] of ['a', 'b', 'c'].entries())
      await store.claimDropped(
        { name: entry.name, etag: entry.etag, form: 'v', bytes: entry.bytes },
        { source: DROP_SOURCE, holder, nowMs: T0 + i * 10, untilMs: T0 + i * 10 + 5, sendId: holder },
      );
  }
  await put('next.csv', csv(readings(10, 'next')));
  await worker().round();
  expect(await store.countDropped()).toEqual({ reading: 0, done: 1, failed: 1 });
  expect((await recordOf('deadly.csv'))!.result!.reason).toMatch(/^3 workers ended while they read it/);
});

test('trouble of the store is no fault of the file, and no batch waits for files', async () => {
  await put('a.csv', csv(readings(10)));
  const refusing = Object.assign(Object.create(store) as Store, {
    openSend: () => Promise.reject(new FleetscoreError('STORE_UNAVAILABLE', 'it is away', { retryable: true })),
  });
  await expect(worker({ store: refusing }).round()).rejects.toThrow('it is away');
  expect(await store.countDropped()).toEqual({ reading: 1, done: 0, failed: 0 });
  await store.holdDropped('a.csv', (await recordOf('a.csv'))!.holder, 0);
  await worker().round();
  expect(await store.countDropped()).toEqual({ reading: 0, done: 1, failed: 0 });

  // Its watermark lies in the middle of this period, and stays there.
  const { readingsReady } = createControlActivities({ store, now: () => T0 + 60_000 } as never);
  const period = { fromMs: T0 - 60_000, toMs: T0 + 60_000 };
  const ask = () => new MockActivityEnvironment().run(readingsReady, { ...period, waitUntilMs: T0 + 600_000 } as never);
  expect(await ask()).toEqual({ ready: true });
});

test('half files, hidden ones and formats are no files to read; a file is read when it has settled', () => {
  for (const name of ['_format.json', 'a/_SUCCESS', '.x.csv', 'a/.tmp/b.csv', 'a.csv.part', 'a.tmp'])
    expect([name, isIgnored(name)]).toEqual([name, true]);
  expect(isIgnored('a/b_c.csv')).toBe(false);
  const file = (name: string, more: object = {}) => ({
    name,
    bytes: 1,
    etag: '1',
    modifiedMs: 0,
    form: 'f',
    ...more,
  });
  const { toRead, unsettled } = sortDrop(
    [
      file('b', { modifiedMs: 5 }),
      file('a', { modifiedMs: 4 }),
      file('new', { modifiedMs: 95 }),
      file('empty', { bytes: 0 }),
    ],
    [],
    { nowMs: 100, settleMs: 10 },
  );
  expect(toRead.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(unsettled).toBe(2);
  expect(formatFilesOf('a/b/c.csv')).toEqual(['a/b/_format.json', 'a/_format.json', '_format.json']);
  expect(formatFilesOf('c.csv')).toEqual(['_format.json']);
  expect(() => parseFormat('{"seperator":";"}', 'x')).toThrow(/no setting "seperator"; there are columns, wide/);
  expect(() => parseFormat('[', 'x')).toThrow(/cannot be used: it is not JSON/);
  expect(parseFormat('\uFEFF{"skipLines":2}', 'x')).toEqual({ skipLines: 2 });
});
