/** What is sent through the emulator, by people and devices, and what becomes of it in a worker and the store. */
import { afterAll, beforeAll } from '@jest/globals';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { isoTime } from '../../domain/time.ts';
import type { AmqpMessage } from '../../ingest/event.ts';
import { listDeadLetters, replayDeadLetters } from '../../ingest/dead-letters.ts';
import { startIngest } from '../../ingest/ingest-worker.ts';
import { namedMapping } from '../../ingest/mapping/named.ts';
import { rebuildWindows } from '../../ingest/rebuild.ts';
import { sendFiles, sendReadings, waitIngested, type BadRow } from '../../ingest/send.ts';
import type { IngestSettings } from '../../ingest/settings.ts';
import type { Store } from '../../storage/store.ts';
import { QUICK, startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { FILES, FOLDER, formatFor } from '../support/sent-files.ts';
import { storesIn } from '../support/stores.ts';
import { tempDir } from '../support/temp.ts';
import { allWindows, expectedWindows, type SentReading, stream, T0 } from './pipeline-stage.ts';

const dir = tempDir('sent');
let servers: IngestServers;
beforeAll(async () => {
  servers = await startIngestServers(dir, {
    hubs: ['poison', 'mapped', 'csv', 'files'],
    partitions: 3,
  });
}, 60_000);
afterAll(() => servers.stop());

const { sqlUrl, withStore } = storesIn(dir);

const toReading = ({ ts, ...rest }: SentReading) => ({ ...rest, tsMs: ts });
const inPlay = (hub: string) => ({ source: servers.source(hub), stallMs: 30_000 });

test('poison goes to dead letters, which can be sent again', async () => {
  const hub = 'poison';
  const producer = servers.producer(hub);
  try {
    await withStore(hub, async (store) => {
      const worker = await servers.startWorker(sqlUrl(hub), {}, { hub });
      const good = { ts: T0, device: 'd', sensor: 's', value: 1 };
      await producer.sendBatch(
        [
          { body: Buffer.from('not json') },
          { body: good },
          { body: [good, { ...good, ts: T0 + 1, value: null }], properties: { site: 'x' } },
        ],
        { partitionKey: 'd' },
      );
      await until(async () => (await store.listProgress()).some((p) => p.appliedSeq === 2));
      const list = async () => {
        const letters = [];
        for await (const letter of listDeadLetters(servers.blobs, `localhost/${hub}/`)) letters.push(letter);
        return letters;
      };
      expect(await list()).toMatchObject([
        { sequenceNumber: 0, partitionKey: 'd', text: 'not json', problems: [{ reason: 'not_json' }] },
        {
          sequenceNumber: 2,
          partitionKey: 'd',
          properties: { site: 'x' },
          problems: [{ reason: 'missing_field', index: 1 }],
        },
      ]);
      expect(await replayDeadLetters(servers.blobs, producer, `localhost/${hub}/`)).toBe(2);
      await until(async () => (await store.listProgress()).some((p) => p.appliedSeq === 4));
      expect((await list()).map((letter) => [letter.sequenceNumber, letter.text])).toEqual([
        [3, 'not json'],
        [4, expect.stringContaining('"device":"d"')],
      ]);
      expect(await allWindows(store)).toEqual(expectedWindows([good]));
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test('events of IoT Hub that were refused are replayed with a mapping; a rebuild gives the same windows', async () => {
  const hub = 'mapped';
  const producer = servers.producer(hub);
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const start = (store: Store, settings: Partial<IngestSettings>) =>
    startIngest({
      eventHubs: { connection: { connectionString: servers.eventHubs }, hub, consumerGroup: '$Default' },
      store,
      blobs: servers.blobs,
      checkpoints: servers.checkpoints,
      settings: { ...QUICK, workerName: 'mapped', ...settings },
      log: quiet,
    });
  const applied = async (store: Store) =>
    (await store.listProgress()).reduce((sum, { appliedSeq }) => sum + appliedSeq + 1, 0);
  const mapping = namedMapping('iot-hub')!;
  const telemetry = (ts: number, values: object): AmqpMessage => ({
    body: { ts, ...values },
    bodyType: 'value',
    messageAnnotations: { 'iothub-connection-device-id': 'pump-1' },
  });
  const expected = expectedWindows([
    { ts: T0, device: 'pump-1', sensor: 'temp', value: 20 },
    { ts: T0, device: 'pump-1', sensor: 'hum', value: 40 },
    { ts: T0 + 1_000, device: 'pump-1', sensor: 'temp', value: 21 },
  ]);
  try {
    await withStore(hub, async (store) => {
      const before = await start(store, {});
      await producer.sendBatch([telemetry(T0, { temp: 20, hum: 40 })], { partitionKey: 'pump-1' });
      await until(async () => (await applied(store)) === 1);
      await before.stop();
      expect(await store.listSensors()).toEqual([]);

      const after = await start(store, { mapping });
      await producer.sendBatch([telemetry(T0 + 1_000, { temp: 21 })], { partitionKey: 'pump-1' });
      expect(await replayDeadLetters(servers.blobs, producer, `localhost/${hub}/`)).toBe(1);
      await until(async () => (await applied(store)) === 3);
      await after.stop();
      expect(await allWindows(store)).toEqual(expected);
    });
    await withStore('rebuilt', async (store) => {
      const period = { fromMs: 0, toMs: T0 * 2 };
      const from = { store, blobs: servers.blobs, hub: { namespace: 'localhost', hub }, consumerGroup: 'g', period };
      const result = await rebuildWindows({ ...from, settings: { mapping }, log: quiet });
      // The one that was refused at first is there twice, and a reading counts once.
      expect(result).toMatchObject({ events: 3, dead: 0 });
      expect(await allWindows(store)).toEqual(expected);
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test('files of every shape, sent with their commands, are the windows of what pandas reads in them', async () => {
  const hub = 'files';
  const producer = servers.producer(hub);
  try {
    await withStore(hub, async (store) => {
      const worker = await servers.startWorker(sqlUrl(hub), {}, { hub });
      let last = {};
      for (const [name, { args, readings }] of Object.entries(FILES)) {
        const path = `${FOLDER}${name}`;
        const files = [{ name, stream: createReadStream(path), path }];
        const sent = await sendFiles(files, { producer, format: formatFor(args) });
        expect(sent).toMatchObject({ sent: readings.length, bad: 0 });
        last = sent.lastSequenceNumbers;
      }
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: last });
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');
      const all = Object.values(FILES).flatMap(({ readings }) => readings);
      expect(await allWindows(store)).toEqual(
        expectedWindows(all.map(([ts, device, sensor, value]) => ({ ts, device, sensor, value }))),
      );
    });
  } finally {
    await producer.close();
  }
}, 60_000);

test('a CSV file goes in; bad rows are told by line, the good ones count', async () => {
  const hub = 'csv';
  const rows = stream(500);
  const lines = rows.map(
    ({ ts, device, sensor, value }, i) => `${i},${value},${isoTime(ts).replace(/Z$/, '')},"${device}",${sensor}`,
  );
  lines.splice(3, 0, 'x,1,yesterday,d,s', '', 'x,one,2026-01-01,d,s', 'x,1,2026-01-01, ,s', 'x,1,2026-01-01,"d"x,s');
  const bad: BadRow[] = [];
  const producer = servers.producer(hub);
  try {
    const sent = await sendFiles(Readable.from([`\uFEFF#,VALUE,ts,Device,sensor\r\n${lines.join('\r\n')}`]), {
      producer,
      onBadRow: (row) => bad.push(row),
      readingsPerEvent: 7,
    });
    expect(sent).toMatchObject({ sent: 500, bad: 4 });
    expect(bad.map((row) => row.line)).toEqual([5, 7, 8, 9]);
    expect(bad.map((row) => row.reason).join()).toMatch(/TS "yesterday".*Value "one".*device name.*CSV/);
    await withStore(hub, async (store) => {
      const waiting = waitIngested({
        store,
        source: servers.source(hub),
        lastSequenceNumbers: sent.lastSequenceNumbers,
        stallMs: 50,
        pollMs: 10,
      });
      await expect(waiting).rejects.toMatchObject({
        code: 'NOT_INGESTED',
        message: expect.stringMatching(/partition \d is at sequence number -1 of \d+.*ingest worker/),
      });
      const worker = await servers.startWorker(sqlUrl(hub), {}, { hub });
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: sent.lastSequenceNumbers });
      expect(await allWindows(store)).toEqual(expectedWindows(rows));
      // The same file again changes nothing.
      const again = await sendReadings(rows.map(toReading), { producer });
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: again.lastSequenceNumbers });
      expect(await allWindows(store)).toEqual(expectedWindows(rows));
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');
    });
    // A store that was lost: its checkpoints are still there, ahead of the new one, and must not be believed.
    await withStore('csv-new', async (store) => {
      const worker = await servers.startWorker(sqlUrl('csv-new'), { capture: false }, { hub });
      await waitIngested({ store, ...inPlay(hub), lastSequenceNumbers: sent.lastSequenceNumbers });
      expect(await allWindows(store)).toEqual(expectedWindows(rows));
      worker.process.kill('SIGTERM');
      await worker.ended;
    });
  } finally {
    await producer.close();
  }
}, 60_000);
