/** Several processes on one file: nothing is lost, nothing is half done. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStore } from '../../storage/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { tempDir } from '../support/temp.ts';

const dir = tempDir('sqlite-processes');
const WRITER = new URL('./sqlite-writer.ts', import.meta.url).pathname;
const EVER = { fromMs: 0, toMs: 4e12 };

interface Writer {
  readonly child: ChildProcess;
  /** Resolves when this commit is done. */
  reached(commit: number): Promise<void>;
  readonly ended: Promise<readonly unknown[]>;
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

function startWriter(mode: 'add' | 'rewrite', file: string, partition: string, commits = ''): Writer {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', WRITER, mode, file, partition, commits],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  running.add(child);
  const ended = once(child, 'exit');
  let last = -1;
  const waiting: { commit: number; resolve: () => void; reject: (e: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'ready') return;
    last = Number(line);
    for (const w of waiting) if (last >= w.commit) w.resolve();
  });
  void ended.then(() => {
    for (const w of waiting) w.reject(new Error(`the writer ended after commit ${last}`));
  });
  const reached = (commit: number): Promise<void> =>
    new Promise((resolve, reject) => (last >= commit ? resolve() : waiting.push({ commit, resolve, reject })));
  return { child, reached, ended };
}

async function newStore(name: string, sensors: number): Promise<{ file: string; store: Store }> {
  const file = join(dir, `${name}.db`);
  const store = await openStore(`sqlite:${file}`);
  await store.migrate();
  await store.registerSensors(Array.from({ length: sensors }, (_, i) => ({ device: 'd', sensor: `s${i}` })));
  return { file, store };
}

test('two processes that write to the same windows, and one that reads, lose nothing', async () => {
  const { file, store } = await newStore('two', 4);
  const commits = 150;
  const writers = ['0', '1'].map((partition) => startWriter('add', file, partition, String(commits)));
  let going = true;
  const reader = (async () => {
    let newest = 0;
    while (going) {
      const block = await store.readSeries({ from: 1, to: 5 }, EVER);
      expect(block.changeId).toBeGreaterThanOrEqual(newest);
      newest = block.changeId;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return newest;
  })();
  expect((await Promise.all(writers.map((w) => w.ended))).map(([code]) => code)).toEqual([0, 0]);
  going = false;
  await reader;

  const block = await store.readSeries({ from: 1, to: 5 }, EVER);
  expect(block.length).toBe(20);
  expect([...block.count]).toEqual(Array.from({ length: 20 }, () => 2 * commits));
  expect([...block.mean]).toEqual(Array.from({ length: 20 }, () => (commits - 1) / 2));
  expect(block.changeId).toBe(2 * commits);
  expect((await store.listProgress()).map((p) => p.appliedSeq)).toEqual([commits - 1, commits - 1]);
  await store.close();
});

test('a writer that is killed in the middle leaves the state before or after its commit', async () => {
  const { file, store } = await newStore('killed', 100);
  await store.close();
  for (const [round, pauseMs] of [0, 3, 11].entries()) {
    const partition = String(round);
    const writer = startWriter('rewrite', file, partition);
    await writer.reached(3);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    writer.child.kill('SIGKILL');
    expect((await writer.ended)[1]).toBe('SIGKILL');

    const after = await openStore(`sqlite:${file}`);
    const applied = (await after.listProgress()).find((p) => p.partition === partition)!.appliedSeq;
    const block = await after.readSeries({ from: 1, to: 101 }, EVER);
    expect(applied).toBeGreaterThanOrEqual(3);
    expect(block.length).toBe(3_000);
    expect(new Set(block.last)).toEqual(new Set([applied]));
    expect(new Set(block.count)).toEqual(new Set([1]));
    // And it goes on from there.
    await after.commitReadings({
      source: 'processes',
      partition,
      expectedSeq: applied,
      throughSeq: applied + 1,
      watermarkMs: 0,
      updates: [],
      readings: 0,
      late: 0,
      dead: 0,
    });
    await after.close();
  }
});

test('several processes that start at once migrate once', async () => {
  const file = join(dir, 'fresh.db');
  const writers = ['0', '1', '2'].map((partition) => startWriter('add', file, partition, '1'));
  expect((await Promise.all(writers.map((w) => w.ended))).map(([code]) => code)).toEqual([0, 0, 0]);
  const store = await openStore(`sqlite:${file}`);
  expect((await store.listProgress()).map((p) => p.partition)).toEqual(['0', '1', '2']);
  await store.close();
});
