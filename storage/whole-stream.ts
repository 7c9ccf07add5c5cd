/**
 * A file that is written piece by piece and is whole or not there, as in whole-file.ts: the pieces go to a file beside,
 * which takes the name when the last one is on disk.
 */
import { open, rename, rm } from 'node:fs/promises';

/**
 * @param fill writes the pieces in order, each awaited
 * @throws what `fill` and the file system throw; nothing is left beside then, and what was there stays
 */
export async function writeWholeStream<T>(
  file: string,
  fill: (write: (bytes: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> {
  // Of several processes each has its own.
  const beside = `${file}.${process.pid}.new`;
  try {
    const handle = await open(beside, 'w');
    let made: T;
    try {
      made = await fill((bytes) => handle.writeFile(bytes));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
    return made;
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}
