import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { refOf } from '../../../connect/processes.ts';
import { startEventHubsEmulator } from '../../../local/event-hubs/emulator.ts';
import {
  bodies,
  cleanUp,
  emulator,
  numbered,
  producer,
  receive,
  sequences,
  temporaryFolder,
  watch,
} from './support.ts';

const MAIN = fileURLToPath(new URL('../../../local/event-hubs/main.ts', import.meta.url));
type Child = ChildProcessByStdio<null, Readable, Readable>;
const children: Child[] = [];

afterEach(async () => {
  await cleanUp();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Running {
  readonly child: Child;
  readonly ready: { readonly ready: boolean; readonly port: number; readonly connectionString: string };
  readonly stderr: string[];
}

function start(args: readonly string[]): { child: Child; stderr: string[] } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const stderr: string[] = [];
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  return { child, stderr };
}

async function run(args: readonly string[]): Promise<Running> {
  const { child, stderr } = start(args);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, stderr, ready: JSON.parse(line) as Running['ready'] };
}

async function end(child: Child, signal: NodeJS.Signals): Promise<number | null> {
  const exit = once(child, 'exit');
  child.kill(signal);
  return (await exit)[0] as number | null;
}

test('a process that is killed in the middle of sending loses nothing that it accepted, in order and once', async () => {
  const data = temporaryFolder();
  const accepted: number[] = [];
  let next = 0;
  let { child, ready } = await run(['--port', '0', '--data', data, '--partitions', '1']);
  const again = ['--port', String(ready.port), '--data', data, '--partitions', '1'];
  // No retry: what was not accepted gets other numbers in the next round, so each number is sent once.
  const client = producer(ready.connectionString, { maxRetries: 0, timeoutInMs: 1500 });
  for (let round = 0; round < 2; round += 1) {
    await client.sendBatch([{ body: next }], { partitionId: '0' });
    accepted.push(next);
    next += 1;
    const killed = setTimeout(() => child.kill('SIGKILL'), 500);
    const gone = once(child, 'exit');
    const send = async (): Promise<void> => {
      for (;;) {
        const batch = Array.from({ length: 100 }, (_, i) => next + i);
        next += batch.length;
        await client.sendBatch(
          batch.map((body) => ({ body })),
          { partitionId: '0' },
        );
        accepted.push(...batch);
      }
    };
    await expect(send()).rejects.toHaveProperty('message');
    clearTimeout(killed);
    expect((await gone)[1]).toBe('SIGKILL');
    ({ child, ready } = await run(again));
  }
  expect(accepted.length).toBeGreaterThan(200);
  const { lastEnqueuedSequenceNumber: last } = await producer(ready.connectionString).getPartitionProperties('0');
  const events = await receive(ready.connectionString, last + 1);
  expect(sequences(events)).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
  const received = bodies(events) as number[];
  expect(received).toEqual(received.toSorted((a, b) => a - b));
  expect(new Set(received).size).toBe(received.length);
  const there = new Set(received);
  expect(accepted.filter((body) => !there.has(body))).toEqual([]);
  // A batch that was stored but not yet accepted may be there as well, whole: one at most for each kill.
  expect(received.length - accepted.length).toBeLessThanOrEqual(200);
  expect((received.length - accepted.length) % 100).toBe(0);
  await cleanUp();
  expect(await end(child, 'SIGTERM')).toBe(0);
});

test('a torn tail is reported, cut off and written over', async () => {
  const data = temporaryFolder();
  const first = await run(['--port', '0', '--data', data, '--partitions', '1']);
  const client = producer(first.ready.connectionString);
  await client.sendBatch(numbered(5), { partitionId: '0' });
  await client.close();
  await end(first.child, 'SIGKILL');
  const dir = join(data, 'readings', '0');
  appendFileSync(join(dir, readdirSync(dir)[0] ?? ''), 'half a rec');
  const second = await run(['--port', '0', '--data', data, '--partitions', '1']);
  expect(second.stderr).toEqual([
    expect.stringMatching(/readings\/0\/0+\.log: cut off 10 bytes of an unfinished write.*next sequence number is 5/),
  ]);
  await producer(second.ready.connectionString).sendBatch(numbered(5, 5), { partitionId: '0' });
  const events = await receive(second.ready.connectionString, 10);
  expect(bodies(events)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(sequences(events)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('an expired partition goes on counting after a restart', async () => {
  const dataDir = temporaryFolder();
  const options = { dataDir, retentionMs: 300, hubs: [{ name: 'readings', partitions: 1 }] };
  const first = await emulator(options);
  const client = producer(first.connectionString('readings'));
  await client.sendBatch(numbered(5));
  for (let isEmpty = false; !isEmpty;) ({ isEmpty } = await client.getPartitionProperties('0'));
  await client.close();
  await first.stop();
  const second = await emulator({ ...options, retentionMs: 60_000 });
  const again = producer(second.connectionString('readings'));
  expect(await again.getPartitionProperties('0')).toMatchObject({
    isEmpty: true,
    beginningSequenceNumber: 5,
    lastEnqueuedSequenceNumber: 4,
  });
  await again.sendBatch(numbered(1, 5));
  expect(sequences(await receive(second.connectionString('readings'), 1))).toEqual([5]);
});

test('stopping ends with clients still connected, and starting again finds everything', async () => {
  const options = { dataDir: temporaryFolder(), hubs: [{ name: 'readings', partitions: 1 }] };
  const first = await emulator(options);
  await producer(first.connectionString('readings')).sendBatch(numbered(5));
  const probe = connect(first.port, '127.0.0.1');
  probe.on('error', () => {});
  await once(probe, 'connect');
  const reader = watch(first.connectionString('readings'));
  await reader.until(({ events }) => events.length === 5);
  await first.stop();
  await reader.close();
  const second = await emulator({ ...options, port: first.port });
  expect(bodies(await receive(second.connectionString('readings'), 5))).toEqual([0, 1, 2, 3, 4]);
});

test('a port or a folder that is taken, and partitions that are taken away, stop the start with a reason', async () => {
  const dataDir = temporaryFolder();
  const hubs = [{ name: 'readings', partitions: 2 }];
  const first = await emulator({ dataDir, hubs });
  await expect(startEventHubsEmulator({ hubs, port: first.port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  await expect(startEventHubsEmulator({ hubs, dataDir })).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  const other = start(['--port', '0', '--data', dataDir]);
  expect((await once(other.child, 'exit'))[0]).toBe(1);
  expect(other.stderr.join('\n')).toContain(`is in use by process ${process.pid}`);
  await first.stop();
  await expect(startEventHubsEmulator({ dataDir, hubs: [{ name: 'readings', partitions: 1 }] })).rejects.toMatchObject({
    code: 'PARTITIONS_REMOVED',
  });
  const again = await emulator({ dataDir, hubs });
  expect(again.port).toBeGreaterThan(0);
});

test('a folder whose holder has ended is free, whoever has its id now, also before its end is read', async () => {
  const hubs = [{ name: 'readings', partitions: 1 }];
  const dataDir = temporaryFolder();
  writeFileSync(join(dataDir, 'lock'), JSON.stringify({ pid: process.ppid, started: 'at another time' }));
  await (await emulator({ dataDir, hubs })).stop();
  // Nobody waits for the child of what a shell has become.
  const parent = spawn('sh', ['-c', 'sh -c "exit 0" & echo $!; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    while (refOf(pid) !== undefined) await sleep(10);
    writeFileSync(join(dataDir, 'lock'), String(pid));
    expect((await emulator({ dataDir, hubs })).port).toBeGreaterThan(0);
  } finally {
    parent.kill('SIGKILL');
  }
});

test('the process: busy port, wrong flags, Config.json, health, clean end', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const busy = start(['--port', String(port), '--data', temporaryFolder()]);
  expect((await once(busy.child, 'exit'))[0]).toBe(1);
  expect(busy.stderr).toEqual([expect.stringContaining(`Port ${port} on 127.0.0.1 is in use`)]);
  taken.close();
  const wrong = start(['--port', 'many']);
  expect((await once(wrong.child, 'exit'))[0]).toBe(1);
  expect(wrong.stderr).toEqual([expect.stringContaining('--port "many" is not a whole number')]);

  const folder = temporaryFolder();
  const config = join(folder, 'Config.json');
  mkdirSync(join(folder, 'data'));
  writeFileSync(
    config,
    JSON.stringify({
      UserConfig: {
        NamespaceConfig: [
          {
            Type: 'EventHub',
            Name: 'ns',
            Entities: [{ Name: 'eh1', PartitionCount: '2', ConsumerGroups: [{ Name: 'cg1' }] }],
          },
        ],
      },
    }),
  );
  const { child, ready } = await run([
    '--port',
    '0',
    '--data',
    join(folder, 'data'),
    '--config',
    config,
    '--health-port',
    String(port),
  ]);
  expect(ready).toEqual({
    ready: true,
    port: expect.any(Number),
    connectionString: expect.stringContaining(`sb://localhost:${ready.port};`),
  });
  expect(await (await fetch(`http://127.0.0.1:${port}/health`)).json()).toEqual({
    status: 'healthy',
    message: 'Service is healthy.',
  });
  const client = producer(ready.connectionString);
  expect(await client.getPartitionIds()).toEqual(['0', '1']);
  await client.close();
  expect(await end(child, 'SIGINT')).toBe(0);
});
