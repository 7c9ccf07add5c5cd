/** `npm start -- --once` as a user runs it: on damaged data, after a kill -9, twice in a row, and with a port taken. */
import { afterAll, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connectClient } from '../../connect/temporal.ts';
import { withStack } from '../../local/state.ts';
import { cleanEnv, processesOf, runCli, startCli, TOOLS } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const home = tempDir('demo');
const bare = tempDir('bare');
const env = { FLEETSCORE_TOOLS_DIR: TOOLS };

/** A test that fails half way leaves no stack behind. */
afterAll(() => runCli(home, ['down'], env), 120_000);

interface Result {
  readonly batches: {
    readonly id: string;
    readonly status: string;
    readonly scored: number;
    readonly failed: number;
  }[];
  readonly totals: { readonly sensors: number; readonly windows: number; readonly anomalies: number };
  readonly report: string;
}

test('a damaged file of a server is told with the way to begin anew, and leaves nothing running', async () => {
  const data = join(home, 'data');
  mkdirSync(data);
  writeFileSync(join(data, 'temporal.db'), 'SQLite format 3\0'.padEnd(8192, 'x'));
  const damaged = await runCli(home, ['demo', '--once', '--ports', 'auto'], env);
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toMatch(/Temporal did not start: exit code 1\. Its log: .*temporal\.log/);
  expect(damaged.stderr).toContain(`delete ${data} to begin anew`);
  expect(processesOf(home)).toEqual([]);

  // Begun anew below, where what an earlier demo remembers must not count.
  rmSync(data, { recursive: true });
  writeFileSync(join(home, 'demo.json'), JSON.stringify({ sentThroughMs: Date.now(), scoredToMs: Date.now() }));
}, 60_000);

test(
  'after a kill -9 while it scores, the next start ends the main job well: four batches, all 60 sensors ' +
    'scored, faults found, a report',
  async () => {
    const killed = startDemo();
    await killed.until('backfilling');
    killed.process.kill('SIGKILL');
    await killed.ended;
    await untilNothingRuns();

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
  },
  300_000,
);

test('one more start goes on where the last stopped, and what it repeats changes nothing', async () => {
  const second = await runCli(home, ['demo', '--once', '--ports', 'auto', '--json'], env);
  expect(second.code).toBe(0);
  const { batches, totals } = second.json() as Result;
  expect(batches.every((batch) => batch.status === 'completed' && batch.scored === 60 && batch.failed === 0)).toBe(
    true,
  );
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
  expect(busy.stderr).toContain(`port ${port}, wanted for Blob storage, is taken on 127.0.0.1`);
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
  const result = await runCli(bare, ['up', '--ports', 'auto'], {
    PATH: bare,
    FLEETSCORE_TOOLS_DIR: join(bare, 'tools'),
  });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(
    /`temporal` program is not in PATH, and python3 with pip.* is missing. Install python3 and pip/,
  );
}, 60_000);

test('up --detach, a second up, kill -9 of the supervisor: nothing is left, and up works again', async () => {
  const up = await runCli(home, ['up', '--detach', '--ports', 'auto', '--json'], env);
  expect(up.code).toBe(0);
  const { pid } = up.json() as { pid: number };
  // The schedule is live: at every quarter of an hour there is one more.
  const batches = async (): Promise<readonly string[]> =>
    ((await runCli(home, ['batch', 'list', '--json'], env)).json() as { id: string }[]).map(({ id }) => id);
  const before = await batches();
  expect(before.length).toBeGreaterThanOrEqual(4);
  // Those that were caught up with have one child for the plant, and the newest has one for each sensor.
  const children = await childrenOf(before.toSorted());
  expect(children.at(-1)).toBe(60);
  expect(children.filter((count) => count === 1).length).toBeGreaterThanOrEqual(3);
  expect((await runCli(home, ['up', '--detach'], env)).stdout).toContain('Already up');
  expect((await runCli(home, ['up', '--ports', 'auto'], env)).stderr).toContain(
    `a laptop stack already runs in ${home} (process ${pid})`,
  );

  process.kill(pid, 'SIGKILL');
  await untilNothingRuns();

  expect((await runCli(home, ['up', '--detach', '--ports', 'auto'], env)).code).toBe(0);
  expect(await batches()).toEqual(expect.arrayContaining([...before]));
  expect((await runCli(home, ['down'], env)).stdout).toContain('Stopped.');
  expect((await runCli(home, ['down'], env)).stdout).toContain('No laptop stack runs');
  expect(processesOf(home)).toEqual([]);
  expect(existsSync(join(home, 'stack.json'))).toBe(false);
}, 240_000);

test('Ctrl-C ends everything while it starts, and while readings flow', async () => {
  for (const when of ['Starting', 'Readings keep flowing']) {
    const child = startDemo();
    await child.until(when);
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.process.kill('SIGINT');
    expect([when, await child.ended]).toEqual([when, 0]);
    expect(processesOf(home)).toEqual([]);
  }
}, 120_000);

test('a server that dies while readings flow ends the rest, with its name and the way on', async () => {
  const child = startDemo();
  await child.until('Readings keep flowing');
  process.kill(
    Number.parseInt(
      processesOf(home).find((line) => line.includes('event-hubs/main'))!,
      10,
    ),
    'SIGKILL',
  );
  expect(await child.ended).toBe(1);
  expect(await child.complaints).toMatch(
    /^error: Event Hubs emulator ended \(killed by SIGKILL\); the stack cannot go on without it\. .*Start again with `fleetscore up`\.\n$/,
  );
  expect(processesOf(home)).toEqual([]);
}, 120_000);

/** Child workflows of each batch. */
async function childrenOf(ids: readonly string[]): Promise<number[]> {
  const client = await connectClient(withStack(cleanEnv(), home));
  try {
    const counts = ids.map((id) => client.workflow.count(`WorkflowId STARTS_WITH '${id}/'`));
    return (await Promise.all(counts)).map(({ count }) => count);
  } finally {
    await client.connection.close();
  }
}

function startDemo() {
  const child = startCli(home, ['demo', '--ports', 'auto'], env);
  const complaints = text(child.stderr);
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  return {
    process: child,
    ended,
    complaints,
    /** Resolves when it has said so; rejects when it ends before. */
    until: (words: string): Promise<void> =>
      new Promise((resolve, reject) => {
        child.stdout.on('data', () => said.includes(words) && resolve());
        void ended.then((code) => reject(new Error(`it ended (${code}) without a word of ${words}:\n${said}`)));
      }),
  };
}

/** What a process left that was killed ends by itself. */
async function untilNothingRuns(): Promise<void> {
  for (let i = 0; i < 1_800 && processesOf(home).length > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(processesOf(home)).toEqual([]);
}
