/**
 * What to name where somebody named a folder: a pattern that the shell makes the files of. Programs write one data set
 * as a folder of parts (`year.parquet/part-0000.parquet`, `day=2026-03-02/...`), with marks beside that are no data.
 */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { shellWord } from '../domain/shell-word.ts';

/** Files that are read, by the end of their name. */
const DATA = /(\.(?:csv|tsv|txt|parquet|avro|jsonl|ndjson|json)(?:\.gz)?)$/i;
/** Levels, and names of one level, that are looked at. */
const LEVELS = 4;
const MOST = 1_000;

/** `FOLDER/*.parquet`; of the files that lie highest, and of these of the kind there is most of. */
export async function patternIn(folder: string): Promise<string> {
  const named = folder.replace(/(?<=.)\/+$/, '');
  const begin = named === '/' ? '' : shellWord(named);
  let folders = resolve(folder) === resolve('/') ? [] : [folder];
  for (let level = 1; level <= LEVELS && folders.length > 0; level++) {
    const entries = (await Promise.all(folders.map(entriesOf))).flat().slice(0, MOST);
    const ends = entries.flatMap(({ name, isFile }) => (isFile ? (DATA.exec(name)?.[1] ?? []) : []));
    const most = [...Map.groupBy(ends, (end) => end)].sort(([, a], [, b]) => b.length - a.length)[0];
    if (most) return `${begin}${'/*'.repeat(level)}${most[0]}`;
    folders = entries.flatMap(({ path, isFile }) => (isFile ? [] : [path]));
  }
  return `${begin}/*.csv`;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isFile: boolean;
}

/** None where it may not be looked into: the folder is told of all the same. */
async function entriesOf(folder: string): Promise<Entry[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter(({ name }) => !/^[._]/.test(name))
    .map((entry) => ({ name: entry.name, path: join(folder, entry.name), isFile: !entry.isDirectory() }));
}
