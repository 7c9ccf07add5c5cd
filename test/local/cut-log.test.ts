/** A line that a full disk cut does not run into the next one, of this process or of the one after it. */
import { expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startChild } from '../../local/child.ts';
import { fileProblem } from '../../storage/folders.ts';
import { copyProblem } from '../../storage/sqlite/file.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('cut-log');

test('a log whose last line was cut goes on with a line of its own', async () => {
  const file = join(dir, 'says.mjs');
  writeFileSync(file, "process.stdout.write('one\\ntwo\\n');");
  const logFile = join(dir, 'worker.log');
  for (const before of ['{"level":30}\n{"lev', '{"level":30}\n', '']) {
    writeFileSync(logFile, before, { flag: 'w' });
    await startChild({ name: 'worker', file, env: {}, logFile, onOutput: () => {} }).ended;
    const cut = before !== '' && !before.endsWith('\n');
    expect(readFileSync(logFile, 'utf8')).toBe(`${before}${cut ? '\n' : ''}one\ntwo\n`);
  }
});

test('a file that does not fit is told as such, with the room that is left', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  const sqliteFull = Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
  const copy = join(dir, 'copy.db');
  for (const error of [full, sqliteFull])
    expect(copyProblem(error, copy, 'fleet.db')).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(
        /^\/.*copy\.db does not fit on its disk \(\d+ \wiB left\); nothing of it was kept/,
      ),
    });
  const rights = Object.assign(new Error('EACCES: permission denied, open'), { code: 'EACCES', syscall: 'open' });
  expect(copyProblem(rights, copy, 'fleet.db')).toMatchObject({
    code: 'FILE_UNWRITABLE',
    message: expect.stringContaining(`the copy cannot be written to ${copy}: EACCES`),
  });
  const busy = Object.assign(new Error('database is locked'), { code: 'ERR_SQLITE_ERROR', errcode: 5 });
  expect(copyProblem(busy, copy, 'fleet.db')).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(fileProblem('x', rights, (why) => `no: ${why}`).message).toBe('no: EACCES: permission denied, open');
});
