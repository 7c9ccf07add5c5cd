import { stretchesOf } from '../../report/collect/stretches.ts';

/** Windows of 5 s from midnight on: `x` is anomalous, `.` normal, a space is not there. */
function sensor(pattern: string, name = 'flow') {
  const windows = [...pattern].flatMap((mark, i) => (mark === ' ' ? [] : [{ ts: i * 5_000, mark }]));
  const numbers = (of: (w: { ts: number; mark: string }) => number): Float64Array => Float64Array.from(windows, of);
  return {
    device: 'pump-1',
    sensor: name,
    series: {
      tsMs: numbers(({ ts }) => ts),
      value: numbers(() => 1),
      prediction: Uint8Array.from(windows, ({ mark }) => (mark === 'x' ? 1 : 0)),
      score: numbers(() => 0),
    },
  };
}

test.each([
  ['..........', []],
  ['..xxx.......', [{ fromMs: 10_000, toMs: 25_000, windows: 3, open: false }]],
  ['..x.x.......', [{ fromMs: 10_000, toMs: 25_000, windows: 2, open: false }]], // a short pause ends nothing
  ['........xx', [{ fromMs: 40_000, toMs: 50_000, windows: 2, open: true }]],
  ['x.......x', [0, 40_000].map((from, i) => ({ fromMs: from, toMs: from + 5_000, windows: 1, open: i === 1 }))],
])('%j', (pattern, expected) => {
  const found = stretchesOf([sensor(pattern)]).sort((a, b) => a.fromMs - b.fromMs);
  expect(found).toEqual(expected.map((stretch) => ({ device: 'pump-1', sensor: 'flow', ...stretch })));
});

test('what lasts still comes first, then the longest', () => {
  const found = stretchesOf([sensor('x.......', 'a'), sensor('xxxx........', 'b'), sensor('.......x', 'c')]);
  expect(found.map((stretch) => stretch.sensor)).toEqual(['c', 'b', 'a']);
});
