/** `fleetscore status` where nothing runs, and the numbers between two looks. With a whole stack: test/e2e/failures. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { statusData } from '../../cli/status/data.ts';
import { statusPage } from '../../cli/status/page.ts';
import { readingRate, sensorRate, timeLeft } from '../../cli/status/rates.ts';
import type { Look, RunningSeen } from '../../cli/status/seen.ts';
import type { PartitionState } from '../../connect/partition-states.ts';
import { runCli, startCli } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';
import { freePort } from '../../local/ports.ts';

const home = tempDir('status');

test('where nothing runs it says so of each part, fails, and makes nothing', async () => {
  const nobody = { TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` };
  const page = await runCli(home, ['status'], nobody);
  expect(page.code).toBe(1);
  expect(page.stderr).toBe('');
  expect(page.stdout).toContain('Temporal down   SQL down   Blob down   Event Hubs down\n');
  expect(page.stdout).toMatch(/!! Temporal: no Temporal server answers at 127\.0\.0\.1:\d+/);
  expect(page.stdout).toMatch(/!! SQL: There is no SQLite store/);
  expect(page.stdout).toContain('Last batches\nnot known: SQL does not answer\n');
  // The default port may be somebody else's server: it is neither asked nor named.
  const unnamed = await runCli(home, ['status']);
  expect(unnamed.stdout).toMatch(/^Temporal none: no laptop stack runs here/m);
  expect(unnamed.stdout).not.toContain('7233');
  const data = (
    await runCli(home, ['--json', 'status', '--watch', '--every', '100ms', '--for', '50ms'], nobody)
  ).json();
  expect(data).toMatchObject({
    parts: { Temporal: { answers: false }, SQL: { answers: false } },
    schedules: null,
    running: null,
    pools: null,
    ingest: null,
    last: null,
  });
  expect(existsSync(join(home, 'data'))).toBe(false);
});

test('a reader that has seen enough is no error', async () => {
  const child = startCli(home, ['--help']);
  child.stdout.destroy();
  const complaints = text(child.stderr);
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  expect(await complaints).toBe('');
});

const T = 1_000_000;
const batch = (done: number, part: Partial<RunningSeen> = {}): RunningSeen => ({
  id: 'b',
  fromMs: 0,
  toMs: 1,
  phase: 'scoring',
  paused: false,
  planned: 100,
  done,
  failed: 0,
  anomalies: 0,
  startedAtMs: T - 10_000,
  ...part,
});
const look = (atMs: number, running: readonly RunningSeen[], readings?: number): Look => {
  const silent = { problem: 'not asked' };
  const partitions: PartitionState[] = [
    {
      source: 's',
      partition: '0',
      appliedSeq: 1,
      capturedSeq: 1,
      watermarkMs: 1,
      readings: readings ?? 0,
      late: 0,
      dead: 0,
    },
  ];
  return {
    atMs,
    temporal: silent,
    notScored: silent,
    store: silent,
    blob: silent,
    eventHubs: silent,
    pools: silent,
    running: { value: running },
    ingest: readings === undefined ? silent : { value: partitions },
  };
};

test.each<[string, RunningSeen, readonly Look[], number | undefined, number | undefined]>([
  ['since the batch began, at the first look', batch(20), [], 2, 40_000],
  ['of now, once there was a look before', batch(20), [look(T - 5_000, [batch(10)])], 2, 40_000],
  [
    'of the last half minute only',
    batch(60, { startedAtMs: T - 60_000 }),
    [look(T - 50_000, [batch(1)]), look(T - 20_000, [batch(20)])],
    2,
    20_000,
  ],
  ['nothing is done yet', batch(0), [], undefined, undefined],
  ['it stands still', batch(20), [look(T - 5_000, [batch(20)])], 0, undefined],
  ['paused: no time left is told', batch(20, { paused: true }), [], 2, undefined],
])('rate and time left: %s', (_, now, before, rate, left) => {
  expect(sensorRate(now, look(T, [now]), before)).toBe(rate);
  expect(timeLeft(now, rate)).toBe(left);
});

test('the rate of readings needs two looks that ingest answered', () => {
  expect(readingRate(look(T, [], 100), [])).toBeUndefined();
  expect(readingRate(look(T, [], 100), [look(T - 10_000, []), look(T - 4_000, [], 60)])).toBe(10);
});

test('partitions that nobody reads, and those that are not the ones that were read before, have a line each', () => {
  const seen = look(T, [], 10);
  const other = { ...seen.ingest.value![0]!, partition: '1', lagEvents: 7, updatedAtMs: 1, problem: 'it ends at 3' };
  const holders = new Map([
    ['0', 'nobody'],
    ['1', 'worker'],
    ['2', 'nobody'],
  ] as const);
  const page = (shown: Look): string => statusPage(shown, [], ['here']);
  const troubled = { ...seen, ingest: { value: [...seen.ingest.value!, other] }, holders };
  expect(page(seen)).not.toMatch(/no ingest worker|stands still/);
  expect(page(troubled)).toMatch(/partition 0, 2: no ingest worker reads them/);
  // It stands still on purpose: that is no worker that does not get on.
  expect(page(troubled)).toMatch(/partition 1 stands still: it ends at 3\. .*FLEETSCORE_ON_NEW_HUB=read/);
  expect(page(troubled)).not.toMatch(/nothing applied/);
  expect(page({ ...troubled, holders: new Map([['0', 'nobody']] as const) })).toMatch(
    /no ingest worker reads a partition of the hub/,
  );
  expect(statusData(troubled, []).ingest).toMatchObject({
    unheldPartitions: ['0', '2'],
    changedPartitions: [{ partition: '1', problem: 'it ends at 3' }],
    stalledPartitions: [],
  });
});
