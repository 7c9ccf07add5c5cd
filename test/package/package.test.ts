/** What npm would publish, installed into an empty folder: it must run there, outside the repository. */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildId } from '../../version.ts';
import { cleanEnv, processesOf, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const folder = tempDir('package');
// The test runner's own npm settings must not reach the npm under test; onnxruntime-node's GPU files are not fetched.
const env = Object.fromEntries(Object.entries(cleanEnv()).filter(([name]) => !name.startsWith('npm_')));
const npmEnv = {
  ...env,
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  npm_config_loglevel: 'error',
  npm_config_fund: 'false',
  npm_config_audit: 'false',
};

test('npm pack, npm install, npx fleetscore: the stack comes up from built JavaScript', async () => {
  await run(process.execPath, [join(ROOT, 'bin', 'build.js')], { cwd: ROOT, env });
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
    cwd: ROOT,
    env: npmEnv,
  });
  const tarball = stdout.trim().split('\n').at(-1)!;
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  await run('npm', ['install', '--prefer-offline', `./${tarball}`], { cwd: folder, env: npmEnv });

  const installed = join(folder, 'node_modules', 'fleetscore');
  const sources = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.d)\.ts$/.test(name),
  );
  expect(sources).toEqual([]);
  expect(existsSync(join(installed, 'dist', 'workflow-bundle.js'))).toBe(true);

  const home = join(folder, '.fleetscore');
  const fleetscore = (...args: string[]) =>
    run('npx', ['--no-install', 'fleetscore', ...args, '--json'], {
      cwd: folder,
      env: { ...npmEnv, FLEETSCORE_HOME: home, FLEETSCORE_TOOLS_DIR: TOOLS },
    });
  await fleetscore('up', '--detach', '--ports', 'auto');
  try {
    const doctor = JSON.parse((await fleetscore('doctor')).stdout) as { healthy: boolean };
    expect(doctor.healthy).toBe(true);
    // Built, it is the same version for Temporal as the sources that it was built of.
    const { current } = JSON.parse((await fleetscore('workers', 'status')).stdout) as { current: string };
    expect(current).toBe(buildId());
    const published = JSON.parse(
      (await fleetscore('models', 'publish', join(installed, 'dist', 'samples', 'models'))).stdout,
    ) as { models: number };
    expect(published.models).toBe(60);
    const batch = JSON.parse(
      (await fleetscore('batch', 'run', '--from', '2026-01-01', '--to', '2026-01-02', '--wait')).stdout,
    ) as object;
    expect(batch).toMatchObject({ status: 'completed', planned: 60, counts: { skipped: 60 } });
  } finally {
    await fleetscore('down');
  }
  expect(processesOf(home)).toEqual([]);
}, 600_000);
