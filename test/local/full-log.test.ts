/** A server whose log lies on a full disk goes on; /dev/full answers every write as a full disk does. */
import { fork } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../domain/errors.ts';
import { tempDir } from '../support/temp.ts';

const FULL = '/dev/full';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

(existsSync(FULL) ? test : test.skip).each(['blob-server', 'event-hubs'])(
  'the %s starts, serves and ends cleanly when nothing can be written to its log',
  async (server) => {
    const log = openSync(FULL, 'w');
    // It says that it is ready on stdout, so the first write fails.
    const child = fork(join(ROOT, 'local', server, 'main.ts'), ['--port', '0', '--data', tempDir(server)], {
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    closeSync(log);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const said = await Promise.race([new Promise((resolve) => child.once('message', resolve)), ended]);
    expect(said).toEqual({ ready: true });
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  },
);

test('what several tries say alike is said once', () => {
  const full = new Error('ENOSPC: no space left on device');
  expect(messageOf(new AggregateError([full, full, new Error('gone')]))).toBe('ENOSPC: no space left on device; gone');
});
