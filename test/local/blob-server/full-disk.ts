/** A Blob server on a small disk that is filled up and emptied again: full-disk.test.ts runs it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulatorConnection, startBlobServer } from '../../../local/blob-server/server.ts';
import { createBlobStore } from '../../../storage/azure-blobs.ts';
import { provesWrite } from '../../../storage/blob-proof.ts';

const disk = process.argv[2]!;
const filler = join(disk, 'filler');
const server = await startBlobServer({ dir: join(disk, 'blobs'), port: 0, log: () => {} });
const blobs = createBlobStore({
  connectionString: emulatorConnection(server.port),
  retry: { tries: 2, delayMs: 1 },
});
await blobs.prepare();
const said: unknown[] = [await provesWrite(blobs)];
try {
  writeFileSync(filler, Buffer.alloc(64 * 1024 * 1024));
} catch (error) {
  said.push((error as NodeJS.ErrnoException).code);
}
said.push(
  await provesWrite(blobs).then(
    () => 'taken',
    (error: unknown) => (error as Error).message,
  ),
);
rmSync(filler);
said.push(await provesWrite(blobs));
const left = [];
for await (const { name } of blobs.list('models', '')) left.push(name);
console.log(JSON.stringify([...said, left]));
await server.stop();
