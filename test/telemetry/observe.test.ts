/**
 * What an exporter is told of metrics: totals that outlive processes, the last look before the end, a first look in
 * vain.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Meter } from '@opentelemetry/api';
import type { Metric } from '../../telemetry/metric.ts';
import { observeMetrics } from '../../telemetry/observe.ts';

type Callback = (result: { observe(value: number, labels: object): void }) => Promise<void>;

/** Collects as a reader does. */
function meterOf() {
  const callbacks = new Map<string, Callback>();
  const instrument = (name: string) => ({ addCallback: (callback: Callback) => callbacks.set(name, callback) });
  return {
    meter: { createObservableCounter: instrument, createObservableGauge: instrument } as unknown as Meter,
    async collect(name: string): Promise<Record<string, number>> {
      const found: Record<string, number> = {};
      await callbacks.get(name)?.({ observe: (value, labels) => (found[JSON.stringify(labels)] = value) });
      return found;
    },
  };
}

const readings = (byPartition: Readonly<Record<string, number>>): Metric => ({
  name: 'readings',
  type: 'counter',
  help: 'r',
  stored: true,
  samples: Object.entries(byPartition).map(([partition, value]) => ({ labels: { partition }, value })),
});
const own = (value: number): Metric => ({ name: 'own', type: 'counter', help: 'o', samples: [{ value }] });
const label = (partition: string): string => JSON.stringify({ partition });

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());
const later = (): void => jest.advanceTimersByTime(2_000);

test('an exporter of differences is told what this process added to a stored total, also when it was away', async () => {
  const looks = [
    { 0: 10_000_000, 1: 50 },
    { 0: 10_000_100, 1: 60 },
    { 0: 10_000_200 },
    { 0: 10_000_300, 1: 900 },
    { 0: 10_000_400, 1: 910 },
  ];
  let at = 0;
  const { meter, collect } = meterOf();
  observeMetrics(meter, async () => [readings(looks[at]!), own(5)], { differences: true });
  const told: Record<string, number>[] = [];
  for (; at < looks.length; at++, later()) told.push(await collect('readings'));
  // The instrument is there from the first look on.
  expect(told.map((one) => [one[label('0')], one[label('1')]])).toEqual([
    [undefined, undefined],
    [100, 10],
    [200, undefined],
    [300, 10],
    [400, 20],
  ]);
  // What began with the process is told from its beginning.
  at = 0;
  expect(await collect('own')).toEqual({ '{}': 5 });
});

test('others are told the whole total', async () => {
  const { meter, collect } = meterOf();
  observeMetrics(meter, async () => [readings({ 0: 10_000_000 })]);
  await Promise.resolve();
  await Promise.resolve();
  expect(await collect('readings')).toEqual({ [label('0')]: 10_000_000 });
});

test('the last look is a new one, and stays: what it asks is closed afterwards', async () => {
  let value = 1;
  const { meter, collect } = meterOf();
  const observed = observeMetrics(meter, async () => [own(value)]);
  await Promise.resolve();
  await Promise.resolve();
  expect(await collect('own')).toEqual({ '{}': 1 });
  // Within the second that instruments of one collection share.
  value = 11;
  await observed.settle();
  value = 0;
  later();
  expect(await collect('own')).toEqual({ '{}': 11 });
});

test('a first look in vain is no last one', async () => {
  let answers = false;
  const { meter, collect } = meterOf();
  observeMetrics(meter, async () => {
    if (!answers) throw new Error('not yet');
    return [own(3)];
  });
  await jest.advanceTimersByTimeAsync(100);
  expect(await collect('own')).toEqual({});
  answers = true;
  await jest.advanceTimersByTimeAsync(6_000);
  expect(await collect('own')).toEqual({ '{}': 3 });
});
