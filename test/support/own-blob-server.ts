/** The Blob server of the laptop stack in a process of its own, for tests and benchmarks; free of jest. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import { emulatorConnection } from '../../local/blob-server/server.ts';
import { codeFile } from '../../paths.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobStore } from '../../storage/blobs.ts';

export interface OwnBlobServer {
  readonly pid: number;
  readonly connectionString: string;
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export async function startOwnBlobServer(dir: string, azuriteDir?: string): Promise<OwnBlobServer> {
  const port = await freePort();
  const args = ['--port', String(port), '--data', dir, ...(azuriteDir === undefined ? [] : ['--azurite', azuriteDir])];
  const child = fork(codeFile('local/blob-server/main'), args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const ended = once(child, 'exit');
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: { ready?: boolean }) => message.ready && resolve());
    child.on('exit', (code) => reject(new Error(`the Blob server ended with ${code}: ${said}`)));
  });
  await ready;
  return {
    pid: child.pid!,
    connectionString: emulatorConnection(port),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
  };
}

export interface BlobServer {
  readonly blobs: BlobStore;
  readonly connectionString: string;
  stop(): Promise<void>;
}

/** With a blob store that talks to it, and the containers of the product. */
export async function startBlobServer(dir: string): Promise<BlobServer> {
  const { connectionString, stop } = await startOwnBlobServer(join(dir, 'blobs'));
  const blobs = createBlobStore({ connectionString, retry: { tries: 2, delayMs: 20, tryTimeoutMs: 5_000 } });
  await blobs.prepare();
  return { blobs, connectionString, stop: () => stop() };
}
