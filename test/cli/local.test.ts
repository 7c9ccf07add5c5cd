/** `fleetscore local event-hubs`: the emulator alone, from the command line, used by the official client. */
import { EventHubProducerClient } from '@azure/event-hubs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import { codeFile } from '../../paths.ts';
import { cleanEnv, processesOf, runCli } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('cli-local');

afterAll(() => expect(processesOf(home)).toEqual([]));

interface Started {
  readonly child: ChildProcess;
  readonly said: { port: number; connectionString: string; health: string | null; hubs: unknown };
}

async function start(...args: string[]): Promise<Started> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', codeFile('cli/main'), '--json', 'local', 'event-hubs', ...args],
    {
      env: { ...cleanEnv(), FLEETSCORE_HOME: home },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: JSON.parse(line.toString()) as Started['said'] };
}

async function stop({ child }: Started): Promise<number | null> {
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}

test('it serves the official client, and keeps the events of --data', async () => {
  const healthPort = await freePort();
  const args = [
    '--port',
    '0',
    '--data',
    join(home, 'events'),
    '--hub',
    'plant',
    '--partitions',
    '2',
    '--health-port',
    String(healthPort),
  ];
  const first = await start(...args);
  expect(first.said.hubs).toEqual([{ name: 'plant', partitions: 2 }]);
  expect((await fetch(first.said.health!)).status).toBe(200);
  let producer = new EventHubProducerClient(first.said.connectionString);
  expect(await producer.getPartitionIds()).toEqual(['0', '1']);
  await producer.sendBatch([{ body: 'kept' }], { partitionId: '1' });
  await producer.close();
  expect(await stop(first)).toBe(0);

  const second = await start(...args);
  producer = new EventHubProducerClient(second.said.connectionString);
  expect((await producer.getPartitionProperties('1')).lastEnqueuedSequenceNumber).toBe(0);
  await producer.close();
  expect(await stop(second)).toBe(0);
});

test('a Config.json names the hubs', async () => {
  const config = join(home, 'Config.json');
  const hubs = [
    { Name: 'a', PartitionCount: 1 },
    { Name: 'b', PartitionCount: 3 },
  ];
  writeFileSync(
    config,
    JSON.stringify({ UserConfig: { NamespaceConfig: [{ Type: 'EventHub', Name: 'emulatorNs1', Entities: hubs }] } }),
  );
  const started = await start('--port', '0', '--config', config);
  expect(started.said.hubs).toEqual([
    { name: 'a', partitions: 1 },
    { name: 'b', partitions: 3 },
  ]);
  const busy = await runCli(home, ['local', 'event-hubs', '--port', String(started.said.port)]);
  expect(busy).toMatchObject({ code: 1, stdout: '' });
  expect(busy.stderr).toContain(`Port ${started.said.port} on 127.0.0.1 is in use`);
  expect(await stop(started)).toBe(0);
});

// Finding its process is only known how to on Linux.
(process.platform === 'linux' ? test : test.skip)('an emulator that dies is an error', async () => {
  const started = await start('--port', '0');
  const emulator = processesOf(home).find((line) => line.includes('event-hubs/main'))!;
  process.kill(Number.parseInt(emulator, 10), 'SIGKILL');
  const [code] = (await once(started.child, 'close')) as [number | null];
  expect(code).toBe(1);
});

test.each([
  [['--port', '70000'], 'from 0 to 65535'],
  [['--partitions', '33'], 'from 1 to 32'],
  [['--hub', '-bad-'], 'is not a valid name'],
  [['--config', 'nowhere.json'], 'nowhere.json cannot be read'],
  [['--config', 'Config.json', '--hub', 'x'], "cannot be used with option '--hub"],
])('%j is a wrong call', async (args, message) => {
  const result = await runCli(home, ['local', 'event-hubs', ...args]);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain(message);
});
