/**
 * Which readings of parsed events become windows: those that pass the filter, of sensors that the store knows or
 * takes. What the quota of sensors refuses is a problem of its event like any other.
 */
import type { IngestEvent } from './event.ts';
import type { ReadingFilter } from './filter.ts';
import type { ParsedEvent, ParsedReading } from './parse-event.ts';
import { addProblems, gatherProblems, type Findings } from './parse/problems.ts';
import type { SensorIds } from './sensor-ids.ts';

export interface Taken {
  readonly event: IngestEvent;
  readonly parsed: ParsedEvent;
}

export interface Admitted {
  readonly event: IngestEvent;
  readonly readings: readonly ParsedReading[];
  /** Readings that the filter left out. */
  readonly dropped: number;
  /** Undefined when all was taken. */
  readonly found?: Findings;
}

/** @param register makes sensors findable; not called when all are */
export async function admit(
  batch: readonly Taken[],
  filter: ReadingFilter | undefined,
  sensors: SensorIds,
  register: (unknown: readonly ParsedReading[]) => Promise<void>,
): Promise<readonly Admitted[]> {
  const kept = batch.map(({ event, parsed }): Admitted => {
    const readings = filter === undefined ? parsed.readings : parsed.readings.filter(filter);
    const dropped = parsed.readings.length - readings.length;
    return parsed.reasons
      ? { event, readings, dropped, found: { problems: parsed.problems, reasons: parsed.reasons } }
      : { event, readings, dropped };
  });
  const unknown: ParsedReading[] = [];
  for (const { readings } of kept)
    for (const reading of readings)
      if (sensors.find(reading.device, reading.sensor) === undefined) unknown.push(reading);
  if (unknown.length === 0) return kept;
  await register(unknown);
  return unknown.every(({ device, sensor }) => sensors.find(device, sensor) !== undefined)
    ? kept
    : kept.map((one) => withoutRefused(one, sensors));
}

function withoutRefused(one: Admitted, sensors: SensorIds): Admitted {
  const gathered = gatherProblems();
  const readings = one.readings.filter((reading) => {
    if (sensors.find(reading.device, reading.sensor) !== undefined) return true;
    gathered.add({ reason: 'too_many_sensors', message: sensors.refusal(reading) });
    return false;
  });
  return gathered.found ? { ...one, readings, found: addProblems(one.found, gathered.found) } : one;
}
