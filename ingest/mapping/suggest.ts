/**
 * Which ready-made mapping would take events that were refused: people know their payloads, and seldom the names of
 * ours. Every mapping is tried on the events themselves, so that what is proposed holds.
 */
import type { EventBody } from '../parse/body.ts';
import { createEventParser, type ParseSettings } from '../parse-event.ts';
import { MAPPING_NAMES, namedMapping } from './named.ts';

export interface Suggestion {
  readonly name: string;
  /** How many of the events it takes whole. */
  readonly events: number;
}

/** The most special first: of two that take as many events it is the right one. */
const ORDER = [...MAPPING_NAMES].sort((a, b) => rank(a) - rank(b));

function rank(name: string): number {
  if (name === 'wide') return 3;
  if (name === 'iot-operations') return 2;
  return name === 'iot-hub' ? 1 : 0;
}

/** Undefined when none takes any of them. */
export function suggestMapping(events: readonly EventBody[], settings: ParseSettings): Suggestion | undefined {
  const tried = ORDER.map((name): Suggestion => {
    const parse = createEventParser({ ...settings, mapping: namedMapping(name)! });
    const taken = events.filter((event) => {
      if (name === 'iot-hub' && !isOfIotHub(event)) return false;
      const { readings, problems } = parse(event);
      return readings.length > 0 && problems.length === 0;
    });
    return { name, events: taken.length };
  });
  const most = Math.max(...tried.map(({ events: taken }) => taken));
  return most === 0 ? undefined : tried.find(({ events: taken }) => taken === most);
}

/** Any event with numbers would do for it; only those that came through IoT Hub are meant. */
function isOfIotHub({ systemProperties = {}, body }: EventBody): boolean {
  if (Object.keys(systemProperties).some((name) => name.startsWith('iothub-'))) return true;
  const text = body instanceof Uint8Array ? Buffer.from(body).toString('latin1') : String(body);
  return /"systemProperties"|"IoTHub"/i.test(text);
}
