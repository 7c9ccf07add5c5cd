/**
 * What npm would publish, in an empty folder: it must run there, outside the repository, with the packages that it
 * names and no others. They are links to those of the lock file, where npm itself would install 700 MB again;
 * `FLEETSCORE_TEST_NPM_INSTALL=on` lets npm do it, as each release does.
 */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildId } from '../../version.ts';
import { cleanEnv, processesOf, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const folder = tempDir('package');
const installed = join(folder, 'node_modules', 'fleetscore');
// The test runner's own npm settings must not reach the npm under test; onnxruntime-node's GPU files are not fetched.
const env = Object.fromEntries(Object.entries(cleanEnv()).filter(([name]) => !name.startsWith('npm_')));
const npmEnv = {
  ...env,
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  npm_config_loglevel: 'error',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
};

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** The packed files, what package.json names beside them, and its commands in `.bin`. */
async function unpack(tarball: string): Promise<void> {
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  mkdirSync(installed);
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  const { bin, dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  ) as Manifest;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  for (const [name, file] of Object.entries(bin)) {
    chmodSync(join(installed, file), statSync(join(installed, file)).mode | 0o111);
    symlinkSync(join('..', 'fleetscore', file), join(folder, 'node_modules', '.bin', name));
  }
}

const isHealthy = (doctor: unknown): boolean => (doctor as { readonly healthy: boolean }).healthy;

test('npm pack, installed, fleetscore: the stack comes up from built JavaScript', async () => {
  await run(process.execPath, [join(ROOT, 'bin', 'build.js')], { cwd: ROOT, env });
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: ROOT,
    env: npmEnv,
  });
  const tarball = stdout.trim().split('\n').at(-1)!;
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  if (process.env.FLEETSCORE_TEST_NPM_INSTALL === 'on')
    await run('npm', ['install', '--prefer-offline', `./${tarball}`], { cwd: folder, env: npmEnv });
  else await unpack(join(folder, tarball));

  const sources = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.d)\.ts$/.test(name),
  );
  expect(sources).toEqual([]);
  expect(existsSync(join(installed, 'dist', 'workflow-bundle.js'))).toBe(true);

  const home = join(folder, '.fleetscore');
  const fleetscore = (...args: string[]) =>
    run(join(folder, 'node_modules', '.bin', 'fleetscore'), [...args, '--json'], {
      cwd: folder,
      env: { ...npmEnv, FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS },
    });
  await fleetscore('up', '--detach', '--ports', 'auto');
  try {
    // It gives up what does not answer within seconds, as on a busy machine, and says so: it is asked again.
    const examined = async (): Promise<unknown> => {
      const { stdout } = await fleetscore('doctor').catch((error: { readonly stdout: string }) => error);
      return JSON.parse(stdout) as unknown;
    };
    let doctor = await examined();
    for (const end = Date.now() + 240_000; !isHealthy(doctor) && Date.now() < end;) doctor = await examined();
    expect(doctor).toMatchObject({ healthy: true });
    const [workers, published] = await Promise.all([
      fleetscore('workers', 'status'),
      fleetscore('models', 'publish', join(installed, 'dist', 'samples', 'models')),
    ]);
    // Built, it is the same version for Temporal as the sources that it was built of.
    expect(JSON.parse(workers.stdout)).toMatchObject({ current: buildId() });
    expect(JSON.parse(published.stdout)).toMatchObject({ models: 60 });
    const batch = JSON.parse(
      (await fleetscore('batch', 'run', '--from', '2026-01-01', '--to', '2026-01-02', '--wait')).stdout,
    ) as object;
    expect(batch).toMatchObject({ status: 'completed', planned: 60, counts: { skipped: 60 } });
  } finally {
    await fleetscore('down');
  }
  expect(processesOf(home)).toEqual([]);
}, 600_000);
