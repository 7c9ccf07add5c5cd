/**
 * Readings of the sample plant: a pure function of (seed, sensor, time). Every sensor gives one reading in
 * every 5 seconds of the epoch, a little late by its own delay, so any span of time can be asked for in
 * any order and two runs agree to the bit. Without faults a reading never leaves normal ± envelope.
 */
import { DEFAULT_SEED, faultsIn, type Fault } from './faults.ts';
import { envelope, SAMPLE_FLEET, sampleSensor, type SampleSensor } from './fleet.ts';
import { noiseAt, uniformAt, wanderAt } from './random.ts';
import type { Reading } from '../domain/reading.ts';
import type { SensorKey } from '../domain/sensor.ts';
import { DAY_MS } from '../domain/time.ts';

/** Time between two readings of a sensor: the default aggregation interval. */
export const READING_INTERVAL_MS = 5_000;

export interface SampleOptions {
  /** Whole number. Default: {@link DEFAULT_SEED}. */
  readonly seed?: number;
  /** Whether the known faults are in the readings. Default: true. */
  readonly faults?: boolean;
}

const WANDER_MS = 20 * 60_000;
/** Readings are late by up to this, never so much that they leave their 5 seconds. */
const LATEST_MS = 900;

// Streams of random numbers, so that no two decisions share a draw.
const NOISE = 1;
const WANDER = 2;
const JITTER = 3;
const BURST = 4;

/**
 * Readings of one sensor with times in [fromMs, toMs), by time.
 * @param which its place in SAMPLE_FLEET or its names
 * @throws FleetscoreError `UNKNOWN_SAMPLE_SENSOR`
 */
export function sampleReadings(
  which: number | SensorKey,
  fromMs: number,
  toMs: number,
  options: SampleOptions = {},
): Reading[] {
  const sensor = sampleSensor(which);
  const { seed = DEFAULT_SEED, faults = true } = options;
  const own = faults
    ? faultsIn(fromMs - LATEST_MS, toMs, seed).filter((fault) => fault.sensor.index === sensor.index)
    : [];
  const readings: Reading[] = [];
  for (let step = Math.floor(fromMs / READING_INTERVAL_MS); step * READING_INTERVAL_MS < toMs; step++) {
    const tsMs = timeOf(sensor, step, seed);
    if (tsMs < fromMs || tsMs >= toMs) continue;
    readings.push({ device: sensor.device, sensor: sensor.sensor, tsMs, value: valueAt(sensor, step, seed, own) });
  }
  return readings;
}

/** Readings of the whole fleet with times in [fromMs, toMs), by time: what a live feed sends. */
export function sampleFeed(fromMs: number, toMs: number, options: SampleOptions = {}): Reading[] {
  return SAMPLE_FLEET.flatMap((sensor) => sampleReadings(sensor.index, fromMs, toMs, options)).sort(
    (a, b) => a.tsMs - b.tsMs,
  );
}

function timeOf(sensor: SampleSensor, step: number, seed: number): number {
  return step * READING_INTERVAL_MS + Math.floor(uniformAt(seed, sensor.index, JITTER, step) * LATEST_MS);
}

function valueAt(sensor: SampleSensor, step: number, seed: number, faults: readonly Fault[]): number {
  const startMs = step * READING_INTERVAL_MS;
  const fault = faults.find(({ fromMs, toMs }) => startMs >= fromMs && startMs < toMs);
  const value = fault ? faultyAt(sensor, step, seed, fault) : normalAt(sensor, step, seed);
  return Number(Math.min(sensor.max, Math.max(sensor.min, value)).toFixed(sensor.decimals));
}

function normalAt(sensor: SampleSensor, step: number, seed: number): number {
  const noise = noiseAt(seed, sensor.index, NOISE, step);
  return (
    sensor.normal +
    sensor.response * loadAt(sensor.deviceIndex, step * READING_INTERVAL_MS, seed) +
    sensor.noise * noise
  );
}

/** Load of a device in [-1, 1]: the day's rhythm, each device at its own hour, and what production asks for. */
function loadAt(deviceIndex: number, ms: number, seed: number): number {
  const rhythm = Math.sin(2 * Math.PI * (ms / DAY_MS - 0.3 - deviceIndex * 0.02));
  return 0.6 * rhythm + 0.4 * wanderAt(ms / WANDER_MS, seed, deviceIndex, WANDER);
}

function faultyAt(sensor: SampleSensor, step: number, seed: number, fault: Fault): number {
  const normal = normalAt(sensor, step, seed);
  const reach = fault.sign * envelope(sensor);
  const at = step - fault.fromMs / READING_INTERVAL_MS;
  const steps = (fault.toMs - fault.fromMs) / READING_INTERVAL_MS;
  switch (fault.kind) {
    case 'spike':
      return normal + 4 * reach;
    case 'level-shift':
      return normal + 2.8 * reach;
    case 'drift':
      return normal + (3.2 * reach * (at + 1)) / steps;
    case 'noise-burst':
      return normal + 4 * envelope(sensor) * noiseAt(seed, sensor.index, BURST, step);
    case 'dropout':
      return sensor.min;
    case 'stuck':
      return normalAt(sensor, fault.fromMs / READING_INTERVAL_MS, seed);
    case 'slight-shift': {
      // Away from the side where the level stands, so that no single reading leaves the envelope.
      const side = Math.sign(sensor.response * loadAt(sensor.deviceIndex, fault.fromMs, seed));
      return normal - 0.35 * side * envelope(sensor);
    }
  }
}
