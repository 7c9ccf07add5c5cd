/** The log of promotions where a version that keeps none worked beside it. */
import { expect, test } from '@jest/globals';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { openStore } from '../../storage/open-store.ts';
import { isNoted, releaseBefore, type Promotion } from '../../storage/promotions.ts';
import { tempDir } from '../support/temp.ts';

/** Oldest first, as `promote a`, `rollback a`. */
const log = (...entries: string[]): Promotion[] =>
  entries.reverse().map((entry) => {
    const [how, release] = entry.split(' ') as [Promotion['how'], string];
    return { how, release, by: '', atMs: 0 };
  });

test('rollbacks undo promotions one by one, whatever came between', () => {
  expect(releaseBefore(log('seen a', 'promote b'), 'b')).toBe('a');
  expect(releaseBefore(log('publish a', 'promote b', 'promote c', 'rollback b'), 'b')).toBe('a');
  expect(releaseBefore(log('publish a', 'promote b', 'rollback a', 'publish c', 'promote d', 'rollback c'), 'c')).toBe(
    'a',
  );
  expect(() => releaseBefore(log('seen a'), 'a')).toThrow(/no release is known to have been current before a/);
  expect(() => releaseBefore([], undefined)).toThrow(/no release is current/);
});

test('what an older version promoted without a word is gone back from, too', async () => {
  expect(isNoted(log('publish a', 'promote b', 'rollback a'), 'a')).toBe(true);
  expect(isNoted(log('publish a'), 'b')).toBe(false);
  expect(releaseBefore(log('publish a'), 'b')).toBe('a');

  const file = join(tempDir('promotions'), 'fleet.db');
  const store = await openStore(`sqlite:${file}`);
  await store.migrate();
  for (const name of ['a', 'b', 'c']) await store.createRelease(name, 0, [], []);
  await store.setCurrentRelease('a');
  const old = new DatabaseSync(file);
  old.exec(`UPDATE releases SET is_current = 0; UPDATE releases SET is_current = 1 WHERE name = 'b'`);
  old.close();
  await store.setCurrentRelease('c');
  expect((await store.listPromotions()).map(({ how, release }) => `${how} ${release}`)).toEqual([
    'promote c',
    'seen b',
    'promote a',
  ]);
  expect((await store.rollBackRelease('')).release).toBe('b');
  expect((await store.rollBackRelease('')).release).toBe('a');
  await store.close();
});
