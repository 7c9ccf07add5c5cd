/**
 * Where our own files are. The same code runs from source (`*.ts` at the package's root) and as a built
 * package (`dist/*.js`); both find their neighbours through here.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** `.ts` from source, `.js` built. */
export const CODE_EXTENSION: '.ts' | '.js' = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** A program of ours, named by its path without extension: `workers/control`. */
export function codeFile(path: string): string {
  return join(here, `${path}${CODE_EXTENSION}`);
}

/** A file beside our code that is the same from source and built: `payloads/failure-converter.cjs`. */
export function siblingFile(path: string): string {
  return join(here, path);
}

/** A file at the root of the package. */
export function packageFile(path: string): string {
  const atRoot = join(here, path);
  return existsSync(atRoot) ? atRoot : join(here, '..', path);
}

/** A file inside a package we depend on. */
export function dependencyFile(packageName: string, path: string): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve(`${packageName}/package.json`)), path);
}
