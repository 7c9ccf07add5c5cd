/** The long runs say what they take, and answer a wrong flag with a line: nobody should read their source first. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** A run that has nothing but flags. */
const SCRIPT = `
  import { parseArgs } from 'node:util';
  import { orUsage, withUsage, wrongFlag } from './bench/flags.ts';
  const args = process.argv.slice(1);
  const options = { minutes: { type: 'string' } };
  const { values } = orUsage('npm run it -- [--minutes N]', () => parseArgs({ args, options }), args);
  await withUsage('npm run it', async () => {
    if (values.minutes === 'many') throw wrongFlag('--minutes takes a number, got many');
    throw new Error('what went wrong in the run');
  });`;
const run = (...args: readonly string[]) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT, '--', ...args], { cwd: ROOT, encoding: 'utf8' });

test('a flag that is not known, and a value that is not one, give a line and the usage', () => {
  expect(run('--help')).toMatchObject({ status: 0, stdout: 'usage: npm run it -- [--minutes N]\n', stderr: '' });
  for (const [wrong, line] of [
    [['--bogus'], /^Unknown option '--bogus'\nusage: npm run it -- \[--minutes N\]\n$/],
    [['--minutes', 'many'], /^--minutes takes a number, got many\nusage: npm run it\n$/],
  ] as const) {
    const { status, stdout, stderr } = run(...wrong);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
  }
  // Trouble of the run itself is no matter of flags.
  expect(run('--minutes', '1')).toMatchObject({ status: 1, stderr: expect.stringMatching(/what went wrong[^]* at /) });
});

test.each([
  'bench/main.ts',
  'bench/ingest.ts',
  'bench/site.ts',
  'bench/autoscale/main.ts',
  'test/support/record-histories.ts',
  'test/trials/chaos.ts',
  'test/trials/outages.ts',
  'test/trials/lives.ts',
  'test/trials/taken-out.ts',
  'test/trials/dashboard.ts',
  'test/trials/soak.ts',
  'test/fuzz/main.ts',
])('%s reads its flags that way', (file) => {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const reads = [...source.matchAll(/^.*\bparseArgs\(.*$/gm)];
  expect(reads).toHaveLength(1);
  const before = source.slice(0, reads[0]!.index + reads[0]![0].indexOf('parseArgs('));
  expect(before).toMatch(/orUsage\([^;]*\{?[^;]*$/);
});
