/**
 * Which readings become windows. What a filter drops is counted and stays in raw capture, so a wider filter can
 * be applied later by a rebuild.
 */
import { globMatches } from '../domain/glob.ts';
import type { ParsedReading } from './parse-event.ts';

/**
 * All conditions given must hold. Patterns are whole names in which `*` stands for any text and `?` for one character.
 */
export interface FilterSettings {
  readonly devices?: readonly string[];
  readonly exceptDevices?: readonly string[];
  readonly sensors?: readonly string[];
  readonly exceptSensors?: readonly string[];
  /** Inclusive, in the sensor's unit. */
  readonly minValue?: number;
  /** Inclusive, in the sensor's unit. */
  readonly maxValue?: number;
  /** Quality flags that are good, compared as text without case; readings without a flag are good. */
  readonly goodQuality?: readonly string[];
}

export type ReadingFilter = (reading: ParsedReading) => boolean;

const REMEMBERED = 100_000;

/** Undefined when the settings let everything pass. */
export function createFilter(settings: FilterSettings = {}): ReadingFilter | undefined {
  const device = nameTest(settings.devices, settings.exceptDevices);
  const sensor = nameTest(settings.sensors, settings.exceptSensors);
  const quality = settings.goodQuality && new Set(settings.goodQuality.map((flag) => flag.toLowerCase()));
  const min = settings.minValue ?? Number.NEGATIVE_INFINITY;
  const max = settings.maxValue ?? Number.POSITIVE_INFINITY;
  if (!device && !sensor && !quality && settings.minValue === undefined && settings.maxValue === undefined)
    return undefined;
  return (reading) =>
    reading.value >= min &&
    reading.value <= max &&
    (quality === undefined || reading.quality === undefined || quality.has(String(reading.quality).toLowerCase())) &&
    (device === undefined || device(reading.device)) &&
    (sensor === undefined || sensor(reading.sensor));
}

function nameTest(
  only: readonly string[] | undefined,
  except: readonly string[] | undefined,
): ((name: string) => boolean) | undefined {
  if (only === undefined && except === undefined) return undefined;
  const known = new Map<string, boolean>();
  return (name) => {
    let passes = known.get(name);
    if (passes === undefined) {
      passes =
        (only === undefined || only.some((pattern) => globMatches(pattern, name))) &&
        !except?.some((pattern) => globMatches(pattern, name));
      if (known.size >= REMEMBERED) known.clear();
      known.set(name, passes);
    }
    return passes;
  };
}
