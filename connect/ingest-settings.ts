/** The settings of ingest as configured: the same for the ingest worker, a rebuild, and who looks at raw capture. */
import type { Config } from '../config.ts';
import { readMapping } from './mapping.ts';
import type { IngestSettings } from '../ingest/settings.ts';
import { defined } from '../domain/defined.ts';

/** @throws FleetscoreError `INVALID_MAPPING` */
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
    ...defined({
      timeUnit: ingest.timeUnit,
      mapping: readMapping(ingest.mapping),
      defaultDevice: ingest.defaultDevice,
      lateLimitMs: ingest.lateLimitMs,
      workerName: ingest.workerName,
    }),
  };
}
