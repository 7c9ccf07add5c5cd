/** What reads raw capture as the ingest worker of a configuration reads events. */
import { defined } from '../domain/defined.ts';
import type { Config } from '../config.ts';
import { createEventParser, type EventParser } from '../ingest/parse-event.ts';
import { INGEST_DEFAULTS, parseSettings } from '../ingest/settings.ts';
import { ingestSettings } from './ingest-settings.ts';

export interface RawReader {
  readonly parse: EventParser;
  readonly clockSkewMs: number;
  /** How Event Hubs Capture names its files, where that is said. */
  readonly captureNames?: string;
}

export function rawReader(config: Config): RawReader {
  const settings = { ...INGEST_DEFAULTS, ...ingestSettings(config) };
  return {
    parse: createEventParser(parseSettings(settings)),
    clockSkewMs: settings.clockSkewMs,
    ...defined({ captureNames: config.ingest.captureNames }),
  };
}
