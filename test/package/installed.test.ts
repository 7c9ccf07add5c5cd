/** `npm start` installs what is missing, and does not install again what a person's own `npm ci` has put there. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled, noteInstalled } from '../../bin/installed.js';
import { tempDir } from '../support/temp.ts';

const root = tempDir('installed');
const marker = join(root, 'node_modules', '.fleetscore-lock');

const a = { version: '1.0.0', integrity: 'sha512-a' };
const forMac = { version: '2.0.0', integrity: 'sha512-m', optional: true };

/** Writes a lock file, and what npm wrote into node_modules when it was done, if it was. */
function write(wanted: Record<string, object>, found?: Record<string, object>): void {
  rmSync(join(root, 'node_modules'), { recursive: true, force: true });
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(
    join(root, 'package-lock.json'),
    JSON.stringify({ packages: { '': { name: 'fleetscore' }, ...wanted } }),
  );
  if (found) writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: found }));
}

test('what npm put there is taken, without packages of other platforms, and noted', () => {
  write({ 'node_modules/a': a, 'node_modules/mac': forMac }, { 'node_modules/a': a });
  expect(isInstalled(root)).toBe(true);
  expect(existsSync(marker)).toBe(true);
});

test.each([
  ['nothing is there', undefined],
  ['a package is missing', {}],
  ['a package is of another version', { 'node_modules/a': { ...a, version: '0.9.0' } }],
  ['a package is another one', { 'node_modules/a': { ...a, integrity: 'sha512-b' } }],
])('installs where %s', (_, found) => {
  write({ 'node_modules/a': a }, found);
  expect(isInstalled(root)).toBe(false);
  expect(existsSync(marker)).toBe(false);
});

test('installs again when the lock file has changed, and where what npm wrote cannot be read', () => {
  write({ 'node_modules/a': a });
  noteInstalled(root);
  expect(isInstalled(root)).toBe(true);
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { 'node_modules/b': a } }));
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), '{"packages": ');
  expect(isInstalled(root)).toBe(false);
});
