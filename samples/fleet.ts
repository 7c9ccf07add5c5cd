/**
 * The sample fleet: a small plant of 12 devices with 5 sensors each. Data only: what every sensor measures,
 * where it normally stands, how it follows the load of its device, and what its instrument can show.
 * The models in samples/models were trained on this definition: after a change here, train again
 * (samples/README.md), or the tests of the samples fail.
 */
import { FleetscoreError } from '../domain/errors.ts';
import { keyOf, type SensorKey } from '../domain/sensor.ts';

/** One sensor of the sample fleet. Levels and amplitudes are in `unit`. */
export interface SampleSensor extends SensorKey {
  /** Position in {@link SAMPLE_FLEET}, from 0: seeds the sensor's own noise. */
  readonly index: number;
  /** Position of its device, from 0: sensors of one device share its load. */
  readonly deviceIndex: number;
  readonly unit: string;
  /** Level at middling load. */
  readonly normal: number;
  /** What full load adds to the level; negative when load lowers it. */
  readonly response: number;
  /** Standard deviation of a reading around its level. */
  readonly noise: number;
  /** Lowest and highest value the instrument can show. */
  readonly min: number;
  readonly max: number;
  /** Digits after the decimal point that the instrument gives. */
  readonly decimals: number;
}

// name, unit, normal, response, noise, min, max, decimals
type Row = readonly [string, string, number, number, number, number, number, number];

const PUMP: readonly Row[] = [
  ['discharge-pressure', 'bar', 6.2, -0.25, 0.06, 0, 16, 3],
  ['flow', 'm3/h', 118, 9, 1.6, 0, 250, 2],
  ['vibration', 'mm/s', 2.4, 0.2, 0.1, 0, 20, 3],
  ['bearing-temperature', '°C', 58, 3.5, 0.4, 0, 150, 2],
  ['motor-current', 'A', 41, 2.8, 0.5, 0, 100, 2],
];

const COMPRESSOR: readonly Row[] = [
  ['discharge-pressure', 'bar', 7.4, 0.22, 0.05, 0, 16, 3],
  ['discharge-temperature', '°C', 84, 4.5, 0.6, 0, 200, 2],
  ['oil-pressure', 'bar', 3.1, -0.12, 0.03, 0, 10, 3],
  ['vibration', 'mm/s', 3.6, 0.3, 0.14, 0, 25, 3],
  ['motor-current', 'A', 132, 11, 1.8, 0, 300, 2],
];

const CHILLER: readonly Row[] = [
  ['supply-temperature', '°C', 6.5, 0.5, 0.1, -10, 40, 3],
  ['return-temperature', '°C', 12.2, 1.1, 0.15, -10, 40, 3],
  ['condenser-pressure', 'bar', 9.1, 0.7, 0.1, 0, 25, 3],
  ['evaporator-pressure', 'bar', 2.6, -0.12, 0.03, 0, 10, 3],
  ['motor-current', 'A', 96, 12, 1.5, 0, 250, 2],
];

const CONVEYOR: readonly Row[] = [
  ['belt-speed', 'm/s', 1.6, -0.04, 0.015, 0, 4, 4],
  ['belt-tension', 'kN', 14.5, 1.3, 0.25, 0, 40, 3],
  ['gearbox-vibration', 'mm/s', 4.2, 0.35, 0.18, 0, 25, 3],
  ['motor-temperature', '°C', 66, 4, 0.5, 0, 180, 2],
  ['motor-current', 'A', 27, 3.2, 0.4, 0, 80, 2],
];

const BOILER: readonly Row[] = [
  ['steam-pressure', 'bar', 10.2, -0.3, 0.06, 0, 20, 3],
  ['steam-flow', 't/h', 6.8, 0.9, 0.12, 0, 16, 3],
  ['flue-gas-temperature', '°C', 186, 9, 1.2, 0, 450, 2],
  ['feedwater-temperature', '°C', 103, -2, 0.4, 0, 160, 2],
  ['oxygen', '%', 3.8, -0.35, 0.1, 0, 21, 3],
];

const COOLING_TOWER: readonly Row[] = [
  ['basin-temperature', '°C', 24.5, 1.6, 0.15, 0, 60, 3],
  ['makeup-flow', 'm3/h', 5.4, 0.5, 0.12, 0, 16, 3],
  ['fan-speed', 'rpm', 310, 26, 4, 0, 600, 1],
  ['fan-vibration', 'mm/s', 2.9, 0.25, 0.12, 0, 20, 3],
  ['motor-current', 'A', 18, 2, 0.3, 0, 50, 2],
];

// Machines of one kind are not twins: `level` multiplies what theirs normally show.
const DEVICES: readonly { readonly device: string; readonly level: number; readonly sensors: readonly Row[] }[] = [
  { device: 'pump-1', level: 1, sensors: PUMP },
  { device: 'pump-2', level: 0.96, sensors: PUMP },
  { device: 'pump-3', level: 1.07, sensors: PUMP },
  { device: 'compressor-1', level: 1, sensors: COMPRESSOR },
  { device: 'compressor-2', level: 1.05, sensors: COMPRESSOR },
  { device: 'chiller-1', level: 1, sensors: CHILLER },
  { device: 'chiller-2', level: 0.97, sensors: CHILLER },
  { device: 'conveyor-1', level: 1, sensors: CONVEYOR },
  { device: 'conveyor-2', level: 1.04, sensors: CONVEYOR },
  { device: 'boiler-1', level: 1, sensors: BOILER },
  { device: 'boiler-2', level: 1.03, sensors: BOILER },
  { device: 'cooling-tower-1', level: 1, sensors: COOLING_TOWER },
];

/** Every sensor of the sample fleet; a sensor's `index` is its place here. */
export const SAMPLE_FLEET: readonly SampleSensor[] = DEVICES.flatMap(({ device, level, sensors }, deviceIndex) =>
  sensors.map(([sensor, unit, normal, response, noise, min, max, decimals], at): SampleSensor => ({
    index: deviceIndex * sensors.length + at,
    deviceIndex,
    device,
    sensor,
    unit,
    normal: normal * level,
    response,
    noise,
    min,
    max,
    decimals,
  })),
);

const BY_KEY = new Map(SAMPLE_FLEET.map((sensor) => [keyOf(sensor), sensor]));

/**
 * A sensor of the sample fleet by its index or its names.
 * @throws FleetscoreError `UNKNOWN_SAMPLE_SENSOR`
 */
export function sampleSensor(which: number | SensorKey): SampleSensor {
  const sensor = typeof which === 'number' ? SAMPLE_FLEET[which] : BY_KEY.get(keyOf(which));
  if (sensor) return sensor;
  const named = typeof which === 'number' ? `index ${which}` : `${which.device} ${which.sensor}`;
  throw new FleetscoreError(
    'UNKNOWN_SAMPLE_SENSOR',
    `The sample fleet has no sensor ${named}. It has ${SAMPLE_FLEET.length}: see samples/fleet.ts.`,
  );
}

/** How far normal readings can stand from `normal`: full load plus the largest noise (see readings.ts). */
export function envelope(sensor: SampleSensor): number {
  return Math.abs(sensor.response) + NOISE_BOUND * sensor.noise;
}

/** Largest noise there is, in standard deviations: the noise is a sum of four uniform draws. */
const NOISE_BOUND = Math.sqrt(12);

/** Folder of the trained models: `model_<device>_<sensor>.onnx` and `manifest.csv` (Device,Sensor,Model). */
export const SAMPLE_MODELS_DIR = new URL('./models/', import.meta.url);
