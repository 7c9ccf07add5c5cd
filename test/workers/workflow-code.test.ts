/** The bundle of workflows is made once for each state of the sources, and never taken from another. */
import { expect, test } from '@jest/globals';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFile } from '../../paths.ts';
import { bundleName, bundleWorkflows, workflowCode } from '../../workers/workflow-code.ts';

const kind = { encrypted: true, traced: true };
const file = join(packageFile('node_modules'), '.cache', 'fleetscore', bundleName(kind));

test('a bundle of these sources is kept and used again; that of others is made anew', async () => {
  const { code } = await workflowCode(kind);
  expect(code).toBe(readFileSync(file, 'utf8'));
  expect(code.replace(/^\/\* [0-9a-f]{64} \*\//, '')).toBe(await bundleWorkflows(kind));

  const { mtimeMs } = statSync(file);
  expect((await workflowCode(kind)).code).toBe(code);
  expect(statSync(file).mtimeMs).toBe(mtimeMs);

  writeFileSync(file, `/* ${'0'.repeat(64)} */throw new Error('of other sources')`);
  expect((await workflowCode(kind)).code).toBe(code);
  expect(readFileSync(file, 'utf8')).toBe(code);
}, 60_000);

test('each kind has what it is named after', async () => {
  const plain = (await workflowCode({ encrypted: false, traced: false })).code;
  expect(plain).toContain('scoreBatch');
  expect(plain).not.toContain('failure-converter.cjs');
  expect((await workflowCode({ encrypted: true, traced: false })).code).toContain('failure-converter.cjs');
  expect(plain).not.toContain('workflows/tracing.ts');
  expect((await workflowCode({ encrypted: false, traced: true })).code).toContain('workflows/tracing.ts');
}, 60_000);
