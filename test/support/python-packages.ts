/**
 * Packages of Python that a test compares with, installed once below node_modules/.cache. Where Python or the network
 * is missing, the reason is told and the test that wants them is skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGES_CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/**
 * A folder for PYTHONPATH with these packages; undefined where they cannot be installed.
 * @param what what is skipped without them, for the message
 * @param packages pinned, such as `duckdb==2.0.1`
 */
export function pythonPackages(what: string, packages: readonly string[]): string | undefined {
  const folder = join(PACKAGES_CACHE, `python-${packages.join('-').replaceAll(/[^a-z0-9.]+/g, '-')}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}-${process.pid}`;
  mkdirSync(PACKAGES_CACHE, { recursive: true });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', fresh, ...packages];
  const pip = spawnSync('python3', install, { encoding: 'utf8', timeout: 240_000 });
  if (pip.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    const reason = pip.error?.message ?? String(pip.stderr).trim().split('\n').at(-1) ?? '';
    process.stderr.write(`${what} is skipped: ${reason}\n`);
    return undefined;
  }
  try {
    renameSync(fresh, folder);
  } catch {
    rmSync(fresh, { recursive: true, force: true }); // another test process was first
  }
  return folder;
}
