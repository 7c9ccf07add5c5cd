/** The build id tells apart builds whose workflows differ, and only those, wherever they lie. */
import { expect, test } from '@jest/globals';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { siblingFile } from '../../paths.ts';
import { buildId, VERSION, workflowDigest, workflowSources } from '../../version.ts';
import { bundleWorkflows } from '../../workers/workflow-code.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = siblingFile('.');
/** The rooms that the bundle takes from, elsewhere. */
function copy(name: string): string {
  const dir = tempDir(name);
  for (const room of ['workflows', 'domain', 'pool', 'payloads'])
    cpSync(join(ROOT, room), join(dir, room), { recursive: true });
  return dir;
}
const edit = (file: string, change: (text: string) => string): void =>
  writeFileSync(file, change(readFileSync(file, 'utf8')));

test('two bundles that differ have two ids; the same code has one, wherever it lies', () => {
  const own = workflowDigest(ROOT);
  expect(buildId()).toBe(`${VERSION}-${own.slice(0, 12)}`);
  const dir = copy('build-id');
  expect(workflowDigest(dir)).toBe(own);
  edit(join(dir, 'workflows/score-batch.ts'), (text) => text.replaceAll('\n', '\r\n'));
  expect(workflowDigest(dir)).toBe(own);
  // No part of the bundle.
  edit(join(dir, 'domain/blob-names.ts'), (text) => `${text}// changed\n`);
  expect(workflowDigest(dir)).toBe(own);
  // A part of it that is not a workflow itself.
  edit(join(dir, 'pool/policy.ts'), (text) => `${text}// changed\n`);
  expect(workflowDigest(dir)).not.toBe(own);
});

test('the id is made of all that the bundle has of ours', async () => {
  const code = await bundleWorkflows({ encrypted: true, traced: true });
  const bundled = [...code.matchAll(/^\/\*\*\*\/ "\.\/([^"?]+)"/gm)].map(([, path]) => path!);
  const ours = bundled.filter((path) => !path.startsWith('node_modules/'));
  expect(ours).toContain('workflows/score-batch.ts');
  expect(workflowSources(ROOT)).toEqual(expect.arrayContaining(ours));
}, 60_000);
