/** What reads raw capture as the ingest worker of a configuration reads events. */
import type { Config } from '../config.ts';
import { createEventParser, type EventParser } from '../ingest/parse-event.ts';
import { INGEST_DEFAULTS, parseSettings } from '../ingest/settings.ts';
import { ingestSettings } from './ingest-settings.ts';

export function rawReader(config: Config): { readonly parse: EventParser; readonly clockSkewMs: number } {
  const settings = { ...INGEST_DEFAULTS, ...ingestSettings(config) };
  return { parse: createEventParser(parseSettings(settings)), clockSkewMs: settings.clockSkewMs };
}
