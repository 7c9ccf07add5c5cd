/** The file by which Prometheus finds the workers of a stack: whole at every moment, and no reason for it to fail. */
import { expect, test } from '@jest/globals';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dropTargets, openTargets, targetsFile } from '../../local/prometheus-targets.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('targets');
const read = (): unknown => JSON.parse(readFileSync(targetsFile(home), 'utf8'));

test('workers come and go, also under a port that another one had', () => {
  const targets = openTargets(home, () => {});
  expect(read()).toEqual([]);
  targets.add(11, 'ingest', 9464);
  targets.add(12, 'scoring', 9465);
  targets.remove(12);
  targets.remove(99);
  targets.add(13, 'scoring', 9465);
  expect(read()).toEqual([
    { targets: ['127.0.0.1:9464'], labels: { worker: 'ingest' } },
    { targets: ['127.0.0.1:9465'], labels: { worker: 'scoring' } },
  ]);
  dropTargets(home);
  expect(existsSync(targetsFile(home))).toBe(false);
});

test('where it cannot be written this is said once', () => {
  const said: string[] = [];
  const gone = join(home, 'gone');
  const targets = openTargets(gone, (line) => said.push(line));
  targets.add(1, 'ingest', 1);
  targets.remove(1);
  expect(said).toEqual([expect.stringMatching(/^Prometheus does not learn of workers .*ENOENT/)]);
  rmSync(gone, { recursive: true, force: true });
});
