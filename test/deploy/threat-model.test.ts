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
