/** The lock of a home is held by one, however many try at the same moment, and whatever a killed one left behind. */
import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { refOf } from '../../connect/processes.ts';
import { claimHome, leaveHome, lockOwner, readStack, releaseHome, writeStack } from '../../local/state.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('lock');
const CLAIMER = fileURLToPath(new URL('claim-home.ts', import.meta.url));
const MANY = 8;

/** A process that claims the home when it is told to, says whether it has it, and keeps it until it is killed. */
async function claimer(of = home) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CLAIMER, of], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  expect(await next()).toBe('here');
  return {
    pid: child.pid!,
    go: () => void child.stdin.write('go\n'),
    said: next,
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

test('of many that start at once one has the home; the lock of one that was killed is in nobody’s way', async () => {
  let before: number | undefined;
  for (let round = 0; round < 5; round += 1) {
    // The killed owner of the round before is still named in the home.
    expect(lockOwner(home)?.pid).toBe(before);
    const all = await Promise.all(Array.from({ length: MANY }, () => claimer()));
    for (const one of all) one.go();
    const said = await Promise.all(all.map((one) => one.said()));
    expect(said.filter((text) => text === 'has it')).toHaveLength(1);
    expect(said.filter((text) => text === 'STACK_RUNNING')).toHaveLength(MANY - 1);
    before = all[said.indexOf('has it')]!.pid;
    await Promise.all(all.map((one) => one.kill()));
  }
}, 120_000);

test('a stack of an earlier version, which holds no lock of the system, is seen by what it wrote', async () => {
  const other = await claimer();
  writeFileSync(join(home, 'stack.lock'), JSON.stringify(refOf(other.pid)));
  await expect(claimHome(home)).rejects.toMatchObject({
    code: 'STACK_RUNNING',
    message: expect.stringContaining(`process ${other.pid}`),
  });
  await other.kill();
  await claimHome(home);
  expect(JSON.parse(readFileSync(join(home, 'stack.lock'), 'utf8'))).toEqual(refOf(process.pid));
  await expect(claimHome(home)).rejects.toMatchObject({ code: 'STACK_RUNNING' });
  releaseHome(home);
  await claimHome(home);
  releaseHome(home);
  expect(lockOwner(home)).toBeUndefined();
});

test('a stack that begins to stop is not found any more, and the next start waits for its end', async () => {
  const own = tempDir('lock-ending');
  await claimHome(own);
  const supervisor = refOf(process.pid)!;
  writeStack(own, { supervisor, startedAt: 'now', ui: 'http://127.0.0.1:1', env: {} });
  expect(readStack(own)).toMatchObject({ supervisor });
  leaveHome(own);
  expect(readStack(own)).toBeUndefined();
  const next = await claimer(own);
  next.go();
  expect(await next.said()).toMatch(/^Waiting for the stack before this one, which is stopping/);
  releaseHome(own);
  expect(await next.said()).toBe('has it');
  await next.kill();
});
