/**
 * A Python of our own for the model converter, made once in the tools folder. It is built beside its place
 * and moved there when it is complete, so a half-made one is never used; it is named after what went into
 * it (requirements, Python), so a change of either builds a new one. Without the venv module (Debian has it
 * in a package of its own) the packages go to a plain folder instead.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetscoreError, messageOf } from '../domain/errors.ts';
import { installerEnv, programEnv } from '../domain/program-env.ts';
import { sha256Of } from '../domain/sha256.ts';

/** How to start a Python that has the required packages. */
export interface PythonEnv {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
  /** Its folder in the tools folder. */
  readonly dir: string;
}

interface Run {
  readonly ok: boolean;
  readonly stdout: string;
  /** Both streams, as a person would see them. */
  readonly output: string;
}

const OLDEST_PYTHON = '3.10';
const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
const INSTALL_TIMEOUT_MS = 15 * 60_000;
/** A build that is older than this belongs to no running process. */
const STALE_BUILD_MS = 60 * 60_000;
const INSTALL = [
  '-m',
  'pip',
  'install',
  '--require-hashes',
  '--only-binary',
  ':all:',
  '--disable-pip-version-check',
  '--no-input',
  '--quiet',
  '--retries',
  '2',
  '--timeout',
  '20',
];
const UNREACHABLE =
  /NewConnectionError|Failed to establish a new connection|name resolution|ConnectTimeout|Read timed out|ProxyError|Network is unreachable|Connection refused|Connection aborted|CERTIFICATE_VERIFY_FAILED|Max retries exceeded/i;

/**
 * The Python that runs the converter; the first call installs it.
 * @param requirements path of a requirements.txt with exact versions and the SHA-256 of every wheel
 * @throws FleetscoreError `PYTHON_MISSING`, `PYTHON_TOO_OLD`, `PYTHON_PIP_MISSING`, `PYTHON_PACKAGES_UNREACHABLE`
 *   (retryable), `PYTHON_PACKAGES_FAILED`, `TOOLS_DIR_UNUSABLE`
 */
export async function ensurePython(
  toolsDir: string,
  requirements: string,
  log: (line: string) => void,
): Promise<PythonEnv> {
  const python = await findPython();
  const text = await readFile(requirements, 'utf8');
  const key = sha256Of(JSON.stringify([text, python.path, python.version])).slice(0, 16);
  const dir = join(toolsDir, `python-${key}`);
  if (existsSync(dir)) return envOf(dir, python.path);

  log(`installing the model converter's Python packages in ${toolsDir} (once, about 80 MB)`);
  const build = join(toolsDir, `python-build-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(build, { recursive: true });
  } catch (cause) {
    throw new FleetscoreError(
      'TOOLS_DIR_UNUSABLE',
      `the tools folder ${toolsDir} cannot be written: ${messageOf(cause)}. Set FLEETSCORE_TOOLS_DIR to one that can.`,
      { cause },
    );
  }
  try {
    await install(build, python.path, requirements, log);
    await rename(build, dir).catch(async (error: unknown) => {
      if (!existsSync(dir)) throw error; // another process was faster
    });
  } finally {
    await rm(build, { recursive: true, force: true });
  }
  await removeOthers(toolsDir, `python-${key}`);
  return envOf(dir, python.path);
}

/** Forgets an installation that does not work, so that the next call makes it anew. */
export async function discardPython({ dir }: PythonEnv): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}

async function install(dir: string, python: string, requirements: string, log: (line: string) => void): Promise<void> {
  const venv = await run(python, ['-m', 'venv', join(dir, 'venv')]);
  if (!venv.ok) {
    await rm(join(dir, 'venv'), { recursive: true, force: true });
    if (!(await run(python, ['-m', 'pip', '--version'])).ok)
      throw new FleetscoreError(
        'PYTHON_PIP_MISSING',
        `${python} can neither make a virtual environment nor run pip: ${lastLine(venv.output)}. ` +
          'Install one of them (Debian and Ubuntu: apt-get install python3-venv).',
      );
    log(`${python} has no working venv module: installing to a plain folder`);
  }
  const { command } = envOf(dir, python);
  const target = venv.ok ? [] : ['--target', join(dir, 'packages')];
  const installed = await run(command, [...INSTALL, ...target, '-r', requirements]);
  if (installed.ok) return;
  if (UNREACHABLE.test(installed.output))
    throw new FleetscoreError(
      'PYTHON_PACKAGES_UNREACHABLE',
      'pip cannot reach its package index to install numpy and onnx. ' +
        'Check the network (HTTPS_PROXY behind a proxy, PIP_INDEX_URL for a mirror) and run the command again. ' +
        `pip said: ${lastLine(installed.output)}`,
      { retryable: true },
    );
  throw new FleetscoreError(
    'PYTHON_PACKAGES_FAILED',
    `pip cannot install the converter's packages for ${python} on ${process.platform} ${process.arch}: ` +
      `${lastLine(installed.output)}. Try another Python (${OLDEST_PYTHON} or newer) by putting it first in ` +
      'PATH, or convert on another machine: the ONNX files are the same.',
  );
}

/** The first Python in PATH that is new enough. */
async function findPython(): Promise<{ readonly path: string; readonly version: string }> {
  const tooOld: string[] = [];
  for (const name of PYTHONS) {
    const probe = await run(name, [
      '-c',
      'import json, sys; print(json.dumps([sys.executable, sys.version.split()[0]]))',
    ]);
    if (!probe.ok) continue;
    let found: [string, string];
    try {
      found = JSON.parse(probe.stdout) as [string, string];
    } catch {
      continue;
    }
    const [path, version] = found;
    if (isAtLeast(version, OLDEST_PYTHON)) return { path, version };
    tooOld.push(`${path} is ${version}`);
  }
  if (tooOld.length > 0)
    throw new FleetscoreError(
      'PYTHON_TOO_OLD',
      `converting pickles needs Python ${OLDEST_PYTHON} or newer; ${[...new Set(tooOld)].join(', ')}. ` +
        'Install a newer one and put it in PATH.',
    );
  throw new FleetscoreError(
    'PYTHON_MISSING',
    `converting pickles needs Python ${OLDEST_PYTHON} or newer, and there is no python3 in PATH. ` +
      'Install it (Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python; ' +
      'Windows: winget install Python.Python.3.13). Models that are ONNX already need none.',
  );
}

function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

function envOf(dir: string, python: string): PythonEnv {
  const venv = join(dir, 'venv', ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  return existsSync(venv)
    ? { dir, command: venv, env: environment() }
    : { dir, command: python, env: environment({ PYTHONPATH: join(dir, 'packages') }) };
}

/** What would change where pip installs packages. */
const DROPPED = /^PIP_(USER|TARGET|PREFIX|REQUIRE_VIRTUALENV)$/i;

/** What Python gets of our environment. The converter reads files of strangers: no proxy, no mirror, no secret. */
function environment(added: NodeJS.ProcessEnv = {}, from = programEnv(process.env)): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.entries(from).filter(([name]) => !DROPPED.test(name))),
    PYTHONNOUSERSITE: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUTF8: '1',
    ...added,
  };
}

function run(command: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      command,
      [...args],
      {
        env: environment({}, installerEnv(process.env)),
        timeout: INSTALL_TIMEOUT_MS,
        maxBuffer: 16 * 1024 * 1024,
        windowsHide: true,
      },
      (error, stdout, stderr) =>
        resolve({
          ok: error === null,
          stdout,
          output: `${stdout}\n${stderr}\n${error && !stderr ? error.message : ''}`,
        }),
    );
  });
}

function lastLine(output: string): string {
  const lines = output
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(\[notice\]|WARNING)/.test(line));
  return (lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? 'nothing').slice(0, 400);
}

/** Earlier installations and what is left of interrupted ones. */
async function removeOthers(toolsDir: string, kept: string): Promise<void> {
  for (const name of await readdir(toolsDir)) {
    if (!name.startsWith('python-') || name === kept) continue;
    const path = join(toolsDir, name);
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (!name.startsWith('python-build-') || age > STALE_BUILD_MS)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
