/**
 * The workflow code that a control worker runs. A built package carries it in bundles; from source it is bundled when
 * a worker starts, which takes two seconds of CPU, and kept below node_modules until any source changes.
 */
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeFile, siblingFile } from '../paths.ts';

export interface WorkflowCodeKind {
  /** How failures become payloads is part of the code: this kind's the codec can encrypt. */
  readonly encrypted: boolean;
  /** This kind makes traces. */
  readonly traced: boolean;
}

/** Each that a worker may ask for. */
export const WORKFLOW_CODE_KINDS: readonly WorkflowCodeKind[] = [false, true].flatMap((encrypted) =>
  [false, true].map((traced) => ({ encrypted, traced })),
);

export const bundleName = ({ encrypted, traced }: WorkflowCodeKind): string =>
  `workflow-bundle${encrypted ? '-encrypted' : ''}${traced ? '-traced' : ''}.js`;

/** For the `workflowBundle` of a worker. */
export async function workflowCode(kind: WorkflowCodeKind): Promise<{ readonly code: string }> {
  const built = siblingFile(bundleName(kind));
  if (existsSync(built)) return { code: readFileSync(built, 'utf8') };
  const file = siblingFile(join('node_modules', '.cache', 'fleetscore', bundleName(kind)));
  // No line of its own: the source map at the end counts lines.
  const head = `/* ${sourcesHash()} */`;
  const kept = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (kept.startsWith(head)) return { code: kept };
  const code = `${head}${await bundleWorkflows(kind)}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, code);
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // A place that cannot be written: the next worker bundles again.
  }
  return { code };
}

/** Bundles what `workflows/index` exports. */
export async function bundleWorkflows({ encrypted, traced }: WorkflowCodeKind): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: codeFile('workflows/index'),
    logger: new DefaultLogger('WARN'),
    ...(encrypted ? { failureConverterPath: siblingFile('payloads/failure-converter.cjs') } : {}),
    ...(traced ? { workflowInterceptorModules: [codeFile('workflows/tracing')] } : {}),
  });
  return code;
}

/** Of all that a bundle from source can be made of: every source of ours, and the locked dependencies. */
function sourcesHash(): string {
  const root = siblingFile('.');
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  for (const room of readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NO_SOURCES.test(entry.name))
    .map(({ name }) => name)
    .sort())
    for (const name of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.c?[jt]s$/.test(path))
      .sort())
      hash.update(`${room}/${name}\0`).update(readFileSync(join(root, room, name)));
  return hash.digest('hex');
}

const NO_SOURCES = /^\.|^(node_modules|dist|test|bench|deploy|docs|bin)$/;
