/** The settings of ingest as configured: the same ones for the ingest worker and for a rebuild. */
import type { Config } from '../config.ts';
import type { IngestSettings } from '../ingest/settings.ts';

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
    ...(ingest.timeUnit === undefined ? {} : { timeUnit: ingest.timeUnit }),
    ...(ingest.lateLimitMs === undefined ? {} : { lateLimitMs: ingest.lateLimitMs }),
    ...(ingest.workerName === undefined ? {} : { workerName: ingest.workerName }),
  };
}
