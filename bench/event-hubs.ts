/**
 * CPU time per event of the Event Hubs emulator, sending and receiving, with the official clients. The emulator
 * runs in a process of its own, so that its time is told apart from the clients'.
 *
 *   node bench/event-hubs.ts [events = 200000] [bytes per event = 150]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { earliestEventPosition, EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import { startEventHubsEmulator } from '../local/event-hubs/emulator.ts';

interface Usage {
  readonly cpuMicros: number;
  readonly rssMiB: number;
}

if (process.send === undefined) await bench(Number(process.argv[2] ?? 200_000), Number(process.argv[3] ?? 150));
else await serve(process.send.bind(process));

async function serve(send: (message: unknown) => void): Promise<void> {
  const emulator = await startEventHubsEmulator({ hubs: [{ name: 'readings', partitions: 4 }] });
  process.on('message', (message) => {
    if (message === 'stop') void emulator.stop().then(() => process.exit(0));
    else {
      const { user, system } = process.cpuUsage();
      send({ cpuMicros: user + system, rssMiB: process.memoryUsage().rss / 2 ** 20 });
    }
  });
  send({ connectionString: emulator.connectionString('readings') });
}

async function bench(events: number, bytes: number): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), { stdio: 'inherit' });
  const ask = async (): Promise<Usage> => {
    server.send('usage');
    return (await once(server, 'message'))[0] as Usage;
  };
  const [{ connectionString }] = (await once(server, 'message')) as [{ connectionString: string }];
  const measure = async (what: string, run: () => Promise<void>): Promise<void> => {
    const before = await ask();
    const client = process.cpuUsage();
    const start = performance.now();
    await run();
    const seconds = (performance.now() - start) / 1000;
    const used = process.cpuUsage(client);
    const after = await ask();
    console.log(
      `${what}: emulator ${((after.cpuMicros - before.cpuMicros) / events).toFixed(2)} us CPU an event, ` +
        `client ${((used.user + used.system) / events).toFixed(2)} us, ` +
        `${Math.round(events / seconds)} events a second, emulator holds ${after.rssMiB.toFixed(0)} MiB`,
    );
  };

  const producer = new EventHubProducerClient(connectionString);
  await producer.getEventHubProperties();
  const body = { sensor: 'x'.repeat(Math.max(0, bytes - 13)) };
  await measure('send   ', async () => {
    for (let sent = 0; sent < events;) {
      const batch = await producer.createBatch();
      while (sent < events && batch.count < 1000 && batch.tryAdd({ body })) sent += 1;
      await producer.sendBatch(batch);
    }
  });
  await producer.close();

  const consumer = new EventHubConsumerClient('$Default', connectionString);
  await measure(
    'receive',
    () =>
      new Promise<void>((resolve, reject) => {
        let received = 0;
        const subscription = consumer.subscribe(
          {
            processEvents: async (batch) => {
              received += batch.length;
              if (received === events) void subscription.close().then(resolve, reject);
            },
            processError: async (error) => reject(error),
          },
          { startPosition: earliestEventPosition, maxBatchSize: 1000, maxWaitTimeInSeconds: 1 },
        );
      }),
  );
  await consumer.close();
  server.send('stop');
  await once(server, 'exit');
}
