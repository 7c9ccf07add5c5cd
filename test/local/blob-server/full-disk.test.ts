/** What `doctor` rests on: a Blob server whose disk is full answers all questions, and takes nothing. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tempDir } from '../../support/temp.ts';

const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

(canMount ? test : test.skip)(
  'a full disk is found by a write, told with its remedy, and over when there is room',
  () => {
    const place = tempDir('full-disk');
    const main = fileURLToPath(new URL('full-disk.ts', import.meta.url));
    // In a mount namespace of its own: gone with its process.
    const node = `${process.execPath} --disable-warning=ExperimentalWarning`;
    const script = `mount -t tmpfs -o size=4m none ${place} && exec ${node} ${main} ${place}`;
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([
      true,
      'ENOSPC',
      expect.stringMatching(/^Cannot write blob models\/fleetscore-doctor .*the disk of .* is full .*Make room first/),
      true,
      [],
    ]);
  },
  60_000,
);
