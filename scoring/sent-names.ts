/**
 * Names of sensors on their way to another thread: one text and one column, because an object for each costs both
 * threads more than to write its rows. Names hold no line feeds (domain/sensor.ts), so one ends each.
 */
import type { NamedSensor } from './predictions-content.ts';

export interface SentNames {
  readonly ids: Float64Array;
  /** Device and sensor of each, a line each. */
  readonly text: string;
  /** Length of the windows of those that have their own, milliseconds, by id. */
  readonly own: ReadonlyMap<number, number>;
}

export function toSent(sensors: readonly NamedSensor[]): SentNames {
  const ids = new Float64Array(sensors.length);
  const own = new Map<number, number>();
  const lines: string[] = [];
  for (const [i, { id, device, sensor, windowMs }] of sensors.entries()) {
    ids[i] = id;
    lines.push(device, sensor);
    if (windowMs !== undefined) own.set(id, windowMs);
  }
  return { ids, text: lines.join('\n'), own };
}

export function fromSent({ ids, text, own }: SentNames): NamedSensor[] {
  const lines = text.split('\n');
  return Array.from(ids, (id, i) => {
    const [device, sensor, windowMs] = [lines[2 * i]!, lines[2 * i + 1]!, own.get(id)];
    return windowMs === undefined ? { id, device, sensor } : { id, device, sensor, windowMs };
  });
}
