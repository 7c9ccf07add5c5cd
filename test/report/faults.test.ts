import fc from 'fast-check';
import { matchFaults } from '../../report/collect/faults.ts';
import type { InjectedFault, PredictionSeries } from '../../report/collect/batch-data.ts';

const series = (labels: readonly (0 | 1)[], fromMs = 0, stepMs = 5): PredictionSeries => ({
  tsMs: Float64Array.from(labels, (_, i) => fromMs + i * stepMs),
  value: Float64Array.from(labels, () => 1),
  prediction: Uint8Array.from(labels),
  score: Float64Array.from(labels, (label) => (label === 1 ? -1 : 1)),
});
const fault = (fromMs: number, toMs: number, sensor = 's'): InjectedFault => ({
  device: 'd',
  sensor,
  kind: 'spike',
  fromMs,
  toMs,
});

test('a fault is found by one anomalous window in [from, to)', () => {
  const sensors = [{ device: 'd', sensor: 's', series: series([0, 0, 1, 0, 0]) }];
  expect(matchFaults([fault(10, 11)], sensors).faults[0]).toMatchObject({
    found: true,
    windows: 1,
    anomalies: 1,
    delayMs: 0,
  });
  expect(matchFaults([fault(5, 15)], sensors).faults[0]).toMatchObject({
    found: true,
    windows: 2,
    anomalies: 1,
    delayMs: 5,
  });
  expect(matchFaults([fault(5, 10)], sensors).faults[0]).toMatchObject({ found: false, windows: 1, anomalies: 0 });
  expect(matchFaults([fault(11, 40)], sensors).faults[0]).toMatchObject({ found: false, windows: 2 });
});

test('anomalies outside every fault of their sensor are false alarms', () => {
  const sensors = [
    { device: 'd', sensor: 's', series: series([1, 1, 1, 0]) },
    { device: 'd', sensor: 'other', series: series([1, 0]) },
  ];
  const match = matchFaults([fault(0, 5), fault(4, 10)], sensors);
  expect(match).toMatchObject({ found: 2, missed: 0, falseAlarms: 2, quietWindows: 4 });
});

test('a fault of a sensor that was not scored is missed, and has no windows', () => {
  expect(matchFaults([fault(0, 5, 'gone')], []).faults[0]).toMatchObject({ found: false, windows: 0 });
});

test('faults that do not touch the period are left out', () => {
  const faults = [fault(0, 10), fault(10, 12), fault(19, 30), fault(20, 30)];
  expect(matchFaults(faults, [], { fromMs: 10, toMs: 20 }).faults.map((f) => f.fromMs)).toEqual([10, 19]);
});

test('every window counts once: inside some fault, or outside all', () => {
  const spans = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 80 })), { maxLength: 6 });
  const labels = fc.array(fc.constantFrom(0 as const, 1 as const), { maxLength: 80 });
  fc.assert(
    fc.property(labels, spans, (values, drawn) => {
      const faults = drawn.map(([from, length]) => fault(from, from + length));
      const match = matchFaults(faults, [{ device: 'd', sensor: 's', series: series(values) }]);
      const inside = values.filter((_, i) => faults.some((f) => i * 5 >= f.fromMs && i * 5 < f.toMs));
      const anomalies = values.filter((label) => label === 1).length;
      expect(match.quietWindows).toBe(values.length - inside.length);
      expect(match.falseAlarms).toBe(anomalies - inside.filter((label) => label === 1).length);
      expect(match.found + match.missed).toBe(faults.length);
    }),
  );
});
