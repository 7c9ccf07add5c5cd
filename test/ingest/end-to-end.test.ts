import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from '@jest/globals';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createProducer } from '../../ingest/connect.ts';
import { startIngest } from '../../ingest/ingest-worker.ts';
import { sendReadings, waitIngested } from '../../ingest/send.ts';
import type { IngestSettings } from '../../ingest/settings.ts';
import { startEventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { QUICK, startIngestServers, type IngestServers, type WorkerProcess } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { storesIn } from '../support/stores.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, capturedEvents, expectedWindows, type SentReading, stream, T0 } from './pipeline-stage.ts';

const dir = tempDir('ingest');
let servers: IngestServers;
beforeAll(async () => {
  servers = await startIngestServers(dir, {
    hubs: ['killed', 'faults', 'quiet', 'history', 'shared', 'empty'],
    partitions: 3,
  });
}, 60_000);
afterAll(() => servers.stop());

const { sqlUrl, withStore } = storesIn(dir);

/** Mulberry32: the same seed gives the same row of numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const toReading = ({ ts, ...rest }: SentReading) => ({ ...rest, tsMs: ts });
/** Partitions that a worker says it reads. */
const held = (worker: WorkerProcess): string[] => (worker.message('stats')?.partitions as string[] | undefined) ?? [];
const inPlay = (hub: string) => ({ source: servers.source(hub), stallMs: 30_000 });

test('a worker killed again and again loses nothing and doubles nothing, in windows and in raw capture', async () => {
  const hub = 'killed';
  const all = stream(9_000);
  const producer = servers.producer(hub);
  const settings: Partial<IngestSettings> = {
    workerName: 'one',
    captureBytes: 60_000,
    captureIntervalMs: 300,
    maxCommitReadings: 200,
    maxBatchEvents: 40,
  };
  try {
    await withStore(hub, async (store) => {
      const applied = async (): Promise<number> => (await store.listProgress()).reduce((sum, p) => sum + p.readings, 0);
      let worker = await servers.startWorker(sqlUrl(hub), settings, { hub });
      const sending = sendReadings(all.map(toReading), { producer, readingsPerEvent: 5, rate: 3_000 });
      for (const reached of [1_000, 3_000, 5_500]) {
        await until(async () => (await applied()) >= reached);
        worker.process.kill('SIGKILL');
        expect(await worker.ended).toBe('SIGKILL');
        worker = await servers.startWorker(sqlUrl(hub), settings, { hub });
      }
      const sent = await sending;
      expect(sent.sent).toBe(all.length);
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: sent.lastSequenceNumbers });
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');

      expect(await allWindows(store)).toEqual(expectedWindows(all));
      expect(await applied()).toBe(all.length);
      const events = await capturedEvents(servers.blobs, `localhost/${hub}`);
      expect(events).toHaveLength(sent.events);
      expect(Object.fromEntries((await store.listProgress()).map((p) => [p.partition, p.capturedSeq]))).toEqual(
        sent.lastSequenceNumbers,
      );
      const readings = events.flatMap(
        (event) => JSON.parse(Buffer.from(event.body as Uint8Array).toString()) as SentReading[],
      );
      const order = (a: SentReading, b: SentReading): number =>
        a.ts - b.ts || (a.device < b.device ? -1 : 1) || a.value - b.value;
      expect(readings.toSorted(order)).toEqual(all.toSorted(order));
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test(
  'whatever is killed or shut out while two workers share the partitions, overlapping windows equal those ' +
    'of one clean run',
  async () => {
    const hub = 'faults';
    const seed = Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31);
    const random = seeded(seed);
    const all = stream(6_000);
    const producer = servers.producer(hub);
    const settings: Partial<IngestSettings> = {
      hopMs: 1_000,
      captureBytes: 60_000,
      captureIntervalMs: 300,
      maxCommitReadings: 300,
      maxBatchEvents: 40,
    };
    const story: string[] = [];
    try {
      await withStore(hub, async (store) => {
        const workers = await Promise.all(
          ['a', 'b'].map((workerName) => servers.startWorker(sqlUrl(hub), { ...settings, workerName }, { hub })),
        );
        const kill = async (i: 0 | 1): Promise<void> => {
          workers[i]!.process.kill('SIGKILL');
          await workers[i]!.ended;
          workers[i] = await servers.startWorker(sqlUrl(hub), { ...settings, workerName: 'ab'[i]! }, { hub });
        };
        const shutOut = async (): Promise<void> => {
          const db = new DatabaseSync(join(dir, `${hub}.db`));
          db.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE');
          await sleep(500 + random() * 1_000);
          db.exec('ROLLBACK');
          db.close();
        };
        const faults: readonly (readonly [string, () => Promise<void>])[] = [
          ['kill a', () => kill(0)],
          ['kill b', () => kill(1)],
          ['kill the emulator', () => servers.killEmulator()],
          ['lock the store', shutOut],
        ];
        const sending = sendReadings(all.map(toReading), { producer, readingsPerEvent: 5, rate: 1_500 });
        // Each once, in any order, and one more.
        const order = faults
          .map((fault) => ({ fault, at: random() }))
          .sort((x, y) => x.at - y.at)
          .map(({ fault }) => fault);
        for (const [name, strike] of [...order, faults[Math.floor(random() * 4)]!]) {
          await sleep(random() * 600);
          story.push(name);
          await strike();
        }
        const { lastSequenceNumbers } = await sending;
        await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers });
        // Raw capture follows by itself: whoever took a partition over reads again what was not captured yet.
        await until(async () =>
          (await store.listProgress(inPlay(hub).source)).every(
            (p) => p.capturedSeq >= lastSequenceNumbers[p.partition]!,
          ),
        );
        for (const worker of workers) worker.process.kill('SIGTERM');
        for (const worker of workers) expect(await worker.ended).toBe('0');

        expect(await allWindows(store)).toEqual(expectedWindows(all, { windowMs: 5_000, hopMs: 1_000 }));
        // Every event of Event Hubs is in raw capture once; a send whose answer was lost was made twice, which is two
        // events.
        const captured = (await capturedEvents(servers.blobs, `localhost/${hub}`)).map(
          (event) => `${event.partitionKey}/${event.seq}`,
        );
        expect(new Set(captured).size).toBe(captured.length);
        expect(captured.length).toBe(Object.values(lastSequenceNumbers).reduce((sum, seq) => sum + seq + 1, 0));
      });
    } catch (error) {
      throw new Error(`SEED=${seed}, after: ${story.join(', ')}`, { cause: error });
    } finally {
      await producer.close();
    }
  },
  120_000,
);

test(
  'quiet partitions are read on in seconds after the connection was lost, also those of a worker ' +
    'that died meanwhile',
  async () => {
    const hub = 'quiet';
    const all = stream(100);
    const producer = servers.producer(hub);
    try {
      await withStore(hub, async (store) => {
        const start = (workerName: string) => servers.startWorker(sqlUrl(hub), { workerName }, { hub });
        const [a, b] = await Promise.all([start('a'), start('b')]);
        const shared = (): boolean => held(a).length > 0 && held(b).length > 0 && held(a).length + held(b).length === 3;
        await until(shared);
        // Beyond the first moves, all links open, and nothing to read.
        await sleep(2_000);
        await until(shared);
        await servers.killEmulator();
        a.process.kill('SIGKILL');
        await a.ended;
        const { lastSequenceNumbers } = await sendReadings(all.map(toReading), { producer });
        expect(Object.keys(lastSequenceNumbers)).toHaveLength(3);
        // Longer than a question that got no answer (15 s), shorter than the client waits by itself: half a minute to
        // share out again, a minute to read on.
        await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers, stallMs: 22_000 });
        b.process.kill('SIGTERM');
        expect(await b.ended).toBe('0');
        expect(await allWindows(store)).toEqual(expectedWindows(all));
      });
    } finally {
      await producer.close();
    }
  },
  60_000,
);

test('a partition whose reading ended with an error is taken again at once, not when its ownership expires', async () => {
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'h', partitions: 1 }] });
  const connection = { connectionString: emulator.connectionString() };
  const producer = createProducer({ connection, hub: 'h' });
  const told: string[] = [];
  const trouble: object[] = [];
  const log = {
    debug() {},
    info: (_: object, message: string) => void told.push(message),
    warn: (fields: object) => void trouble.push(fields),
    error() {},
  };
  try {
    await withStore('ended', async (store) => {
      const worker = await startIngest({
        eventHubs: { connection, hub: 'h', consumerGroup: '$Default' },
        store,
        blobs: servers.blobs,
        checkpoints: servers.checkpoints,
        log,
        settings: { ...QUICK, ownershipTimeoutMs: 600_000, capture: false },
      });
      const sendOne = async (tsMs: number): Promise<void> => {
        const { lastSequenceNumbers } = await sendReadings([{ device: 'd', sensor: 's', tsMs, value: 1 }], {
          producer,
        });
        await waitIngested({ store, source: worker.source, lastSequenceNumbers, stallMs: 20_000 });
      };
      try {
        await sendOne(T0);
        // Between two batches the client takes up a new link itself, and tells nobody: then it is ended again.
        await until(() => {
          const letGo = told.includes('partition let go');
          if (!letGo) emulator.faults.endReaders({ condition: 'amqp:not-allowed', description: 'no more' });
          return letGo;
        });
        await sendOne(T0 + 1);
        expect(trouble).toEqual([{ partition: '0', code: 'InvalidOperationError', error: 'no more' }]);
      } finally {
        await worker.stop();
      }
    });
  } finally {
    await producer.close();
    await emulator.stop();
  }
}, 30_000);

test('workers share the partitions, and take over those of one that leaves', async () => {
  const hub = 'shared';
  const all = stream(3_000);
  const producer = servers.producer(hub);
  try {
    await withStore(hub, async (store) => {
      const a = await servers.startWorker(sqlUrl(hub), {}, { hub });
      const b = await servers.startWorker(sqlUrl(hub), {}, { hub });
      const sending = sendReadings(all.slice(0, 1_500).map(toReading), { producer, rate: 1_500 });
      await until(() => held(a).length > 0 && held(b).length > 0 && new Set([...held(a), ...held(b)]).size === 3);
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: (await sending).lastSequenceNumbers });
      a.process.kill('SIGTERM');
      expect(await a.ended).toBe('0');
      await until(() => held(b).length === 3);
      const { lastSequenceNumbers } = await sendReadings(all.slice(1_500).map(toReading), { producer });
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers });
      b.process.kill('SIGTERM');
      expect(await b.ended).toBe('0');
      expect(await allWindows(store)).toEqual(expectedWindows(all));
      const captured = await capturedEvents(servers.blobs, `localhost/${hub}`);
      expect(captured).toHaveLength(Object.values(lastSequenceNumbers).reduce((sum, seq) => sum + seq + 1, 0));
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test('a history of several devices, sent at once, makes no reading late', async () => {
  const hub = 'history';
  // Half an hour of 12 devices with 5 sensors.
  const all = Array.from({ length: 360 * 60 }, (_, i): SentReading => ({
    device: `device-${i % 12}`,
    sensor: `s${Math.floor(i / 12) % 5}`,
    ts: T0 + Math.floor(i / 60) * 5_000,
    value: i,
  }));
  const producer = servers.producer(hub);
  try {
    await withStore(hub, async (store) => {
      const worker = await servers.startWorker(sqlUrl(hub), { capture: false }, { hub });
      const { lastSequenceNumbers } = await sendReadings(all.map(toReading), { producer });
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers });
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');
      const progress = await store.listProgress(servers.source(hub));
      expect(progress.map(({ late }) => late)).toEqual([0, 0, 0]);
      expect(progress.reduce((sum, { readings }) => sum + readings, 0)).toBe(all.length);
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test('a hub that was deleted and made anew, another interval, and a hub that is not there are told apart', async () => {
  const hub = 'empty';
  await withStore(hub, async (store) => {
    const told: string[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (_: object, message: string) => void told.push(message) };
    const start = (name: string, settings: Partial<IngestSettings> = {}) =>
      startIngest({
        eventHubs: { connection: { connectionString: servers.eventHubs }, hub: name, consumerGroup: '$Default' },
        store,
        blobs: servers.blobs,
        checkpoints: servers.checkpoints,
        settings,
        log,
      });
    await store.commitReadings({
      source: servers.source(hub),
      partition: '1',
      expectedSeq: -1,
      throughSeq: 41,
      watermarkMs: 0,
      updates: [],
      readings: 0,
      late: 0,
      dead: 0,
    });
    const worker = await start(hub, QUICK);
    const progress = async () =>
      Object.fromEntries((await store.listProgress(servers.source(hub))).map((p) => [p.partition, p]));
    // The other partitions are read; this one stands still and says why.
    await until(async () => worker.stats().partitions.length === 2 && (await progress())['1']?.problem !== undefined);
    expect((await progress())['1']).toMatchObject({
      appliedSeq: 41,
      problem: expect.stringMatching(/ends at sequence number -1, but events up to 41 were read/),
    });
    expect(told).toContainEqual(expect.stringMatching(/partition stands still.*FLEETSCORE_ON_NEW_HUB=read/));
    expect(worker.stats().partitions).toEqual(['0', '2']);
    await worker.stop();
    await expect(start(hub, { windowMs: 60_000 })).rejects.toMatchObject({
      code: 'INTERVAL_CHANGED',
      message: expect.stringContaining('1m'),
    });
    // Nothing was stored with another hop before: the windows that are there follow each other.
    await expect(start(hub, { hopMs: 1_000 })).rejects.toMatchObject({
      code: 'INTERVAL_CHANGED',
      message: expect.stringMatching(
        /configured as 5s every 1s, but the store holds windows of 5s\. Set FLEETSCORE_WINDOW=5s without FLEETSCORE_HOP,/,
      ),
    });
    await expect(start('no-such-hub')).rejects.toMatchObject({
      code: 'EVENT_HUB_UNAVAILABLE',
      message: expect.stringContaining('no-such-hub'),
    });
  });
}, 60_000);
