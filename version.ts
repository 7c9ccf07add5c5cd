/**
 * Which code this is. The version is the package's; the build id adds a digest of the code that workflows run, so two
 * builds whose workflows differ never pass for one another, and Temporal can pin a batch to the one that it began with.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { CODE_EXTENSION, dependencyFile, packageFile, siblingFile } from './paths.ts';

const versionIn = (file: string): string => (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;

export const VERSION: string = versionIn(packageFile('package.json'));

/** Beside the code of a built package, where bin/build.js puts it: the digest of the sources that it was built of. */
export const DIGEST_FILE = 'workflow-digest.txt';

/** Where the code of workflows begins: their bundle has these, and what they import (`workers/workflow-code.ts`). */
const ENTRIES = ['workflows/index', 'workflows/tracing', 'payloads/failure-converter.cjs'];
const IMPORT = /^(?:import|export)\s(?!type\s)[^;]*?\bfrom\s+'(\.[^']+)'/gm;

/** Sources of ours that are part of the bundle of workflows, by path from `root`. */
export function workflowSources(root: string, extension: string = CODE_EXTENSION): readonly string[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(IMPORT))
      visit(relative(root, join(root, dirname(file), path!)));
  };
  for (const entry of ENTRIES) visit(entry.endsWith('.cjs') ? entry : `${entry}${extension}`);
  return [...found].sort();
}

/** Of the sources of workflows below `root` and the SDK that runs them: the same wherever they lie. Hex, SHA-256. */
export function workflowDigest(root: string, extension?: string): string {
  // Loaded when it is needed: `--help` would take an eighth longer.
  const { createHash } = process.getBuiltinModule('node:crypto');
  const hash = createHash('sha256').update(versionIn(dependencyFile('@temporalio/workflow', 'package.json')));
  for (const file of workflowSources(root, extension))
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n'));
  return hash.digest('hex');
}

let known: string | undefined;

/**
 * `0.2.0-1f2e3d4c5b6a`: recorded with every batch, and the version of its workers for Temporal unless another is set.
 */
export function buildId(): string {
  const built = siblingFile(DIGEST_FILE);
  known ??=
    `${VERSION}-` + (existsSync(built) ? readFileSync(built, 'utf8') : workflowDigest(siblingFile('.'))).slice(0, 12);
  return known;
}
