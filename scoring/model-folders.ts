/** Models one folder further down, such as one folder a machine: they are not read, so that is said. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const SHOWN = 5;

/** A sentence about the folders of `dir` that hold such files, with a space before it; nothing where none does. */
export async function modelsFurtherDown(dir: string, isModel: RegExp): Promise<string> {
  const folders: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const names = await readdir(join(dir, entry.name)).catch((): string[] => []);
    if (names.some((name) => isModel.test(name))) folders.push(entry.name);
  }
  if (folders.length === 0) return '';
  const named = folders
    .sort()
    .slice(0, SHOWN)
    .map((name) => JSON.stringify(name))
    .join(', ');
  const more = folders.length > SHOWN ? ` and ${folders.length - SHOWN} more` : '';
  return (
    ` Its folders ${named}${more} have some: give one of them, or list theirs in a manifest.csv in ${dir}, ` +
    `Model being ${folders[0]}/FILE.`
  );
}
