/**
 * The order in which test files start: the longest first, so that none of them is the last and runs alone. A fresh
 * clone has no times of earlier runs, so slow-files.json has the seconds of those that take long (four at once on two
 * cores); of others counts what this machine remembers.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
// A part of jest, which comes with it.
import TestSequencer from '@jest/test-sequencer';

const SECONDS = JSON.parse(readFileSync(new URL('./slow-files.json', import.meta.url), 'utf8'));

export default class extends TestSequencer {
  sort(tests) {
    const secondsOf = ({ path, context, duration }) =>
      SECONDS[relative(context.config.rootDir, path).replaceAll('\\', '/')] ?? (duration ?? 0) / 1000;
    return [...tests].sort((a, b) => secondsOf(b) - secondsOf(a) || (a.path < b.path ? -1 : 1));
  }
}
