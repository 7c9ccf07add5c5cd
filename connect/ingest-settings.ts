/** The settings of ingest as configured: the same ones for the ingest worker and for a rebuild. */
import type { Config } from '../config.ts';
import type { IngestSettings } from '../ingest/settings.ts';
import { defined } from '../domain/defined.ts';

export function ingestSettings({ ingest, eventHubs }: Pick<Config, 'ingest' | 'eventHubs'>): Partial<IngestSettings> {
  const { windowMs, hopMs, outOfOrderMs, clockSkewMs, fields, filter, capture, captureIntervalMs, captureBytes } =
    ingest;
  return {
    windowMs,
    hopMs,
    outOfOrderMs,
    clockSkewMs,
    fields,
    filter,
    capture,
    captureIntervalMs,
    captureBytes,
    quota: ingest.quota,
    onNewHub: eventHubs.onNewHub,
    ...defined({ timeUnit: ingest.timeUnit, lateLimitMs: ingest.lateLimitMs, workerName: ingest.workerName }),
  };
}
