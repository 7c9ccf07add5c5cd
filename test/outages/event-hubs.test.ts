/**
 * Event Hubs ends connections and links as the service does at maintenance: the same process goes on, and every reading
 * counts once. All cases run at once, each with a hub, a store and workers of its own: they wait most of the time.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cpSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createProducer } from '../../ingest/connect.ts';
import { sourceName } from '../../ingest/event.ts';
import { sendReadings, waitIngested } from '../../ingest/send.ts';
import { startEventHubsEmulator, type EventHubsEmulator } from '../../local/event-hubs/emulator.ts';
import { openStore } from '../../storage/open-store.ts';
import { allWindows, capturedEvents, expectedWindows, T0, type SentReading } from '../ingest/pipeline-stage.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { startIngestServers, type IngestServers } from '../support/ingest-servers.ts';
import { until } from '../support/until.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('outage-event-hubs');
const HUB = 'maintained';
let servers: IngestServers;
let emulator: EventHubsEmulator;
const startEmulator = (port = 0): Promise<EventHubsEmulator> =>
  startEventHubsEmulator({ hubs: [{ name: HUB, partitions: 3 }], dataDir: join(dir, 'hub'), port });

beforeAll(async () => {
  servers = await startIngestServers(dir);
  emulator = await startEmulator();
}, 60_000);
afterAll(async () => {
  await servers?.stop();
  await emulator?.stop();
});

const readings: readonly SentReading[] = Array.from({ length: 12_000 }, (_, i) => ({
  device: `device-${i % 7}`,
  sensor: 's',
  ts: T0 + i * 40,
  value: i,
}));

/** How the service ends what is open, each with its own words. */
const ENDS: readonly (readonly [string, () => unknown])[] = [
  ['connection:forced', () => emulator.faults.closeConnections()],
  ['detach-forced', () => endReaders('amqp:link:detach-forced', 'The link was force detached by the broker.')],
  ['connection:forced', () => emulator.faults.closeConnections()],
  ['server-busy', () => endReaders('com.microsoft:server-busy', 'The request was terminated. Please wait 4 seconds.')],
  ['internal-error', () => endReaders('amqp:internal-error', 'The service was unable to process the request.')],
  [
    'shut down',
    async () => {
      await emulator.stop();
      emulator = await startEmulator(emulator.port);
    },
  ],
];
const endReaders = (condition: string, description: string): number =>
  emulator.faults.endReaders({ condition, description });

test.concurrent('a link or connection that the service ends costs neither worker nor reading', async () => {
  const sqlUrl = `sqlite:${join(dir, 'ends.db')}`;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const connectionString = emulator.connectionString();
  const worker = await servers.startWorker(
    sqlUrl,
    { captureIntervalMs: 300, workerName: 'one' },
    { hub: HUB, eventHubs: connectionString },
  );
  let ended: string | undefined;
  void worker.ended.then((how) => (ended = how));
  const producer = createProducer({ connection: { connectionString }, hub: HUB });
  const source = sourceName({ namespace: 'localhost', hub: HUB }, '$Default');
  try {
    let sentSoFar = 0;
    const sending = sendReadings(
      readings.map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
      { producer, readingsPerEvent: 5, rate: 600, onProgress: ({ sent }) => (sentSoFar = sent) },
    );
    sending.catch(() => {});
    const applied = async (): Promise<number> =>
      (await store.listProgress(source)).reduce((sum, p) => sum + p.readings, 0);
    await until(async () => (await applied()) > 0);
    for (const [, end] of ENDS) {
      await end();
      const [sent, done] = [sentSoFar, await applied()];
      // Both get on with what came after, and not only with what they had.
      await until(async () => ended !== undefined || (sentSoFar > sent + 600 && (await applied()) > done + 600));
      expect(ended).toBeUndefined();
    }
    const { sent, lastSequenceNumbers } = await sending;
    expect(sent).toBe(readings.length);
    await waitIngested({ store, source, stallMs: 60_000, lastSequenceNumbers });
    expect(await allWindows(store)).toEqual(expectedWindows(readings));
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe('0');
    const seqs = (await capturedEvents(servers.blobs, `localhost/${HUB}`)).length;
    expect(seqs).toBe(Object.values(lastSequenceNumbers).reduce((sum, last) => sum + last + 1, 0));
  } finally {
    await producer.close();
    await store.close();
  }
}, 180_000);

test.concurrent(
  'a hub that was deleted and made again loses no reading: it is left alone, across restarts, until it ' +
    'may be read anew',
  async () => {
    const hub = 'anew';
    const data = join(dir, hub);
    const sqlUrl = `sqlite:${join(dir, 'anew.db')}`;
    const source = sourceName({ namespace: 'localhost', hub }, '$Default');
    const start = (port: number): Promise<EventHubsEmulator> =>
      startEventHubsEmulator({ hubs: [{ name: hub, partitions: 2 }], dataDir: data, port });
    let service = await start(0);
    const connectionString = service.connectionString();
    const makeAnew = async (): Promise<void> => {
      const { port } = service;
      await service.stop();
      await rm(data, { recursive: true });
      service = await start(port);
    };
    const store = await openStore(sqlUrl);
    await store.migrate();
    const work = (onNewHub: 'stop' | 'read') =>
      servers.startWorker(
        sqlUrl,
        // No file is due before the worker ends, or loses the hub.
        { captureIntervalMs: 600_000, workerName: 'one', onNewHub },
        { hub, eventHubs: connectionString },
      );
    const all: SentReading[] = [];
    let events = 0;
    const send = async (count: number): Promise<Readonly<Record<string, number>>> => {
      const fresh = readings.slice(all.length, all.length + count);
      all.push(...fresh);
      const producer = createProducer({ connection: { connectionString }, hub });
      try {
        const sent = await sendReadings(
          fresh.map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
          { producer, readingsPerEvent: 5 },
        );
        events += sent.events;
        return sent.lastSequenceNumbers;
      } finally {
        await producer.close();
      }
    };
    const applied = async (): Promise<number> =>
      (await store.listProgress(source)).reduce((sum, p) => sum + p.readings, 0);
    try {
      let worker = await work('stop');
      await waitIngested({ store, source, stallMs: 30_000, lastSequenceNumbers: await send(700) });
      worker.process.kill('SIGTERM');
      await worker.ended;

      // Longer than before: the numbers say nothing.
      await makeAnew();
      await send(2_100);
      for (const _ of ['first start', 'after a kill']) {
        worker = await work('stop');
        await until(async () => (await store.listProgress(source)).every((p) => p.problem !== undefined));
        expect(worker.message('stats')?.partitions ?? []).toEqual([]);
        expect(await applied()).toBe(700);
        worker.process.kill('SIGKILL');
        await worker.ended;
      }
      worker = await work('read');
      await until(async () => (await applied()) === 2_800);

      // While it is read: shorter than before, longer, shorter. What waits for raw capture is in no hub any more.
      for (const count of [300, 350, 200, 2_650]) {
        await makeAnew();
        const before = await applied();
        await send(count);
        await until(async () => (await applied()) === before + count);
      }
      expect(worker.process.exitCode).toBeNull();
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe('0');
      expect(await allWindows(store)).toEqual(expectedWindows(all));
      expect(await capturedEvents(servers.blobs, `localhost/${hub}`)).toHaveLength(events);
    } finally {
      await service.stop();
      await store.close();
    }
  },
  180_000,
);

test.concurrent('a failover that lost events gives their numbers to others, and drops none of them', async () => {
  const hub = 'failed-over';
  const sqlUrl = `sqlite:${join(dir, 'failed-over.db')}`;
  const source = sourceName({ namespace: 'localhost', hub }, '$Default');
  const start = (data: string, port: number, geoEpoch: number): Promise<EventHubsEmulator> =>
    startEventHubsEmulator({ hubs: [{ name: hub, partitions: 2 }], dataDir: join(dir, data), port, geoEpoch });
  let service = await start('primary', 0, 1);
  const connectionString = service.connectionString();
  const { port } = service;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const all: SentReading[] = [];
  const send = async (count: number): Promise<void> => {
    const fresh = readings.slice(all.length, all.length + count);
    all.push(...fresh);
    const producer = createProducer({ connection: { connectionString }, hub });
    await sendReadings(
      fresh.map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
      { producer, readingsPerEvent: 5 },
    );
    await producer.close();
  };
  const applied = async (): Promise<number> =>
    (await store.listProgress(source)).reduce((sum, p) => sum + p.readings, 0);
  const work = (onNewHub: 'stop' | 'read') =>
    servers.startWorker(
      sqlUrl,
      { captureIntervalMs: 200, workerName: 'one', onNewHub },
      { hub, eventHubs: connectionString },
    );
  try {
    let worker = await work('stop');
    await send(700);
    await until(async () => (await applied()) === 700);
    expect((await store.listProgress(source))[0]!.last!.offset).toMatch(/^1:\d+:\d+$/);
    // What comes now is not replicated.
    await service.stop();
    cpSync(join(dir, 'primary'), join(dir, 'secondary'), { recursive: true });
    service = await start('primary', port, 1);
    await send(140);
    await until(async () => (await applied()) === 840);
    await service.stop();
    service = await start('secondary', port, 2);
    await send(280);
    // Both partitions are as long as before, or longer: only the epoch says that the events are others.
    await until(async () => (await store.listProgress(source)).every(({ problem }) => problem !== undefined));
    expect(await applied()).toBe(840);
    worker.process.kill('SIGTERM');
    await worker.ended;
    worker = await work('read');
    await until(async () => (await applied()) === 840 + 700 + 280);
    await until(async () => (await store.listProgress(source)).every((p) => p.problem === undefined));
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe('0');
    // What was replicated comes again and counts once.
    expect(await allWindows(store)).toEqual(expectedWindows(all));
  } finally {
    await service.stop();
    await store.close();
  }
}, 180_000);

test.concurrent('a dead connection is made anew long before the client would notice', async () => {
  const sqlUrl = `sqlite:${join(dir, 'dead.db')}`;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const service = await startEventHubsEmulator({ hubs: [{ name: 'dead', partitions: 2 }] });
  const proxy = await startTcpProxy(service.port);
  const connectionString = service.connectionString();
  const producer = createProducer({ connection: { connectionString }, hub: 'dead' });
  try {
    const worker = await servers.startWorker(
      sqlUrl,
      { capture: false },
      { hub: 'dead', eventHubs: connectionString.replace(`:${service.port}`, `:${proxy.port}`) },
    );
    const applied = (): Promise<number> =>
      store.listProgress().then((all) => all.reduce((sum, p) => sum + p.readings, 0));
    const send = (): Promise<unknown> =>
      sendReadings(
        readings.slice(0, 70).map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
        { producer },
      );
    await send();
    await until(async () => (await applied()) === 70);
    // What stands then is dead for good; the client by itself takes 120 s, longer than this waits.
    await proxy.fault('black hole');
    await proxy.fault();
    await send();
    await until(async () => (await applied()) === 140);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe('0');
  } finally {
    await producer.close();
    await proxy.stop();
    await service.stop();
    await store.close();
  }
}, 180_000);

/** A clock that is so much ahead, for all that a process asks. */
const clockAhead = (ms: number): string[] => [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    `const now = Date.now; Date.now = () => now() + ${ms}; globalThis.Date = class extends Date { constructor(...args) { if (args.length > 0) super(...args); else super(Date.now()); } };`,
  )}`,
];

test.concurrent('a clock that is a minute ahead moves no partition', async () => {
  const sqlUrl = `sqlite:${join(dir, 'skewed.db')}`;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const producer = servers.producer();
  // Without the correction by Blob's clock it owns everything, again each turn.
  const settings = { ownershipTimeoutMs: 10_000, captureIntervalMs: 500 };
  const taken = (): number => readFileSync(join(dir, 'skewed.log'), 'utf8').split('partition taken').length;
  try {
    const workers = [
      await servers.startWorker(sqlUrl, settings, { log: 'skewed.log' }),
      await servers.startWorker(sqlUrl, settings, { execArgv: clockAhead(60_000), log: 'skewed.log' }),
    ];
    await until(() =>
      workers.every((worker) => (worker.message('stats')?.partitions as string[] | undefined)?.length === 2),
    );
    const before = taken();
    const { lastSequenceNumbers } = await sendReadings(
      readings.slice(0, 2_000).map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
      { producer, readingsPerEvent: 5, rate: 400 },
    );
    await waitIngested({ store, source: servers.source(), stallMs: 30_000, lastSequenceNumbers });
    expect(taken() - before).toBeLessThan(3);
    await until(async () =>
      (await store.listProgress()).every(({ appliedSeq, capturedSeq }) => capturedSeq === appliedSeq),
    );
    expect(await allWindows(store)).toEqual(expectedWindows(readings.slice(0, 2_000)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    expect(await Promise.all(workers.map((worker) => worker.ended))).toEqual(['0', '0']);
  } finally {
    await producer.close();
    await store.close();
  }
}, 180_000);

test.concurrent('readers that are refused for a while read again soon after, and the reason is told', async () => {
  const sqlUrl = `sqlite:${join(dir, 'refused.db')}`;
  const store = await openStore(sqlUrl);
  await store.migrate();
  const service = await startEventHubsEmulator({ hubs: [{ name: 'refused', partitions: 2 }] });
  const connectionString = service.connectionString();
  const producer = createProducer({ connection: { connectionString }, hub: 'refused' });
  const log = (): string => readFileSync(join(dir, 'refused.log'), 'utf8');
  try {
    const worker = await servers.startWorker(
      sqlUrl,
      { capture: false },
      { hub: 'refused', eventHubs: connectionString, log: 'refused.log' },
    );
    const applied = (): Promise<number> =>
      store.listProgress().then((all) => all.reduce((sum, p) => sum + p.readings, 0));
    const send = (): Promise<unknown> =>
      sendReadings(
        readings.slice(0, 70).map(({ ts, ...rest }) => ({ ...rest, tsMs: ts })),
        { producer },
      );
    await send();
    await until(async () => (await applied()) === 70);
    const from = log().length;
    service.faults.refuseReaders({
      condition: 'com.microsoft:server-busy',
      description: 'The request was terminated because the namespace is being throttled.',
    });
    // The client gives the partition up after nine tries: their reason is not hidden in an AggregateError.
    await until(() => log().slice(from).includes('"code":"ServerBusyError"'));
    expect(log().slice(from)).toMatch(/"error":"[^"]*namespace is being throttled[^"]*","tries":9/);
    service.faults.refuseReaders();
    await send();
    await until(async () => (await applied()) === 140);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe('0');
  } finally {
    await producer.close();
    await service.stop();
    await store.close();
  }
}, 180_000);
