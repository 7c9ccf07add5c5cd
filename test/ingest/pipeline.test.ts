import { afterAll, beforeAll } from '@jest/globals';
import fc from 'fast-check';
import type { IngestEvent } from '../../ingest/event.ts';
import { deadLetterName, listDeadLetters } from '../../ingest/dead-letters.ts';
import type { Pipeline } from '../../ingest/partition-pipeline.ts';
import { rebuildWindows } from '../../ingest/rebuild.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { tempDir } from '../support/temp.ts';
import {
  allWindows,
  capturedEvents,
  capturedSeqs,
  expectedWindows,
  openStage,
  SOURCE,
  T0,
  toEvents,
  type Fate,
  type SentReading,
  type Stage,
} from './pipeline-stage.ts';
import { stepsOf, streamOf } from './pipeline-steps.ts';

const dir = tempDir('pipeline');
let servers: IngestServers;
let blobs: BlobStore;
beforeAll(async () => {
  servers = await startIngestServers(dir);
  ({ blobs } = servers);
}, 60_000);
afterAll(() => servers.stop());

async function onStage(work: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await openStage(dir, blobs);
  try {
    await work(stage);
  } finally {
    await stage.close();
  }
}

const one = (ts: number, value: number, sensor = 's'): SentReading => ({ device: 'd', sensor, ts: T0 + ts, value });

/** Tumbling, and overlapping twofold and fivefold. */
const hops = [5_000, 2_500, 1_000] as const;

test('whatever dies, moves, overlaps or is delivered again, windows and raw capture equal those of one clean run', async () => {
  await fc.assert(
    fc.asyncProperty(
      streamOf,
      stepsOf,
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...hops),
      async (bodies, steps, maxCommitReadings, hopMs) => {
        await onStage(async (stage) => {
          const settings = { maxCommitReadings, captureBytes: 4_000, hopMs };
          const events = toEvents(bodies);
          const alive: { pipeline?: Pipeline; next: number; fate: Fate }[] = [
            { next: 0, fate: {} },
            { next: 0, fate: {} },
          ];
          const arrive = async (i: 0 | 1): Promise<Pipeline> => {
            const here = alive[i]!;
            if (!here.pipeline) {
              here.fate = {};
              here.pipeline = await stage.open(settings, here.fate);
              // As a new reader: from the newest checkpoint.
              here.next = (stage.checkpoints.at(-1)?.seq ?? -1) + 1;
            }
            return here.pipeline;
          };
          for (const step of steps) {
            const here = alive[step.worker]!;
            if (step.kind === 'read') {
              const pipeline = await arrive(step.worker);
              const from = Math.max(0, here.next - step.back);
              await pipeline.process(events.slice(from, from + step.count));
              here.next = Math.max(here.next, Math.min(events.length, from + step.count));
            } else if (step.kind === 'flush') await here.pipeline?.tick(Date.now() + 3_600_000);
            else if (step.kind === 'loseAnswer') here.fate.lostAnswers = 1;
            else {
              if (step.kind === 'leave') await here.pipeline?.close(true);
              if (step.kind === 'dieInFlush' && here.pipeline) {
                const died = new Promise<void>((resolve) => (here.fate.diesInCapture = resolve));
                await Promise.race([here.pipeline.tick(Date.now() + 3_600_000), died]);
              }
              delete here.pipeline;
            }
          }
          // Both read on to the end and leave.
          for (const i of [0, 1] as const) {
            const pipeline = await arrive(i);
            await pipeline.process(events.slice(alive[i]!.next));
          }
          for (const { pipeline } of alive) await pipeline!.close(true);

          expect(await allWindows(stage.store)).toEqual(expectedWindows(bodies.flat(), { windowMs: 5_000, hopMs }));
          expect(await capturedSeqs(blobs, stage.folder)).toEqual(events.map((event) => event.seq));
          const [progress] = await stage.store.listProgress(SOURCE);
          expect(progress).toMatchObject({
            appliedSeq: events.length - 1,
            capturedSeq: events.length - 1,
            readings: bodies.flat().length,
            dead: 0,
          });
        });
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test('a capture file that was written before a crash is not written again, nor lost', () =>
  onStage(async (stage) => {
    const events = toEvents(Array.from({ length: 10 }, (_, i) => one(i * 1_000, i)));
    const fate: Fate = {};
    const before = await stage.open({}, fate);
    await before.process(events.slice(0, 6));
    await new Promise<void>((resolve) => {
      fate.diesInCapture = resolve;
      void before.close(true);
    });
    expect(await capturedSeqs(blobs, stage.folder)).toEqual([0, 1, 2, 3, 4, 5]);
    expect((await stage.store.listProgress(SOURCE))[0]!.capturedSeq).toBe(-1);
    const again = await stage.open();
    await again.process(events);
    await again.close(true);
    expect(await capturedSeqs(blobs, stage.folder)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect((await stage.store.listProgress(SOURCE))[0]!.capturedSeq).toBe(9);
  }));

test('a commit whose answer was lost is not done twice', () =>
  onStage(async (stage) => {
    const pipeline = await stage.open({ maxCommitReadings: 2 }, { lostAnswers: 1 });
    await pipeline.process(toEvents([one(0, 1), one(1, 2), one(2, 3)]));
    expect((await stage.store.listProgress(SOURCE))[0]).toMatchObject({ appliedSeq: 2, readings: 3 });
    expect(stage.totals).toMatchObject({ conflicts: 1, retries: 1 });
  }));

test('two files that begin in the same second get names of their own', () =>
  onStage(async (stage) => {
    const events = toEvents([one(0, 1), one(1, 2), one(2, 3)]).map((event) => ({
      ...event,
      enqueuedMs: T0 + event.seq,
    }));
    for (const event of events) {
      const pipeline = await stage.open();
      await pipeline.process([event]);
      await pipeline.close(true);
    }
    expect(await capturedEvents(blobs, stage.folder)).toEqual(events);
  }));

test('poison becomes dead letters with reason and body, and holds nothing up', () =>
  onStage(async (stage) => {
    const bodies = [
      one(0, 1),
      Buffer.from('not json'),
      [one(1_000, 2), { ...one(2_000, 3), value: 'x' }],
      one(3_000, 4),
    ];
    const events = toEvents(bodies);
    const pipeline = await stage.open();
    await pipeline.process(events);
    // Delivered again to a worker that has lost its place: the same letters, not more of them.
    const again = await stage.open();
    await again.process(events);
    const letters = [];
    for await (const letter of listDeadLetters(blobs, stage.folder)) letters.push(letter);
    expect(letters).toEqual([
      expect.objectContaining({
        name: deadLetterName(stage.folder, '0', events[1]!),
        partition: '0',
        sequenceNumber: 1,
        text: 'not json',
        body: Buffer.from('not json').toString('base64'),
        problems: [expect.objectContaining({ reason: 'not_json' })],
      }),
      expect.objectContaining({
        sequenceNumber: 2,
        problems: [expect.objectContaining({ reason: 'bad_value', index: 1 })],
      }),
    ]);
    expect(await allWindows(stage.store)).toEqual(expectedWindows([one(0, 1), one(1_000, 2), one(3_000, 4)]));
    expect((await stage.store.listProgress(SOURCE))[0]).toMatchObject({ readings: 3, dead: 2 });
  }));

test('events that expired before they were read are counted as one gap', () =>
  onStage(async (stage) => {
    const events = toEvents(Array.from({ length: 10 }, (_, i) => one(i * 1_000, i)));
    const pipeline = await stage.open();
    await pipeline.process(events.slice(0, 3));
    await pipeline.process(events.slice(6));
    expect(stage.totals.gaps).toBe(1);
    expect(stage.logged.join()).toContain('"afterSeq":2,"nextSeq":6');
    expect(pipeline.appliedSeq).toBe(9);
  }));

test('events that come twice or out of order in one delivery count once, and all are in raw capture', () =>
  onStage(async (stage) => {
    const readings = Array.from({ length: 12 }, (_, i) => one(i * 1_000, i));
    const events = toEvents(readings);
    const pipeline = await stage.open();
    await pipeline.process([0, 0, 1, 3, 2, 2, 5, 4].map((i) => events[i]!));
    await pipeline.process(events.slice(4));
    await pipeline.close(true);
    expect(await allWindows(stage.store)).toEqual(expectedWindows(readings));
    expect((await stage.store.listProgress(SOURCE))[0]).toMatchObject({
      readings: 12,
      appliedSeq: 11,
      capturedSeq: 11,
    });
    expect(await capturedSeqs(blobs, stage.folder)).toEqual(events.map(({ seq }) => seq));
    expect(stage.totals).toMatchObject({ gaps: 0, redelivered: 4 });
  }));

test.each([
  ['sequence number', { seq: undefined }],
  ['offset', { offset: undefined }],
  ['time of arrival', { enqueuedMs: Number.NaN }],
])('an event without %s is named and holds nothing up', (_, missing) =>
  onStage(async (stage) => {
    const events = toEvents([one(0, 1), one(1_000, 2), one(2_000, 3)]);
    const pipeline = await stage.open();
    await pipeline.process([events[0]!, { ...events[1]!, ...missing } as never, events[2]!]);
    await pipeline.close(true);
    expect(pipeline.appliedSeq).toBe(2);
    expect(await capturedSeqs(blobs, stage.folder)).toEqual([0, 2]);
    expect(stage.logged.join('\n')).toMatch(/are left out: no event hub sends such/);
  }),
);

test('a filter keeps readings out of windows but not out of raw capture', () =>
  onStage(async (stage) => {
    const pipeline = await stage.open({ filter: { sensors: ['keep'], maxValue: 5 } });
    await pipeline.process(toEvents([one(0, 1, 'keep'), one(0, 1, 'drop'), one(1, 9, 'keep')]));
    await pipeline.close(true);
    expect(await allWindows(stage.store)).toEqual(expectedWindows([one(0, 1, 'keep')]));
    expect(stage.totals.filtered).toBe(2);
    expect(await capturedSeqs(blobs, stage.folder)).toEqual([0, 1, 2]);
  }));

test('a checkpoint never passes what is not yet in raw capture', () =>
  onStage(async (stage) => {
    const events = toEvents(Array.from({ length: 10 }, (_, i) => one(i * 1_000, i)));
    const pipeline = await stage.open();
    await pipeline.process(events.slice(0, 4));
    expect(stage.checkpoints).toEqual([]);
    await pipeline.tick(Date.now() + 3_600_000);
    await pipeline.process(events.slice(4));
    expect(stage.checkpoints).toEqual([{ seq: 3, offset: '300' }]);
    await pipeline.close(true);
    expect(stage.checkpoints).toEqual([
      { seq: 3, offset: '300' },
      { seq: 9, offset: '900' },
    ]);
  }));

test('without raw capture the checkpoint follows the windows', () =>
  onStage(async (stage) => {
    const pipeline = await stage.open({ capture: false });
    await pipeline.process(toEvents([one(0, 1), one(1, 2)]));
    await pipeline.close(true);
    expect(stage.checkpoints).toEqual([{ seq: 1, offset: '100' }]);
    expect(await capturedSeqs(blobs, stage.folder)).toEqual([]);
  }));

test('a store that was put back to an earlier state is noticed', () =>
  onStage(async (stage) => {
    const events = toEvents([one(0, 1), one(1, 2), one(2, 3)]);
    const old = await openStage(dir, blobs);
    const pipeline = await stage.open();
    await pipeline.process(events.slice(0, 2));
    // The worker goes on with a store that has never seen these events.
    stage.store.commitReadings = (commit) => old.store.commitReadings(commit);
    stage.store.listProgress = (source) => old.store.listProgress(source);
    await expect(pipeline.process(events.slice(2))).rejects.toMatchObject({ code: 'PROGRESS_WENT_BACK' });
    await old.close();
  }));

test.each(hops)(
  'a rebuild from raw capture gives the same rows, in an empty store and over what is there, with a hop of %d ms',
  (hopMs) =>
    onStage(async (stage) => {
      const bodies = Array.from({ length: 200 }, (_, i) => [
        one((i * 7_919) % 100_000, i),
        one(i * 500, i % 7, 'other'),
      ]);
      const events = toEvents([...bodies, Buffer.from('poison')]);
      const pipeline = await stage.open({ captureBytes: 10_000, hopMs });
      await pipeline.process(events);
      await pipeline.close(true);
      const windows = await allWindows(stage.store);
      const [namespace, hub] = stage.folder.split('/') as [string, string];
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const rebuild = (target: Stage, fromMs: number, toMs: number) =>
        rebuildWindows({
          store: target.store,
          blobs,
          hub: { namespace, hub },
          consumerGroup: 'g',
          period: { fromMs, toMs },
          log,
          settings: { maxCommitReadings: 37, hopMs },
        });

      await onStage(async (empty) => {
        expect(await rebuild(empty, T0 + 50_000, T0 + 60_000)).toMatchObject({ events: 201, dead: 1 });
        const part = (list: (typeof windows)[string]): typeof list =>
          list.filter(({ startMs }) => startMs >= T0 + 50_000 && startMs < T0 + 60_000);
        expect(await allWindows(empty.store)).toEqual(
          Object.fromEntries(Object.entries(windows).map(([key, list]) => [key, part(list)])),
        );
        expect(await rebuild(empty, 0, T0 * 2)).toMatchObject({ readings: 400 });
        expect(await allWindows(empty.store)).toEqual(windows);
      });
      const changeId = async (): Promise<number> =>
        (await stage.store.readSeries({ from: 0, to: 10 }, { fromMs: 0, toMs: 1 })).changeId;
      const before = { changeId: await changeId(), progress: (await stage.store.listProgress(SOURCE))[0]!.appliedSeq };
      await rebuild(stage, 0, T0 * 2);
      expect(await allWindows(stage.store)).toEqual(windows);
      expect({ changeId: await changeId(), progress: (await stage.store.listProgress(SOURCE))[0]!.appliedSeq }).toEqual(
        before,
      );
    }),
);

test('a rebuild without raw capture says where it looked', () =>
  onStage(async (stage) => {
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    await expect(
      rebuildWindows({
        store: stage.store,
        blobs,
        hub: { namespace: 'nowhere', hub: 'hub' },
        consumerGroup: 'g',
        period: { fromMs: 0, toMs: 1 },
        log,
      }),
    ).rejects.toMatchObject({ code: 'NO_RAW_CAPTURE', message: expect.stringContaining('nowhere/hub') });
  }));

test('an event keeps all its parts through raw capture', () =>
  onStage(async (stage) => {
    const event: IngestEvent = {
      seq: 0,
      offset: '0',
      enqueuedMs: T0 + 123,
      body: Buffer.from([0, 1, 255]),
      partitionKey: 'pump-1',
      contentEncoding: 'x',
      properties: { text: 'a', whole: 7, broken: 1.5, bytes: Buffer.from([9]) },
      systemProperties: { contentType: 'application/json', contentEncoding: 'x' },
    };
    const pipeline = await stage.open();
    await pipeline.process([event, { seq: 1, offset: '1', enqueuedMs: T0 + 124, body: null }]);
    await pipeline.close(true);
    expect(await capturedEvents(blobs, stage.folder)).toEqual([
      event,
      { seq: 1, offset: '1', enqueuedMs: T0 + 124, body: null },
    ]);
  }));
