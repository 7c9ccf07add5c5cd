/**
 * Starts that fail: everything they started is gone, the exit code is 1, and the last line is the cause. In places
 * that cannot be a home, on logs that cannot be written, on a full disk, when the last step fails, when nobody
 * answers and the user gives up.
 */
import { afterEach, expect, test } from '@jest/globals';
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { poolWorkflowId } from '../../pool/settings.ts';
import { connectClient } from '../../connect/temporal.ts';
import { withStack } from '../../local/state.ts';
import { cleanEnv, processesOf, runCli, startCli, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const folder = tempDir('start');
const env = { FLEETSCORE_TOOLS_DIR: TOOLS };
const UP = ['up', '--ports', 'auto'];
const homes: string[] = [];

const newHome = (): string => {
  const home = join(folder, `home-${homes.length}`);
  homes.push(home);
  return home;
};

afterEach(async () => {
  for (const home of homes) if (processesOf(home).length > 0) await runCli(home, ['down'], env);
});

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

/** One line for people: no trace of the code, nothing of the SDK's native side. */
function expectPlain(stderr: string): void {
  expect(stderr).not.toMatch(/^ +at |node:internal|Node\.js v|WARN temporal/m);
}

test.each([
  ['in the foreground', [] as string[]],
  ['detached', ['--detach']],
])(
  'a last step that fails ends all that was up before it: %s',
  async (_, more) => {
    const home = newHome();
    mkdirSync(join(home, 'stack.json.new'), { recursive: true });
    const { code, stdout, stderr } = await runCli(home, [...UP, ...more], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(lastLine(stderr)).toMatch(/^error: .*stack\.json is a folder, and a file is wanted there/);
    expectPlain(stderr);
    expect(processesOf(home)).toEqual([]);
    if (more.length > 0)
      expect((await runCli(home, ['doctor'], env)).stdout).toMatch(
        /not running here.*\n +the last one ended: .*stack\.json is a folder/,
      );
    rmSync(join(home, 'stack.json.new'), { recursive: true });
  },
  120_000,
);

let waiting: Promise<string> | undefined;

/**
 * A home whose starts wait: a workflow that nobody serves has the name of the pool's loop, which the last step asks.
 */
async function homeThatWaits(): Promise<string> {
  const home = newHome();
  expect(await runCli(home, [...UP, '--detach', '--scoring-workers', '1'], env)).toMatchObject({ code: 0 });
  const client = await connectClient(withStack(cleanEnv(), home));
  await client.workflow.start('nobody', { taskQueue: 'nobody', workflowId: poolWorkflowId('scoring') });
  await client.connection.close();
  expect((await runCli(home, ['down'], env)).code).toBe(0);
  return home;
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends a start that waits for an answer that does not come, in the foreground and detached',
  async (signal) => {
    const home = await (waiting ??= homeThatWaits());
    for (const more of [[], ['--detach']]) {
      const child = startCli(home, [...UP, ...more], env);
      const said = outputOf(child);
      await untilReady(join(home, 'logs', 'control.log'));
      child.kill(signal);
      const [code] = (await once(child, 'close')) as [number | null];
      expect(code).toBe(1);
      expect(lastLine(said())).toBe('error: stopped before all was up: no process is left, and data stay in place.');
      expectPlain(said());
      expect(processesOf(home)).toEqual([]);
    }
  },
  240_000,
);

function outputOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

/** The control worker of a new start says that it is ready; what it said before is left out. */
async function untilReady(log: string): Promise<void> {
  const before = readFileSync(log, 'utf8').length;
  for (const end = Date.now() + 240_000; Date.now() < end; await sleep(100))
    if (readFileSync(log, 'utf8').slice(before).includes('"ready"')) return;
  throw new Error('the control worker did not come up');
}

const isRoot = process.getuid?.() === 0;

test.each([
  ['a file', () => file('a-file'), /a-file is a file, and a folder is wanted there/],
  ['below a file', () => join(file('b-file'), 'home'), /b-file is a file, and .*home is wanted below it/],
  ['below /proc', () => '/proc/fleetscore/home', /nothing can be made at \/proc\/fleetscore\/home/],
  ['without rights', () => (isRoot ? '/sys/fleetscore' : '/fleetscore'), /may not be written by this user/],
])('a home that is %s is told in one line', async (_, place, message) => {
  for (const more of [[], ['--detach']]) {
    const { code, stdout, stderr } = await runCli(place(), [...UP, ...more], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
  }
});

function file(name: string): string {
  const path = join(folder, name);
  if (!existsSync(path)) writeFileSync(path, '');
  return path;
}

test('a log that cannot be opened ends the start with its name', async () => {
  const home = newHome();
  mkdirSync(join(home, 'logs', 'ingest.log'), { recursive: true });
  const { code, stderr } = await runCli(home, UP, env);
  expect(code).toBe(1);
  expect(lastLine(stderr)).toMatch(/^error: .*ingest\.log is a folder, and a file is wanted there/);
  expectPlain(stderr);
  expect(processesOf(home)).toEqual([]);
}, 120_000);

// A device that is always full is known to Linux.
(existsSync('/dev/full') ? test : test.skip)(
  'a log on a full disk costs its lines, not the stack',
  async () => {
    const home = newHome();
    mkdirSync(join(home, 'logs'), { recursive: true });
    for (const role of ['ingest', 'control']) symlinkSync('/dev/full', join(home, 'logs', `${role}.log`));
    const child = startCli(home, UP, env);
    const said = outputOf(child);
    await once(child.stdout, 'data');
    expect((await runCli(home, ['doctor'], env)).stdout).toContain('No problems found.');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said()).toMatch(/the log of the (ingest|control) worker takes no more: the disk of .* is full/);
    expectPlain(said());
  },
  120_000,
);

const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

(canMount ? test : test.skip)(
  'a full disk is told as that, with room as the remedy',
  () => {
    const place = join(folder, 'small');
    mkdirSync(place);
    const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    // In a mount namespace of its own: gone with its process.
    const script = `mount -t tmpfs -o size=8m none ${place} && exec ${process.execPath} ${main} ${UP.join(' ')}`;
    let said = '';
    try {
      execFileSync('unshare', ['-m', 'sh', '-c', script], {
        env: { ...cleanEnv(), ...env, FLEETSCORE_HOME: join(place, 'home'), NO_COLOR: '1' },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      said = (error as { stderr: string }).stderr;
    }
    expect(lastLine(said)).toMatch(/^error: the disk of .*home is full \(\d+ MiB left\)\. Make room first/);
    expect(said).not.toMatch(/delete/);
    expectPlain(said);
  },
  60_000,
);
