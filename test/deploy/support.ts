/** What the checks of deploy/ share: reading files, and tools from PyPI that are optional on a developer's machine. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');
export const readJson = <T>(path: string): T => JSON.parse(read(path)) as T;

/** Files of a folder by ending, as paths from the root. */
export const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => `${folder}/${name}`);

export const matches = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((m) => m[1] ?? m[0]);

interface Tools {
  readonly python: string;
  readonly folder: string;
}

/** Installs the pinned tools once into node_modules/.cache. Undefined where python3 and pip cannot. */
function installTools(): Tools | undefined {
  const wanted = read('deploy/check/requirements.txt').trim().split('\n');
  const folder = join(
    root,
    'node_modules',
    '.cache',
    `deploy-tools-${wanted.join('-').replaceAll(/[^a-z0-9.]+/g, '-')}`,
  );
  const python = 'python3';
  if (!existsSync(folder)) {
    const fresh = `${folder}-${process.pid}`;
    mkdirSync(dirname(folder), { recursive: true });
    const pip = spawnSync(
      python,
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', fresh, ...wanted],
      { encoding: 'utf8', timeout: 120_000 },
    );
    if (pip.status !== 0) {
      rmSync(fresh, { recursive: true, force: true });
      const reason =
        pip.error?.message ?? (pip.stderr.trim().split('\n').at(-1) || `pip ended with ${String(pip.status)}`);
      if (process.env['REQUIRE_DEPLOY_TOOLS'])
        throw new Error(`the tools of deploy/check/requirements.txt cannot be installed: ${reason}`);
      process.stderr.write(
        `Bicep syntax and Dockerfile lint are skipped: python3 with pip cannot install their tools (${reason}).\n`,
      );
      return undefined;
    }
    try {
      renameSync(fresh, folder);
    } catch {
      rmSync(fresh, { recursive: true, force: true }); // another test process was first
    }
  }
  return { python, folder };
}

export const tools = installTools();

/** A test that needs the tools. */
export const toolTest = tools ? test : test.skip;

export function runTool(command: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  if (!tools) throw new Error('the tools are not there');
  return spawnSync(command[0]!, command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      PYTHONPATH: tools.folder,
      PATH: `${join(tools.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    },
  });
}
