/** Another version of our code: a copy of this one with a change, to run workers of beside this one's. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { siblingFile } from '../../paths.ts';
import { VERSION, workflowDigest } from '../../version.ts';

const ROOT = siblingFile('.');
const NOT_RUN = /^(\.|node_modules$|dist$|test$|bench$|docs$|deploy$)/;

/** Replaces the one place of `file` that reads `from`. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface OtherCode {
  /** As its workers report themselves. */
  readonly buildId: string;
  /** A program of it, named by its path without extension: `workers/control`. */
  program(path: string): string;
}

export function otherCode(dir: string, changes: readonly Change[]): OtherCode {
  mkdirSync(dir);
  for (const entry of readdirSync(ROOT))
    if (!NOT_RUN.test(entry)) cpSync(join(ROOT, entry), join(dir, entry), { recursive: true });
  // A folder of its own, for the bundle that is kept in it.
  mkdirSync(join(dir, 'node_modules'));
  for (const entry of readdirSync(join(ROOT, 'node_modules')))
    if (!entry.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', entry), join(dir, 'node_modules', entry));
  for (const { file, from, to } of changes) {
    const path = join(dir, file);
    const parts = readFileSync(path, 'utf8').split(from);
    if (parts.length !== 2) throw new Error(`${file} has ${JSON.stringify(from)} ${parts.length - 1} times`);
    writeFileSync(path, parts.join(to));
  }
  return {
    buildId: `${VERSION}-${workflowDigest(dir).slice(0, 12)}`,
    program: (path) => join(dir, `${path}.ts`),
  };
}
