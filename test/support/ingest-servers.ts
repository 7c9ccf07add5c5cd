/**
 * The servers that ingest needs, each in a process of its own as in real life: the Event Hubs emulator and
 * the Blob server; and ingest workers as processes that can be killed. All data lie in one folder.
 */
import { ContainerClient } from '@azure/storage-blob';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProducer } from '../../ingest/connect.ts';
import { sourceName } from '../../ingest/event.ts';
import type { IngestSettings } from '../../ingest/settings.ts';
import { emulatorConnection } from '../../local/blob-server/server.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { EventHubProducerClient } from '@azure/event-hubs';

const EMULATOR = fileURLToPath(new URL('../../local/event-hubs/main.ts', import.meta.url));
const WORKER = fileURLToPath(new URL('./ingest-process.ts', import.meta.url));
const BLOB = fileURLToPath(new URL('../../local/blob-server/main.ts', import.meta.url));

/** What a worker process is started with, as JSON in its environment. */
export interface WorkerSpec {
  readonly eventHubs: string;
  readonly hub: string;
  readonly consumerGroup: string;
  readonly blob: string;
  readonly sqlUrl: string;
  readonly settings: Partial<IngestSettings>;
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  /** Resolves with the exit code or signal. */
  readonly ended: Promise<string>;
  /** The newest message of that kind from the process. */
  message(kind: 'stats' | 'cpu'): Record<string, unknown> | undefined;
}

export interface IngestServers {
  readonly eventHubs: string;
  readonly blob: string;
  readonly blobs: BlobStore;
  readonly checkpoints: ContainerClient;
  readonly pids: { readonly emulator: number; readonly blob: number };
  source(hub?: string): string;
  producer(hub?: string): EventHubProducerClient;
  /** Resolves when the worker reads. */
  startWorker(
    sqlUrl: string,
    settings?: Partial<IngestSettings>,
    options?: {
      hub?: string;
      execArgv?: readonly string[];
      eventHubs?: string;
      env?: NodeJS.ProcessEnv;
      /** File of its log in the folder; `worker.log`, which all have, when absent. */
      log?: string;
    },
  ): Promise<WorkerProcess>;
  /**
   * SIGKILL for the emulator, in the middle of whatever it does; it comes back at the same port on what it had on disk.
   */
  killEmulator(): Promise<void>;
  /** Deletes all hubs and makes them anew, at the same port: they count their events from 0 again. */
  recreateHubs(): Promise<void>;
  /** Ends what is left of all that was started. */
  stop(): Promise<void>;
}

/** Quick to react: partitions move within a second. */
export const QUICK: Partial<IngestSettings> = {
  balanceIntervalMs: 300,
  ownershipTimeoutMs: 2_000,
  commitIntervalMs: 20,
};

export async function startIngestServers(
  dir: string,
  options: { readonly hubs?: readonly string[]; readonly partitions?: number } = {},
): Promise<IngestServers> {
  const hubs = options.hubs ?? ['readings'];
  const hub = hubs[0]!;
  await mkdir(dir, { recursive: true });
  const processes: { child: ChildProcess; ended: Promise<string> }[] = [];
  const start = (
    file: string,
    args: readonly string[],
    log: string,
    env: NodeJS.ProcessEnv = {},
    execArgv: readonly string[] = [],
  ): { child: ChildProcess; ended: Promise<string> } => {
    const out = openSync(join(dir, log), 'a');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...execArgv, file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', out, 'ipc'],
    });
    closeSync(out);
    const ended = new Promise<string>((resolve) =>
      child.once('exit', (code, signal) => resolve(signal ?? String(code))),
    );
    processes.push({ child, ended });
    return { child, ended };
  };
  const stop = async (): Promise<void> => {
    // Workers first, while the servers still answer.
    for (const { child, ended } of processes.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(killer);
    }
  };
  try {
    const blobServer = start(BLOB, ['--port', '0', '--data', join(dir, 'blobs')], 'blob.log');
    const { port } = JSON.parse(await firstLine(blobServer)) as { port: number };
    const config = join(dir, 'Config.json');
    const entities = hubs.map((name) => ({ Name: name, PartitionCount: options.partitions ?? 4 }));
    await writeFile(
      config,
      JSON.stringify({
        UserConfig: { NamespaceConfig: [{ Type: 'EventHub', Name: 'emulatorNs1', Entities: entities }] },
      }),
    );
    const startEmulator = (on: string) =>
      start(EMULATOR, ['--port', on, '--data', join(dir, 'event-hubs'), '--config', config], 'event-hubs.log');
    let emulator = startEmulator('0');
    const { connectionString } = JSON.parse(await firstLine(emulator)) as { connectionString: string };
    const emulatorPort = new URL(/Endpoint=([^;]+)/.exec(connectionString)![1]!).port;
    const eventHubs = connectionString.replace(/EntityPath=[^;]*;?/, '');
    const restartEmulator = async (meanwhile: () => Promise<void>): Promise<void> => {
      emulator.child.kill('SIGKILL');
      await emulator.ended;
      await meanwhile();
      emulator = startEmulator(emulatorPort);
      await firstLine(emulator);
    };
    const blob = emulatorConnection(port);
    const blobs = createBlobStore({ connectionString: blob });
    await blobs.prepare();
    return {
      eventHubs,
      blob,
      blobs,
      checkpoints: new ContainerClient(blob, 'checkpoints'),
      pids: { emulator: emulator.child.pid!, blob: blobServer.child.pid! },
      source: (name = hub) => sourceName({ namespace: 'localhost', hub: name }, '$Default'),
      producer: (name = hub) => createProducer({ connection: { connectionString: eventHubs }, hub: name }),
      async startWorker(sqlUrl, settings = {}, workerOptions = {}) {
        const spec: WorkerSpec = {
          eventHubs: workerOptions.eventHubs ?? eventHubs,
          hub: workerOptions.hub ?? hub,
          consumerGroup: '$Default',
          blob,
          sqlUrl,
          settings: { ...QUICK, ...settings },
        };
        const env = { INGEST_SPEC: JSON.stringify(spec), ...workerOptions.env };
        const worker = start(WORKER, [], workerOptions.log ?? 'worker.log', env, workerOptions.execArgv);
        const messages = new Map<string, Record<string, unknown>>();
        worker.child.on('message', (message: Record<string, unknown>) => messages.set(String(message.kind), message));
        await firstLine(worker);
        return { process: worker.child, ended: worker.ended, message: (kind) => messages.get(kind) };
      },
      killEmulator: () => restartEmulator(async () => {}),
      recreateHubs: () => restartEmulator(() => rm(join(dir, 'event-hubs'), { recursive: true })),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function firstLine({ child, ended }: { child: ChildProcess; ended: Promise<string> }): Promise<string> {
  let text = '';
  const line = new Promise<string>((resolve) => {
    child.stdout!.setEncoding('utf8').on('data', (data: string) => {
      text += data;
      if (text.includes('\n')) resolve(text.split('\n')[0]!);
    });
  });
  return Promise.race([
    line,
    ended.then((how) =>
      Promise.reject(new Error(`it ended before it was ready (${how}): ${child.spawnargs.join(' ')}`)),
    ),
  ]);
}
