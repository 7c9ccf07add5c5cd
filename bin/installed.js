/**
 * Whether the packages that the lock file names are in node_modules: put there by us, or by a person's own `npm ci` or
 * `npm install`, which must not be made to wait for all of it again. Plain JavaScript that any Node from 18 on runs.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Holds the hash of the lock file that node_modules is known to follow. */
const markerOf = (root) => join(root, 'node_modules', '.fleetscore-lock');

const hashOf = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');

/** Notes that node_modules follows the lock file. */
export function noteInstalled(root) {
  writeFileSync(markerOf(root), hashOf(root));
}

/** @param root the folder of package-lock.json */
export function isInstalled(root) {
  const marker = markerOf(root);
  if (existsSync(marker) && readFileSync(marker, 'utf8') === hashOf(root)) return true;
  if (!followsLock(root)) return false;
  noteInstalled(root);
  return true;
}

/**
 * By what npm (7 and newer) writes into node_modules once all is in place: `.package-lock.json`, which lists what it
 * installed as the lock file does. Only packages that are optional (those of other platforms) may be missing.
 */
function followsLock(root) {
  const written = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(written)) return false;
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const found = JSON.parse(readFileSync(written, 'utf8')).packages;
    return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
      if (path === '') return true;
      const there = found[path];
      return there ? there.version === version && there.integrity === integrity : optional === true;
    });
  } catch {
    return false;
  }
}
