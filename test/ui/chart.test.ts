/** What a chart over time marks, from the history of a sensor. */
import { releaseChanges } from '../../ui/look/chart.ts';

const row = (fromMs: number, toMs: number, release: string, kind: 'score' | 'redrive' = 'score') => ({
  fromMs,
  toMs,
  release,
  kind,
  batchId: `${fromMs}-${release}`,
  status: 'scored' as const,
  windows: 1,
  anomalies: 0,
});

// The newest batch first, as a page lists them.
test.each([
  ['no batch', [], []],
  ['one release', [row(10, 20, 'a'), row(0, 10, 'a')], []],
  ['another one from a time on', [row(10, 20, 'b'), row(0, 10, 'a')], [[10, 'b']]],
  ['a hole between them', [row(30, 40, 'b'), row(0, 10, 'a')], [[30, 'b']]],
  [
    'all of it scored again later: nothing changed in what counts',
    [row(0, 20, 'b'), row(10, 20, 'a'), row(0, 10, 'a')],
    [],
  ],
  [
    'a part scored again: there and back',
    [row(10, 20, 'b'), row(0, 30, 'a')],
    [
      [10, 'b'],
      [20, 'a'],
    ],
  ],
  ['what is redriven keeps its release', [row(0, 10, 'b', 'redrive'), row(0, 10, 'a')], []],
] as const)('releases of the batches that count: %s', (_, history, changes) => {
  expect(releaseChanges(history.toReversed())).toEqual(changes);
});
