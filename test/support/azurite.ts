/** A real azurite in a process of its own: what the Blob server of the laptop stack is compared with. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../local/ports.ts';

// The well-known key of the emulator, not a secret.
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const AZURITE = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');

export interface Azurite {
  readonly connectionString: string;
  stop(): Promise<void>;
}

export async function startAzurite(dir: string): Promise<Azurite> {
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
  const connectionString =
    `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${KEY}` +
    `;BlobEndpoint=http://127.0.0.1:${port}/devstoreaccount1;`;
  return { connectionString, stop };
}
