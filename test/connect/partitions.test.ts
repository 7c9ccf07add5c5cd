/** Lag, what is told when a side is silent, and rates. */
import { partitionStates, readingsPerSecond, type HubEnd } from '../../connect/partition-states.ts';
import type { PartitionProgress } from '../../storage/store.ts';

const SOURCE = 'ns/hub/$default';
const progress = (partition: string, appliedSeq: number, more: Partial<PartitionProgress> = {}): PartitionProgress => ({
  source: SOURCE,
  partition,
  appliedSeq,
  capturedSeq: -1,
  watermarkMs: 1_000,
  readings: 10,
  late: 1,
  dead: 2,
  updatedAtMs: 5_000,
  ...more,
});
const end = (partition: string, firstSeq: number, lastSeq: number, empty = false): HubEnd => ({
  partition,
  firstSeq,
  lastSeq,
  empty,
});

test.each([
  ['behind', 4, end('0', 0, 9), 5],
  ['done', 9, end('0', 0, 9), 0],
  ['nothing read yet', -1, end('0', 0, 9), 10],
  ['what expired unread is no lag', 4, end('0', 100, 109), 10],
  ['all expired', 4, end('0', 109, 109, true), 0],
  ['never used', -1, end('0', 0, -1, true), 0],
  ['applied since Event Hubs was asked', 12, end('0', 0, 9), 0],
])('lag: %s', (_, applied, hubEnd, lag) => {
  expect(partitionStates([progress('0', applied)], SOURCE, [hubEnd])[0]!.lagEvents).toBe(lag);
});

test('partitions that only one side knows are there, in the order of their numbers', () => {
  const states = partitionStates([progress('10', 3), progress('2', 3)], SOURCE, [end('2', 0, 3), end('1', 0, 7)]);
  expect(
    states.map(({ partition, appliedSeq, lastSeq, lagEvents }) => [partition, appliedSeq, lastSeq, lagEvents]),
  ).toEqual([
    ['1', -1, 7, 8],
    ['2', 3, 3, 0],
    ['10', 3, undefined, undefined],
  ]);
});

test('the end of a hub says nothing about another source', () => {
  const states = partitionStates([progress('0', 3, { source: 'other/hub/$default' })], SOURCE, [end('0', 0, 9)]);
  expect(states.map(({ source, lagEvents }) => [source, lagEvents])).toEqual([
    [SOURCE, 10],
    ['other/hub/$default', undefined],
  ]);
});

test('a rate needs two looks at the same partition', () => {
  const [before] = partitionStates([progress('0', 3)], undefined);
  const [after] = partitionStates([progress('0', 9, { readings: 60 })], undefined);
  expect(readingsPerSecond([before!], after!, 2_000)).toBe(25);
  expect(readingsPerSecond([], after!, 2_000)).toBeUndefined();
  expect(readingsPerSecond([before!], after!, 0)).toBeUndefined();
  expect(readingsPerSecond([before!], { ...after!, source: 'other' }, 2_000)).toBeUndefined();
});
