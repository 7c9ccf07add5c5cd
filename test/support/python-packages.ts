/**
 * Packages of Python that a test compares with, installed once for all clones of a user: half a gigabyte takes longer
 * to unpack than the tests run. Where Python or the network is missing, the reason is told and the test that wants them
 * is skipped.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Folders in it are named after what went into them, so that no clone takes those of another version. */
export const PACKAGES_CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'fleetscore-tests');

const CONVERTER = new URL('../../scoring/python/requirements.txt', import.meta.url);

/** Tools folder with the Python of `models convert`, for tests that do not look at how it is installed. */
export const CONVERTER_TOOLS = join(PACKAGES_CACHE, `converter-${shortHash(readFileSync(CONVERTER, 'utf8'))}`);

/**
 * A folder for PYTHONPATH with these packages; undefined where they cannot be installed.
 * @param what what is skipped without them, for the message
 * @param packages pinned, such as `duckdb==2.0.1`
 * @param complete true: those that they need are among them, and nothing else is looked for
 */
export function pythonPackages(what: string, packages: readonly string[], complete = false): string | undefined {
  const folder = join(PACKAGES_CACHE, `python-${nameOf(packages)}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}-${process.pid}`;
  mkdirSync(PACKAGES_CACHE, { recursive: true });
  // Python compiles what is imported, at its first import: all of it takes longer than the tests.
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-compile', '--only-binary'];
  const options = [':all:', ...(complete ? ['--no-deps'] : []), '--target', fresh];
  const pip = spawnSync('python3', [...install, ...options, ...packages], { encoding: 'utf8', timeout: 600_000 });
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

function nameOf(packages: readonly string[]): string {
  const name = packages.join('-').replaceAll(/[^a-z0-9.]+/g, '-');
  return name.length < 60 ? name : shortHash(name);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
