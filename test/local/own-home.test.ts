/** A home that came with somebody else's files is not used unless somebody names it. */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openContext } from '../../cli/frame/context.ts';
import { isUnmade, recordHome, refuseForeignHome } from '../../local/own-home.ts';
import { claimHome, releaseHome, withStack } from '../../local/state.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('own-home');
const refused = expect.objectContaining({ code: 'HOME_FOREIGN', message: expect.stringContaining('up --home') });

test('a home that was made here is used; its copy, and one that brings a record along, are not', async () => {
  const own = join(dir, 'own');
  await claimHome(own);
  releaseHome(own);
  expect(() => refuseForeignHome(own)).not.toThrow();
  const copy = join(dir, 'copy');
  cpSync(own, copy, { recursive: true });
  expect(readFileSync(join(copy, 'made-here'), 'utf8')).toMatch(/^\d+ \d+\n$/);
  expect(() => refuseForeignHome(copy)).toThrow(refused);
  rmSync(join(copy, 'made-here'));
  expect(() => refuseForeignHome(copy)).toThrow(refused);
  // Whoever starts a stack there has named it.
  await claimHome(copy);
  releaseHome(copy);
  expect(() => refuseForeignHome(copy)).not.toThrow();
});

test('a command in a foreign checkout uses nothing of its home', async () => {
  const checkout = join(dir, 'checkout');
  const home = join(checkout, '.fleetscore');
  mkdirSync(join(home, 'tools'), { recursive: true });
  writeFileSync(join(home, 'stack.json'), '{}');
  const cwd = process.cwd();
  process.chdir(checkout);
  try {
    expect(() => openContext({}, {})).toThrow(refused);
    expect(() => openContext({}, { FLEETSCORE_HOME: '' })).toThrow(refused);
    expect(() => openContext({ home: '.fleetscore' }, {})).not.toThrow();
    expect(() => openContext({}, { FLEETSCORE_HOME: home })).not.toThrow();
    // Nor does naming it once for a command that looks make it one's own.
    await openContext({ home }, {}).close();
    expect(() => openContext({}, {})).toThrow(refused);
    rmSync(home, { recursive: true });
    // What a command puts into a home that was not there is its own.
    const context = openContext({}, {});
    expect(existsSync(home)).toBe(false);
    mkdirSync(join(home, 'data'), { recursive: true });
    await context.close();
    await openContext({}, {}).close();
  } finally {
    process.chdir(cwd);
  }
});

test('a file where the home would be is nobody else’s home', () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(isUnmade(file)).toBe(true);
  expect(() => refuseForeignHome(file)).not.toThrow();
  recordHome(file);
  expect(readFileSync(file, 'utf8')).toBe('');
});

test('a home of another user is one sentence, and not a stack that is not there', () => {
  const home = join(dir, 'others');
  mkdirSync(home);
  writeFileSync(join(home, 'stack.json'), '{}');
  chmodSync(home, 0o000);
  // Nothing is closed to root, so it looks with the eyes of somebody else.
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid!(65_534);
  try {
    expect(() => withStack({}, home)).toThrow(
      expect.objectContaining({ code: 'FOLDER', message: expect.stringContaining('is of another user') }),
    );
  } finally {
    if (root) process.seteuid!(0);
    chmodSync(home, 0o700);
  }
});
