/** A real azurite in a process of its own, and a blob store that talks to it. For tests and benchmarks. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../local/ports.ts';
import { createBlobStore } from '../../storage/azure-blobs.ts';
import type { BlobStore } from '../../storage/blobs.ts';

// The well-known key of the emulator, not a secret.
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const AZURITE = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');

export interface BlobServer {
  readonly blobs: BlobStore;
  readonly connectionString: string;
  stop(): Promise<void>;
}

export async function startBlobServer(dir: string): Promise<BlobServer> {
  const port = await freePort();
  const child: ChildProcess = spawn(
    process.execPath,
    [
      AZURITE,
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      String(port),
      '--location',
      dir,
      '--silent',
      '--skipApiVersionCheck',
      '--disableTelemetry',
    ],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  for (let i = 0; ; i++) {
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answers) break;
    if (i > 1_200 || child.exitCode !== null) {
      await stop();
      throw new Error('azurite did not start');
    }
    await sleep(50);
  }
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:${port}/devstoreaccount1;`;
  const blobs = createBlobStore({ connectionString, retry: { tries: 2, delayMs: 20, tryTimeoutMs: 5_000 } });
  await blobs.prepare();
  return { blobs, connectionString, stop };
}
