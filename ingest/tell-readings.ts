/**
 * What is to be known of readings as they pass: whose they are, how often they come, and how many are so far behind
 * those before them that ingest counts them as late. Memory is bounded: of sensors beyond the first 100,000 only the
 * readings are counted.
 */
import { keyOf, type SensorKey } from '../domain/sensor.ts';
import { HOUR_MS, windowStart } from '../domain/time.ts';
import type { WindowShape } from '../domain/windowing.ts';
import type { SentReading } from './send-readings.ts';

export interface SensorFacts extends SensorKey {
  readonly readings: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface ReadingFacts {
  readonly readings: number;
  /** Of the earliest and the newest; absent when there is none. */
  readonly firstMs?: number;
  readonly lastMs?: number;
  /**
   * Their windows ended more than the tolerance for disorder before a reading that came earlier. Ingest counts so for
   * each partition, so this is the most that can be late on their own account.
   */
  readonly late: number;
  /** The first ones, in the order in which they came. */
  readonly sensors: readonly SensorFacts[];
  /**
   * Sensors whose times once go back by nearly an hour, as those of a local clock do when it is put back: its two hours
   * would be one. Absent where there are none.
   */
  readonly putBack?: number;
  /** Between two readings of most sensors, ms: the median of theirs; absent where no sensor has two. */
  readonly everyMs?: number;
}

const MOST_SENSORS = 100_000;
/** Steps that tell how often a sensor reports. */
const MOST_STEPS = 31;

interface Known {
  readonly key: SensorKey;
  readings: number;
  firstMs: number;
  lastMs: number;
  /** Of the reading before. */
  beforeMs: number;
  putBack: boolean;
  /** Between the first readings, forwards. */
  readonly steps: number[];
}

const median = (numbers: readonly number[]): number | undefined =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** An hour less the step between two readings. */
const isPutBack = (ms: number): boolean => ms >= 0.75 * HOUR_MS && ms < HOUR_MS;

export interface ReadingWatch {
  readonly readings: AsyncIterable<SentReading>;
  facts(): ReadingFacts;
}

export function watchReadings(
  readings: AsyncIterable<SentReading>,
  { hopMs, outOfOrderMs }: Pick<WindowShape, 'hopMs'> & { readonly outOfOrderMs: number },
): ReadingWatch {
  const sensors = new Map<string, Known>();
  let count = 0;
  let late = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  async function* passing(): AsyncGenerator<SentReading> {
    for await (const reading of readings) {
      const { tsMs, device, sensor } = reading;
      count++;
      // As ingest counts it (windows.ts), for one partition: the oldest window of a reading ends within a hop of it.
      if (windowStart(tsMs, hopMs) + hopMs <= lastMs - outOfOrderMs) late++;
      firstMs = Math.min(firstMs, tsMs);
      lastMs = Math.max(lastMs, tsMs);
      const key = keyOf(reading);
      const known = sensors.get(key);
      if (known) {
        known.readings++;
        if (known.steps.length < MOST_STEPS && tsMs > known.lastMs) known.steps.push(tsMs - known.lastMs);
        known.putBack ||= isPutBack(known.beforeMs - tsMs);
        known.beforeMs = tsMs;
        known.firstMs = Math.min(known.firstMs, tsMs);
        known.lastMs = Math.max(known.lastMs, tsMs);
      } else if (sensors.size < MOST_SENSORS)
        sensors.set(key, {
          key: { device, sensor },
          readings: 1,
          firstMs: tsMs,
          lastMs: tsMs,
          beforeMs: tsMs,
          putBack: false,
          steps: [],
        });
      yield reading;
    }
  }
  return {
    readings: passing(),
    facts() {
      const all = [...sensors.values()].map(({ key, readings, firstMs, lastMs }) => ({
        ...key,
        readings,
        firstMs,
        lastMs,
      }));
      const putBack = [...sensors.values()].filter((known) => known.putBack).length;
      const everyMs = median([...sensors.values()].map(({ steps }) => median(steps)).filter((ms) => ms !== undefined));
      return {
        readings: count,
        ...(count > 0 ? { firstMs, lastMs } : undefined),
        late,
        sensors: all,
        ...(putBack === 0 ? undefined : { putBack }),
        ...(everyMs === undefined ? undefined : { everyMs }),
      };
    },
  };
}
