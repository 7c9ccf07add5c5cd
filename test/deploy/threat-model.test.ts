/** Every promise of the threat model names where it is kept and the test that holds it, and both are there. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { matches, read, root } from './support.ts';

const rows = read('deploy/THREAT-MODEL.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| # ') && !line.startsWith('| ---'))
  .map((line) =>
    line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim()),
  );
const paths = (cell: string): string[] => matches(cell, /`([\w./-]+)`/g);

test('the table has a row for each threat, with seven cells', () => {
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) expect([row[2], row.length]).toEqual([row[2], 7]);
});

test.each(rows.map((row) => [row[2]!, row] as const))('%s: kept where it says, and held by a test', (_, row) => {
  const [, , , promise = '', kept = '', held = '', not = ''] = row;
  if (promise.startsWith('not prevented')) {
    expect([kept, held, not]).toEqual(['-', '-', 'everywhere']);
    return;
  }
  expect(paths(kept).length).toBeGreaterThan(0);
  for (const path of paths(kept)) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  expect(paths(held).length).toBeGreaterThan(0);
  for (const path of paths(held)) {
    expect(path).toMatch(/^test\/.*\.test\.ts$/);
    expect([path, statSync(join(root, path)).isFile()]).toEqual([path, true]);
    expect(read(path)).toMatch(/\btest(\.each|\()/);
  }
});

/** Sections of ASVS 5.0.0 by chapter: V1 has five, and so on (the table of contents of the standard). */
const SECTIONS = [5, 4, 7, 4, 4, 8, 6, 4, 2, 7, 7, 3, 4, 3, 4, 5, 3];

test('ASVS: every section stands there once, with a test where it holds and a reason where it does not apply', () => {
  const cells = read('docs/asvs.md')
    .split('\n')
    .filter((line) => /^\| V\d/.test(line))
    .map((line) =>
      line
        .slice(2, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
  expect(cells.map(([section = '']) => section.split(' ')[0])).toEqual(
    SECTIONS.flatMap((count, chapter) => Array.from({ length: count }, (_, i) => `V${chapter + 1}.${i + 1}`)),
  );
  for (const [section, state, why = '', held = ''] of cells) {
    expect([section, state]).toEqual([section, expect.stringMatching(/^(\[x\]|\[~\]|\[ \]|-)$/)]);
    expect(why.length).toBeGreaterThan(3);
    const files = paths(held);
    if (state === '[x]') expect([section, files.length > 0]).toEqual([section, true]);
    for (const path of files) {
      expect(path).toMatch(/^test\/.*\.test\.ts$/);
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    }
  }
});
