/**
 * Files that are whole or not there: what is written goes to a file beside, which then takes the name. Whoever reads
 * the name finds the old content or the new one, also where the writer died.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';

/**
 * Over what was there.
 * @param beside where it is written first; of several processes each needs one of its own
 * @throws what the file system throws; nothing is left beside then
 */
export async function writeWhole(file: string, content: string | Uint8Array, beside = `${file}.new`): Promise<void> {
  try {
    await writeFile(beside, content);
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** As {@link writeWhole}, in one go. @param mode of the file, where not everybody may read it */
export function writeWholeSync(file: string, content: string, mode?: number): void {
  writeFileSync(`${file}.new`, content, mode === undefined ? {} : { mode });
  renameSync(`${file}.new`, file);
}
