/** A folder that somebody names where files are wanted: the pattern that is named matches the data in it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { patternIn } from '../../ingest/files-in-folder.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('folders');
const folderOf = (name: string, files: readonly string[]): string => {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
};

test.each<[string, readonly string[], string]>([
  ['year.parquet', ['_SUCCESS', 'part-0000.snappy.parquet', 'part-0001.snappy.parquet', '.part-0.crc'], '/*.parquet'],
  ['days', ['_delta_log/0.json', 'day=1/a.parquet', 'day=2/a.parquet', 'notes.md'], '/*/*.parquet'],
  ['hub', ['ns/hub/0/2026.avro', 'ns/hub/1/2026.avro'], '/*/*/*/*.avro'],
  ['of two kinds', ['a.csv.gz', 'b.csv.gz', 'c.jsonl'], '/*.csv.gz'],
  ['empty', [], '/*.csv'],
  ['without data', ['README', 'deep/er/est/of/all/a.parquet'], '/*.csv'],
])('%s', async (name, files, pattern) => {
  const folder = folderOf(name, files);
  const word = name.includes(' ') ? `'${folder}'` : folder;
  expect([await patternIn(folder), await patternIn(`${folder}/`)]).toEqual([`${word}${pattern}`, `${word}${pattern}`]);
  if (files.length > 1 && pattern !== '/*.csv') {
    const found = execFileSync('sh', ['-c', `ls ${word}${pattern}`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(found.map((file) => file.slice(folder.length + 1)).every((file) => files.includes(file))).toBe(true);
  }
});

test('at the root nothing is looked for, and a folder that is not there is told of all the same', async () => {
  expect([await patternIn('/'), await patternIn(join(dir, 'nowhere'))]).toEqual(['/*.csv', join(dir, 'nowhere/*.csv')]);
});
